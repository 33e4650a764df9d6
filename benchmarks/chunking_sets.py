"""Long documents, and questions whose answers are known to the character."""

from __future__ import annotations

import ast
import gzip
import json
import os
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

from ingest.parsers import ParsedDocument, ParserPolicy, load_parser

QA = Path(os.environ.get("FOOTNOTE_TEST_DATA", "../shared/data")) / "qa"
SetName = Literal["chunkeval", "covidqa", "uda-pdf", "anthropic-docs"]
MOST_OCCURRENCES = 8
"""An answer that its document holds more often says little about the passage that it was found in."""

_NEAR = 500
"""Characters within which the parts of an answer ("5.99, 4.79, 2.66") have to stand."""

_WORD = re.compile(r"\w+")
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True, kw_only=True)
class LongDocument:
    """A document as the product's parser reads it."""

    name: str
    title: str
    parsed: ParsedDocument


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """spans: in the text of `document`; together they are the answer (`whole`), or each of them is (otherwise)."""

    text: str
    document: str
    spans: tuple[tuple[int, int], ...]
    whole: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What is read of a set, to save time; by default all of it.

    documents: so many, drawn with a fixed seed. longest: without those of more characters. beginning: of each, so many
    characters.
    """

    documents: int | None = None
    longest: int | None = None
    beginning: int | None = None


def read_set(name: SetName, sample: Sample) -> tuple[list[LongDocument], list[Question]]:
    """Documents, and the questions whose answers lie in what was read."""
    match name:
        case "chunkeval":
            read, questions = _chunkeval(sample.documents)
        case "covidqa":
            read, questions = _covidqa(sample.documents)
        case "uda-pdf":
            read, questions = _uda_pdf(sample.documents)
        case "anthropic-docs":
            read, questions = _anthropic_docs()
    kept = {
        document.name: _begun(document, sample.beginning)
        for document in read
        if sample.longest is None or len(document.parsed.text) <= sample.longest
    }
    return list(kept.values()), [
        question
        for question in questions
        if question.document in kept
        and all(end <= len(kept[question.document].parsed.text) for _, end in question.spans)
    ]


def _begun(document: LongDocument, characters: int | None) -> LongDocument:
    """The first so many characters of a document."""
    parsed = document.parsed
    if characters is None or len(parsed.text) <= characters:
        return document
    text = parsed.text[:characters].rstrip()
    begun = replace(
        parsed,
        text=text,
        blocks=tuple(
            replace(block, char_end=min(block.char_end, len(text)))
            for block in parsed.blocks
            if block.char_start < len(text)
        ),
        page_starts=tuple(start for start in parsed.page_starts if start < len(text)),
    )
    return replace(document, parsed=begun)


def _chunkeval(documents: int | None) -> tuple[list[LongDocument], list[Question]]:
    read = _text_documents("chunkeval", documents)
    return read, [
        Question(
            text=row["question"],
            document=row["doc_id"],
            spans=tuple((each["start"], each["end"]) for each in row["evidence"]),
            whole=True,
        )
        for row in _rows("chunkeval", "questions")
        if row["doc_id"] in {document.name for document in read}
    ]


def _covidqa(documents: int | None) -> tuple[list[LongDocument], list[Question]]:
    read = _text_documents("covidqa", documents)
    texts = {document.name: document.parsed.text for document in read}
    questions = []
    for row in _rows("covidqa", "questions"):
        answers = zip(row["answer_starts"], row["answers"], strict=True)
        spans = [
            (start + len(answer) - len(answer.lstrip()), start + len(answer.rstrip()))
            for start, answer in answers
            if texts.get(row["doc_id"], "").startswith(answer, start)
        ]
        if spans and len(spans) == len(row["answers"]):
            questions.append(
                Question(text=row["question"], document=row["doc_id"], spans=tuple(spans), whole=False)
            )
    return read, questions


def _uda_pdf(documents: int | None) -> tuple[list[LongDocument], list[Question]]:
    paths = _sample(sorted((QA / "uda-pdf" / "pdfs").glob("*.pdf")), documents)
    read = [_parsed(path.name, path.read_bytes()) for path in paths]
    words = {document.name: _Words(document.parsed.text) for document in read}
    questions = []
    for row in _rows("uda-pdf", "questions"):
        name = Path(row["pdf"]).name
        if name not in words:
            continue
        found = (words[name].places(answer) for answer in _short_answers(row))
        spans = next((each for each in found if 1 <= len(each) <= MOST_OCCURRENCES), None)
        if spans:
            questions.append(Question(text=row["question"], document=name, spans=tuple(spans), whole=False))
    return read, questions


def _anthropic_docs() -> tuple[list[LongDocument], list[Question]]:
    """Pages in Markdown, a heading above every section; the sections that answer are what is looked for."""
    pages: dict[str, str] = {}
    places: dict[str, tuple[str, tuple[int, int]]] = {}
    for row in _rows("anthropic-docs", "docs"):
        page = row["doc_id"].partition("#")[0].rstrip("/").rpartition("/docs/")[2].replace("/", "-") + ".md"
        before = pages.get(page, "") + f"## {row['title']}\n\n"
        body = row["text"].removeprefix(row["title"]).strip()
        pages[page] = f"{before}{body}\n\n"
        places[row["doc_id"]] = page, (len(before), len(before) + len(body))
    read = [_parsed(page, text.encode()) for page, text in pages.items()]
    questions = []
    for row in _rows("anthropic-docs", "questions"):
        found = [places[name] for name in row["doc_ids"] if name in places]
        page = found[0][0] if found else ""
        spans = tuple(span for of, span in found if of == page and span[0] < span[1])
        if spans:
            questions.append(Question(text=row["question"], document=page, spans=spans, whole=True))
    return read, questions


def _short_answers(row: dict[str, Any]) -> Iterator[list[str]]:
    """The answers that could stand in the text as they are, each with its parts: more than a sign or two."""
    for answer in row["answers"]:
        parts = [str(part) for part in ast.literal_eval(answer)] if answer.startswith("[") else [answer]
        if len("".join(_WORD.findall(" ".join(parts)))) >= 3 and answer.lower() not in {"yes", "no", "none"}:
            yield parts


class _Words:
    """The words of a text and their places, to look for others in, whatever signs stand between."""

    def __init__(self, text: str) -> None:
        matches = list(_WORD.finditer(text.lower()))
        self._spans = [match.span() for match in matches]
        self._words = [match.group() for match in matches]
        self._at: dict[str, list[int]] = {}
        for index, word in enumerate(self._words):
            self._at.setdefault(word, []).append(index)

    def places(self, parts: Sequence[str]) -> list[tuple[int, int]]:
        """Where an answer stands; one of several parts where all of them stand within `_NEAR` characters."""
        first, *others = [self._places_of(part) for part in parts]
        spans = []
        for start, end in first:
            near = [[span for span in spans_of if abs(span[0] - start) < _NEAR] for spans_of in others]
            if all(near):
                nearest = [min(each, key=lambda span: abs(span[0] - start)) for each in near]
                spans.append(
                    (min(start, *(s for s, _ in nearest), start), max(end, *(e for _, e in nearest), end))
                )
        return sorted(set(spans))

    def _places_of(self, part: str) -> list[tuple[int, int]]:
        wanted = _WORD.findall(part.lower())
        if not wanted:
            return []
        return [
            (self._spans[index][0], self._spans[index + len(wanted) - 1][1])
            for index in self._at.get(wanted[0], ())
            if self._words[index : index + len(wanted)] == wanted
        ]


def _text_documents(name: SetName, documents: int | None) -> list[LongDocument]:
    rows = _sample(_rows(name, "docs"), documents)
    read = [_parsed(f"{row['doc_id']}.txt", row["text"].encode()) for row in rows]
    for row, document in zip(rows, read, strict=True):
        assert document.parsed.text == row["text"], "the questions' offsets are those of the parsed text"
    return read


def _parsed(file_name: str, content: bytes) -> LongDocument:
    policy = ParserPolicy()
    kind = policy.kind(file_name)
    assert kind is not None
    parsed = load_parser(kind, policy).parse(content, file_name=file_name)
    name = file_name.removesuffix(".txt")
    return LongDocument(name=name, title=parsed.title or Path(name).stem.replace("_", " "), parsed=parsed)


def _sample(rows: Sequence[Item], count: int | None) -> list[Item]:
    if count is None or count >= len(rows):
        return list(rows)
    return random.Random(7).sample(list(rows), count)


def _rows(name: SetName, part: Literal["docs", "questions"]) -> list[dict[str, Any]]:
    path = next((QA / name).glob(f"{part}.jsonl*"))
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as lines:
        return [json.loads(line) for line in lines]
