"""Figures for the arithmetic to 100 million chunks: what was measured, what a reader has to replace, one case of it.

`Measured` says what was (docs/performance.md and docs/scaling.md say where), `Assumed` prices and habits.
GB is 10^9 bytes, GiB 2^30.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

SIZES = (1_000_000, 10_000_000, 100_000_000)
DIMENSIONS = (384, 1_024)
HOUR = 3_600.0
HOURS_A_MONTH = 730.0
GIB = 2**30
_PAGE = 8_192


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What was measured, in the units of its name; per core where nothing else is said."""

    tokens_a_chunk: float = 203
    text_bytes: float = 2_046
    document_bytes: float = 50
    forward_bytes: float = 939
    inverted_bytes: float = 551
    cpu_tokens_per_s: float = 4_280
    gpu_tokens_per_s_384: float = 2_543_270
    gpu_tokens_per_s_1024: float = 779_856
    gpu_pairs_tokens_per_s: float = 759_574
    parse_and_chunk_ms: float = 1.70
    tokenize_ms: float = 0.83
    publish_ms: float = 2.45
    merge_ms_at_1m: float = 0.93
    merge_ms_a_decade: float = 0.43
    graph_core_s_at_1m: float = 768
    graph_core_s_at_1m_earlier: float = 1_408
    graph_exponent_earlier: float = 1.59
    graph_factor_1024: float = 1.8
    ask_core_s: float = 0.97
    ask_core_s_models: float = 0.82
    question_core_s: float = 0.013
    search_core_s: float = 0.051
    search_factor_1m: float = 2.3
    pairs_an_ask: float = 33


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumed:
    """Prices and habits: nobody's quotation. Replace them."""

    vcpu_hour: float = 0.04
    gib_ram_month: float = 3.0
    gb_ssd_month: float = 0.10
    gpu_hour: float = 4.0
    gib_ram_a_machine: float = 512
    gib_ram_a_vcpu: float = 8
    ram_room: float = 1.25
    disk_room: float = 1.5
    busy: float = 0.7
    replicas: float = 2
    cores_a_machine: float = 16
    machines: float = 4
    publishing_cores: float = 16
    tokens_a_pair: float = 230


def heap_bytes(dimension: int) -> float:
    """A row of a table of half-precision vectors with its primary key: whole rows to a page of Postgres."""
    row = _aligned(24 + 8 + 8 + 2 * dimension) + 4
    return _PAGE / ((_PAGE - 24) // row) + 20 / 0.9


def graph_bytes(dimension: int) -> float:
    """A vector in pgvector's graph (m 16): the element with its vector, and its links, whole pairs to a page."""
    pair = _aligned(72 + 8 + 2 * dimension) + 4 + _aligned(4 + 6 * 32) + 4
    return _PAGE / ((_PAGE - 32) // pair)


def most_in_build(dimension: int) -> int:
    """Vectors whose graph is built within the 4,096 MB that `retrieval/stores/graphs.py` takes at most."""
    return (4_096 - 64) * 2**20 // (2 * dimension + 1_300)


def _aligned(size: int) -> int:
    return -(-size // 8) * 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """So many chunks of a dimension, by these figures."""

    chunks: int
    dimension: int
    m: Measured
    a: Assumed

    @property
    def words_bytes(self) -> float:
        return self.m.forward_bytes + self.m.inverted_bytes

    @property
    def vectors_bytes(self) -> float:
        return heap_bytes(self.dimension) + graph_bytes(self.dimension)

    @property
    def text_bytes(self) -> float:
        return self.m.text_bytes + self.m.document_bytes

    def gb(self, bytes_a_chunk: float) -> float:
        return self.chunks * bytes_a_chunk / 1e9

    def gib_ram(self, bytes_a_chunk: float) -> float:
        """Memory to have for so much, with room for connections, sorting and the system."""
        return self.chunks * bytes_a_chunk / GIB * self.a.ram_room

    @property
    def disk_gb(self) -> float:
        return self.gb(self.text_bytes + self.words_bytes + self.vectors_bytes) * self.a.disk_room

    @property
    def hot_gib(self) -> float:
        """Graph, vectors and words in memory, as they were when searches were measured."""
        return self.gib_ram(self.words_bytes + self.vectors_bytes)

    @property
    def graph_core_h(self) -> tuple[float, float]:
        """One graph: as n log n from the latest build of a million, and by the growth of an earlier trial."""
        factor = self.m.graph_factor_1024 if self.dimension > 384 else 1.0
        millions = self.chunks / 1e6
        low = self.m.graph_core_s_at_1m * millions * math.log(self.chunks) / math.log(1e6)
        high = self.m.graph_core_s_at_1m_earlier * millions**self.m.graph_exponent_earlier
        return low * factor / HOUR, high * factor / HOUR

    @property
    def parts(self) -> int:
        """Graphs of a million vectors, the largest that was measured."""
        return math.ceil(self.chunks / 1e6)

    @property
    def graphs_core_h(self) -> float:
        factor = self.m.graph_factor_1024 if self.dimension > 384 else 1.0
        return self.parts * self.m.graph_core_s_at_1m * factor / HOUR

    @property
    def embed_core_h(self) -> float:
        return self.chunks * self.m.tokens_a_chunk / self.m.cpu_tokens_per_s / HOUR

    @property
    def embed_gpu_h(self) -> float:
        rate = self.m.gpu_tokens_per_s_384 if self.dimension == 384 else self.m.gpu_tokens_per_s_1024
        return self.chunks * self.m.tokens_a_chunk / rate / HOUR

    def core_h(self, milliseconds: float) -> float:
        return self.chunks * milliseconds / 1e3 / HOUR

    @property
    def merge_h(self) -> float:
        """One collection's one merger."""
        decades = math.log10(self.chunks / 1e6)
        return self.core_h(self.m.merge_ms_at_1m + self.m.merge_ms_a_decade * decades)

    def qdrant_gib(self, bytes_a_number: float) -> float:
        """One copy in memory by Qdrant's rule, 1.5 times the vectors; originals on disk where numbers are shorter."""
        whole = self.chunks * self.dimension * 4 * 1.5
        if bytes_a_number == 4:
            return whole / GIB
        links_and_payload = 2 * 16 * 4 + 64
        return self.chunks * (self.dimension * bytes_a_number + links_and_payload) * self.a.ram_room / GIB

    @property
    def qdrant_disk_gb(self) -> float:
        return self.chunks * self.dimension * 4 * 1.5 / 1e9 * self.a.disk_room

    def month(self, gib: float, gb: float) -> float:
        """A month of so much memory, with the processors that come with it, and disk."""
        vcpus = gib / self.a.gib_ram_a_vcpu
        return (
            gib * self.a.gib_ram_month + gb * self.a.gb_ssd_month + vcpus * self.a.vcpu_hour * HOURS_A_MONTH
        )
