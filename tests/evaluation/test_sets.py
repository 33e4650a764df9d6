"""Evaluation sets: both kinds are read alike, and what is malformed is named with its line."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from evaluation.jsonl import EvaluationDataError
from evaluation.sets import EvaluationDocument, read_set
from tests.evaluation.folders_on_disk import DOCUMENTS, QUERIES, lines, write, write_beir, write_qa


@pytest.mark.parametrize("zipped", [False, True])
def test_a_beir_folder_is_read(tmp_path: Path, zipped: bool) -> None:
    found = read_set(write_beir(tmp_path / "zoo", zipped=zipped))
    assert found.name == "zoo"
    assert [document.id for document in found.documents] == ["d1", "d2", "d3", "d4"]
    assert found.documents[3] == EvaluationDocument(id="d4", title="", text="The café opens at nine.")
    assert [(question.id, question.text) for question in found.questions] == [
        (row["_id"], row["text"]) for row in QUERIES[:3]
    ]
    # A grade of 0 is no relevant document.
    assert found.qrels == {"q1": {"d1": 2}, "q2": {"d2": 1}, "q3": {"d3": 1, "d4": 1}}
    assert (found.left_out, found.unasked) == (1, ())


@pytest.mark.parametrize("zipped", [False, True])
def test_a_qa_folder_is_read_and_unanswerable_questions_are_left_out(tmp_path: Path, zipped: bool) -> None:
    folder = write_qa(
        tmp_path / "pairs",
        docs=[{"doc_id": 7, "title": "T", "text": "one"}, {"doc_id": "8", "title": None, "text": ""}],
        questions=[
            {
                "qid": "a",
                "question": "one?",
                "answerable": True,
                "answers": ["one"],
                "doc_id": 7,
                "answer_start": 0,
            },
            {"qid": "b", "question": "both?", "doc_ids": ["7", 8], "answers": []},
            {"qid": "c", "question": "neither?", "answerable": False, "doc_id": "7"},
            {"qid": "d", "question": "where?", "answerable": True, "doc_id": None},
        ],
        zipped=zipped,
    )
    found = read_set(folder)
    assert found.qrels == {"a": {"7": 1}, "b": {"7": 1, "8": 1}}
    assert [question.id for question in found.questions] == ["a", "b"]
    assert found.left_out == 2


def test_judgements_may_lie_where_beir_puts_them_and_need_no_heading(tmp_path: Path) -> None:
    folder = write_beir(tmp_path)
    (folder / "qrels.tsv").unlink()
    write(folder / "qrels" / "test.tsv", "q1\td1\t1\r\nq2\td2\t1\r\n\n")
    assert read_set(folder).qrels == {"q1": {"d1": 1}, "q2": {"d2": 1}}


def test_files_that_begin_with_a_byte_order_mark_are_read_like_others(tmp_path: Path) -> None:
    folder = write_beir(tmp_path)
    for name in ("corpus.jsonl", "queries.jsonl"):
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(b"\xef\xbb\xbf" + content)
    (folder / "qrels.tsv").write_bytes(b"\xef\xbb\xbfq1\td1\t1\n")
    found = read_set(folder)
    assert found.documents[0].id == "d1"
    assert found.qrels == {"q1": {"d1": 1}}


def test_a_very_long_line_is_a_line(tmp_path: Path) -> None:
    long = "badger " * 1_000_000
    folder = write_beir(tmp_path, documents=[{"_id": "d1", "text": long}], qrels=[("q1", "d1", 1)])
    assert read_set(folder).documents[0].text == long


def test_judged_questions_that_are_not_there_are_told(tmp_path: Path) -> None:
    found = read_set(write_beir(tmp_path, qrels=[("q1", "d1", 1), ("q9", "d1", 1)]))
    assert found.unasked == ("q9",)
    assert found.qrels == {"q1": {"d1": 1}}


HOSTILE = {
    "no JSON": ("corpus.jsonl", '{"_id": "d1"', r"line 1 of '.*corpus.jsonl': it is not JSON"),
    "second line": ("queries.jsonl", lines(QUERIES[:1]) + "nonsense\n", "line 2 .* it is not JSON"),
    "nested": ("corpus.jsonl", "[" * 100_000, "line 1 .* it is not JSON"),
    "a list": ("corpus.jsonl", "[1, 2]\n", "JSON, but no object"),
    "no id": ("corpus.jsonl", '{"text": "one"}\n', "it has no '_id'"),
    "an empty id": ("corpus.jsonl", '{"_id": "", "text": "one"}\n', "it has no '_id'"),
    "an id that is none": ("corpus.jsonl", '{"_id": true, "text": "one"}\n', "it has no '_id'"),
    "no text": ("corpus.jsonl", '{"_id": "d1"}\n', "its 'text' is missing or no text"),
    "a number for a text": (
        "queries.jsonl",
        '{"_id": "q1", "text": 7}\n',
        "its 'text' is missing or no text",
    ),
    "a list for a title": ("corpus.jsonl", '{"_id": "d1", "title": [], "text": ""}\n', "its 'title' is"),
    "an id twice": (
        "corpus.jsonl",
        lines((*DOCUMENTS, DOCUMENTS[0])),
        "line 5 .* id was used on an earlier line",
    ),
    "two columns": ("qrels.tsv", "q1\td1\n", "line 1 .* is not a judgement"),
    "spaces": ("qrels.tsv", "q1\td1\t1\nq2 0 d2 1\n", "line 2 .* is not a judgement"),
    "a broken grade": ("qrels.tsv", "q1\td1\t1\nq2\td2\t0.5\n", "line 2 .* is not a judgement"),
    "a huge grade": ("qrels.tsv", f"q1\td1\t1{'0' * 30}\n", "line 1 .* is not a judgement"),
    "two grades": ("qrels.tsv", "q1\td1\t1\nq1\td1\t2\n", "line 2 .* judged on an earlier line, otherwise"),
    "no judgements": ("qrels.tsv", "query-id\tcorpus-id\tscore\n", "no question with a relevant document"),
    "other questions": ("qrels.tsv", "x\td1\t1\n", "no question with a relevant document"),
    "other documents": ("qrels.tsv", "q1\tx\t1\n", "no relevant document of .* is in its corpus"),
    "no documents": ("corpus.jsonl", "\n \n", "holds no documents"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_malformed_is_named(tmp_path: Path, name: str) -> None:
    file, content, message = HOSTILE[name]
    folder = write_beir(tmp_path)
    write(folder / file, content)
    with pytest.raises(EvaluationDataError, match=message) as failed:
        read_set(folder)
    assert len(str(failed.value)) < 400


def test_the_same_judgement_twice_is_one(tmp_path: Path) -> None:
    assert read_set(write_beir(tmp_path, qrels=[("q1", "d1", 1)] * 2)).qrels == {"q1": {"d1": 1}}


def test_a_file_that_is_not_what_its_name_says_is_named(tmp_path: Path) -> None:
    whole = gzip.compress(lines(DOCUMENTS).encode())
    for content, message in (
        (b"no gzip at all", "the gzip file is damaged"),
        (whole[:-12], "the gzip file is damaged"),
        (whole[:20] + b"\0" * 20, "the gzip file is damaged"),
        (gzip.compress(b'{"_id": "caf\xe9"}'), "is not UTF-8"),
    ):
        folder = write_beir(tmp_path, zipped=True)
        (folder / "corpus.jsonl.gz").write_bytes(content)
        with pytest.raises(EvaluationDataError, match=message):
            read_set(folder)
    plain = write_beir(tmp_path / "plain")
    (plain / "corpus.jsonl").write_bytes(whole)
    with pytest.raises(EvaluationDataError, match="is not UTF-8 after line 0"):
        read_set(plain)


def test_missing_files_are_named(tmp_path: Path) -> None:
    for name, message in (
        ("queries.jsonl", "has no queries.jsonl"),
        ("qrels.tsv", "has no qrels.tsv"),
        ("corpus.jsonl", "is not an evaluation set"),
    ):
        folder = write_beir(tmp_path / name)
        (folder / name).unlink()
        with pytest.raises(EvaluationDataError, match=message):
            read_set(folder)
    pairs = write_qa(tmp_path / "pairs", docs=[], questions=[])
    (pairs / "questions.jsonl").unlink()
    with pytest.raises(EvaluationDataError, match=r"has no questions\.jsonl"):
        read_set(pairs)


def test_a_qa_question_with_documents_that_are_no_list_is_named(tmp_path: Path) -> None:
    folder = write_qa(
        tmp_path,
        docs=[{"doc_id": "1", "text": "one"}],
        questions=[{"qid": "a", "question": "one?", "doc_ids": "1"}],
    )
    with pytest.raises(EvaluationDataError, match=r"line 1 .* 'doc_ids' is not a list of ids"):
        read_set(folder)


def test_a_sample_is_the_same_for_the_same_seed_and_begins_a_larger_one(tmp_path: Path) -> None:
    queries = [{"_id": f"q{n}", "text": f"question {n}"} for n in range(50)]
    folder = write_beir(tmp_path, queries=queries, qrels=[(f"q{n}", "d1", 1) for n in range(50)])
    whole = read_set(folder)
    small, large = whole.sample(5, seed=3), whole.sample(20, seed=3)
    assert [question.id for question in large.questions[:5]] == [question.id for question in small.questions]
    assert small.qrels.keys() == {question.id for question in small.questions}
    assert small.documents == whole.documents
    assert whole.sample(5, seed=3) == small
    assert whole.sample(5, seed=4) != small
    assert len(whole.sample(1_000, seed=3).questions) == 50


def test_the_hash_of_a_corpus_tells_documents_apart_and_nothing_else(tmp_path: Path) -> None:
    plain, zipped = read_set(write_beir(tmp_path / "a")), read_set(write_beir(tmp_path / "b", zipped=True))
    assert plain.corpus_hash() == zipped.corpus_hash()
    assert plain.sample(1, seed=0).corpus_hash() == plain.corpus_hash()
    other = [*DOCUMENTS[:3], {"_id": "d4", "text": "The café opens at ten."}]
    assert read_set(write_beir(tmp_path / "c", documents=other)).corpus_hash() != plain.corpus_hash()


def test_ids_and_texts_may_hold_anything_that_json_can(tmp_path: Path) -> None:
    strange = ["a\tb", "a\nb", "\ud800", "a\x00b", "😀", "../../etc/passwd", "x" * 10_000]
    documents = [{"_id": name, "text": name} for name in strange]
    folder = write_beir(tmp_path, documents=[*documents, DOCUMENTS[0]], qrels=[("q1", "d1", 1)])
    assert [document.id for document in read_set(folder).documents] == [*strange, "d1"]
    assert len(read_set(folder).corpus_hash()) == 64
    assert json.loads(lines(documents[:1]))["_id"] == strange[0]


@pytest.mark.parametrize(
    ("name", "documents", "questions"),
    [("retrieval/cranfield", 1400, 225), ("retrieval/cacm", 3204, 52), ("qa/lihua-world", 442, 571)],
)
def test_real_sets_are_read_whole(evaluation_data: Path, name: str, documents: int, questions: int) -> None:
    found = read_set(evaluation_data / name)
    assert (len(found.documents), len(found.questions)) == (documents, questions)
