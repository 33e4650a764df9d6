"""What the searches of `scale` may look at: shares of a corpus by reader, by metadata and by folder, and one set's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.scale_corpus import CHUNKS_A_DOCUMENT, Made
from retrieval.filters import Filters, Selection
from retrieval.records import Scope

# Of documents in the order of their numbers, every so manieth; those of readers, metadata and folders differ.
_SHARES = {"10 %": 10, "1 %": 100, "0.1 %": 1_000}
_EVERYONE = "group:all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributes:
    """What a document is found by."""

    path: str
    readers: list[str]
    metadata: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A selection with its name and its documents: a mask over their numbers."""

    name: str
    selection: Selection
    holds: Callable[[NDArray[np.int64], Sequence[str]], NDArray[np.bool_]]

    def mask(self, made: Made, sets: Sequence[str]) -> NDArray[np.bool_]:
        """Which chunks of a corpus it holds. `sets`: the names of the sample's sets."""
        numbers = np.arange(len(made.origins), dtype=np.int64)
        documents = self.holds(numbers, [sets[origin] for origin in made.origins])
        return np.repeat(documents, CHUNKS_A_DOCUMENT)[: len(made)]


def attributes(number: int, set_name: str) -> Attributes:
    """Of the document of this number, which began at a text of this set."""
    folder = next((_folder(every) for every in reversed(_SHARES.values()) if number % every == 4), "rest")
    return Attributes(
        path=f"{folder}/{set_name}/{number:07}.txt",
        readers=[_EVERYONE, *(_group(every) for every in _SHARES.values() if number % every == 1)],
        metadata={
            "set": set_name,
            **{_name(every): "yes" for every in _SHARES.values() if number % every == 2},
        },
    )


def everything() -> Named:
    return Named(
        name="everything",
        selection=Selection(scope=Scope.everything()),
        holds=lambda numbers, _: np.ones(len(numbers), dtype=np.bool_),
    )


def selections(set_name: str) -> list[Named]:
    """All of them, the largest first of each kind; the last one is the documents of one set."""
    everyone = Named(
        name="100 % by reader",
        selection=Selection(scope=Scope.of([_EVERYONE])),
        holds=lambda numbers, _: np.ones(len(numbers), dtype=np.bool_),
    )
    one_set = Named(
        name="one subject",
        selection=Selection(scope=Scope.everything(), filters=Filters(metadata={"set": set_name})),
        holds=lambda _, sets: np.array([each == set_name for each in sets]),
    )
    return [
        everything(),
        everyone,
        *(_by_reader(share, every) for share, every in _SHARES.items()),
        *(_by_metadata(share, every) for share, every in _SHARES.items()),
        *(_by_folder(share, every) for share, every in _SHARES.items()),
        one_set,
    ]


def by_reader(set_name: str) -> list[Named]:
    """Those that are timed: all but the shares by metadata and by folder, which cost the same."""
    timed = ("everything", "by reader", "one subject")
    return [one for one in selections(set_name) if one.name.endswith(timed)]


def _by_reader(share: str, every: int) -> Named:
    return Named(
        name=f"{share} by reader",
        selection=Selection(scope=Scope.of([_group(every)])),
        holds=lambda numbers, _: numbers % every == 1,
    )


def _by_metadata(share: str, every: int) -> Named:
    return Named(
        name=f"{share} by metadata",
        selection=Selection(scope=Scope.everything(), filters=Filters(metadata={_name(every): "yes"})),
        holds=lambda numbers, _: numbers % every == 2,
    )


def _by_folder(share: str, every: int) -> Named:
    # A document lies in the folder of the smallest share that it is of.
    smaller = [other for other in _SHARES.values() if other > every]
    return Named(
        name=f"{share} by folder",
        selection=Selection(scope=Scope.everything(), filters=Filters(paths=(f"{_folder(every)}/",))),
        holds=lambda numbers, _: (
            (numbers % every == 4) & np.logical_and.reduce([numbers % other != 4 for other in smaller])
            if smaller
            else numbers % every == 4
        ),
    )


def _group(every: int) -> str:
    return f"group:every-{every}"


def _name(every: int) -> str:
    return f"every-{every}"


def _folder(every: int) -> str:
    return f"every-{every}"
