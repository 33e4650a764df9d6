"""What is measured, and what comes of it: a request, its sets once they are read, and the figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evaluation.measures import Estimate
from evaluation.retrieval import Measured
from evaluation.runs import Comparison, SetRun
from evaluation.sets import EvaluationSet


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to measure, and how."""

    folders: tuple[Path, ...]
    k: int = 10
    limit: int | None = None
    seed: int = 0
    save: Path | None = None
    compare: Path | None = None
    keep: bool = True
    allow_missing: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedSet:
    """A set that can be measured. `judged`: how many questions it has, of which a sample may be asked. `missing`: how
    many judged documents it does not have. `before`: the saved run to compare with."""

    folder: Path
    evaluation_set: EvaluationSet
    judged: int
    missing: int
    before: SetRun | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A request whose sets have been read. `skipped`: folders beside them that hold none."""

    request: Request
    sets: tuple[PreparedSet, ...]
    skipped: tuple[Path, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """What one set came to.

    documents: in the collection; blank: those that hold no text. added: those that this run had to load.
    judged: questions with a relevant document; left_out: without one. questions: those that were asked.
    """

    name: str
    folder: Path
    corpus_hash: str
    collection: str
    documents: int
    blank: int
    added: int
    chunks: int
    load_s: float
    judged: int
    questions: int
    left_out: int
    missing: int
    measured: Measured
    comparison: Comparison | None

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "folder": str(self.folder),
            "corpus_hash": self.corpus_hash,
            "collection": self.collection,
            "documents": self.documents,
            "blank_documents": self.blank,
            "added_documents": self.added,
            "chunks": self.chunks,
            "load_seconds": round(self.load_s, 2),
            "questions": self.questions,
            "judged_questions": self.judged,
            "left_out_questions": self.left_out,
            "missing_documents": self.missing,
            "measures": {name: value.as_json() for name, value in self.measured.estimates.items()},
            "latency_ms": self.measured.latency.as_json(),
            "comparison": None if self.comparison is None else self.comparison.as_json(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What all sets came to. `means`: over sets, each counting alike. `notes`: what else a person should know."""

    request: Request
    settings: Mapping[str, str]
    measurements: tuple[Measurement, ...]
    means: Mapping[str, Estimate]
    mean_differences: Mapping[str, Estimate]
    notes: tuple[str, ...] = field(default=())

    def as_json(self) -> dict[str, Any]:
        request = self.request
        return {
            "k": request.k,
            "limit": request.limit,
            "seed": request.seed,
            "settings": dict(self.settings),
            "sets": [measurement.as_json() for measurement in self.measurements],
            "mean": {name: value.as_json() for name, value in self.means.items()},
            "mean_difference": {name: value.as_json() for name, value in self.mean_differences.items()}
            or None,
            "saved": None if request.save is None else str(request.save),
            "notes": list(self.notes),
        }
