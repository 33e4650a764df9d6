"""The worker processes: whatever a file does to its parser, the other files are parsed."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ingest.errors import ParseError, ParsersUnavailableError
from ingest.parsers import parser_kind
from ingest.parsing import ParserPool
from ingest.spawning import _SPAWN
from tests.ingest.documents import assert_keeps_contract, pdf, simple_docx
from tests.ingest.misbehaving import misbehave


@pytest.fixture
async def misbehaving() -> AsyncIterator[ParserPool]:
    async with ParserPool(
        workers=2, time_limit_s=1.5, memory_limit_bytes=512 * 2**20, parse=misbehave
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
    async with ParserPool(workers=2) as pool:
        parsed = await asyncio.gather(
            *(pool.parse(content, file_name=name) for name, content in files.items())
        )
    for document in parsed:
        assert_keeps_contract(document)
        assert "Text" in document.text


async def test_a_refusal_arrives_as_it_was_said(misbehaving: ParserPool) -> None:
    with pytest.raises(ParseError, match=r"^bad.txt is refused$"):
        await misbehaving.parse(b"refuse", file_name="bad.txt")
    async with ParserPool(workers=1) as pool:
        with pytest.raises(ParseError, match=r"^x.png: no parser reads this kind of file$"):
            await pool.parse(b"x", file_name="x.png")


async def test_a_file_that_hangs_is_given_up_and_the_others_are_parsed(misbehaving: ParserPool) -> None:
    hanging = asyncio.create_task(misbehaving.parse(b"hang", file_name="bad.pdf"))
    await asyncio.gather(*(pid(misbehaving) for _ in range(5)))
    with pytest.raises(ParseError, match=r"^bad.pdf was given up: parsing it took longer than 1.5 seconds$"):
        await hanging
    assert len({await pid(misbehaving) for _ in range(3)}) >= 1


@pytest.mark.parametrize(
    ("command", "how"), [(b"exit 3", "exit code 3"), (b"segfault", "Segmentation fault")]
)
async def test_a_file_that_crashes_its_parser_fails_alone(
    misbehaving: ParserPool, command: bytes, how: str
) -> None:
    crashing = asyncio.create_task(misbehaving.parse(command, file_name="bad.pdf"))
    others = [asyncio.create_task(pid(misbehaving)) for _ in range(6)]
    with pytest.raises(ParseError, match=rf"^bad.pdf: the parser crashed on it \({how}\)$"):
        await crashing
    assert all(await asyncio.gather(*others))


async def test_a_file_that_needs_too_much_memory_is_refused(misbehaving: ParserPool) -> None:
    await pid(misbehaving)
    with pytest.raises(ParseError, match=r"^bad.pdf needs more memory to parse than is allowed \(512 MB\)$"):
        await misbehaving.parse(b"swell", file_name="bad.pdf")
    assert await pid(misbehaving)


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


async def test_cancelling_the_caller_ends_the_work() -> None:
    async with ParserPool(workers=1, time_limit_s=60, parse=misbehave) as pool:
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
    async with ParserPool(workers=1, time_limit_s=20, parse=misbehave) as pool:
        os.kill(await pid(pool), signal.SIGKILL)
        await asyncio.sleep(0.4)
        assert await pid(pool)


async def test_workers_that_cannot_start_are_no_fault_of_the_file() -> None:
    async with ParserPool(workers=1, memory_limit_bytes=2**70) as pool:
        with pytest.raises(
            ParsersUnavailableError, match=r"^a.txt was not parsed: the parser processes end as soon"
        ):
            await pool.parse(b"Text.", file_name="a.txt")


async def test_a_process_is_replaced_after_its_share_of_files() -> None:
    async with ParserPool(workers=1, files_per_worker=2, parse=misbehave) as pool:
        pids = [await pid(pool) for _ in range(5)]
    assert pids[0] == pids[1] != pids[2] == pids[3] != pids[4]


async def test_no_process_runs_before_the_first_file_or_after_the_last() -> None:
    started = time.monotonic()
    async with ParserPool(workers=2):
        pass
    assert time.monotonic() - started < 0.1
    async with ParserPool(workers=1, parse=misbehave) as pool:
        worker = await pid(pool)
    with pytest.raises(ProcessLookupError):
        os.kill(worker, 0)


async def test_a_worker_is_light_and_reads_nothing_from_the_terminal(misbehaving: ParserPool) -> None:
    state = json.loads((await misbehaving.parse(b"state", file_name="a.txt")).text)
    assert state["stdin"] == ""
    heavy = {"numpy", "onnxruntime", "psycopg", "langchain_text_splitters", "docx", "pypdfium2", "selectolax"}
    assert not heavy & set(state["modules"])


def test_a_program_s_main_module_is_not_run_again_by_the_workers(tmp_path: Path) -> None:
    script = tmp_path / "unguarded.py"
    script.write_text(
        "import asyncio, sys, numpy\n"
        "from ingest.parsing import ParserPool\n"
        "from tests.ingest.misbehaving import misbehave\n"
        "async def main():\n"
        "    async with ParserPool(parse=misbehave) as pool:\n"
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
from ingest.parsing import ParserPool
from tests.ingest.misbehaving import misbehave

async def main():
    async with ParserPool(workers=2, parse=misbehave) as pool:
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


def test_a_worker_whose_owner_ends_while_it_starts_ends_without_a_word() -> None:
    reading, writing = os.pipe()
    os.close(writing)
    line = _SPAWN.get_command_line(tracker_fd=reading, pipe_handle=reading)
    ended = subprocess.run(line, pass_fds=(reading,), capture_output=True, timeout=20, check=False)
    os.close(reading)
    assert (ended.stderr, ended.stdout) == (b"", b"")


def test_workers_end_when_their_owner_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "run.py"
    script.write_text(CTRL_C.replace('b"hang"', 'b"pid"').replace("await slow", "await asyncio.sleep(60)"))
    with subprocess.Popen(
        [sys.executable, str(script), "late"],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
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


@pytest.mark.parametrize("folder", ["documents/dev/files", "hostile/dev"])
async def test_every_real_and_hostile_file_is_parsed_or_refused_with_a_reason(
    evaluation_data: Path, folder: str
) -> None:
    files = [path for path in sorted((evaluation_data / folder).iterdir()) if parser_kind(path.name)]
    refusals = []
    async with ParserPool(workers=2, time_limit_s=60) as pool:
        for path in files:
            try:
                assert_keeps_contract(await pool.parse(path.read_bytes(), file_name=path.name))
            except ParseError as error:
                refusals.append((path.name, str(error)))
    assert len(files) > 40
    for name, message in refusals:
        assert message.startswith(f"{name} "), "a reason of the parser's own, not the pool's"
