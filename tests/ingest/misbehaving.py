"""A parser that does what its file says: for the worker processes' tests, which have to import it."""

from __future__ import annotations

import json
import os
import signal
import sys
import time

from ingest.errors import ParseError
from ingest.parsers import Block, ParsedDocument


def misbehave(content: bytes, file_name: str) -> ParsedDocument:
    """Parse, hang, crash, swell or fail, as `content` commands; "state" reports on the process itself."""
    match content.decode().split():
        case ["hang"]:
            time.sleep(60)
        case ["exit", code]:
            os._exit(int(code))
        case ["segfault"]:
            os.kill(os.getpid(), signal.SIGSEGV)
            time.sleep(60)
        case ["swell"]:
            return document(str(len(bytearray(1024**3))))
        case ["refuse"]:
            raise ParseError(f"{file_name} is refused")
        case ["fail"]:
            raise KeyError("a bug")
        case ["note"]:
            return ParsedDocument(text="x", blocks=(), notes=("page 7 is damaged",))
        case ["state"]:
            return document(
                json.dumps({"pid": os.getpid(), "modules": sorted(sys.modules), "stdin": os.read(0, 9).hex()})
            )
    return document(str(os.getpid()))


def document(text: str) -> ParsedDocument:
    return ParsedDocument(text=text, blocks=(Block(kind="paragraph", char_start=0, char_end=len(text)),))
