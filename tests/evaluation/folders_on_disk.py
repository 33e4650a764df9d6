"""Small evaluation sets on disk, as somebody would have them: BEIR and `qa`, plain and gzipped."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

Rows = Sequence[Mapping[str, object]]

DOCUMENTS: Rows = (
    {"_id": "d1", "title": "Badgers", "text": "Badgers dig tunnels below the garden."},
    {"_id": "d2", "title": "", "text": "Owls fly over the garden at night."},
    {"_id": "d3", "title": "Tickets", "text": "Tickets cost four euros. Children pay two."},
    {"_id": "d4", "text": "The café opens at nine."},
)
QUERIES: Rows = (
    {"_id": "q1", "text": "who digs tunnels"},
    {"_id": "q2", "text": "what flies at night"},
    {"_id": "q3", "text": "what do tickets cost"},
    {"_id": "q4", "text": "a question without judgements"},
)
QRELS = (("q1", "d1", 2), ("q1", "d2", 0), ("q2", "d2", 1), ("q3", "d3", 1), ("q3", "d4", 1))


def lines(rows: Rows) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def write(path: Path, text: str, *, zipped: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if zipped:
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text, encoding="utf-8", newline="")


def write_beir(
    folder: Path,
    *,
    documents: Rows = DOCUMENTS,
    queries: Rows = QUERIES,
    qrels: Sequence[tuple[str, str, int]] = QRELS,
    zipped: bool = False,
) -> Path:
    write(folder / "corpus.jsonl", lines(documents), zipped=zipped)
    write(folder / "queries.jsonl", lines(queries), zipped=zipped)
    judged = "".join(f"{question}\t{document}\t{grade}\n" for question, document, grade in qrels)
    write(folder / "qrels.tsv", f"query-id\tcorpus-id\tscore\n{judged}", zipped=zipped)
    return folder


def write_qa(folder: Path, *, docs: Rows, questions: Rows, zipped: bool = False) -> Path:
    write(folder / "docs.jsonl", lines(docs), zipped=zipped)
    write(folder / "questions.jsonl", lines(questions), zipped=zipped)
    return folder
