"""Train the layers that the support check reads with, and read the claims that it is measured on.

    python -m benchmarks.support_training WORK --weights FOLDER [--made 7000]

Needs torch, transformers and onnx beside the project, WordNet's files (Debian's wordnet-base), and FOOTNOTE_TEST_DATA.
The layers learn from made pairs (`benchmarks.support_pairs`), then from the claims of the grounding sets. Three times
they learn from two thirds of these alone, and read the third that they do not know: these readings are what the
regressions are fitted on and measured with (`benchmarks.support`). The layers that ship have learned from all of them.
WORK holds hidden states, layers and logits; what is there is not computed again.
"""

from __future__ import annotations

import argparse
import hashlib
import pickle
import random
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.support_hidden import HiddenStates, Pair
from benchmarks.support_layers import Example, Layers, export, from_reranker, train
from benchmarks.support_pairs import LABELS, made_pairs
from benchmarks.support_reading import Item, items
from benchmarks.support_sets import DATA, rows
from generation.entailment import LAYERS_FILE
from retrieval.sessions import OnnxSession

_THIRDS = (0, 1, 2)
_MADE_RATE, _CLAIMS_RATE = 1e-4, 8e-5
_CLAIMS_EPOCHS = 1.5
_LARGE_SETS = frozenset({"begin-dev"})
"""Of their claims half are learned from: they are alike."""

_MADE_SHARE = 0.25
"""Made pairs to every pair of the claims, so that what was learned from them is not forgotten."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("work", type=Path)
    parser.add_argument("--weights", type=Path, required=True, help="the folder of the reranker's files")
    parser.add_argument("--made", type=int, default=7000, help="how many made pairs (default 7000)")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    read = items()
    with HiddenStates(arguments.work, arguments.weights) as states:
        made = _made_examples(arguments.made)
        states.fill(each.pair for each in made)
        states.fill(pair for part in read.values() for item in part for pair in item.pairs)
        begun = _kept(arguments.work / "made.pt") or from_reranker(arguments.weights / "model.onnx")
        if not (arguments.work / "made.pt").exists():
            train(begun, made, states, epochs=1.0, rate=_MADE_RATE, seed=1)
            torch.save(begun.state_dict(), arguments.work / "made.pt")
        logits: dict[Pair, NDArray[np.float32]] = {}
        for third in _THIRDS:
            known = [item for item in read["grounding"] if _third(item) != third]
            unknown = [item for item in read["grounding"] if _third(item) == third]
            path = arguments.work / f"without-{third}.onnx"
            export(_taught(known, made, states, arguments.work / f"without-{third}.pt", third), path)
            logits |= _read(path, unknown, states)
        everything = arguments.work / "everything.pt"
        export(_taught(read["grounding"], made, states, everything, len(_THIRDS)), LAYERS_FILE)
        logits |= _read(LAYERS_FILE, [*read["fitting"], *read["testing"]], states)
    (arguments.work / "logits.pickle").write_bytes(pickle.dumps(logits))


def _made_examples(count: int) -> list[Example]:
    held_out = {row["title"] for row in rows(DATA / "qa" / "squad2-dev" / "docs.jsonl")}
    return [
        Example(pair=(pair.claim, pair.source), label=LABELS.index(pair.label))
        for pair in made_pairs(random.Random(13), count, held_out)
    ]


def _third(item: Item) -> int:
    """Claims of one group are in one third."""
    return int(hashlib.sha256(f"t{item.claim.group}".encode()).hexdigest()[:8], 16) % len(_THIRDS)


def _taught(
    claims: Sequence[Item], made: Sequence[Example], states: HiddenStates, path: Path, seed: int
) -> Layers:
    """The layers after they have learned from claims, too; those in `path` where there are any."""
    if kept := _kept(path):
        return kept
    layers = _kept(path.parent / "made.pt")
    assert layers is not None, "made pairs come first"
    rng = random.Random(5 + seed)
    examples = [example for item in claims for example in _examples(item, rng)]
    examples += rng.sample(made, min(len(made), int(_MADE_SHARE * len(examples))))
    train(layers, examples, states, epochs=_CLAIMS_EPOCHS, rate=_CLAIMS_RATE, seed=seed)
    torch.save(layers.state_dict(), path)
    return layers


def _examples(item: Item, rng: random.Random) -> Iterable[Example]:
    """The claim beside all that is read together, and beside one sentence, which says as much if it was chosen."""
    claim, large = item.claim, item.claim.set_name in _LARGE_SETS
    if large and rng.random() > 0.5:
        return
    yield Example(pair=item.pairs[-1], label=LABELS.index(claim.label))
    if not large and rng.random() < 0.5:
        sentence = rng.choice(item.singles)
        label = claim.label if sentence in claim.reading else "not stated"
        yield Example(pair=(claim.claim, sentence), label=LABELS.index(label))


def _kept(path: Path) -> Layers | None:
    if not path.exists():
        return None
    layers = Layers()
    layers.load_state_dict(torch.load(path))
    return layers


def _read(model: Path, claims: Sequence[Item], states: HiddenStates) -> dict[Pair, NDArray[np.float32]]:
    """The logits of exported layers, in int8 as they ship, for every pair of some claims."""
    layers = OnnxSession(model)
    return {
        pair: layers.run_on(np.ascontiguousarray(states.padded([pair])[0][0]))
        for item in claims
        for pair in item.pairs
    }


if __name__ == "__main__":
    main()
