"""Which parser reads what, under the settings and with the programs and extras that this machine has."""

from __future__ import annotations

import importlib.util
import logging

from ingest.parsers import OcrPolicy, ParserPolicy
from ingest.parsers.tesseract import find_tesseract
from retrieval.errors import ConfigurationError, ExtraMissingError
from service.sections import ParsingSettings

logger = logging.getLogger(__name__)


def parser_policy(settings: ParsingSettings) -> ParserPolicy:
    """The policy that the settings make. Asks the `tesseract` program for its version: to be run in a thread.

    Raises `ConfigurationError`, `ExtraMissingError`.
    """
    if settings.unstructured or settings.fallback:
        _check_unstructured(settings)
    return ParserPolicy(
        ocr=_ocr_policy(settings),
        engines=tuple((extension, "unstructured") for extension in settings.unstructured),
        fallback=settings.fallback,
    )


def _check_unstructured(settings: ParsingSettings) -> None:
    from ingest.parsers.unstructured import FORMATS  # noqa: PLC0415 (brings half of the parsers along)

    if importlib.util.find_spec("unstructured") is None:
        wanted = "parsing.unstructured" if settings.unstructured else "parsing.fallback"
        raise ExtraMissingError("unstructured", wanted)
    for extension in settings.unstructured:
        if extension not in FORMATS:
            raise ConfigurationError(
                f"parsing.unstructured (FOOTNOTE_PARSING__UNSTRUCTURED) names '{extension}', which unstructured does "
                f"not read. It reads {', '.join(sorted(FORMATS))}."
            )


def _ocr_policy(settings: ParsingSettings) -> OcrPolicy | None:
    if settings.ocr == "off":
        return None
    try:
        found = find_tesseract(settings.tesseract, settings.ocr_languages)
    except ConfigurationError as exc:
        if (
            settings.ocr == "on"
            or settings.tesseract
            or settings.ocr_languages != ParsingSettings().ocr_languages
        ):
            raise
        # Nobody asked for OCR, and what is installed cannot do it: as if it were not there, but not in silence.
        logger.warning(
            '%s. Until then scanned pages and pictures are not read (parsing.ocr = "off" ends this)', exc
        )
        return None
    if found is None and settings.ocr == "on":
        raise ConfigurationError(
            "parsing.ocr (FOOTNOTE_PARSING__OCR) is on, but there is no program `tesseract`. Install it "
            "(Debian's package tesseract-ocr), or say where it is with parsing.tesseract (FOOTNOTE_PARSING__TESSERACT)."
        )
    return found
