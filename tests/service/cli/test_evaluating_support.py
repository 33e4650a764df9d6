"""`footnote eval support`: claims on disk, the real models, and no database."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from generation.entailment import EntailmentModel
from retrieval.rerankers import Reranker
from service.cli import run
from tests.evaluation.claims_on_disk import ON_EVIDENCE, ON_SENTENCES, WITH_FLAGS, write_claims
from tests.evaluation.folders_on_disk import lines, write

Call = Callable[..., "tuple[int, str, str]"]


@pytest.fixture
def call(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    weights_cache: Path,
    reranker: Reranker,
    entailer: EntailmentModel,
) -> Call:
    """Runs a command in this process, where no database answers; returns its status, output and messages."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "weights").symlink_to(weights_cache)
    monkeypatch.setenv("FOOTNOTE_HOME", str(home))
    monkeypatch.setenv("FOOTNOTE_DATABASE__DSN", "postgresql://nobody@127.0.0.1:1/none")
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> tuple[int, str, str]:
        status = run(["eval", "support", *arguments])
        said = capsys.readouterr()
        return status, said.out, said.err

    return call


def test_sets_are_measured_beside_the_cross_encoder_and_saved_claim_by_claim(
    call: Call, tmp_path: Path
) -> None:
    write_claims(tmp_path / "data" / "a" / "abstracts.jsonl", ON_SENTENCES, zipped=True)
    write_claims(tmp_path / "data" / "pages.jsonl", ON_EVIDENCE)
    write(tmp_path / "data" / "other.jsonl", '{"question": "?"}\n')
    status, out, err = call("--data", "data", "--save", "claims.jsonl", "--json")
    assert status == 0, err
    told = json.loads(out)
    assert told["threshold"] == 0.5
    assert told["settings"].keys() == {"support check", "cross-encoder", "layers"}
    abstracts, pages = told["sets"]
    assert (abstracts["name"], abstracts["format"]) == ("abstracts", "claims on sentences")
    assert (abstracts["stated"], abstracts["contradicted"], abstracts["not_stated"]) == (1, 1, 1)
    assert abstracts["check"]["auc"]["value"] == 1.0
    assert abstracts["check"]["contradicted_auc"]["value"] == 1.0
    assert abstracts["check"]["rejected_contradicted"]["share"] == 1.0
    assert abstracts["cross_encoder"].keys() == abstracts["check"].keys()
    assert 0 < abstracts["latency_ms"]["p50"] < 60_000
    assert pages["check"]["contradicted_auc"]["value"] is None
    assert told["passed_over"] == [
        {"path": "data/other.jsonl", "why": "its first row has not the fields of a set of claims."}
    ]
    assert "'data/other.jsonl' is passed over: its first row has not the fields" in err
    assert "Saved as 'claims.jsonl'" in err
    saved = [json.loads(line) for line in (tmp_path / "claims.jsonl").read_text().splitlines()]
    assert [(each["set"], each["line"]) for each in saved] == [
        *(("abstracts", line) for line in (1, 2, 3)),
        *(("pages", line) for line in (1, 2, 3)),
    ]
    assert (saved[0]["supported"], saved[0]["quotes"]) == (True, ["Badgers dig tunnels below the garden."])
    assert saved[1]["label"] == "contradicted"
    assert not saved[1]["supported"]


def test_a_sample_is_drawn_and_shown_in_words(call: Call, tmp_path: Path) -> None:
    path = write_claims(tmp_path / "pages.jsonl", ON_EVIDENCE)
    status, out, err = call("--data", str(path), "--limit", "2", "--seed", "3")
    assert status == 0, err
    assert "2 claims drawn from 3 in" in out
    assert "the check" in out
    assert "cross-encoder" in out
    assert "rejected, of not stated" in out
    assert "rejected, of contradicted" not in out
    assert "pages: checking 2 claims" in err


def test_the_former_check_and_no_baseline(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FOOTNOTE_SUPPORT__CHECK", "likeness")
    path = write_claims(tmp_path / "abstracts.jsonl", ON_SENTENCES)
    status, out, err = call("--data", str(path), "--no-baseline", "--json")
    assert status == 0, err
    told = json.loads(out)
    assert told["settings"]["support check"] == "likeness"
    assert "layers" not in told["settings"]
    (measured,) = told["sets"]
    assert (measured["cross_encoder"], measured["auc_gain"]) == (None, None)
    assert measured["check"]["contradicted_auc"]["value"] is not None


def test_a_set_in_which_nothing_is_stated_says_so(call: Call, tmp_path: Path) -> None:
    path = write_claims(tmp_path / "words.jsonl", WITH_FLAGS[1:])
    status, out, err = call("--data", str(path))
    assert status == 0, err
    assert "None of these claims is stated, so there is no AUC and no F1." in out
    assert "rejected, of not stated" in out
    assert "precision" not in out


def test_what_cannot_be_measured_is_said_before_a_model_is_loaded(call: Call, tmp_path: Path) -> None:
    write_claims(tmp_path / "good.jsonl", ON_SENTENCES)
    packed = gzip.compress((lines(ON_SENTENCES) * 400).encode())
    (tmp_path / "cut.jsonl.gz").write_bytes(packed[: len(packed) - 20])
    (tmp_path / "plain.jsonl.gz").write_bytes(lines(ON_SENTENCES).encode())
    write(tmp_path / "invalid.jsonl", lines(ON_SENTENCES[:1]) + "{oops\n")
    write(tmp_path / "missing.jsonl", lines(ON_SENTENCES[:1]) + '{"claim": "a", "sentences": ["a"]}\n')
    write(tmp_path / "empty.jsonl", "")
    write(tmp_path / "fields.jsonl", '{"claim": "a"}\n')
    (tmp_path / "nothing").mkdir()
    for arguments, status, message in (
        (("--data", "cut.jsonl.gz"), 1, "the gzip file is damaged"),
        (("--data", "plain.jsonl.gz"), 1, "the gzip file is damaged"),
        (("--data", "invalid.jsonl"), 1, "line 2 of 'invalid.jsonl': it is not JSON"),
        (("--data", "missing.jsonl"), 1, "line 2 of 'missing.jsonl': its 'label' is missing"),
        (
            ("--data", "empty.jsonl"),
            2,
            "'empty.jsonl' is no set of claims: it is empty. Expected are JSON objects",
        ),
        (("--data", "fields.jsonl"), 2, "with the fields claim, evidence"),
        (("--data", "nothing"), 2, "holds no file that ends in .jsonl"),
        (("--data", "nowhere"), 2, "there is no file or folder 'nowhere'"),
        (("--data", "good.jsonl", "--save", "no/where"), 1, "its folder does not exist"),
        (("--data", "good.jsonl", "--limit", "0"), 2, "greater than or equal to 1"),
        ((), 2, "--data"),
    ):
        found, out, err = call(*arguments)
        assert (found, out) == (status, ""), (arguments, err)
        assert message in " ".join(err.split()), (arguments, err)
        assert "checking" not in err
