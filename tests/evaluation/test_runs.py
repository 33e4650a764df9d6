"""Saved runs: written whole, read again, and compared only with what they can be compared with."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evaluation.measures import measure_names
from evaluation.runs import (
    QuestionRun,
    RunFileError,
    SetRun,
    check_savable,
    compare_runs,
    match_run,
    questions_of,
    read_runs,
    save_runs,
    write_whole,
)
from evaluation.sets import EvaluationDocument, EvaluationQuestion, EvaluationSet

K = 10


def a_set(name: str = "zoo", *, texts: Mapping[str, str] | None = None, text: str = "one") -> EvaluationSet:
    asked = texts or {"q1": "who?", "q2": "what?", "q3": "where?"}
    return EvaluationSet(
        name=name,
        documents=(EvaluationDocument(id="d1", title="", text=text),),
        questions=tuple(EvaluationQuestion(id=each, text=words) for each, words in asked.items()),
        qrels={each: {"d1": 1} for each in asked},
    )


def a_run(evaluation_set: EvaluationSet, ndcg: Mapping[str, float], **settings: str) -> SetRun:
    values = {
        question.id: dict.fromkeys(measure_names(K), 0.5) | {f"ndcg@{K}": ndcg.get(question.id, 0.5)}
        for question in evaluation_set.questions
    }
    return SetRun(
        name=evaluation_set.name,
        corpus_hash=evaluation_set.corpus_hash(),
        k=K,
        settings=settings,
        questions=questions_of(evaluation_set, values),
    )


def test_a_run_is_read_as_it_was_saved_and_holds_no_text(tmp_path: Path) -> None:
    strange = a_set("Grüße 😀", texts={"\ud800": "a secret question", "q\n2": "another"})
    runs = [a_run(a_set(), {"q1": 1 / 3}, store="pgvector"), a_run(strange, {})]
    path = tmp_path / "run.json"
    save_runs(path, runs)
    assert list(read_runs(path)) == runs
    assert "secret" not in path.read_text()
    assert [file.name for file in tmp_path.iterdir()] == ["run.json"]


def test_a_run_that_is_saved_again_replaces_the_former_one(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    save_runs(path, [a_run(a_set(), {})])
    save_runs(path, [a_run(a_set("other"), {})])
    assert [run.name for run in read_runs(path)] == ["other"]


def test_where_a_run_cannot_be_saved_is_said_before_it_is_made(tmp_path: Path) -> None:
    for path, message in ((tmp_path, "it is a folder"), (tmp_path / "no" / "run.json", "does not exist")):
        with pytest.raises(RunFileError, match=message):
            check_savable(path)
    check_savable(tmp_path / "run.json")
    with pytest.raises(RunFileError, match="cannot be saved"):
        save_runs(tmp_path / "no" / "run.json", [])


def broken(change: Mapping[str, Any]) -> str:
    question = {"asked": "x", "values": dict.fromkeys(measure_names(K), 0.5)}
    entry = {"name": "zoo", "corpus_hash": "h", "k": K, "settings": {}, "questions": {"q": question}}
    return json.dumps({"format": "footnote retrieval run 1", "sets": [{**entry, **change}]})


@pytest.mark.parametrize(
    "content",
    [
        "",
        "nonsense",
        "[]",
        "null",
        '"footnote retrieval run 1"',
        "[" * 100_000,
        "{}",
        '{"format": "footnote retrieval run 0", "sets": []}',
        '{"format": "footnote retrieval run 1"}',
        '{"format": "footnote retrieval run 1", "sets": [7]}',
        broken({"k": "many"}),
        broken({"k": 5}),
        broken({"k": 0}),
        broken({"questions": {"q": {"asked": "x", "values": {}}}}),
        broken({"questions": ["q"]}),
        broken({"questions": {"q": {"asked": "x", "values": dict.fromkeys(measure_names(K), math.nan)}}}),
        broken({"questions": {"q": {"asked": "x", "values": dict.fromkeys(measure_names(K), "high")}}}),
    ],
)
def test_what_is_no_saved_run_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "run.json"
    path.write_text(content)
    with pytest.raises(RunFileError, match=r"is not a saved run, or one of another release\. Save one with"):
        read_runs(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RunFileError, match="is not a saved run"):
        read_runs(path)
    with pytest.raises(RunFileError, match="cannot be read: No such file"):
        read_runs(tmp_path / "nowhere")
    path.write_text(broken({}))
    assert len(read_runs(path)) == 1


def test_a_run_is_matched_by_its_documents_and_refused_at_another_k() -> None:
    run = a_run(a_set(), {})
    path = Path("run.json")
    assert match_run(path, [run], a_set("renamed"), k=K) == run
    assert match_run(path, [run], a_set(text="two"), k=K) is None
    with pytest.raises(RunFileError, match=r"was measured at k = 10, this run measures at 5\. .* --k 10"):
        match_run(path, [run], a_set(), k=5)


def test_of_two_runs_over_the_same_documents_the_one_of_the_same_name_is_matched() -> None:
    one, other = a_run(a_set("one"), {}), a_run(a_set("other", texts={"x": "else?"}), {})
    for saved in ([one, other], [other, one]):
        assert match_run(Path("run.json"), saved, a_set("one"), k=K) == one
        assert match_run(Path("run.json"), saved, a_set("other"), k=K) == other


def test_a_comparison_is_of_the_questions_that_are_the_same_in_both() -> None:
    before = a_run(a_set(texts={"q1": "who?", "q2": "what?", "gone": "when?"}), {"q1": 0.2, "q2": 0.9})
    after = a_run(a_set(texts={"q1": "who?", "q2": "what else?", "new": "why?"}), {"q1": 0.6, "q2": 0.1})
    compared = compare_runs(before, after, seed=0)
    assert compared is not None
    assert (compared.questions, compared.not_compared) == (1, 3)
    assert compared.differences["ndcg@10"].mean == pytest.approx(0.4)
    assert compared.differences["recall@10"].mean == 0
    assert [(each.id, each.before, each.after) for each in compared.most_changed] == [("q1", 0.2, 0.6)]


def test_a_question_that_is_judged_otherwise_is_another_question() -> None:
    evaluation_set = a_set()
    before = a_run(evaluation_set, {})
    after = a_run(replace(evaluation_set, qrels={each: {"d1": 2} for each in ("q1", "q2", "q3")}), {})
    assert compare_runs(before, after, seed=0) is None


def test_the_interval_of_a_difference_is_paired() -> None:
    """Questions differ by far more than the runs do: means of each run would tell nothing of a steady gain."""
    texts = {f"q{n}": f"question {n}" for n in range(60)}
    before = a_run(a_set(texts=texts), {each: n % 10 / 10 for n, each in enumerate(texts)})
    after = a_run(a_set(texts=texts), {each: n % 10 / 10 + 0.02 for n, each in enumerate(texts)})
    compared = compare_runs(before, after, seed=0)
    assert compared is not None
    found = compared.differences["ndcg@10"]
    assert found.low == pytest.approx(0.02)
    assert found.high == pytest.approx(0.02)
    assert len(compared.most_changed) == 10


def test_what_was_set_differently_is_said() -> None:
    before = a_run(a_set(), {}, embedder="small", store="pgvector")
    after = a_run(a_set(), {}, embedder="large", store="pgvector", reranker="on")
    compared = compare_runs(before, after, seed=0)
    assert compared is not None
    assert compared.settings == {"embedder": ("small", "large"), "reranker": ("?", "on")}
    assert compared.as_json()["settings"]["embedder"] == {"before": "small", "after": "large"}
    assert compared.most_changed == ()


def test_a_run_of_the_same_questions_in_another_order_is_no_different() -> None:
    evaluation_set = a_set()
    turned = replace(evaluation_set, questions=evaluation_set.questions[::-1])
    compared = compare_runs(a_run(evaluation_set, {"q1": 0.1}), a_run(turned, {"q1": 0.1}), seed=0)
    assert compared is not None
    assert compared.differences["ndcg@10"].mean == 0
    assert isinstance(next(iter(a_run(evaluation_set, {}).questions.values())), QuestionRun)


def test_half_of_a_surrogate_pair_costs_no_run(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    write_whole(path, json.dumps({"question": "who\ud800?", "answer": "Grüße 😀"}, ensure_ascii=False))
    assert json.loads(path.read_text("utf-8")) == {"question": "who\ud800?", "answer": "Grüße 😀"}
    assert [*tmp_path.iterdir()] == [path]


def test_a_name_that_no_file_can_have_is_told_before_there_is_a_run() -> None:
    with pytest.raises(RunFileError, match="File name too long"):
        check_savable(Path("a" * 300))


def test_a_k_that_is_no_number_is_no_run(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    save_runs(path, [a_run(a_set(), {})])
    path.write_text(path.read_text("utf-8").replace(f'"k": {K}', '"k": Infinity'), encoding="utf-8")
    with pytest.raises(RunFileError, match="is not a saved run"):
        read_runs(path)
