"""The command as its user meets it: real processes, real models, a database of the test's own."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_type_hints

import psycopg
import pytest
from psycopg import sql

from retrieval.embedders import Embedder
from retrieval.rerankers import Reranker
from service.cli import ingesting, run, sources
from tests.ingest.web_server import serving

ROOT = Path(__file__).resolve().parents[2]
QUESTION = "How many days of unused leave can I carry over into the next year?"


@dataclass(frozen=True, slots=True)
class Outcome:
    status: int
    out: str
    err: str

    def json(self) -> dict[str, Any]:
        """Standard output as the one JSON object that it has to be."""
        value = json.loads(self.out)
        assert isinstance(value, dict)
        assert self.out.count("\n") == 1
        return value


Footnote = Callable[..., Outcome]


@pytest.fixture
def environment(
    dsn: str, tmp_path: Path, embedder: Embedder, reranker: Reranker, weights_cache: Path
) -> dict[str, str]:
    """What a command sees of the world; the models have been fetched by the fixtures before."""
    # Output is buffered for most users, and then fails elsewhere than where it is written.
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("FOOTNOTE_") and name != "PYTHONUNBUFFERED"
    }
    home = tmp_path / "home"
    home.mkdir()
    (home / "weights").symlink_to(weights_cache)
    own = {
        "FOOTNOTE_HOME": str(home),
        "FOOTNOTE_DATABASE__DSN": dsn,
        # Some run in this process, which would stay lowered; and none is to wait for what else the machine does.
        "FOOTNOTE_INGEST__NICE": "0",
        "PYTHONPATH": str(ROOT),
    }
    if folder := os.environ.get("FOOTNOTE_WEIGHTS_DIR"):
        own["FOOTNOTE_WEIGHTS_DIR"] = folder
    return kept | own


def command(*arguments: str) -> list[str]:
    # Ctrl-C works also where the tests themselves run as a shell's background job, which ignores it.
    heed = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    return [sys.executable, "-c", heed + "from service.cli import main; main()", *arguments]


@pytest.fixture
def footnote(environment: dict[str, str], tmp_path: Path) -> Footnote:
    def call(*arguments: str, **more: str) -> Outcome:
        done = subprocess.run(
            command(*arguments),
            capture_output=True,
            cwd=tmp_path,
            env=environment | more,
            timeout=120,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        outcome = Outcome(done.returncode, done.stdout.decode(), done.stderr.decode())
        assert "Traceback" not in outcome.err + outcome.out
        return outcome

    return call


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "strange folder"
    root.mkdir()
    (root / "leave.md").write_text(
        "# Leave\n\nYou may carry up to five unused days into the next year. Grüße & 𝔘nicode 😀.\n"
    )
    (root / "empty.txt").write_bytes(b"")
    (root / "rubbish.txt").write_bytes(bytes(range(256)) * 40)
    (root / "fake.pdf").write_bytes(b"\x89PNG\r\n\x1a\n not a PDF")
    (root / "model.stl").write_bytes(b"solid")
    os.mkfifo(root / "pipe.txt")
    (root / "line\nbreak.txt").write_text("The gate opens at seven.\n")
    Path(os.fsdecode(os.fsencode(root) + b"/caf\xe9.txt")).write_text("Coffee is free.\n")
    return root


def test_from_a_strange_folder_to_answers_that_can_be_verified(footnote: Footnote, folder: Path) -> None:
    ingested = footnote("ingest", str(folder), "--json")
    report = ingested.json()
    assert ingested.status == 1, "two files failed"
    assert (report["added"], report["chunks"]) == (3, 3)
    assert {entry["path"]: entry["reason"] for entry in report["skipped"]} == {
        "empty.txt": "empty",
        "pipe.txt": "not a regular file",
        "model.stl": "no parser reads this kind of file",
    }
    assert {entry["path"] for entry in report["failed"]} == {"rubbish.txt", "fake.pdf"}
    assert not any(entry["retryable"] for entry in report["failed"])

    answer = footnote("ask", QUESTION, "--json").json()
    assert answer["status"] == "answered"
    for citation in answer["citations"]:
        text = footnote(
            "documents", "text", citation["document"], "--revision", str(citation["revision"])
        ).out
        assert text[citation["char_start"] : citation["char_end"]] == citation["quote"]
    assert all(answer["citations"][i] for sentence in answer["sentences"] for i in sentence["citations"])

    refused = footnote("ask", "Who won the world cup in 1954?", "--json")
    assert (refused.status, refused.json()["answered"], refused.json()["citations"]) == (0, False, [])

    hits = footnote("search", "coffee", "-k", "1", "--json").json()["hits"]
    assert hits[0]["path"] == "caf%E9.txt"

    again = footnote("ingest", str(folder))
    assert "2 unchanged" not in again.out
    assert "3 unchanged" in again.out
    status = footnote("status")
    assert "looks" in status.out
    assert "line\\nbreak.txt" in footnote("documents", "list").out


def test_what_a_person_reads(footnote: Footnote, folder: Path) -> None:
    footnote("ingest", str(folder))
    answered = footnote("ask", QUESTION)
    assert "You may carry up to five unused days into the next year. [1]" in answered.out
    assert "[1] leave.md, characters" in answered.out
    refused = footnote("ask", "Who won the world cup in 1954?")
    assert refused.status == 0
    assert "The sources do not answer this question." in refused.out


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("ingest", "nowhere"), 1, "does not exist"),
        (("ask", ""), 2, "the question is empty"),
        (("ask", "why " * 25_000), 2, "at most 8,000"),
        (("ask", "why", "--collection", "nowhere"), 1, "no collection 'nowhere'"),
        (("ingest", ".", "--collection", "Not A Name"), 2, "cannot be the name"),
        (("ingest", ".", "--readers", "everybody"), 2, "is not a reader"),
        (("search", "why", "-k", "0"), 2, "between 1 and"),
        (("search", "why", "-k", "1000000000"), 2, "between 1 and"),
        (("search", "why", "-k", "1.5"), 2, "valid integer"),
        (("ask", "why", "-k", "ten"), 2, "valid integer"),
        (("search", "why", "--max-per-document", "0"), 2, "greater than or equal to 1"),
        (("ask", " \t"), 2, "the question is empty"),
        (("ask", "why", "--path", "/etc"), 2, "leave it out"),
        (("search", "why", "--type", "pdf"), 2, "is not a media type"),
        (("search", "why", "--since", "2026-02-01", "--until", "2026-01-01"), 2, "come before the second"),
        (("search", "why", "--meta", "team"), 2, "NAME=VALUE"),
        (("search", "why", "--collection", os.fsdecode(b"\xff")), 1, "no collection"),
        (("ingest", ".", "--meta", "Team=hr"), 2, "is not a name of metadata"),
        (("ingest", ".", "--meta", "team=hr", "--no-meta"), 2, "give one of them"),
        (("ingest", "--retry-failed", "--meta", "team=hr"), 2, "name it"),
        (("sources", "add", ".", "--meta", ""), 2, "NAME=VALUE"),
        (("sources", "list", "--collection", os.fsdecode(b"\xff")), 1, "no collection"),
        (("documents", "show", "00000000-0000-0000-0000-000000000000"), 1, "no document"),
        (("keys", "revoke", "00000000-0000-0000-0000-000000000000"), 1, "key"),
        (("ingest", ".", "--exclude", "!"), 2, "'!' is not a pattern"),
        (("sources", "add", ".", "--schedule", "often"), 2, "five fields"),
        (("refresh", "--due", "00000000-0000-0000-0000-000000000000"), 2, "give one of them"),
        (("ingest",), 2, "name the folders or files"),
        (("ingest", "--retry-failed", "--no-rules"), 2, "name it"),
        (("ingest", ".", "--dry-run", "--retry-failed"), 2, "give one of them"),
        (("documents", "delete", "00000000-0000-0000-0000-000000000000"), 1, "no document"),
        (("asc",), 2, "Did you mean 'ask'?"),
    ],
)
def test_bad_input_gets_a_clear_error(
    arguments: tuple[str, ...],
    status: int,
    said: str,
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("PYTHONPATH")
    assert run(list(arguments)) == status
    shown = capsys.readouterr()
    assert said in shown.err + shown.out
    assert "Traceback" not in shown.err + shown.out


def test_an_error_is_one_json_object_too(footnote: Footnote) -> None:
    outcome = footnote("ask", "why", "--collection", "nowhere", "--json")
    assert outcome.status == 1
    assert "nowhere" in outcome.json()["error"]


def test_a_path_that_may_not_be_read_is_a_failure_not_wrong_usage() -> None:
    # Asked of the declaration: to root no path is closed, and an ordinary user cannot reach the tests' database. What
    # is declared as text is not looked at before the command is.
    for function, name, kind in ((ingesting.ingest, "paths", list[str] | None), (sources.add, "path", str)):
        assert get_type_hints(function)[name] == kind


def test_a_list_on_the_web_is_ingested_and_kept_fresh_like_a_folder(footnote: Footnote) -> None:
    with serving() as site:
        site.put("/leave.md", "# Leave\n\nEveryone has 28 days of paid leave.\n")
        location = site.list_files("/leave.md")
        refused = footnote("ingest", location, "--json")
        assert refused.status == 1
        assert "sources.allow_networks" in refused.json()["failed"][0]["error"]
        allowed = {"FOOTNOTE_SOURCES__ALLOW_NETWORKS": "127.0.0.1/32"}
        planned = footnote("ingest", location, "--dry-run", "--json", **allowed).json()
        assert planned["added"] == 1
        assert footnote("ingest", location, "--json", **allowed).json()["added"] == 1
        added = footnote("sources", "add", location, "--schedule", "* * * * *", "--json", **allowed)
        assert added.json()["location"] == location
        [listed] = footnote("sources", "list", "--json").json()["sources"]
        assert (listed["kind"], listed["location"], listed["documents"]) == ("web", location, 1)
        assert footnote("refresh", "--due", "--json", **allowed).json()["unchanged"] == 1


def test_an_address_with_a_password_is_refused_and_stands_in_no_output(footnote: Footnote) -> None:
    for command in (("ingest",), ("sources", "add")):
        outcome = footnote(*command, "https://ann:hunter2@docs.example.com/sitemap.xml")
        assert outcome.status == 2
        assert "a user or a password" in outcome.err
        assert "hunter2" not in outcome.err + outcome.out


def test_a_dry_run_reports_a_missing_path_beside_the_others(footnote: Footnote, folder: Path) -> None:
    outcome = footnote("ingest", "nowhere", str(folder), "--dry-run", "--json")
    report = outcome.json()
    assert (outcome.status, report["added"]) == (1, 5)
    assert [failed["path"] for failed in report["failed"]] == ["nowhere"]


def test_a_dry_run_prints_its_plan_path_by_path(footnote: Footnote, tmp_path: Path) -> None:
    root = tmp_path / "plan"
    root.mkdir()
    for name in ("edited", "gone", "kept", "old"):
        (root / f"{name}.md").write_text(f"# {name}\n\nSome words about {name}.\n")
    assert footnote("ingest", str(root)).status == 0
    (root / "edited.md").write_text("# edited\n\nOther words.\n")
    (root / "gone.md").unlink()
    (root / "old.md").rename(root / "new.md")
    (root / "added.md").write_text("Added.\n")
    plan = footnote("ingest", str(root), "--dry-run", "--json").json()
    assert plan["plan"] == {
        "added": ["added.md"],
        "updated": ["edited.md"],
        "renamed": [{"from": "old.md", "to": "new.md"}],
        "removed": ["gone.md"],
    }
    assert [plan[name] for name in ("added", "updated", "renamed", "removed", "unchanged")] == [1] * 5
    shown = footnote("ingest", str(root), "--dry-run").out
    assert "  rename  old.md → new.md\n" in shown
    assert "  remove  gone.md\n" in shown
    done = footnote("ingest", str(root), "--json").json()
    assert [done[name] for name in ("added", "updated", "renamed", "removed", "unchanged")] == [1] * 5


def test_what_failed_is_listed_left_alone_and_tried_again_on_demand(
    footnote: Footnote, folder: Path, dsn: str
) -> None:
    def tries() -> list[int]:
        with psycopg.connect(dsn) as connection:
            rows = connection.execute("SELECT attempts FROM ingest_failures ORDER BY path").fetchall()
        return [row[0] for row in rows]

    footnote("ingest", str(folder))
    again = footnote("ingest", str(folder), "--json")
    assert (again.status, len(again.json()["failed"]), tries()) == (1, 2, [1, 1])
    status = footnote("status")
    assert "rubbish.txt" in status.out
    assert "2 files could not be taken in" in status.out
    assert "footnote ingest --retry-failed" in status.err
    retried = footnote("ingest", "--retry-failed", "--json")
    assert (retried.status, len(retried.json()["failed"]), tries()) == (1, 2, [2, 2])
    (folder / "rubbish.txt").write_text("Mended.\n")
    (folder / "fake.pdf").unlink()
    mended = footnote("ingest", "--retry-failed", "--json")
    assert (mended.status, mended.json()["added"], tries()) == (0, 1, [])
    assert "nothing to try again" in footnote("ingest", "--retry-failed").err


def test_a_deleted_document_leaves_nothing_and_is_kept_out_on_demand(
    footnote: Footnote, tmp_path: Path, dsn: str
) -> None:
    root = tmp_path / "house"
    root.mkdir()
    (root / "se cret [1]!.md").write_text("The code is 4711.\n")
    (root / "open.md").write_text("The gate opens at seven.\n")
    footnote("ingest", str(root))

    def ids() -> dict[str, str]:
        return {d["path"]: d["id"] for d in footnote("documents", "list", "--json").json()["documents"]}

    deleted = footnote("documents", "delete", ids()["se cret [1]!.md"])
    assert deleted.status == 0
    assert "takes it in again" in deleted.err
    with psycopg.connect(dsn) as connection:
        counts = [
            connection.execute(f"SELECT count(*) FROM {table}").fetchone()
            for table in ("documents", "revisions", "chunks")
        ]
    assert counts == [(1,), (1,), (1,)]
    assert footnote("ingest", str(root), "--json").json()["added"] == 1
    gone = footnote("documents", "delete", ids()["se cret [1]!.md"], "--keep-out", "--json").json()
    assert gone["comes_back"] is False
    report = footnote("ingest", str(root), "--json").json()
    assert (report["added"], [skip["reason"] for skip in report["skipped"]]) == (0, ["excluded by rule"])
    shown = footnote("documents", "show", gone["id"])
    assert (shown.status, "was deleted" in shown.err) == (1, True)
    assert footnote("ingest", str(root), "--no-rules", "--json").json()["added"] == 1


def test_what_is_said_of_a_source_narrows_searches_down(footnote: Footnote, tmp_path: Path) -> None:
    for team in ("hr", "it"):
        (tmp_path / team).mkdir()
        (tmp_path / team / "rules.md").write_text(f"# Rules\n\nThe {team} gate opens at seven.\n")
        assert footnote("ingest", team, "--meta", f"team={team}", "--meta", "year=2026").status == 0
    listed = footnote("documents", "list", "--json").json()["documents"]
    listed.sort(key=lambda document: str(document["metadata"]))
    assert [document["metadata"] for document in listed] == [
        {"team": "hr", "year": "2026"},
        {"team": "it", "year": "2026"},
    ]
    assert "\tteam=it, year=2026\n" in footnote("documents", "list").out
    assert "metadata\tteam=hr, year=2026\n" in footnote("documents", "show", listed[0]["id"]).out

    def found(*options: str) -> list[str]:
        hits = footnote("search", "when does the gate open", "--json", *options).json()["hits"]
        return sorted(hit["text"].split()[1] for hit in hits)

    assert found() == ["hr", "it"]
    assert found("--meta", "team=it", "--path", "*.md", "--type", "text/*", "--since", "2020-01-01") == ["it"]
    assert found("--until", "2020-01-01") == []
    refused = footnote("ask", "When does the gate open?", "--meta", "team=nobody", "--json")
    assert (refused.status, refused.json()["status"], refused.json()["looked_at"]) == (0, "refused", [])
    asked = footnote("ask", "When does the it gate open?", "--meta", "team=it", "--json").json()
    assert [citation["quote"] for citation in asked["citations"]] == ["The it gate opens at seven."]
    assert footnote("ingest", "it").status == 0
    assert found("--meta", "team=it") == ["it"], "what is not said again stays"
    assert footnote("ingest", "it", "--no-meta").status == 0
    assert found("--meta", "team=it") == []


def test_copies_and_neighbours_are_shown_as_such(footnote: Footnote, tmp_path: Path) -> None:
    root = tmp_path / "twice"
    root.mkdir()
    for name in ("a.md", "b.md"):
        (root / name).write_text("# Gate\n\nThe gate opens at seven in the morning.\n")
    footnote("ingest", str(root))
    [hit] = footnote("search", "gate", "--json").json()["hits"]
    assert {hit["path"], hit["also_at"][0]["path"]} == {"a.md", "b.md"}
    assert f"   also in {hit['also_at'][0]['path']}\n" in footnote("search", "gate", "--merge").out
    apart = footnote("search", "gate", "--json", FOOTNOTE_SEARCH__DROP_COPIES="false").json()["hits"]
    assert [other["also_at"] for other in apart] == [[], []]


def test_an_empty_folder_is_no_failure(footnote: Footnote, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    outcome = footnote("ingest", "empty")
    assert outcome.status == 0
    assert "nothing here" in outcome.err


def test_a_database_that_is_away_is_named_without_its_password(footnote: Footnote) -> None:
    away = "postgresql://ann:hunter2@127.0.0.1:1/knowledge"
    outcome = footnote("ask", "why", FOOTNOTE_DATABASE__DSN=away)
    assert outcome.status == 1
    assert "cannot be reached" in outcome.err
    assert "hunter2" not in outcome.err


def test_an_outside_database_is_migrated_on_command(footnote: Footnote, dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    old = footnote("status")
    assert (old.status, "footnote migrate" in old.err) == (1, True)
    assert footnote("migrate").status == 0
    assert footnote("status").status == 0


def test_the_release_is_told(footnote: Footnote) -> None:
    told = footnote("--version")
    assert (told.status, told.err) == (0, "")
    assert re.fullmatch(r"Footnote \d+\.\d+\.\d+ on Python 3\.\d+\.\d+\n", told.out)


def test_a_key_is_shown_once_and_revoked(footnote: Footnote) -> None:
    created = footnote("keys", "create", "ann", "--as", "user:ann,group:hr", "--json").json()
    listed = footnote("keys", "list").out
    assert created["id"] in listed
    assert created["key"] not in listed
    assert footnote("keys", "revoke", created["id"]).status == 0


def stand_still_after(connection: psycopg.Connection, *, documents: int) -> None:
    """Makes every further document wait for the advisory lock 7, which `connection` holds."""
    connection.execute(
        sql.SQL(
            "CREATE OR REPLACE FUNCTION stand_still() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " IF (SELECT count(*) FROM documents) > {} THEN PERFORM pg_advisory_xact_lock(7); END IF;"
            " RETURN NEW; END $$"
        ).format(documents)
    )
    connection.execute(
        "CREATE OR REPLACE TRIGGER stand_still BEFORE INSERT ON documents"
        " FOR EACH ROW EXECUTE FUNCTION stand_still()"
    )


def test_ctrl_c_and_sigterm_give_one_line_and_the_next_run_completes(
    footnote: Footnote, environment: dict[str, str], tmp_path: Path
) -> None:
    root = tmp_path / "many"
    root.mkdir()
    for number in range(150):
        words = " ".join(f"word{number}x{i}" for i in range(40))
        (root / f"{number}.txt").write_text(f"Note {number}. {words}\n")
    done = 0
    with psycopg.connect(environment["FOOTNOTE_DATABASE__DSN"], autocommit=True) as connection:

        def documents() -> int:
            row = connection.execute("SELECT count(*) FROM documents").fetchone()
            assert row is not None
            return int(row[0])

        # The run stands still at some documents more, so that no machine is too fast or too slow for the signal.
        connection.execute("SELECT pg_advisory_lock(7)")
        for number, status in ((signal.SIGTERM, 143), (signal.SIGINT, 130)):
            stand_still_after(connection, documents=done + 20)
            process = subprocess.Popen(
                command("ingest", str(root)),
                env=environment,
                cwd=tmp_path,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
            try:
                deadline = time.monotonic() + 60
                while documents() <= done + 5 and time.monotonic() < deadline:
                    time.sleep(0.05)
                os.killpg(process.pid, number)
                _, err = process.communicate(timeout=60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
                raise
            assert process.returncode == status, err
            assert err.decode().count("interrupted. What was finished is kept") == 1
            assert "Traceback" not in err.decode()
            assert done + 5 < documents() < 150
            done = documents()
        connection.execute("DROP TRIGGER stand_still ON documents")
    report = footnote("ingest", str(root), "--json").json()
    assert report["added"] + report["unchanged"] == 150
    assert report["unchanged"] >= done


def test_ctrl_c_while_the_command_is_being_loaded_ends_it_without_a_word(
    environment: dict[str, str], tmp_path: Path
) -> None:
    # -X importtime writes a line for every module as it is loaded.
    heed = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    program = f"{heed}from service.command import main; main()"
    entry = [sys.executable, "-X", "importtime", "-c", program, "status"]
    with subprocess.Popen(
        entry, env=environment, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.endswith(" retrieval.errors\n"):
                break
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (-signal.SIGINT, "")
    assert "Traceback" not in err


def test_output_that_cannot_be_shown_or_written_is_no_fault(
    environment: dict[str, str], footnote: Footnote, folder: Path, tmp_path: Path
) -> None:
    def status(redirection: str) -> tuple[int, str]:
        line = f"{shlex.join(command('documents', 'list'))} {redirection}"
        done = subprocess.run(
            ["bash", "-c", line], env=environment, cwd=tmp_path, capture_output=True, timeout=60, check=False
        )
        return done.returncode, done.stderr.decode()

    (folder / "grüße.txt").write_text("Greetings.\n")
    footnote("ingest", str(folder / "grüße.txt"))
    assert "gr\\xfc\\xdfe.txt" in footnote("documents", "list", PYTHONIOENCODING="ascii").out
    listed = footnote("documents", "list", "--json", PYTHONIOENCODING="ascii").json()["documents"]
    assert [document["path"] for document in listed] == ["grüße.txt"]
    full, said = status("> /dev/full")
    assert (full, said.count("\n")) == (1, 1)
    assert "No space left on device" in said
    assert status(">&-") == (0, "")
    assert status("| true; exit ${PIPESTATUS[0]}")[1] == ""


def test_a_worker_stops_when_it_is_told_to(environment: dict[str, str], tmp_path: Path) -> None:
    with subprocess.Popen(
        command("worker"), env=environment, cwd=tmp_path, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        assert "The worker runs" in process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=30)
    assert (process.returncode, "has stopped" in said) == (0, True), said


def test_a_worker_for_programs_writes_objects_alone(
    environment: dict[str, str], footnote: Footnote, folder: Path, tmp_path: Path
) -> None:
    footnote("sources", "add", str(folder), "--schedule", "0 3 * * *")
    with subprocess.Popen(
        command("worker", "--log-style", "json"),
        env=environment,
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        lines = []
        for line in process.stderr:
            lines.append(json.loads(line))
            if lines[-1]["message"].startswith("source "):
                break
        process.send_signal(signal.SIGTERM)
        rest, _ = process.stderr.read(), process.wait(timeout=30)
    lines += [json.loads(line) for line in rest.splitlines()]
    assert process.returncode == 0
    said = [line["message"] for line in lines]
    assert said[0].startswith("The worker runs")
    assert said[-1] == "The worker has stopped."
    assert any("3 added" in message for message in said)
    assert not any(str(folder) in message for message in said)


def test_a_fault_of_ours_is_told_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object, **__: object) -> int:
        raise ZeroDivisionError

    monkeypatch.setattr("service.cli.app", broken)
    assert run(["status"]) == 1
    shown = capsys.readouterr().err
    assert "a bug in Footnote" in shown
    where = Path(shown.split()[-1])
    assert "ZeroDivisionError" in where.read_text()
    where.unlink()
