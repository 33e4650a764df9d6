"""A folder of files of many kinds, some of them damaged, that changes as folders do. All by chance, repeatably."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

from tests.ingest.documents import pdf, simple_docx

_WORDS = (
    "archive budget canal delivery engine forecast garden harbour invoice journey kitchen ledger meeting notice office "
    "payment quarter railway schedule ticket update valley warehouse year report station bridge contract season market "
    "council engineer review supplier permit insurance visitor holiday training project"
)
_FOLDERS = ("", "reports", "reports/2024", "mail", "plans", "plans/old")


class VariedFolder:
    """The files below `root`, made and changed by `chance`."""

    def __init__(self, root: Path, chance: random.Random) -> None:
        self._root = root
        self._chance = chance
        self._made = 0
        self._words = _WORDS.split()

    def files(self) -> list[Path]:
        """All files, in order."""
        return sorted(path for path in self._root.rglob("*") if path.is_file())

    def add(self, count: int) -> None:
        """So many new files, of any kinds, anywhere."""
        for _ in range(count):
            self._made += 1
            # Kinds that are quick to parse are the more frequent.
            extension = self._chance.choice((*_QUICK * 3, *_KINDS))
            folder = self._root / self._chance.choice(_FOLDERS)
            folder.mkdir(parents=True, exist_ok=True)
            self._fill(folder / f"{self._chance.choice(self._words)} {self._made}{extension}")

    def add_odd_ones(self) -> None:
        """What has nothing in it, is damaged, or is of no kind that can be read."""
        for name, content in {
            "empty.txt": b"",
            "blank.md": b"\n \n",
            "damaged.docx": b"PK\x03\x04 cut short",
            "damaged.pdf": b"%PDF-1.4\nand no more",
            "part.stl": b"solid part",
        }.items():
            (self._root / name).write_bytes(content)

    def change(self, share: float) -> None:
        """Change so great a share of the files: edits above all, and every other thing that happens to files."""
        deeds: list[Callable[[Path], None]] = [
            *[self._fill] * 4,
            self._append,
            *[self._rename] * 3,
            self._swap,
            self._move_over,
            self._touch,
            *[self._delete] * 2,
            self._damage,
        ]
        files = self.files()
        for path in self._chance.sample(files, round(len(files) * share)):
            if path.exists():
                self._chance.choice(deeds)(path)

    def rename_and_delete(self, share: float) -> None:
        """Rename so great a share of the files and delete a third as many, and nothing else."""
        files = self.files()
        for path in self._chance.sample(files, round(len(files) * share)):
            self._chance.choice((self._rename, self._rename, self._rename, self._delete))(path)

    def _sentences(self, count: int) -> list[str]:
        return [
            " ".join(self._chance.choices(self._words, k=8)).capitalize()
            + f" {self._chance.randrange(10**6)}."
            for _ in range(count)
        ]

    def _fill(self, path: Path) -> None:
        """A new content, of the kind that the name says."""
        make = _KINDS.get(path.suffix, _text)
        path.write_bytes(make(self._sentences(self._chance.randint(3, 9))))

    def _append(self, path: Path) -> None:
        path.write_bytes(path.read_bytes() + f"\n\n{self._sentences(1)[0]}\n".encode())

    def _rename(self, path: Path) -> None:
        self._made += 1
        folder = self._root / self._chance.choice(_FOLDERS)
        folder.mkdir(parents=True, exist_ok=True)
        name = path.name if self._chance.random() < 0.5 else f"{path.stem} again{path.suffix}"
        if not (folder / name).exists():
            path.rename(folder / name)

    def _swap(self, path: Path) -> None:
        other = self._chance.choice(self.files())
        aside = self._root.with_name("aside")
        path.rename(aside)
        if other != path:
            other.rename(path)
        aside.rename(other)

    def _move_over(self, path: Path) -> None:
        path.replace(self._chance.choice(self.files()))

    def _touch(self, path: Path) -> None:
        path.touch()

    def _delete(self, path: Path) -> None:
        path.unlink()

    def _damage(self, path: Path) -> None:
        content = path.read_bytes()
        path.write_bytes(content[: len(content) // 2])


def _text(sentences: list[str]) -> bytes:
    return "\n\n".join(sentences).encode()


def _markdown(sentences: list[str]) -> bytes:
    first, *others = sentences
    return f"# {first[:-1]}\n\n{' '.join(others)}\n\n## And then\n\n- {first}\n".encode()


def _html(sentences: list[str]) -> bytes:
    paragraphs = "".join(f"<p>{sentence}</p>" for sentence in sentences)
    return f"<html><head><title>{sentences[0]}</title></head><body>{paragraphs}</body></html>".encode()


def _rows(sentences: list[str]) -> list[list[str]]:
    return [["item", "word", "number"], *(sentence[:-1].split()[-3:] for sentence in sentences)]


def _csv(sentences: list[str]) -> bytes:
    return "".join(",".join(row) + "\n" for row in _rows(sentences)).encode()


def _json(sentences: list[str]) -> bytes:
    head, *rows = _rows(sentences)
    return json.dumps([dict(zip(head, row, strict=True)) for row in rows]).encode()


def _mail(sentences: list[str]) -> bytes:
    subject, *others = sentences
    head = f"From: ann@example.org\nTo: bob@example.org\nSubject: {subject}\nDate: Mon, 4 Mar 2024 10:00:00 +0000\n"
    return f"{head}\n{' '.join(others)}\n".encode()


def _restructured(sentences: list[str]) -> bytes:
    title, *others = sentences
    return f"{title}\n{'=' * len(title)}\n\n{' '.join(others)}\n".encode()


def _code(sentences: list[str]) -> bytes:
    return "".join(f"def work_{n}():\n    return {s!r}\n\n\n" for n, s in enumerate(sentences)).encode()


def _word(sentences: list[str]) -> bytes:
    return simple_docx(*sentences)


def _pdf(sentences: list[str]) -> bytes:
    return pdf([(780 - 20 * n, sentence) for n, sentence in enumerate(sentences)])


_KINDS: dict[str, Callable[[list[str]], bytes]] = {
    ".md": _markdown,
    ".txt": _text,
    ".html": _html,
    ".csv": _csv,
    ".json": _json,
    ".eml": _mail,
    ".rst": _restructured,
    ".py": _code,
    ".docx": _word,
    ".pdf": _pdf,
}
_QUICK = (".md", ".txt", ".html", ".csv")
