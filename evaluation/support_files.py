"""Where the sets of claims are that somebody means by a file or a folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from evaluation.jsonl import EvaluationDataError, first_row
from evaluation.support_sets import Format, expected_fields, format_of
from retrieval.errors import InvalidRequestError

_PLAIN = (".jsonl", ".ndjson", ".json")
_ENDINGS = (*(f"{ending}.gz" for ending in _PLAIN), *_PLAIN)


@dataclass(frozen=True, slots=True, kw_only=True)
class SupportFile:
    """A file that holds a set of claims, under a name that no other of them has."""

    path: Path
    name: str
    format: Format


@dataclass(frozen=True, slots=True, kw_only=True)
class PassedOver:
    """A file that holds none that could be recognised, and why."""

    path: Path
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SupportFiles:
    """What was found, in the order in which it was named."""

    sets: tuple[SupportFile, ...]
    passed_over: tuple[PassedOver, ...]


def find_support_files(named: Sequence[Path]) -> SupportFiles:
    """The sets in the files and below the folders, each once.

    Raises `InvalidRequestError` where there is nothing by a name, or no set, and `EvaluationDataError` for a file named
    itself that is malformed in its first row.
    """
    recognised: dict[Path, tuple[Path, Format]] = {}
    passed_over: dict[Path, PassedOver] = {}
    for place in named:
        files = [*_files(place)]
        if not files:
            raise InvalidRequestError(
                f"'{place}' holds no file that ends in {', '.join(_PLAIN)} or the same with .gz. {_expected()}"
            )
        for path in files:
            key = path.resolve()
            if key in recognised or key in passed_over:
                continue
            found = _recognise(path, strict=path == place)
            if isinstance(found, PassedOver):
                passed_over[key] = found
            else:
                recognised[key] = (path, found)
    if not recognised:
        raise InvalidRequestError(_nothing(named, [*passed_over.values()]))
    names = _names([path for path, _ in recognised.values()])
    return SupportFiles(
        sets=tuple(
            SupportFile(path=path, name=name, format=found)
            for (path, found), name in zip(recognised.values(), names, strict=True)
        ),
        passed_over=tuple(passed_over.values()),
    )


def _files(place: Path) -> Iterator[Path]:
    try:
        if place.is_file():
            yield place
            return
        if not place.is_dir():
            raise InvalidRequestError(
                f"there is no file or folder '{place}'. Name a file with claims, or a folder that has some in it."
            )
        below = sorted(place.iterdir())
    except OSError as exc:
        raise InvalidRequestError(
            f"'{place}' cannot be listed: {exc.strerror}. Check who may read it."
        ) from exc
    for path in below:
        if path.name.startswith("."):
            continue
        if path.is_dir() and not path.is_symlink():
            yield from _files(path)
        elif path.is_file() and path.name.endswith(_ENDINGS):
            yield path


def _recognise(path: Path, *, strict: bool) -> Format | PassedOver:
    try:
        row = first_row(path)
    except EvaluationDataError as error:
        if strict:
            raise
        return PassedOver(path=path, why=str(error))
    if row is None:
        return PassedOver(path=path, why="it is empty.")
    return format_of(row) or PassedOver(path=path, why="its first row has not the fields of a set of claims.")


def _nothing(named: Sequence[Path], passed_over: Sequence[PassedOver]) -> str:
    first, *others = passed_over
    if not others:
        return f"'{first.path}' is no set of claims: {first.why} {_expected()}"
    looked_at = ", ".join(f"'{place}'" for place in named)
    return (
        f"there is no set of claims in {looked_at}: none of {len(passed_over):,} files is one. "
        f"'{first.path}', for one: {first.why} {_expected()}"
    )


def _expected() -> str:
    return f"Expected are JSON objects, one a line, with the fields {expected_fields()}."


def _names(paths: Sequence[Path]) -> list[str]:
    """The files' names without endings; with the folder before it where two are alike, whole where these are, too."""
    plain = [_stem(path) for path in paths]
    below = [f"{path.resolve().parent.name}/{name}" for path, name in zip(paths, plain, strict=True)]
    return [
        name if plain.count(name) == 1 else longer if below.count(longer) == 1 else str(path.resolve())
        for path, name, longer in zip(paths, plain, below, strict=True)
    ]


def _stem(path: Path) -> str:
    ending = next((ending for ending in _ENDINGS if path.name.endswith(ending)), "")
    return path.name.removesuffix(ending)
