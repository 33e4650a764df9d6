"""The tables of docs/scaling.md, made of `scaling_figures`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

from benchmarks.scaling_figures import (
    DIMENSIONS,
    HOUR,
    SIZES,
    Assumed,
    Case,
    Measured,
    graph_bytes,
    heap_bytes,
    most_in_build,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table of the page, its first row the heads."""

    name: str
    rows: Sequence[Sequence[str]]

    def __str__(self) -> str:
        head, *rest = ("| " + " | ".join(row) + " |" for row in self.rows)
        return "\n".join([head, "|" + "---|" * len(self.rows[0]), *rest])


def tables(m: Measured, a: Assumed) -> list[Table]:
    """All tables of the page."""
    cases = [Case(chunks=n, dimension=d, m=m, a=a) for d in DIMENSIONS for n in SIZES]
    return [
        _assumed(a),
        _storage(cases),
        _graphs(cases),
        _ingest(cases, a),
        _qdrant(cases, a),
        _asks(m, a),
        _money(cases, a),
        _steps(next(c for c in cases if (c.chunks, c.dimension) == (SIZES[-1], 384)), m, a),
    ]


def _assumed(a: Assumed) -> Table:
    what = {
        "vcpu_hour": "price of a vCPU for an hour",
        "gib_ram_month": "of a GiB of memory for a month",
        "gb_ssd_month": "of a GB of SSD for a month",
        "gpu_hour": "of an H200 for an hour",
        "gib_ram_a_machine": "GiB of memory of the machines that hold an index",
        "gib_ram_a_vcpu": "GiB of memory that come with a vCPU on them",
        "ram_room": "memory to have, of what is to stay in it",
        "disk_room": "disk to have, of what lies on it (log, sorting, replaced rows)",
        "busy": "share of a core that is planned to be busy with questions",
        "replicas": "copies of each Qdrant shard",
        "cores_a_machine": "cores of a machine that ingests",
        "machines": "machines that ingest",
        "publishing_cores": "cores of the Postgres that is published to",
        "tokens_a_pair": "tokens of a question with a passage",
    }
    values = asdict(a)
    cells = [(f"`{name}`", _number(values[name]), meaning) for name, meaning in what.items()]
    half = len(cells) // 2
    return Table(
        name="assumed",
        rows=[
            ("input", "value", "what") * 2,
            *(left + right for left, right in zip(cells[:half], cells[half:], strict=True)),
        ],
    )


def _rows(cases: Sequence[Case], cells: Mapping[str, Callable[[Case], str]]) -> list[tuple[str, ...]]:
    return [
        ("chunks", "dimension", *cells),
        *((f"{c.chunks:,}", f"{c.dimension:,}", *(cell(c) for cell in cells.values())) for c in cases),
    ]


def _storage(cases: Sequence[Case]) -> Table:
    cells: dict[str, Callable[[Case], str]] = {
        "text, documents": lambda c: _number(c.gb(c.text_bytes)),
        "words": lambda c: _number(c.gb(c.words_bytes)),
        "vectors": lambda c: _number(c.gb(heap_bytes(c.dimension))),
        "graph": lambda c: _number(c.gb(graph_bytes(c.dimension))),
        "together": lambda c: _number(c.gb(c.text_bytes + c.words_bytes + c.vectors_bytes)),
        "disk to have": lambda c: _number(c.disk_gb),
        "memory, GiB: graph alone": lambda c: _number(c.gib_ram(graph_bytes(c.dimension))),
        "graph, vectors, words": lambda c: _number(c.hot_gib),
        "machines": lambda c: _number(math.ceil(c.hot_gib / c.a.gib_ram_a_machine)),
    }
    return Table(name="storage", rows=_rows(cases, cells))


def _graphs(cases: Sequence[Case]) -> Table:
    cells: dict[str, Callable[[Case], str]] = {
        "one graph, core hours": lambda c: (
            " to ".join(map(_number, c.graph_core_h)) + (" *" if c.chunks > 1e6 else "")
        ),
        "times what fits into the build's 4 GB": lambda c: _number(c.chunks / most_in_build(c.dimension)),
        "graphs of a million": lambda c: _number(c.parts),
        "their core hours": lambda c: _number(c.graphs_core_h),
        "view that the rule wants (at most 1,000)": lambda c: _number(400 * (c.chunks / 1e5) ** 0.2),
    }
    return Table(name="graphs", rows=_rows(cases, cells))


def _ingest(cases: Sequence[Case], a: Assumed) -> Table:
    others, cores = _others_ms(cases[0].m), a.machines * a.cores_a_machine
    cells: dict[str, Callable[[Case], str]] = {
        "embedding, core hours": lambda c: _number(c.embed_core_h) if c.dimension == 384 else "not measured",
        f"hours on {_number(a.machines)} machines": lambda c: (
            _number((c.embed_core_h + c.core_h(others)) / cores) if c.dimension == 384 else "not measured"
        ),
        "embedding, GPU hours": lambda c: _number(c.embed_gpu_h),
        "cores that keep one GPU fed": lambda c: _number(c.core_h(others) / c.embed_gpu_h),
        f"publishing, hours on {_number(a.publishing_cores)} cores": lambda c: _number(
            c.core_h(c.m.publish_ms) / a.publishing_cores
        ),
        "segments, hours": lambda c: _number(c.merge_h) + (" *" if c.chunks > 1e6 else ""),
    }
    return Table(name="ingest", rows=_rows(cases, cells))


def _others_ms(m: Measured) -> float:
    """What a chunk takes of a core before it is embedded."""
    return m.parse_and_chunk_ms + m.tokenize_ms


def _qdrant(cases: Sequence[Case], a: Assumed) -> Table:
    def machines(gib: float) -> str:
        return _number(max(3, math.ceil(gib * a.replicas / a.gib_ram_a_machine)))

    copies = _number(a.replicas)
    cells: dict[str, Callable[[Case], str]] = {
        "float32, GiB": lambda c: _number(c.qdrant_gib(4)),
        "int8, GiB": lambda c: _number(c.qdrant_gib(1)),
        "1 bit, GiB": lambda c: _number(c.qdrant_gib(1 / 8)),
        f"nodes for {copies} copies: float32": lambda c: machines(c.qdrant_gib(4)),
        "int8": lambda c: machines(c.qdrant_gib(1)),
        "1 bit": lambda c: machines(c.qdrant_gib(1 / 8)),
        f"disk of {copies} copies, GB": lambda c: _number(c.qdrant_disk_gb * a.replicas),
        "Postgres: memory for words, GiB": lambda c: _number(c.gib_ram(c.words_bytes)),
        "its disk, GB": lambda c: _number(c.gb(c.text_bytes + c.words_bytes) * a.disk_room),
    }
    return Table(name="qdrant", rows=_rows(cases, cells))


def _asks(m: Measured, a: Assumed) -> Table:
    rest = m.ask_core_s - m.ask_core_s_models
    pairs = m.gpu_pairs_tokens_per_s / (m.pairs_an_ask * a.tokens_a_pair)

    def row(asks: int) -> tuple[str, ...]:
        searches = [
            asks * (m.question_core_s + m.search_core_s * f) / a.busy for f in (1, m.search_factor_1m)
        ]
        return (
            f"{asks:,}",
            *(_number(math.ceil(cores)) for cores in searches),
            _number(math.ceil(asks * m.ask_core_s / a.busy)),
            _number(math.ceil(asks * rest / a.busy)),
            _number(math.ceil(asks / (pairs * a.busy))),
        )

    heads = (
        "a second",
        "searches alone, 100,000 chunks: cores",
        "a million: cores *",
        "asks, models on CPU: cores",
        "asks, models on GPU: cores",
        "and GPUs (bge-reranker-large)",
    )
    return Table(name="asks", rows=[heads, *(row(asks) for asks in (1, 10, 100))])


def _money(cases: Sequence[Case], a: Assumed) -> Table:
    def qdrant(c: Case, bytes_a_number: float) -> float:
        postgres = c.month(c.gib_ram(c.words_bytes), c.gb(c.text_bytes + c.words_bytes) * a.disk_room)
        return postgres + a.replicas * c.month(c.qdrant_gib(bytes_a_number), c.qdrant_disk_gb)

    def once(c: Case, embedding: float) -> float:
        """Everything that is done once, by processor time, with graphs of a million."""
        done = c.core_h(_others_ms(c.m) + c.m.publish_ms) + c.merge_h + c.graphs_core_h
        return done * a.vcpu_hour + embedding

    cells: dict[str, Callable[[Case], str]] = {
        "pgvector, a month": lambda c: _number(c.month(c.hot_gib, c.disk_gb)),
        "graph alone in memory": lambda c: _number(c.month(c.gib_ram(graph_bytes(c.dimension)), c.disk_gb)),
        "Qdrant float32": lambda c: _number(qdrant(c, 4)),
        "Qdrant int8": lambda c: _number(qdrant(c, 1)),
        "ingesting once, on CPU": lambda c: (
            _number(once(c, c.embed_core_h * a.vcpu_hour)) if c.dimension == 384 else "not measured"
        ),
        "on GPU": lambda c: _number(once(c, c.embed_gpu_h * a.gpu_hour)),
    }
    return Table(name="money", rows=_rows(cases, cells))


def _steps(c: Case, m: Measured, a: Assumed) -> Table:
    """One column of the tables above, with its numbers put in."""

    def lines() -> Iterator[tuple[str, str, str]]:
        n = f"{c.chunks:,}"
        parts = (graph_bytes(c.dimension), heap_bytes(c.dimension), m.forward_bytes, m.inverted_bytes)
        yield (
            "memory for graph, vectors, words",
            f"{n} × ({' + '.join(f'{part:,.0f}' for part in parts)}) B / 2^30 × {a.ram_room}",
            f"{_number(c.hot_gib)} GiB",
        )
        yield (
            "embedding on CPU",
            f"{n} × {m.tokens_a_chunk:,.0f} tokens / {m.cpu_tokens_per_s:,.0f} a second / 3,600",
            f"{_number(c.embed_core_h)} core hours",
        )
        yield (
            "embedding on GPU",
            f"{n} × {m.tokens_a_chunk:,.0f} tokens / {m.gpu_tokens_per_s_384:,.0f} a second / 3,600",
            f"{_number(c.embed_gpu_h)} GPU hours",
        )
        yield (
            "publishing",
            f"{n} × {m.publish_ms} ms / 3,600 / {_number(a.publishing_cores)} cores",
            f"{_number(c.core_h(m.publish_ms) / a.publishing_cores)} hours",
        )
        yield (
            "segments",
            f"{n} × ({m.merge_ms_at_1m} + {m.merge_ms_a_decade} × log10(chunks / 1,000,000)) ms / 3,600",
            f"{_number(c.merge_h)} hours *",
        )
        core = 1e3 / (1e3 * m.tokens_a_chunk / m.cpu_tokens_per_s + _others_ms(m))
        yield (
            "chunks a second that a core parses and embeds",
            f"1,000 / (1,000 × {m.tokens_a_chunk:,.0f} / {m.cpu_tokens_per_s:,.0f} + {_others_ms(m):.2f} ms)",
            _number(core),
        )
        merged = 1e3 / m.merge_ms_at_1m, c.chunks / c.merge_h / HOUR
        yield (
            "cores that outrun one merger",
            f"1,000 / {m.merge_ms_at_1m} ms / {_number(core)} at a million; at {n} 1,000 / {1e3 / merged[1]:.2f} ms",
            f"{_number(round(merged[0] / core))}; {_number(round(merged[1] / core))} *",
        )
        yield (
            "cores that outrun publishing",
            f"{_number(a.publishing_cores)} × 1,000 / {m.publish_ms} ms / {_number(core)}",
            _number(round(a.publishing_cores * 1e3 / m.publish_ms / core)),
        )
        gib_month = f"({a.gib_ram_month} + {a.vcpu_hour} × 730 / {_number(a.gib_ram_a_vcpu)})"
        yield (
            "a month of pgvector",
            f"{_number(c.hot_gib)} × {gib_month} + {_number(c.disk_gb)} × {a.gb_ssd_month}",
            _number(c.month(c.hot_gib, c.disk_gb)),
        )

    return Table(name="steps", rows=[("what", "arithmetic", "result"), *lines()])


def _number(value: float) -> str:
    """Three digits of it, or the whole of a large one."""
    if value == round(value) or value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"
