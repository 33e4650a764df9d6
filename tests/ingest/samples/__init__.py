"""Small files of every format, as bytes: `SAMPLES` have text, `NO_TEXT` are well formed and have none."""

from __future__ import annotations

from ingest.parsers.formats import ParserKind
from tests.ingest.samples import mails, office_files, pages, texts

SAMPLES: dict[ParserKind, bytes] = {**texts.SAMPLES, **office_files.SAMPLES, **pages.SAMPLES, **mails.SAMPLES}
NO_TEXT: dict[ParserKind, bytes] = {**texts.NO_TEXT, **office_files.NO_TEXT, **pages.NO_TEXT, **mails.NO_TEXT}
