"""A folder that changes in all the ways in which folders change, and what may stand in its files."""

from __future__ import annotations

import itertools
import os
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.ingest.fakes import DAMAGED, MAX_FILE_BYTES

PATHS = (
    "a.md",
    "b.md",
    "b.txt",
    "d/a.md",
    "d/c.txt",
    "d/e/a.md",
    "d/e/old name.txt",
    "new-name.txt",
    "f/a.md",
    "f/post.eml",
    "f/post.mbox",
    "f/table.csv",
    "model.stl",  # no parser reads it
    "readme",  # a file, or a folder
    "readme/b.txt",
)
FOLDERS = ("d", "d/e", "f", "readme")

_PARAGRAPHS = ("alpha " * 18, "beta " * 18, "gamma " * 18, "a few words")
_TITLES = ("", "# One\n\n", "# Two\n\n", "# One\n\n## Part\n\n")
_ODD = (
    b"",
    b" \n\n",  # nothing in it to take in
    DAMAGED,
    DAMAGED + b" in another way",
    b"x" * (MAX_FILE_BYTES + 1),
    b"From: ann@example.org\nSubject: Keys\n\nThey lie on the table.\n",
    b"name,age\nAnn,7\nBob,8\n",
    "caf\xe9".encode("latin-1"),
)
CONTENTS = (
    *(
        (title + "\n\n".join(parts)).encode()
        for title in _TITLES
        for count in (1, 2, 3)
        for parts in itertools.permutations(_PARAGRAPHS, count)
    ),
    *_ODD * 4,
)
"""Texts that share chunks, and what cannot be taken in."""


@dataclass(slots=True, kw_only=True)
class ShiftingFolder:
    """Every write gets a time of its own, all of them long past: size and time tell two contents of a path apart, as
    they do wherever nobody sets clocks back. Files appear whole, from the folder `beside`, on the same file system.
    """

    root: Path
    beside: Path
    clock_s: int = 1_000_000_000

    def files(self) -> list[str]:
        """The paths of all files, in order."""
        return sorted(str(path.relative_to(self.root)) for path in self.root.rglob("*") if path.is_file())

    def write(self, path: str, content: bytes) -> None:
        """A new file, or a new content of one."""
        fresh = self.beside / "being written"
        fresh.write_bytes(content)
        self._set_time(fresh)
        fresh.replace(self._room(path))

    def edit_in_place(self, path: str) -> None:
        """Another content of the same size."""
        content = self._at(path).read_bytes()
        self.write(path, content[:-1] + (b"z" if content[-1:] != b"z" else b"y"))

    def scribble(self, path: str, content: bytes) -> None:
        """As `write`, but in the place itself, in two steps and at the time that it is."""
        with self._room(path).open("wb") as file:
            file.write(content[: len(content) // 2])
            file.flush()
            file.write(content[len(content) // 2 :])

    def touch(self, path: str) -> None:
        """Another time."""
        self._set_time(self._at(path))

    def rename(self, old: str, new: str) -> None:
        """Another path, over whatever is there."""
        aside = self.beside / "being moved"
        self._at(old).rename(aside)
        aside.replace(self._room(new))

    def swap(self, one: str, other: str) -> None:
        """Two files exchange their places."""
        if one == other:
            return
        aside = self.beside / "being swapped"
        self._at(one).rename(aside)
        self._at(other).rename(self._at(one))
        aside.rename(self._at(other))

    def copy(self, old: str, new: str, *, keeps_time: bool) -> None:
        """The same content at another path as well."""
        aside = self.beside / "being copied"
        shutil.copy2(self._at(old), aside)
        if not keeps_time:
            self._set_time(aside)
        aside.replace(self._room(new))

    def delete(self, path: str) -> None:
        """A file is gone."""
        self._at(path).unlink()

    def delete_folder(self, path: str) -> None:
        """A folder is gone, with all that lies in it."""
        if self._at(path).is_dir():
            shutil.rmtree(self._at(path))

    def shift(self, chance: random.Random) -> None:
        """Any of these, anywhere."""
        path, content, files = chance.choice(PATHS), chance.choice(CONTENTS), self.files()
        deeds: list[Callable[[], None]] = [lambda: self.write(path, content)] * 4
        if files:
            one, other = chance.choice(files), chance.choice(files)
            deeds += [
                lambda: self.scribble(one, content),
                lambda: self.edit_in_place(one),
                lambda: self.touch(one),
                lambda: self.rename(one, path),
                lambda: self.rename(one, other),
                lambda: self.swap(one, other),
                lambda: self.copy(one, path, keeps_time=chance.random() < 0.5),
                lambda: self.delete(one),
                lambda: self.delete_folder(chance.choice(FOLDERS)),
            ]
        chance.choice(deeds)()

    def _at(self, path: str) -> Path:
        return self.root / path

    def _room(self, path: str) -> Path:
        """The path, with folders above it and none at it."""
        place = self.root
        for name in Path(path).parts[:-1]:
            place /= name
            if place.is_file():
                place.unlink()
            place.mkdir(exist_ok=True)
        place /= Path(path).name
        if place.is_dir():
            shutil.rmtree(place)
        return place

    def _set_time(self, path: Path) -> None:
        self.clock_s += 1
        os.utime(path, ns=(0, self.clock_s * 1_000_000_000))
