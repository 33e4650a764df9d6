"""A parser that does what its file says: for the worker processes' tests, which have to import it."""

from __future__ import annotations

import json
import mmap
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ingest.errors import ParseError
from ingest.parsers import Block, ParsedDocument, ParserPolicy
from ingest.parsers.pace import ask_for_time

KEPT: list[bytes] = []
_SLEEP = "__import__('time').sleep(60)"


class PanicError(BaseException):
    """As Rust's panics arrive: no `Exception`."""


def misbehave(content: bytes, file_name: str, policy: ParserPolicy) -> ParsedDocument:
    """Parse, hang, crash, swell or fail, as `content` commands; "state" reports on the process itself."""
    match content.decode().split():
        case ["pages"]:
            for _ in range(8):
                ask_for_time(1.0)
                time.sleep(0.4)
        case ["hang"]:
            time.sleep(60)
        case ["exit", code]:
            os._exit(int(code))
        case ["segfault"]:
            os.kill(os.getpid(), signal.SIGSEGV)
            time.sleep(60)
        case ["swell"]:
            return document(str(len(bytearray(1024**3))))
        case ["map", count]:
            shared = mmap.mmap(
                -1, int(count)
            )  # shared pages are no data of the process: RLIMIT_DATA does not count them
            shared.write(b"x" * int(count))
            time.sleep(60)
        case ["children", count, size]:
            for _ in range(int(count)):
                subprocess.Popen([sys.executable, "-c", f"kept = b'x' * {size}; {_SLEEP}"])
            time.sleep(60)
        case ["children-and-crash"]:
            subprocess.Popen([sys.executable, "-c", _SLEEP])
            time.sleep(1)
            os.kill(os.getpid(), signal.SIGKILL)
        case ["daemon"]:
            subprocess.run(
                [sys.executable, "-c", f"import os; os.fork() and os._exit(0); os.setsid(); {_SLEEP}"],
                check=True,
            )
            time.sleep(60)
        case ["panic"]:
            raise PanicError
        case ["babble"]:
            os.write(1, b"words for nobody" * 100_000)
        case ["lie"]:
            return ParsedDocument(text="x", blocks=(Block(kind="code", char_start=0, char_end=9),))
        case ["spoil"]:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.setitimer(signal.ITIMER_REAL, 0.2)
        case ["slow"]:
            time.sleep(0.5)
        case ["keep", count]:
            KEPT.append(b"x" * int(count))
        case ["temporary"]:
            (Path(tempfile.gettempdir()) / "left").write_text("behind")
            return document(tempfile.gettempdir())
        case ["tidy"]:
            shutil.rmtree(tempfile.gettempdir(), ignore_errors=True)
        case ["refuse"]:
            raise ParseError(f"{file_name} is refused")
        case ["fail"]:
            raise KeyError("a bug")
        case ["note"]:
            return ParsedDocument(text="x", blocks=(), notes=("page 7 is damaged",))
        case ["unruly_note"]:
            return ParsedDocument(text="x", blocks=(), notes=("'\x1b[2J\nERROR \ud800' is missing",))
        case ["state"]:
            return document(
                json.dumps(
                    {
                        "modules": sorted(sys.modules),
                        "stdin": os.read(0, 9).hex(),
                        "environment": dict(os.environ),
                        "nice": os.getpriority(os.PRIO_PROCESS, 0),
                    }
                )
            )
    return document(str(os.getpid()))


def document(text: str) -> ParsedDocument:
    return ParsedDocument(text=text, blocks=(Block(kind="paragraph", char_start=0, char_end=len(text)),))
