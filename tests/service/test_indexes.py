"""`footnote reindex` and `footnote indexes`, from the first index to the end of the last but one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from retrieval.comparing import Comparison
from retrieval.embedders import EmbedderSpec
from retrieval.errors import WeightsError
from service.cli import run
from service.indexes import Terms, refusal_of
from tests.retrieval.corpus import BagOfWords

Call = Callable[..., dict[str, Any]]


class Deaf(BagOfWords):
    """An embedder that is broken: a text's vector has nothing to do with its words."""

    def embed_query(self, text: str) -> NDArray[np.float32]:
        vector = self._direction(f"deaf {text}")
        return (vector / np.linalg.norm(vector)).astype(np.float32)

    def embed_documents(self, texts: Any) -> NDArray[np.float32]:
        return np.stack([self.embed_query(f"document {text}") for text in texts])


def load(spec: EmbedderSpec) -> BagOfWords:
    if spec.model == "lost":
        raise WeightsError("there is no model 'lost'")
    made = Deaf if spec.model == "deaf" else BagOfWords
    return made(dimension=32 if spec.model == "two" else 48, model=spec.model)


@pytest.fixture
def call(
    dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Call:
    """Runs a command with --json, the model 'one' configured unless told otherwise; returns what it printed."""
    monkeypatch.setattr("service.wiring.load_embedder", load)
    monkeypatch.setattr("service.indexes.load_embedder", load)
    monkeypatch.setattr("retrieval.dropping._GRACE_S", 0.05)
    for name, value in {
        "HOME": str(tmp_path),
        "DATABASE__DSN": dsn,
        "EMBEDDER__KIND": "sentence_transformer",
        "PARSING__OCR": "off",
        "INGEST__NICE": "0",  # the tests go on in this process
    }.items():
        monkeypatch.setenv(f"FOOTNOTE_{name}", value)

    def call_it(*arguments: str, configured: str = "one", status: int = 0) -> dict[str, Any]:
        monkeypatch.setenv("FOOTNOTE_EMBEDDER__MODEL", configured)
        capfd.readouterr()
        returned = run([*arguments, "--json"])
        out, err = capfd.readouterr()
        assert returned == status, err
        assert "bug in Footnote" not in err
        value = json.loads(out)
        assert isinstance(value, dict)
        return value | {"told": err}

    return call_it


@pytest.fixture
def folder(tmp_path: Path, call: Call) -> Path:
    """A folder of forty notes, ingested."""
    root = tmp_path / "notes"
    root.mkdir()
    for number in range(40):
        (root / f"{number}.txt").write_text(
            f"The badger of valley {number} digs its holes at night. An owl sleeps in tree {number} all day long.\n"
        )
    assert call("ingest", str(root))["added"] == 40
    return root


def listed(call: Call) -> list[tuple[str, str, int]]:
    return [
        (i["embedder"].split("@")[0], i["state"], i["vectors"]) for i in call("indexes", "list")["indexes"]
    ]


def test_from_one_embedder_to_another_and_back_again(call: Call, folder: Path) -> None:
    done = call("reindex", "--model", "two")
    assert (done["switched"], done["embedded"], done["refusal"]) == (True, 40, None)
    assert done["settings"] == {"embedder.model": "two"}
    comparison = done["comparison"]
    assert (comparison["chunks"], comparison["sentences"], comparison["questions"]) == (40, 40, 40)
    assert 0.3 < comparison["neighbours"] < 1
    assert comparison["found"] > 0.9
    assert comparison["found_before"] > 0.9
    assert listed(call) == [("one", "retired", 40), ("two", "active", 40)]

    # Whoever has the former settings still is answered, and does not write.
    assert call("search", "badger of valley 7")["hits"][0]["path"] == "7.txt"
    (folder / "new.txt").write_text("A heron stands in the brook and waits for fish.\n")
    assert "built with two" in call("ingest", str(folder), status=1)["error"]

    assert call("ingest", str(folder), configured="two")["added"] == 1
    assert "new.txt" in {hit["path"] for hit in call("search", "heron in the brook")["hits"]}
    (found, *_) = call("search", "heron in the brook", configured="two")["hits"]
    assert found["path"] == "new.txt"

    former = done["former"]
    refused = call("indexes", "activate", str(former), configured="two", status=1)
    assert "FOOTNOTE_EMBEDDER__MODEL" in refused["error"]
    back = call("indexes", "activate", str(former), "--model", "one", configured="two")
    assert (back["former"], back["embedded"], back["settings"]) == (
        done["index"],
        1,
        {"embedder.model": "one"},
    )
    assert listed(call) == [("one", "active", 41), ("two", "retired", 41)]
    assert "answers searches" in call("indexes", "drop", str(former), status=1)["error"]
    assert call("indexes", "drop", str(done["index"]))["index"] == done["index"]
    assert listed(call) == [("one", "active", 41)]
    assert call("doctor", "--deep")["healthy"]


def test_an_index_that_does_not_meet_the_terms_waits_for_others(call: Call, folder: Path) -> None:
    refused = call("reindex", "--model", "deaf", "--min-found", "0.9", status=1)
    assert "at least 90% were asked for" in refused["refusal"]
    assert f"footnote indexes drop {refused['index']}" in refused["told"]
    assert refused["comparison"]["found"] < 0.6
    assert refused["comparison"]["neighbours"] < 0.5
    assert listed(call) == [("one", "active", 40), ("deaf", "building", 40)]
    # The terms are others, and nothing has to be embedded for that.
    done = call("reindex", "--model", "deaf", "--no-switch")
    assert (done["index"], done["embedded"], done["switched"]) == (refused["index"], 0, False)
    done = call("reindex", "--model", "deaf", "--min-found", "0", "--min-overlap", "0")
    assert (done["index"], done["embedded"], done["switched"]) == (refused["index"], 0, True)


def test_a_person_is_told_what_was_found_and_what_to_set(
    call: Call, folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    asked = tmp_path / "questions.txt"
    asked.write_text("which badger digs\n\nwhere does the owl sleep\n")
    capfd.readouterr()
    assert run(["reindex", "--model", "two", "--questions", str(asked), "--sample", "10"]) == 0
    out, err = capfd.readouterr()
    assert "compared with index 1 (one@01234567 (48 dimensions, fp32)):" in out
    assert "10 chunks: of their ten nearest neighbours" in out
    assert "10 sentences of them as questions:" in out
    assert "2 questions: of the ten first chunks" in out
    assert "'default' now answers from index 2" in err
    assert "footnote indexes activate 1" in err
    assert '  [embedder]\n  model = "two"' in err
    capfd.readouterr()
    assert run(["indexes", "list"]) == 0
    assert "retired" in capfd.readouterr().out


def test_a_configured_embedder_that_cannot_be_loaded_is_no_reason_to_stay(call: Call, folder: Path) -> None:
    done = call("reindex", "--model", "two", configured="lost")
    assert "the configured embedder cannot be loaded: there is no model 'lost'" in done["told"]
    assert done["switched"]
    assert done["comparison"]["found_before"] is None


def test_questions_that_cannot_be_read_are_wrong_usage(call: Call, folder: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty.txt"
    empty.write_text("\n \n")
    for path, reason in ((tmp_path / "none.txt", "cannot be read"), (empty, "there is no question in")):
        assert reason in call("reindex", "--questions", str(path), status=2)["error"]
    assert listed(call) == [("one", "active", 40)]


def test_terms_hold_for_what_could_be_compared() -> None:
    strict = Terms(min_neighbours=0.5, min_found=0.9)
    assert refusal_of(Comparison(neighbours=0.5, found=0.9), strict) is None
    assert refusal_of(Comparison(), strict) is None, "the first index of a collection has nothing to be like"
    assert "49% of the neighbours" in (refusal_of(Comparison(neighbours=0.49, found=1.0), strict) or "")
    assert "89% of the sentences" in (refusal_of(Comparison(neighbours=1.0, found=0.89), strict) or "")
    assert "cannot be compared" in (refusal_of(Comparison(found=1.0, missing="it is lost"), strict) or "")
    assert refusal_of(Comparison(neighbours=0.0, found=0.0, missing="it is lost"), Terms()) is None
