"""`footnote eval`: on a small set, with the real models, from the first run to a clean database."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from retrieval.embedders import Embedder
from retrieval.rerankers import Reranker
from service.cli import run
from tests.evaluation.folders_on_disk import DOCUMENTS, QRELS, QUERIES, write, write_beir, write_qa

Call = Callable[..., "tuple[int, str, str]"]


@pytest.fixture
def call(
    dsn: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    weights_cache: Path,
) -> Call:
    """Runs a command in this process; returns its status, standard output and standard error."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "weights").symlink_to(weights_cache)
    monkeypatch.setenv("FOOTNOTE_HOME", str(home))
    monkeypatch.setenv("FOOTNOTE_DATABASE__DSN", dsn)
    monkeypatch.setenv("FOOTNOTE_RERANKER__ENABLED", "false")
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> tuple[int, str, str]:
        status = run(["eval", *arguments])
        said = capsys.readouterr()
        return status, said.out, said.err

    return call


def collections(dsn: str) -> list[str]:
    with psycopg.connect(dsn) as connection:
        return [str(row[0]) for row in connection.execute("SELECT name FROM collections ORDER BY name")]


def the_set(out: str) -> dict[str, Any]:
    (measured,) = json.loads(out)["sets"]
    assert isinstance(measured, dict)
    return measured


def test_a_set_is_measured_saved_compared_and_removed(
    call: Call, dsn: str, tmp_path: Path, embedder: Embedder, reranker: Reranker
) -> None:
    data = write_beir(tmp_path / "zoo", zipped=True)
    status, out, err = call("retrieval", "--data", str(data), "--save", "run.json", "--json")
    assert status == 0, err
    measured = the_set(out)
    assert (measured["documents"], measured["added_documents"], measured["chunks"]) == (4, 4, 4)
    assert (measured["questions"], measured["left_out_questions"]) == (3, 1)
    assert measured["measures"].keys() == {"ndcg@10", "recall@10", "recall@100", "mrr@10"}
    # Of four documents all are found; each question's own comes first.
    assert measured["measures"]["recall@10"] == {"mean": 1.0, "low": 1.0, "high": 1.0}
    assert measured["measures"]["mrr@10"]["mean"] == 1.0
    assert 0 < measured["latency_ms"]["whole"]["p50"] < 10_000
    assert "Saved as 'run.json'" in err
    assert collections(dsn) == [measured["collection"]]
    settings = json.loads(out)["settings"]
    assert settings["reranker"] == "off"
    assert settings.keys() >= {"embedder", "chunking", "store", "fusion", "bm25", "passages"}
    assert "rerank" not in settings

    status, out, err = call("retrieval", "--data", str(data), "--compare", "run.json")
    assert status == 0, err
    assert "4 documents in 4 chunks; 3 questions; 1 left out for want of a relevant document" in out
    assert "ndcg@10     " in out
    assert "no clear difference" in out
    assert "compared over 3 questions" in out
    assert "loading" not in err, "a second run loads and embeds nothing"

    status, out, err = call(
        "retrieval", "--data", str(data), "--limit", "1", "--seed", "7", "--drop", "--json"
    )
    assert status == 0, err
    dropped = the_set(out)
    assert (dropped["added_documents"], dropped["questions"], dropped["judged_questions"]) == (0, 1, 3)
    assert collections(dsn) == []


def test_several_sets_are_measured_and_each_counts_alike(
    call: Call, dsn: str, tmp_path: Path, embedder: Embedder, reranker: Reranker
) -> None:
    write_beir(tmp_path / "all" / "zoo")
    write_qa(
        tmp_path / "all" / "pairs",
        docs=[{"doc_id": "1", "title": "", "text": "Foxes run."}, {"doc_id": "2", "title": "", "text": ""}],
        questions=[
            {"qid": "a", "question": "what runs?", "answerable": True, "doc_id": "1"},
            {"qid": "b", "question": "what swims?", "answerable": False},
        ],
    )
    (tmp_path / "all" / "notes").mkdir()
    status, out, err = call("retrieval", "--data", str(tmp_path / "all"), "--k", "3", "--json")
    assert status == 0, err
    told = json.loads(out)
    assert [(each["name"], each["documents"], each["blank_documents"]) for each in told["sets"]] == [
        ("pairs", 1, 1),
        ("zoo", 4, 0),
    ]
    assert "notes' is passed over: it holds no evaluation set." in err
    means = [each["measures"]["ndcg@3"]["mean"] for each in told["sets"]]
    assert told["mean"]["ndcg@3"]["mean"] == pytest.approx(sum(means) / 2, abs=1e-4)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("INSERT INTO collections (name) VALUES ('eval.of-mine')")
    status, out, err = call("clear", "--json")
    assert status == 0, err
    assert sorted(json.loads(out)["dropped"]) == sorted(each["collection"] for each in told["sets"])
    assert collections(dsn) == ["eval.of-mine"]
    assert call("clear")[2].strip() == "There is none to remove."


def test_what_cannot_be_measured_is_said_before_anything_is_loaded(
    call: Call, dsn: str, tmp_path: Path
) -> None:
    good = str(write_beir(tmp_path / "good"))
    broken = write_beir(tmp_path / "broken")
    write(broken / "queries.jsonl", "nonsense\n")
    incomplete = write_beir(tmp_path / "incomplete", qrels=[*QRELS, ("q1", "d99", 1)])
    write_beir(tmp_path / "other", documents=DOCUMENTS[:3], queries=QUERIES[:1], qrels=QRELS[:1])
    (tmp_path / "no run.json").write_text("{}")
    for arguments, status, message in (
        (("--data", "nowhere"), 2, "there is no folder 'nowhere'"),
        (("--data", str(broken)), 1, "line 1 of"),
        (("--data", str(incomplete)), 1, "name documents that it does not have: 'd99'"),
        (("--data", good, "--data", str(broken)), 1, "it is not JSON"),
        (("--data", good, "--compare", "no run.json"), 1, "is not a saved run"),
        (("--data", good, "--compare", "nowhere"), 1, "cannot be read"),
        (("--data", good, "--save", "no/where"), 1, "its folder does not exist"),
        (("--data", good, "--k", "0"), 2, "greater than or equal to 1"),
        (("--data", good, "--limit", "0"), 2, "greater than or equal to 1"),
        ((), 2, "--data"),
    ):
        found, out, err = call("retrieval", *arguments)
        assert (found, out) == (status, ""), (arguments, err)
        assert message in " ".join(err.split()), arguments
    assert collections(dsn) == []


def test_a_saved_run_over_other_documents_is_refused(call: Call, tmp_path: Path) -> None:
    saved = {"name": "zoo", "corpus_hash": "0" * 64, "k": 10, "settings": {}, "questions": {}}
    (tmp_path / "run.json").write_text(json.dumps({"format": "footnote retrieval run 1", "sets": [saved]}))
    data = str(write_beir(tmp_path / "good"))
    status, _, err = call("retrieval", "--data", data, "--compare", "run.json")
    assert status == 1
    assert "is a run over other documents (zoo) than those of good" in " ".join(err.split())


def test_a_missing_extra_is_named_with_how_to_install_it(
    call: Call, dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ir_measures", None)
    status, out, err = call("retrieval", "--data", str(write_beir(tmp_path / "zoo")), "--json")
    assert status == 1
    assert "pip install 'footnote-service[eval]'" in out + err
    assert collections(dsn) == []


def test_answers_are_measured_with_what_is_left_out_refused(
    call: Call, dsn: str, tmp_path: Path, embedder: Embedder, reranker: Reranker
) -> None:
    data = write_qa(
        tmp_path / "zoo",
        docs=[
            {
                "doc_id": "1",
                "title": "Badgers",
                "text": "Badgers dig tunnels below the garden. They eat worms.",
            },
            {
                "doc_id": "2",
                "title": "Tickets",
                "text": "Tickets for adults cost four euros. Children pay two.",
            },
        ],
        questions=[
            {
                "qid": "a",
                "question": "What do badgers dig below the garden?",
                "answerable": True,
                "doc_id": "1",
                "answers": ["tunnels"],
                "answer_starts": [12],
            },
            {
                "qid": "b",
                "question": "How much do tickets for adults cost?",
                "answerable": True,
                "doc_id": "2",
                "answers": ["four euros"],
                "answer_starts": [24],
            },
        ],
    )
    status, out, err = call("answers", "--data", str(data), "--save", "answers.jsonl", "--json")
    assert status == 0, err
    measured = the_set(out)
    assert measured["measures"]["answer_quoted"]["mean"] == 1.0
    assert measured["measures"]["citation_precision"]["mean"] == 1.0
    assert measured["answerable_answered"]["successes"] == 2
    saved = [json.loads(line) for line in (tmp_path / "answers.jsonl").read_text().splitlines()]
    assert [(line["question_id"], line["status"]) for line in saved] == [("a", "answered"), ("b", "answered")]
    assert "four euros" in saved[1]["answer"]

    status, out, err = call("answers", "--data", str(data), "--leave-out", "0.5", "--drop")
    assert status == 0, err
    assert "1 document in 1 chunk; 2 questions" in out
    assert "refusal precision       1.000" in out
    assert "  of those left out     1.000" in out
    assert len(collections(dsn)) == 1, "the smaller collection is gone, the first run's is kept"

    status, out, err = call("answers", "--data", str(tmp_path / "nowhere"))
    assert (status, out) == (2, "")
    assert "there is no folder" in err
