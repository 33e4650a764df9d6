"""Train the layers that the support check reads with, and read the claims that it is measured on.

    python -m benchmarks.support_training WORK --weights FOLDER [--made 1500] [--read]

Needs torch, transformers and onnx beside the project, WordNet's files (Debian's wordnet-base), and FOOTNOTE_TEST_DATA.
The layers are trained on made pairs alone (`benchmarks.support_pairs`), so they know no claim that they are measured
on. WORK holds hidden states, layers and logits; what is there is not computed again.
"""

from __future__ import annotations

import argparse
import pickle
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from benchmarks.support_hidden import HiddenStates
from benchmarks.support_layers import Example, Layers, export, from_reranker, train
from benchmarks.support_pairs import LABELS, made_pairs
from benchmarks.support_reading import items
from benchmarks.support_sets import DATA, rows
from generation.entailment import LAYERS_FILE
from retrieval.sessions import OnnxSession

_RATE = 1e-4


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("work", type=Path)
    parser.add_argument("--weights", type=Path, required=True, help="the folder of the reranker's files")
    parser.add_argument("--made", type=int, default=1500, help="how many made pairs (default 1500)")
    parser.add_argument(
        "--read", action="store_true", help="use what was read before, and leave out other claims"
    )
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with HiddenStates(arguments.work, arguments.weights) as states:
        made = _made_examples(arguments.made)
        if not arguments.read:
            states.fill(each.pair for each in made)
            states.fill(pair for part in items().values() for item in part for pair in item.pairs)
        export(_trained([each for each in made if each.pair in states], arguments, states), LAYERS_FILE)
        _read_claims(arguments.work, states)


def _made_examples(count: int) -> list[Example]:
    held_out = {row["title"] for row in rows(DATA / "qa" / "squad2-dev" / "docs.jsonl")}
    return [
        Example(pair=(pair.claim, pair.source), label=LABELS.index(pair.label))
        for pair in made_pairs(random.Random(13), count, held_out)
    ]


def _trained(made: Sequence[Example], arguments: argparse.Namespace, states: HiddenStates) -> Layers:
    path = arguments.work / "made.pt"
    if path.exists():
        layers = Layers()
        layers.load_state_dict(torch.load(path))
        return layers
    layers = from_reranker(arguments.weights / "model.onnx")
    train(layers, made, states, epochs=1.0, rate=_RATE, seed=1)
    torch.save(layers.state_dict(), path)
    return layers


def _read_claims(work: Path, states: HiddenStates) -> None:
    """The logits of the layers that ship, in int8, for every claim whose pairs have been read."""
    layers = OnnxSession(LAYERS_FILE)
    pairs = [
        pair
        for part in items().values()
        for item in part
        if all(each in states for each in item.pairs)
        for pair in item.pairs
    ]
    logits = {pair: layers.run_on(np.ascontiguousarray(states.padded([pair])[0][0])) for pair in pairs}
    (work / "logits.pickle").write_bytes(pickle.dumps(logits))


if __name__ == "__main__":
    main()
