"""What a run has to do: pure comparisons of what is there with what is known.

plan_refresh   by size and time: what looks new, changed, gone
match_moves    by content: which of the new ones are old ones under another name
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from ingest.catalog import KnownDocument
from ingest.failures import KnownFailure
from ingest.reports import Failed
from ingest.sources import FoundFile, Listing, Skipped, Unlisted

Recipe = Callable[[str], str | None]
"""How a file of this path is made into chunks (`ingest.pipeline.recipe`), None where no parser reads it."""
WhyNot = Callable[[str], str]
"""Why no parser reads a file of this path, in words for a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A known document whose file has another path now. `document` is as it was known, under the old path."""

    found: FoundFile
    document: KnownDocument


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshPlan:
    """What has to be done. `changed` are files that look changed: whether they are, their content tells.

    failing: files that could not be taken in before, for a reason that lasts, and that have not changed since.
    barren: files in which there was nothing to take in before, and that have not changed since.
    """

    added: tuple[FoundFile, ...]
    changed: tuple[tuple[FoundFile, KnownDocument], ...]
    unchanged: tuple[KnownDocument, ...]
    removed: tuple[KnownDocument, ...]
    skipped: tuple[Skipped, ...]
    unlisted: tuple[Failed, ...]
    failing: tuple[Failed, ...] = ()
    barren: tuple[Skipped, ...] = ()
    moved: tuple[Move, ...] = ()


@dataclass(slots=True)
class _Sorting:
    added: list[FoundFile] = field(default_factory=list)
    changed: list[tuple[FoundFile, KnownDocument]] = field(default_factory=list)
    unchanged: list[KnownDocument] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    failing: list[Failed] = field(default_factory=list)
    barren: list[Skipped] = field(default_factory=list)
    current: set[str] = field(default_factory=set)


def plan_refresh(
    listing: Listing,
    known: Mapping[str, KnownDocument],
    *,
    recipe: Recipe,
    why_not: WhyNot = lambda _: "no parser reads this kind of file",
    failures: Mapping[str, KnownFailure] | None = None,
    below: str = "",
) -> RefreshPlan:
    """Compare what is there with what is known at and below `below`. Size and time first; content is compared later.

    What lies below a folder that could not be listed stays as it is. `failures`: of earlier runs; none of them is
    tried again under the same size, time and recipe unless it may pass by itself.
    """
    sorting = _Sorting(skipped=list(listing.skipped))
    for found in listing.files:
        made_by = recipe(found.path)
        if made_by is None:
            sorting.skipped.append(Skipped(path=found.path, reason=why_not(found.path)))
        else:
            _sort(sorting, found, made_by, known.get(found.path), (failures or {}).get(found.path))
    return RefreshPlan(
        added=tuple(sorting.added),
        changed=tuple(sorting.changed),
        unchanged=tuple(sorting.unchanged),
        removed=tuple(
            document
            for path, document in known.items()
            if path not in sorting.current
            and at_or_below(path, below)
            and not any(_may_hold(part, path) for part in listing.unlisted)
        ),
        skipped=tuple(sorting.skipped),
        unlisted=tuple(Failed(path=e.path, error=e.error, retryable=True) for e in listing.unlisted),
        failing=tuple(sorting.failing),
        barren=tuple(sorting.barren),
    )


def _sort(
    sorting: _Sorting,
    found: FoundFile,
    made_by: str,
    before: KnownDocument | None,
    failure: KnownFailure | None,
) -> None:
    if before is None and failure is not None and failure.lasts(found, made_by):
        if failure.outcome == "skipped":
            sorting.barren.append(Skipped(path=found.path, reason=failure.error))
        else:
            sorting.failing.append(Failed(path=found.path, error=failure.error, retryable=False))
        return
    sorting.current.add(found.path)
    if before is None:
        sorting.added.append(found)
    elif (before.size_bytes, before.mtime_ns, before.recipe) == (found.size_bytes, found.mtime_ns, made_by):
        sorting.unchanged.append(before)
    else:
        sorting.changed.append((found, before))


def _may_hold(part: Unlisted, path: str) -> bool:
    """Whether a file may still lie in a part that could not be listed, or be it."""
    return part.everything or at_or_below(path, part.path) or (part.stem and path.startswith(f"{part.path}."))


def at_or_below(path: str, folder: str) -> bool:
    """Whether a relative path is a folder, or lies in it; all lie in the root, ""."""
    return not folder or path == folder or path.startswith(f"{folder}/")


def possible_moves(plan: RefreshPlan) -> Iterator[FoundFile]:
    """The files whose content tells whether known documents have moved: those of a size that a document at another
    path has."""
    paths_by_size: defaultdict[int, set[str]] = defaultdict(set)
    for document in _open_documents(plan):
        paths_by_size[document.size_bytes].add(document.path)
    files_by_size: defaultdict[int, list[FoundFile]] = defaultdict(list)
    for found in (*plan.added, *(found for found, _ in plan.changed)):
        files_by_size[found.size_bytes].append(found)
    for size, files in files_by_size.items():
        # Files of an unknown size (0) are not all fetched for the sake of a name.
        if size and any(paths_by_size[size] - {found.path} for found in files):
            yield from files


def _open_documents(plan: RefreshPlan) -> Iterator[KnownDocument]:
    """The documents whose files are not at their place as they were."""
    yield from plan.removed
    yield from (document for _, document in plan.changed)


def match_moves(plan: RefreshPlan, hashes: Mapping[str, bytes]) -> RefreshPlan:
    """The plan with renamed files told from new ones. `hashes`: sha256 by path of the files of `possible_moves`.

    A file that still has its own content at its own path stays. Of several with the same content, one with the same
    name is preferred, then the first by path.
    """
    leaving: defaultdict[bytes, list[KnownDocument]] = defaultdict(list)
    for document in sorted(_open_documents(plan), key=lambda d: d.path):
        if hashes.get(document.path) != document.content_hash:
            leaving[document.content_hash].append(document)
    moves: list[Move] = []
    candidates = sorted((*plan.added, *(found for found, _ in plan.changed)), key=lambda found: found.path)
    stays = {
        found.path for found, document in plan.changed if hashes.get(found.path) == document.content_hash
    }
    for same_name_only in (True, False):
        for found in candidates:
            choice = leaving.get(hashes.get(found.path, b""), [])
            match = [d for d in choice if not same_name_only or _name(d.path) == _name(found.path)]
            if match and found.path not in stays:
                choice.remove(match[0])
                stays.add(found.path)
                moves.append(Move(found=found, document=match[0]))
    return _with_moves(plan, moves)


def _name(path: str) -> str:
    return PurePosixPath(path).name


def _with_moves(plan: RefreshPlan, moves: list[Move]) -> RefreshPlan:
    if not moves:
        return plan
    arrived = {move.found.path for move in moves}
    left = {move.document.id for move in moves}
    orphaned = tuple(
        found for found, document in plan.changed if document.id in left and found.path not in arrived
    )
    displaced = tuple(
        document for found, document in plan.changed if found.path in arrived and document.id not in left
    )
    return replace(
        plan,
        moved=tuple(sorted(moves, key=lambda move: move.found.path)),
        added=tuple(found for found in (*plan.added, *orphaned) if found.path not in arrived),
        changed=tuple(
            (found, document)
            for found, document in plan.changed
            if found.path not in arrived and document.id not in left
        ),
        removed=tuple(document for document in (*plan.removed, *displaced) if document.id not in left),
    )
