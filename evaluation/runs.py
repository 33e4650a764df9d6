"""Saved runs: what every question scored, in a file, for a later run to be compared with, question by question.

A file holds ids, scores and hashes; no text of a question or document.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from evaluation.measures import Array, Estimate, column_of, estimate, measure_names
from evaluation.sets import EvaluationSet
from retrieval.errors import FootnoteError

_FORMAT = "footnote retrieval run 1"
_MOST_CHANGED = 10


class RunFileError(FootnoteError):
    """A file is not a saved run, or not one that this run can be compared with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionRun:
    """What a question scored, by measure. `asked` is a hash of its text and its judgements."""

    asked: str
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class SetRun:
    """What the questions of one set scored at `k`, and what was set when they did."""

    name: str
    corpus_hash: str
    k: int
    settings: Mapping[str, str]
    questions: Mapping[str, QuestionRun]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedQuestion:
    """A question whose nDCG changed: its id, and the values of both runs."""

    id: str
    before: float
    after: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A run beside an earlier one, over the questions that both asked.

    differences: by measure, this run's mean less the earlier one's, with its paired bootstrap interval.
    not_compared: how many questions of either run the other did not ask, or asked in other words or judged otherwise.
    settings: what was set differently, by name: then and now.
    """

    questions: int
    not_compared: int
    differences: Mapping[str, Estimate]
    columns: Mapping[str, Array]
    settings: Mapping[str, tuple[str, str]]
    most_changed: tuple[ChangedQuestion, ...]

    def as_json(self) -> dict[str, Any]:
        return {
            "questions": self.questions,
            "not_compared": self.not_compared,
            "differences": {name: value.as_json() for name, value in self.differences.items()},
            "settings": {
                name: {"before": before, "after": after} for name, (before, after) in self.settings.items()
            },
            "most_changed": [
                {"question": each.id, "before": round(each.before, 4), "after": round(each.after, 4)}
                for each in self.most_changed
            ],
        }


def questions_of(
    evaluation_set: EvaluationSet, values: Mapping[str, Mapping[str, float]]
) -> dict[str, QuestionRun]:
    """What a set's questions scored, fit to be saved."""
    return {
        question.id: QuestionRun(
            asked=_asked(question.text, evaluation_set.qrels[question.id]), values=values[question.id]
        )
        for question in evaluation_set.questions
    }


def _asked(text: str, grades: Mapping[str, int]) -> str:
    return hashlib.sha256(json.dumps([text, sorted(grades.items())]).encode()).hexdigest()[:16]


def save_runs(path: Path, runs: Sequence[SetRun]) -> None:
    """Write runs to a file, whole or not at all. Raises `RunFileError`."""
    content = json.dumps({"format": _FORMAT, "sets": [asdict(run) for run in runs]}, indent=1) + "\n"
    write_whole(path, content)


def write_whole(path: Path, content: str) -> None:
    """Write a file so that it is there whole or not at all. Raises `RunFileError`."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        # Half of a surrogate pair, which JSON may hold, is written as JSON's own escape.
        beside.write_text(content, encoding="utf-8", errors="backslashreplace")
        beside.replace(path)
    except OSError as exc:
        beside.unlink(missing_ok=True)
        raise RunFileError(f"the run cannot be saved to '{path}': {exc.strerror}.") from exc


def check_savable(path: Path) -> None:
    """Raise `RunFileError` where a run could not be saved, before there is one to lose."""
    try:
        is_folder, has_folder = path.is_dir(), path.absolute().parent.is_dir()
    except OSError as exc:
        raise RunFileError(f"the run cannot be saved to '{path}': {exc.strerror}.") from exc
    if is_folder:
        raise RunFileError(f"the run cannot be saved to '{path}': it is a folder. Name a file.")
    if not has_folder:
        raise RunFileError(f"the run cannot be saved to '{path}': its folder does not exist. Make it first.")
    if not os.access(path.absolute().parent, os.W_OK):
        raise RunFileError(f"the run cannot be saved to '{path}': its folder may not be written to.")


def read_runs(path: Path) -> tuple[SetRun, ...]:
    """The runs that a file holds. Raises `RunFileError`."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as exc:
        raise RunFileError(f"the saved run '{path}' cannot be read: {exc.strerror}.") from exc
    except (ValueError, RecursionError) as exc:
        raise _no_run(path) from exc
    try:
        if content["format"] != _FORMAT:
            raise _no_run(path)
        return tuple(_set_run(entry) for entry in content["sets"])
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as exc:
        raise _no_run(path) from exc


def _no_run(path: Path) -> RunFileError:
    return RunFileError(
        f"'{path}' is not a saved run, or one of another release. Save one with: footnote eval retrieval --save FILE"
    )


def _set_run(entry: Any) -> SetRun:
    k = int(entry["k"])
    questions = {
        str(name): QuestionRun(
            asked=str(question["asked"]),
            values={measure: _value(question["values"][measure]) for measure in measure_names(k)},
        )
        for name, question in entry["questions"].items()
    }
    return SetRun(
        name=str(entry["name"]),
        corpus_hash=str(entry["corpus_hash"]),
        k=k,
        settings={str(name): str(value) for name, value in entry["settings"].items()},
        questions=questions,
    )


def _value(entry: Any) -> float:
    value = float(entry)
    if not 0 <= value <= 1:
        raise ValueError("no measure has such a value")
    return value


def match_run(path: Path, saved: Sequence[SetRun], evaluation_set: EvaluationSet, *, k: int) -> SetRun | None:
    """The saved run over the documents of a set, or None; of several, the one of the set's name.

    Raises `RunFileError` where it was measured at another k.
    """
    corpus_hash = evaluation_set.corpus_hash()
    same = [run for run in saved if run.corpus_hash == corpus_hash]
    found = next((run for run in same if run.name == evaluation_set.name), same[0] if same else None)
    if found is not None and found.k != k:
        raise RunFileError(
            f"'{path}' was measured at k = {found.k}, this run measures at {k}. Compare at one k: --k {found.k}."
        )
    return found


def compare_runs(before: SetRun, after: SetRun, *, seed: int) -> Comparison | None:
    """A run beside an earlier one of the same set; None where they have no question in common."""
    same = [
        name
        for name, question in after.questions.items()
        if name in before.questions and before.questions[name].asked == question.asked
    ]
    if not same:
        return None
    values = {
        name: {
            measure: value - before.questions[name].values[measure]
            for measure, value in after.questions[name].values.items()
        }
        for name in same
    }
    names = measure_names(after.k)
    return Comparison(
        questions=len(same),
        not_compared=len(before.questions.keys() | after.questions.keys()) - len(same),
        differences={name: estimate(values, name, seed=seed) for name in names},
        columns={name: column_of(values, name) for name in names},
        settings=_differing(before.settings, after.settings),
        most_changed=_most_changed(before, after, same, names[0]),
    )


def _differing(before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    return {
        name: (before.get(name, "?"), after.get(name, "?"))
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    }


def _most_changed(
    before: SetRun, after: SetRun, names: Sequence[str], measure: str
) -> tuple[ChangedQuestion, ...]:
    changed = [
        ChangedQuestion(
            id=name,
            before=before.questions[name].values[measure],
            after=after.questions[name].values[measure],
        )
        for name in names
    ]
    ordered = sorted(changed, key=lambda each: (-abs(each.after - each.before), each.id))
    return tuple(each for each in ordered[:_MOST_CHANGED] if abs(each.after - each.before) > 1e-9)
