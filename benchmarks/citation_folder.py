"""A folder of documents of many kinds for `citation_contract`: what it holds, what may be asked of it, how it changes.

`notes/` are made up and `handbook/` is the example's; with the evaluation data at hand there are Wikipedia's
`articles/`, `chats/` and long `papers/`, each with questions of which some have no answer, and `files/` as people
have them: PDF, Office, HTML, mail and more.
"""

from __future__ import annotations

import gzip
import io
import json
import random
import re
import shutil
import zipfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.handbook_questions import ANSWERABLE, UNANSWERABLE

_HANDBOOK = Path(__file__).parent.parent / "examples" / "handbook"
_TEXTS = (".txt", ".md", ".html")
_PICTURES = (".jpg", ".png", ".tif")
# Of more than one code point, of more than one byte, written from the right, and with the line ends of Windows.
_FRONT = "👩‍👩‍👧‍👦 Re\u0301sume\u0301 नमस्ते 𝒜𝓑 שלום \u2028 Å\r\n\r\n"
_NAMES = ("Aoife Byrne", "Zoë Müller", "Łukasz Żak", "José Ibáñez", "Nguyễn An", "Ólafur Þór")
_THINGS = ("pump", "boiler", "compressor", "crane", "mixer", "kiln", "lathe", "press")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How much of the evaluation data is taken."""

    articles: int = 9
    chats: int = 70
    papers: int = 3
    largest_file: int = 110_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A question, and the kind of the documents that it is about."""

    kind: str
    text: str


def fill(root: Path, *, data: Path | None, sizes: Sizes, seed: int) -> list[Asked]:
    """Write the documents below `root`; returns the questions, in no order that means anything."""
    rng = random.Random(seed)
    questions = [*_notes(root / "notes", rng), *_handbook(root / "handbook")]
    if data is not None:
        questions += _articles(root / "articles", data / "qa" / "squad2-dev", sizes.articles, rng)
        questions += _one_a_file(root, "chats", data / "qa" / "lihua-world", sizes.chats, rng)
        questions += _one_a_file(root, "papers", data / "qa" / "covidqa", sizes.papers, rng)
        _files(root / "files", data / "documents" / "dev" / "files", sizes.largest_file)
    rng.shuffle(questions)
    return questions


def _notes(folder: Path, rng: random.Random) -> Iterator[Asked]:
    folder.mkdir(parents=True)
    for number in range(10):
        lines = []
        for thing in rng.sample(_THINGS, k=6):
            who, litres = rng.choice(_NAMES), rng.randint(100, 9_999)
            lines.append(
                f"The {thing} in hall {number} delivers {litres} litres an hour ☂️. "
                f"It was repaired by {who} in {rng.randint(1990, 2025)}. {_FRONT.strip() * rng.randint(0, 1)}"
            )
            yield Asked(
                kind="notes", text=f"How many litres an hour does the {thing} in hall {number} deliver?"
            )
            yield Asked(kind="notes", text=f"Who repaired the {thing} in hall {number}?")
        (folder / f"hall-{number}{_TEXTS[number % 2]}").write_text(
            f"# Hall {number}\n\n" + "\n\n".join(lines) + "\n", encoding="utf-8"
        )


def _handbook(folder: Path) -> list[Asked]:
    shutil.copytree(_HANDBOOK, folder)
    return [Asked(kind="handbook", text=text) for text in (*ANSWERABLE, *UNANSWERABLE)]


def _articles(folder: Path, source: Path, count: int, rng: random.Random) -> list[Asked]:
    """Paragraphs put together again; questions to these articles, some of them adversarial, and to others, for which
    there is no answer."""
    paragraphs: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in _rows(source / "docs.jsonl"):
        paragraphs[row["doc_id"].rpartition("#")[0]].append(row)
    chosen = sorted(rng.sample(sorted(paragraphs), k=count))
    folder.mkdir()
    for number, name in enumerate(chosen):
        suffix = _TEXTS[number % 3]
        title = paragraphs[name][0]["title"]
        texts = [row["text"] for row in paragraphs[name]]
        if suffix == ".html":
            written = f"<html><head><title>{title}</title></head><body>" + "".join(
                f"<p>{t}</p>" for t in texts
            )
        else:
            written = f"# {title}\n\n" + "\n\n".join(texts)
        (folder / f"article-{number:02}{suffix}").write_text(written, encoding="utf-8")
    questions = [
        (row["doc_id"].rpartition("#")[0] in chosen, row["question"])
        for row in _rows(source / "questions.jsonl")
    ]
    near = [text for known, text in questions if known]
    far = rng.sample([text for known, text in questions if not known], k=len(near) // 10)
    return [Asked(kind="articles", text=text) for text in (*near, *far)]


def _one_a_file(root: Path, kind: str, source: Path, count: int, rng: random.Random) -> list[Asked]:
    chosen = rng.sample(list(_rows(source / "docs.jsonl")), k=count)
    (root / kind).mkdir()
    for number, row in enumerate(chosen):
        text = f"{row['title']}\n\n{row['text']}" if row["title"] else row["text"]
        (root / kind / f"{row['doc_id']}{_TEXTS[number % 2]}").write_text(text, encoding="utf-8")
    known = {row["doc_id"] for row in chosen}
    return [
        Asked(kind=kind, text=row["question"])
        for row in _rows(source / "questions.jsonl")
        if known & {row.get("doc_id"), *row.get("doc_ids", ())} or not row["answerable"]
    ]


def _files(folder: Path, source: Path, largest: int) -> None:
    folder.mkdir()
    for path in sorted(source.iterdir()):
        if path.stat().st_size <= largest and path.suffix not in _PICTURES:
            shutil.copyfile(path, folder / path.name)


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    found = next(path.parent.glob(f"{path.name}*"))
    with gzip.open(found, "rt") if found.suffix == ".gz" else found.open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def questions_from(kind: str, texts: Sequence[str], *, each: int, rng: random.Random) -> list[Asked]:
    """Questions to documents for which there are none: in words that stand together in them."""
    questions = []
    for text in texts:
        words = text.split()
        for _ in range(each if len(words) >= 40 else 0):
            start = rng.randrange(len(words) - 20)
            asked = " ".join(words[start : start + rng.randint(6, 14)])
            questions.append(Asked(kind=kind, text=f"What is said about {asked[:300]}?"))
    return questions


def change(root: Path, shelf: Path, rng: random.Random) -> Counter[str]:
    """Change most of the files as people do, bring back what lay on the `shelf`; returns counts of what was done."""
    done: Counter[str] = Counter()
    back = list(shelf.iterdir()) if shelf.is_dir() else []
    paths = sorted(p for p in root.rglob("*") if p.is_file())
    for path in paths:
        done[_change_one(path, root, shelf, rng)] += 1
    for stored in back:
        shutil.move(stored, root / stored.name.replace("@", "/"))
        done["brought back"] += 1
    return done


def _change_one(path: Path, root: Path, shelf: Path, rng: random.Random) -> str:
    choice = rng.random()
    if choice < 0.3:
        return "left"
    if choice < 0.37:
        shelf.mkdir(exist_ok=True)
        path.rename(shelf / path.relative_to(root).as_posix().replace("/", "@"))
        return "removed"
    if choice < 0.43:
        path.rename(path.with_name(f"moved-{rng.randrange(10**6)}-{path.name}"))
        return "renamed"
    if path.suffix in _TEXTS:
        return _edit_text(path, rng)
    if path.suffix == ".docx" and choice < 0.8:
        _put_in_front_of_word(path)
        return "put in front"
    others = sorted(other for other in root.rglob(f"*{path.suffix}") if other != path)
    if not others:
        return "left"
    path.write_bytes(rng.choice(others).read_bytes())
    return "replaced"


def _edit_text(path: Path, rng: random.Random) -> str:
    """By bytes that stand for themselves, for some of these files are in encodings of their own."""
    text = path.read_bytes().decode("utf-8", "surrogateescape")
    edit = (
        "put in front"
        if path.suffix == ".html"
        else rng.choice(("put in front", "cut", "turned", "line ends"))
    )
    match edit:
        case "put in front":
            body = re.search(r"<body[^>]*>", text) if path.suffix == ".html" else None
            place = body.end() if body else 0
            text = text[:place] + _FRONT + text[place:]
        case "cut":
            text = "".join(part for part in re.split(r"(?<=[.!?])(?= )", text) if rng.random() > 0.3)
        case "turned":
            text = "\n\n".join(reversed(text.split("\n\n")))
        case "line ends":
            text = text.replace("\r\n", "\n").replace("\n", "\r\n") + "\r\n\u0301 end"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    return edit


def _put_in_front_of_word(path: Path) -> None:
    written, front = io.BytesIO(), _FRONT.strip().replace("\r\n", " ").encode()
    with zipfile.ZipFile(path) as before, zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as after:
        for item in before.infolist():
            content = before.read(item)
            if item.filename == "word/document.xml":
                content = re.sub(rb"(<w:t(?: [^>]*)?>)", lambda found: found[1] + front, content, count=1)
            after.writestr(item, content)
    path.write_bytes(written.getvalue())
