"""The worker processes: whatever a file does to its parser, the other files are parsed."""

from __future__ import annotations

import asyncio
import fcntl
import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ingest.errors import NoTextError, ParseError, ParserStoppedError, ParsersUnavailableError
from ingest.parsers import ParsedDocument, Parser, ParserPolicy
from ingest.parsing import ParserPool, parse_file
from ingest.spawning import Scratch, process_tree
from tests.ingest.documents import assert_keeps_contract, pdf, simple_docx
from tests.ingest.misbehaving import misbehave


@pytest.fixture
async def misbehaving() -> AsyncIterator[ParserPool]:
    async with ParserPool(
        ParserPolicy(), workers=2, time_limit_s=1.5, memory_limit_bytes=512 * 2**20, parse=misbehave
    ) as pool:
        yield pool


async def pid(pool: ParserPool) -> int:
    return int((await pool.parse(b"pid", file_name="good.txt")).text)


async def test_files_of_every_kind_are_parsed_in_worker_processes() -> None:
    files = {
        "a.txt": b"Text.",
        "b.md": b"# Text",
        "c.html": b"<p>Text.",
        "d.pdf": pdf([(700, "Text.")]),
        "e.docx": simple_docx("Text."),
    }
    async with ParserPool(ParserPolicy(), workers=2) as pool:
        parsed = await asyncio.gather(
            *(pool.parse(content, file_name=name) for name, content in files.items())
        )
    for document in parsed:
        assert_keeps_contract(document)
        assert "Text" in document.text


async def test_a_refusal_arrives_as_it_was_said(misbehaving: ParserPool) -> None:
    with pytest.raises(ParseError, match=r"^bad.txt is refused$"):
        await misbehaving.parse(b"refuse", file_name="bad.txt")
    async with ParserPool(ParserPolicy(), workers=1) as pool:
        with pytest.raises(ParseError, match=r"^x.exe: no parser reads this kind of file$"):
            await pool.parse(b"x", file_name="x.exe")
        with pytest.raises(NoTextError, match=r"^x.txt contains no text"):
            await pool.parse(b" ", file_name="x.txt")


async def test_a_file_that_hangs_is_given_up_and_the_others_are_parsed(misbehaving: ParserPool) -> None:
    hanging = asyncio.create_task(misbehaving.parse(b"hang", file_name="bad.pdf"))
    await asyncio.gather(*(pid(misbehaving) for _ in range(5)))
    with pytest.raises(ParseError, match=r"^bad.pdf was given up: parsing it took longer than 1.5 seconds$"):
        await hanging
    assert len({await pid(misbehaving) for _ in range(3)}) >= 1


async def test_a_parser_that_says_it_goes_on_is_given_time_up_to_a_bound() -> None:
    async with ParserPool(
        ParserPolicy(), workers=1, time_limit_s=1.5, longest_s=20, parse=misbehave
    ) as patient:
        assert (await patient.parse(b"pages", file_name="scan.pdf")).text
    async with ParserPool(ParserPolicy(), workers=1, time_limit_s=1, longest_s=2, parse=misbehave) as strict:
        with pytest.raises(ParserStoppedError, match=r"took longer than 2 seconds$"):
            await strict.parse(b"pages", file_name="scan.pdf")


@pytest.mark.parametrize(
    ("command", "how"), [(b"exit 3", "exit code 3"), (b"segfault", "Segmentation fault")]
)
async def test_a_file_that_crashes_its_parser_fails_alone(
    misbehaving: ParserPool, command: bytes, how: str
) -> None:
    crashing = asyncio.create_task(misbehaving.parse(command, file_name="bad.pdf"))
    others = [asyncio.create_task(pid(misbehaving)) for _ in range(6)]
    with pytest.raises(ParseError, match=rf"^bad.pdf: the parser crashed on it \({how}.*\)$"):
        await crashing
    assert all(await asyncio.gather(*others))


async def test_a_file_that_needs_too_much_memory_is_refused(misbehaving: ParserPool) -> None:
    await pid(misbehaving)
    with pytest.raises(ParseError, match=r"^bad.pdf needs more memory to parse than is allowed \(512 MB\)$"):
        await misbehaving.parse(b"swell", file_name="bad.pdf")
    assert await pid(misbehaving)


async def test_shared_memory_counts(misbehaving: ParserPool) -> None:
    started = time.monotonic()
    with pytest.raises(ParseError, match=r"^bad.pdf needs more memory to parse than is allowed \(512 MB\)$"):
        await misbehaving.parse(b"map %d" % 2**30, file_name="bad.pdf")
    assert time.monotonic() - started < 5


async def test_the_memory_of_what_a_parser_starts_counts() -> None:
    async with ParserPool(
        ParserPolicy(), workers=1, time_limit_s=20, memory_limit_bytes=256 * 2**20, parse=misbehave
    ) as pool:
        with pytest.raises(ParseError, match=r"needs more memory"):
            await pool.parse(b"children 4 90000000", file_name="bad.pdf")


async def test_a_file_is_not_blamed_for_a_process_that_an_earlier_one_spoiled() -> None:
    async with ParserPool(ParserPolicy(), workers=1, time_limit_s=20, parse=misbehave) as pool:
        before = await pid(pool)
        await pool.parse(b"spoil", file_name="first.pdf")
        assert int((await pool.parse(b"slow", file_name="second.pdf")).text) != before


async def test_a_library_that_exits_or_panics_costs_one_file(misbehaving: ParserPool) -> None:
    with pytest.raises(ParseError, match=r"^bad.pdf: the parser failed on it \(PanicError\)$"):
        await misbehaving.parse(b"panic", file_name="bad.pdf")
    assert await pid(misbehaving)


async def test_what_a_library_writes_to_the_terminal_goes_nowhere(
    misbehaving: ParserPool, capfd: pytest.CaptureFixture[str]
) -> None:
    await misbehaving.parse(b"babble", file_name="a.pdf")
    assert capfd.readouterr() == ("", "")


async def test_offsets_outside_the_text_never_leave_the_pool(misbehaving: ParserPool) -> None:
    with pytest.raises(ParseError, match=r"^bad.pdf: the parser's answer makes no sense"):
        await misbehaving.parse(b"lie", file_name="bad.pdf")


@pytest.mark.parametrize("command", [b"children 2 1", b"children-and-crash", b"daemon"])
async def test_what_a_worker_started_ends_with_it(command: bytes) -> None:
    async with ParserPool(ParserPolicy(), workers=1, time_limit_s=1.5, parse=misbehave) as pool:
        worker = await pid(pool)
        parsing = asyncio.create_task(pool.parse(command, file_name="bad.pdf"))
        family: tuple[int, ...] = ()
        while len(family) < 2 and not parsing.done():
            await asyncio.sleep(0.05)
            family = tuple(process_tree(worker))
        with pytest.raises(ParseError):
            await parsing
    assert len(family) > 1
    async with asyncio.timeout(2):
        while any(map(runs, family)):  # noqa: ASYNC110 (a killed process takes a moment to end)
            await asyncio.sleep(0.01)


def runs(process: int) -> bool:
    """Whether a process runs; one that has ended and waits to be reaped does not."""
    try:
        return " Z " not in Path(f"/proc/{process}/stat").read_text()
    except FileNotFoundError:
        return False


async def test_a_worker_s_temporary_files_go_with_it() -> None:
    async with ParserPool(ParserPolicy(), workers=1, time_limit_s=1, parse=misbehave) as pool:
        folder = Path((await pool.parse(b"temporary", file_name="a.pdf")).text)
        assert (folder / "left").read_text() == "behind"
        with pytest.raises(ParseError, match="longer than 1 second"):
            await pool.parse(b"hang", file_name="bad.pdf")
        other = Path((await pool.parse(b"temporary", file_name="a.pdf")).text)
    assert folder != other
    assert not folder.exists()
    assert not other.parent.exists()


async def test_a_library_that_removes_its_temporary_files_harms_nothing(misbehaving: ParserPool) -> None:
    for _ in range(4):
        await misbehaving.parse(b"tidy", file_name="a.pdf")


async def test_the_folders_of_an_owner_that_was_killed_are_removed_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    left, live, recent = (tmp_path / f"footnote-parsing-{name}" for name in ("left", "live", "recent"))
    for folder in (left, live, recent):
        folder.mkdir()
        (folder / "owner.lock").touch()
        os.utime(folder, (0, 0))
    os.utime(recent)
    with (live / "owner.lock").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        Scratch().remove()
    assert {folder.name for folder in tmp_path.iterdir()} == {live.name, recent.name}


async def test_a_worker_that_stays_large_is_replaced() -> None:
    async with ParserPool(ParserPolicy(), workers=1, kept_memory_bytes=200 * 2**20, parse=misbehave) as pool:
        first = await pid(pool)
        await pool.parse(b"keep 50000000", file_name="a.pdf")
        assert await pid(pool) == first
        await pool.parse(b"keep 200000000", file_name="a.pdf")
        assert await pid(pool) != first


async def test_the_owner_s_keys_and_passwords_are_not_in_a_worker_s_environment(
    misbehaving: ParserPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FOOTNOTE_LLM__API_KEY", "secret")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    environment = json.loads((await misbehaving.parse(b"state", file_name="a.txt")).text)["environment"]
    assert "secret" not in environment.values()
    assert environment["LC_ALL"] == "C.UTF-8"


async def test_a_name_of_any_bytes_comes_back_as_it_went(misbehaving: ParserPool) -> None:
    name = os.fsdecode(b"a\xff\nb.txt")
    with pytest.raises(ParseError) as refused:
        await misbehaving.parse(b"refuse", file_name=name)
    assert str(refused.value) == f"{name} is refused"


async def test_guards_are_told_before_and_after_the_first_file(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        async with ParserPool(ParserPolicy(), workers=2, parse=misbehave) as pool:
            guards = await pool.guards()
            await asyncio.gather(*(pool.parse(b"slow", file_name="a.txt") for _ in range(3)))
            assert await pool.guards() == guards
    assert [record.getMessage() for record in caplog.records] == [f"parser processes: {guards}"]


class Reads:
    """A parser that reads anything."""

    def parse(self, content: bytes, *, file_name: str) -> ParsedDocument:
        return ParsedDocument(text="x", blocks=(), notes=("a note",))


class Refuses:
    """A parser that refuses everything, for this reason."""

    def __init__(self, error: ParseError) -> None:
        self._error = error

    def parse(self, content: bytes, *, file_name: str) -> ParsedDocument:
        raise self._error


@pytest.fixture
def parsers(monkeypatch: pytest.MonkeyPatch) -> dict[str, Parser]:
    """What stands in for the parsers."""
    found: dict[str, Parser] = {}
    monkeypatch.setattr("ingest.parser_worker.load_parser", lambda kind, policy: found[kind])
    return found


def test_the_fallback_reads_what_the_parser_of_the_format_cannot(parsers: dict[str, Parser]) -> None:
    parsers |= {"pdf": Refuses(ParseError("a.pdf is damaged")), "unstructured": Reads()}
    parsed = parse_file(b"", "a.pdf", ParserPolicy(fallback=True))
    assert parsed.notes == ("a.pdf is damaged; unstructured read it instead", "a note")
    with pytest.raises(ParseError, match=r"^a.pdf is damaged$"):
        parse_file(b"", "a.pdf", ParserPolicy())


def test_where_the_fallback_fails_too_the_first_reason_counts(parsers: dict[str, Parser]) -> None:
    parsers |= {
        "pdf": Refuses(ParseError("a.pdf is damaged")),
        "unstructured": Refuses(ParseError("a.pdf cannot be read by unstructured")),
    }
    with pytest.raises(ParseError, match=r"^a.pdf is damaged$"):
        parse_file(b"", "a.pdf", ParserPolicy(fallback=True))


@pytest.mark.parametrize(
    "error",
    [NoTextError("a.pdf contains no text"), ParseError("a.pdf is locked with a password; save a copy")],
)
def test_the_fallback_is_not_asked_about_files_without_text_and_locked_ones(
    parsers: dict[str, Parser], error: ParseError
) -> None:
    parsers |= {"pdf": Refuses(error), "unstructured": Reads()}
    with pytest.raises(type(error), match=str(error)):
        parse_file(b"", "a.pdf", ParserPolicy(fallback=True))


async def test_a_bug_in_a_parser_is_logged_and_costs_one_file(
    misbehaving: ParserPool, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(ParseError, match=r"^bad.pdf: the parser failed on it \(KeyError\)$"):
        await misbehaving.parse(b"fail", file_name="bad.pdf")
    assert "the parser failed on bad.pdf" in caplog.text
    assert await pid(misbehaving)


async def test_what_was_left_out_is_logged(misbehaving: ParserPool, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        await misbehaving.parse(b"note", file_name="a.pdf")
    assert "page 7 is damaged" in caplog.text


async def test_what_a_note_quotes_of_a_file_stays_within_its_line(
    misbehaving: ParserPool, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        await misbehaving.parse(b"unruly_note", file_name="a\n.pdf")
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING] == [
        r"a\n.pdf: '\x1b[2J\nERROR \ud800' is missing"
    ]


async def test_cancelling_the_caller_ends_the_work() -> None:
    async with ParserPool(ParserPolicy(), workers=1, time_limit_s=60, parse=misbehave) as pool:
        before = await pid(pool)
        hanging = asyncio.create_task(pool.parse(b"hang", file_name="slow.pdf"))
        await asyncio.sleep(0.3)
        hanging.cancel()
        with pytest.raises(asyncio.CancelledError):
            await hanging
        started = time.monotonic()
        assert await pid(pool) != before
        assert time.monotonic() - started < 10


async def test_a_worker_that_dies_between_files_is_replaced() -> None:
    async with ParserPool(ParserPolicy(), workers=1, time_limit_s=20, parse=misbehave) as pool:
        os.kill(await pid(pool), signal.SIGKILL)
        await asyncio.sleep(0.4)
        assert await pid(pool)


async def test_workers_that_cannot_start_are_no_fault_of_the_file() -> None:
    async with ParserPool(ParserPolicy(), workers=1, memory_limit_bytes=2**70) as pool:
        with pytest.raises(
            ParsersUnavailableError, match=r"^a.txt was not parsed: the parser processes end as soon"
        ):
            await pool.parse(b"Text.", file_name="a.txt")


async def test_a_process_is_replaced_after_its_share_of_files() -> None:
    async with ParserPool(ParserPolicy(), workers=1, files_per_worker=2, parse=misbehave) as pool:
        pids = [await pid(pool) for _ in range(5)]
    assert pids[0] == pids[1] != pids[2] == pids[3] != pids[4]


@pytest.mark.pace
async def test_no_process_runs_before_the_first_file_or_after_the_last() -> None:
    started = time.monotonic()
    async with ParserPool(ParserPolicy(), workers=2):
        pass
    assert time.monotonic() - started < 0.1
    async with ParserPool(ParserPolicy(), workers=1, parse=misbehave) as pool:
        worker = await pid(pool)
    with pytest.raises(ProcessLookupError):
        os.kill(worker, 0)


async def test_a_worker_is_light_and_reads_nothing_from_the_terminal(misbehaving: ParserPool) -> None:
    state = json.loads((await misbehaving.parse(b"state", file_name="a.txt")).text)
    assert state["stdin"] == ""
    heavy = {"numpy", "onnxruntime", "psycopg", "langchain_text_splitters", "docx", "pypdfium2", "selectolax"}
    assert not heavy & set(state["modules"])


async def test_a_worker_gives_way_as_far_as_it_is_told_to(misbehaving: ParserPool) -> None:
    async def nice(pool: ParserPool) -> int:
        told: int = json.loads((await pool.parse(b"state", file_name="a.txt")).text)["nice"]
        return told

    ours = os.getpriority(os.PRIO_PROCESS, 0)
    async with ParserPool(ParserPolicy(), workers=1, nice=19, parse=misbehave) as pool:
        assert await nice(pool) == 19
    assert await nice(misbehaving) == ours == os.getpriority(os.PRIO_PROCESS, 0)


def test_a_program_s_main_module_is_not_run_again_by_the_workers(tmp_path: Path) -> None:
    script = tmp_path / "unguarded.py"
    script.write_text(
        "import asyncio, sys, numpy\n"
        "from ingest.parsers import ParserPolicy\n"
        "from ingest.parsing import ParserPool\n"
        "from tests.ingest.misbehaving import misbehave\n"
        "async def main():\n"
        "    async with ParserPool(ParserPolicy(), parse=misbehave) as pool:\n"
        "        print((await pool.parse(b'state', file_name='a.txt')).text)\n"
        "asyncio.run(main())\n"
    )
    run = subprocess.run(
        [sys.executable, str(script)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        check=True,
        timeout=30,
    )
    assert run.stderr == b""
    assert "numpy" not in json.loads(run.stdout)["modules"]


CTRL_C = """
import asyncio, os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
from ingest.parsers import ParserPolicy
from ingest.parsing import ParserPool
from tests.ingest.misbehaving import misbehave

async def main():
    async with ParserPool(ParserPolicy(), workers=2, parse=misbehave) as pool:
        slow = asyncio.create_task(pool.parse(b"hang", file_name="slow.pdf"))
        if sys.argv[1] == "late":
            print((await pool.parse(b"pid", file_name="a.txt")).text, flush=True)
        else:
            await asyncio.sleep(float(sys.argv[1]))
            print("started", flush=True)
        await slow

if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        sys.exit(130)
"""


@pytest.mark.parametrize("moment", ["late", "0.05"])
def test_ctrl_c_leaves_no_traceback_and_no_process(tmp_path: Path, moment: str) -> None:
    script = tmp_path / "run.py"
    script.write_text(CTRL_C)
    with subprocess.Popen(
        [sys.executable, str(script), moment],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as run:
        assert run.stdout is not None
        run.stdout.readline()
        os.killpg(run.pid, signal.SIGINT)
        _, errors = run.communicate(timeout=20)  # until the last process that could write there has ended
    assert (run.returncode, errors.decode()) == (130, "")


def test_workers_end_when_their_owner_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "run.py"
    script.write_text(CTRL_C.replace('b"hang"', 'b"pid"').replace("await slow", "await asyncio.sleep(60)"))
    with subprocess.Popen(
        [sys.executable, str(script), "late"],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as run:
        assert run.stdout is not None
        worker = int(run.stdout.readline())
        run.kill()
    deadline = time.monotonic() + 10
    while Path(f"/proc/{worker}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    with pytest.raises(ProcessLookupError):
        os.kill(worker, 0)
