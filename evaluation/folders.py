"""Where the evaluation sets are that somebody means by a folder: it is one, or it holds some."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from retrieval.errors import InvalidRequestError

_CORPUS = ("corpus.jsonl", "corpus.jsonl.gz", "docs.jsonl", "docs.jsonl.gz")


@dataclass(frozen=True, slots=True, kw_only=True)
class SetFolders:
    """The folders that hold a set, in the order in which they were named; `skipped` lie beside them and hold none."""

    sets: tuple[Path, ...]
    skipped: tuple[Path, ...]


def find_set_folders(named: Sequence[Path]) -> SetFolders:
    """The evaluation sets at or directly below the folders, each once. Raises `InvalidRequestError` where one has none.

    A folder that is a set is not looked into.
    """
    sets: dict[Path, Path] = {}
    skipped: dict[Path, Path] = {}
    for folder in named:
        found, others = _look(folder)
        for path in found:
            sets.setdefault(path.resolve(), path)
        skipped |= {path.resolve(): path for path in others}
    return SetFolders(sets=tuple(sets.values()), skipped=tuple(skipped.values()))


def _look(folder: Path) -> tuple[list[Path], list[Path]]:
    try:
        if not folder.exists():
            raise InvalidRequestError(
                f"there is no folder '{folder}'. Name one that holds an evaluation set."
            )
        if not folder.is_dir():
            raise InvalidRequestError(
                f"'{folder}' is not a folder. Name the folder that the set's files lie in."
            )
        if _is_set(folder):
            return [folder], []
        below = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
        found = [path for path in below if _is_set(path)]
    except OSError as exc:
        raise InvalidRequestError(
            f"'{folder}' cannot be listed: {exc.strerror}. Check who may read it."
        ) from exc
    if not found:
        raise InvalidRequestError(
            f"neither '{folder}' nor a folder directly below it is an evaluation set: that has a corpus.jsonl with "
            "queries.jsonl and qrels.tsv beside it (BEIR), or a docs.jsonl with questions.jsonl (qa), each as it is or "
            "gzipped. Name a folder that has them."
        )
    return found, [path for path in below if path not in found]


def _is_set(folder: Path) -> bool:
    return any((folder / name).is_file() for name in _CORPUS)
