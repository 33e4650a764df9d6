"""Sets of questions to be answered: what is read of them, and what is left when documents are taken out."""

from __future__ import annotations

from pathlib import Path

import pytest

from evaluation.answer_sets import Span, read_answer_set
from evaluation.jsonl import EvaluationDataError
from ingest.parsers.text import clean
from tests.evaluation.folders_on_disk import Rows, write_qa

DOCS: Rows = (
    {"doc_id": "a1", "title": "Badgers", "text": "Badgers dig tunnels. They eat worms."},
    {"doc_id": "a2", "title": "Badgers", "text": "A badger sleeps by day."},
    {"doc_id": "b1", "title": "Owls", "text": "Owls fly at night."},
)
QUESTIONS: Rows = (
    {
        "qid": "1",
        "question": "What do badgers dig?",
        "answerable": True,
        "doc_id": "a1",
        "answers": ["tunnels", "deep tunnels"],
        "answer_starts": [12, 12],
    },
    {"qid": "2", "question": "What flies?", "answerable": True, "doc_ids": ["b1"], "answers": ["Owls"]},
    {
        "qid": "3",
        "question": "Who sleeps and flies?",
        "answerable": True,
        "doc_ids": ["a2", "b1"],
        "answers": [],
    },
    {"qid": "4", "question": "What do owls cost?", "answerable": False, "doc_id": "b1", "answers": ["two"]},
)


def test_answers_are_read_with_their_places_as_far_as_the_text_holds_them(tmp_path: Path) -> None:
    first, second, _, fourth = read_answer_set(write_qa(tmp_path, docs=DOCS, questions=QUESTIONS)).questions
    assert first.answers == ("tunnels", "deep tunnels")
    assert first.spans == (Span(document="a1", start=12, end=19),)
    assert (second.documents, second.spans) == (frozenset({"b1"}), ())
    assert (fourth.answerable, fourth.answers, fourth.documents) == (False, (), frozenset())


def test_documents_of_one_title_are_left_out_together_and_their_questions_become_ones_to_refuse(
    tmp_path: Path,
) -> None:
    whole = read_answer_set(write_qa(tmp_path, docs=DOCS, questions=QUESTIONS))
    seen = set()
    for seed in range(8):
        half = whole.leave_out(0.5, seed)
        kept = [document.id for document in half.corpus.documents]
        seen.add(tuple(kept))
        asked = {question.id: question for question in half.questions}
        assert asked.keys() == {"1", "2", "4"}, "one that needs documents of both kinds is not asked"
        assert (asked["1"].answerable, asked["1"].left_out) == ("a1" in kept, "a1" not in kept)
        assert (asked["2"].answerable, asked["2"].left_out) == ("b1" in kept, "b1" not in kept)
        assert not asked["4"].left_out
    assert seen == {("a1", "a2"), ("b1",)}
    assert whole.leave_out(0, 1) == whole
    with pytest.raises(EvaluationDataError, match="nothing is left of"):
        whole.leave_out(1, 0)


def test_a_smaller_sample_begins_a_larger_one(tmp_path: Path) -> None:
    whole = read_answer_set(write_qa(tmp_path, docs=DOCS, questions=QUESTIONS))
    assert whole.sample(3, 5).questions[:2] == whole.sample(2, 5).questions
    assert {question.id for question in whole.answerable_only().questions} == {"1", "2", "3"}


@pytest.mark.parametrize(
    ("questions", "error"),
    [
        ([{"qid": "1", "question": "x", "answers": "tunnels"}], "line 1 of .*'answers' is not a list"),
        ([{"qid": "1", "question": "x", "doc_ids": [None]}], "line 1 of .*'doc_ids' is not a list"),
        ([{"question": "x"}], "line 1 of .*has no 'qid'"),
        ([], "holds no questions"),
    ],
)
def test_what_is_malformed_is_named(tmp_path: Path, questions: Rows, error: str) -> None:
    with pytest.raises(EvaluationDataError, match=error):
        read_answer_set(write_qa(tmp_path, docs=DOCS, questions=questions))


def test_places_are_those_in_the_text_that_is_ingested(tmp_path: Path) -> None:
    text = "Badgers dig.\r\nThey dig\r\ntunnels\r\nall night."
    asked = {
        "qid": "1",
        "question": "What?",
        "doc_id": "a",
        "answers": ["tunnels\r\nall"],
        "answer_starts": [24],
    }
    read = read_answer_set(write_qa(tmp_path, docs=[{"doc_id": "a", "text": text}], questions=[asked]))
    (span,) = read.questions[0].spans
    assert clean(text)[span.start : span.end] == "tunnels\nall"
