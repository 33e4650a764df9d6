"""What the reranker makes of pairs, kept in a folder: its logit, and its hidden states after the eighth layer.

The trained layers start from these, so that training computes the frozen eight layers once, and just as the product
will: in int8, one pair a run.
"""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from generation.entailment import MAX_TOKENS, TAP
from retrieval.sessions import OnnxSession
from retrieval.tokenizing import TextTokenizer

WIDTH = 384
Pair = tuple[str, str]
_REPORT_EVERY = 500


class HiddenStates:
    """The folder, to be entered with `with`. States are float16, one pair behind the other."""

    def __init__(self, folder: Path, weights: Path) -> None:
        self._folder = folder
        self._weights = weights
        self._index: dict[str, tuple[int, int, float]] = {}
        self._session: OnnxSession | None = None

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        index = self._folder / "pairs.tsv"
        for line in index.read_text().splitlines() if index.exists() else ():
            key, start, tokens, logit = line.split("\t")
            self._index[key] = (int(start), int(tokens), float(logit))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            self._session.close()

    def fill(self, pairs: Iterable[Pair]) -> None:
        """Compute what is not there yet. A run that is killed leaves whole pairs."""
        missing = {key: pair for pair in pairs if (key := _key(pair)) not in self._index}
        if not missing:
            return
        self._session = self._session or OnnxSession(self._weights / "model.onnx", tap=TAP)
        tokenizer = TextTokenizer.from_file(self._weights / "tokenizer.json", max_tokens=MAX_TOKENS)
        started = time.monotonic()
        with (
            (self._folder / "states.bin").open("ab") as states,
            (self._folder / "pairs.tsv").open("a") as index,
        ):
            for done, (key, pair) in enumerate(missing.items(), start=1):
                logit, hidden = self._session.run_tapped(*tokenizer.pair_ids(*pair))
                start = states.tell()
                states.write(hidden.astype(np.float16).tobytes())
                states.flush()
                self._index[key] = (start, len(hidden), float(logit[0]))
                index.write(f"{key}\t{start}\t{len(hidden)}\t{float(logit[0])}\n")
                index.flush()
                if done % _REPORT_EVERY == 0:
                    print(
                        f"  {done} of {len(missing)} pairs, {time.monotonic() - started:.0f} s",
                        file=sys.stderr,
                    )

    def __contains__(self, pair: Pair) -> bool:
        return _key(pair) in self._index

    def logit(self, pair: Pair) -> float:
        """The reranker's."""
        return self._index[_key(pair)][2]

    def tokens(self, pair: Pair) -> int:
        """How many tokens the pair has."""
        return self._index[_key(pair)][1]

    def padded(self, pairs: Sequence[Pair]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The states of some pairs, shape (pairs, longest, WIDTH), and which places hold a token."""
        longest = max(self.tokens(pair) for pair in pairs)
        states = np.zeros((len(pairs), longest, WIDTH), dtype=np.float32)
        mask = np.zeros((len(pairs), longest), dtype=np.float32)
        with (self._folder / "states.bin").open("rb") as file:
            for row, pair in enumerate(pairs):
                start, tokens, _ = self._index[_key(pair)]
                file.seek(start)
                read = np.frombuffer(file.read(tokens * WIDTH * 2), dtype=np.float16)
                states[row, :tokens] = read.reshape(tokens, WIDTH)
                mask[row, :tokens] = 1.0
        return states, mask


def _key(pair: Pair) -> str:
    return hashlib.sha256("\0".join(pair).encode("utf-8", "surrogatepass")).hexdigest()[:40]
