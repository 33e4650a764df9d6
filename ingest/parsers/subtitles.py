"""Subtitles and captions: WebVTT and SubRip.

The text is written anew, since a file of cues is cut where the screen was full: the cues of one speaker become a
paragraph that reads as it was spoken, with the time at which it begins ("[00:12:05] Ann: …"), so that a citation can
be found in the recording. Notes, styles, positions and cue numbers are left out.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ingest.errors import NoTextError, ParseError
from ingest.parsers import ParsedDocument
from ingest.parsers.encoding import read_text
from ingest.parsers.text import TextBuilder, has_visible_text, one_line, stated_title

_TIME = r"(?:(\d{1,4}):)?(\d{1,2}):(\d{1,2})[.,](\d{1,3})"
_TIMING = re.compile(rf"[ \t]*{_TIME}[ \t]*-->[ \t]*{_TIME}(?:[ \t].*)?$")
_SPEAKER = re.compile(r"<v(?:\.[^\s>]*)?[ \t]+([^>]*)>")
_TAG = re.compile(r"</?[^<>]*>|\{\\[^{}]*\}")
_SPOKEN_BY = re.compile(r"(?:>>+|[-–—])\s*(?=\S)")
_ENDS_SENTENCE = re.compile(r"[.!?…。！？][\"'”’»)\]]*$")
_PAUSE_S = 3.0
"""Silence after which a new paragraph begins."""
_LONG_PARAGRAPH = 500
_LONGEST_PARAGRAPH = 1500
_SAME_MOMENT_S = 0.1


@dataclass(slots=True)
class _Cue:
    """What is shown at once: seconds from the beginning, the speaker where one is named, and the lines."""

    start_s: float
    end_s: float
    speaker: str
    lines: list[str]


class SubtitlesParser:
    """Reads WebVTT and SubRip."""

    def parse(self, content: bytes, *, file_name: str) -> ParsedDocument:
        """Parse subtitles; raises `ParseError` if the file is empty, binary or holds no cue at all."""
        source = read_text(content, file_name=file_name)
        lines = source.split("\n")
        is_webvtt = lines[0].lstrip("\ufeff").startswith("WEBVTT")
        builder, has_cues = TextBuilder(), False
        paragraph: list[_Cue] = []
        for cue in _without_repetition(_cues(lines)):
            has_cues = True
            if paragraph and not _goes_on(paragraph, cue):
                _append(builder, paragraph)
                paragraph = []
            paragraph.append(cue)
        _append(builder, paragraph)
        parsed = builder.build(
            title=stated_title(lines[0].lstrip("\ufeff").removeprefix("WEBVTT").strip(" \t-"))
            if is_webvtt
            else None,
            media_type="text/vtt" if is_webvtt else "application/x-subrip",
        )
        if not has_visible_text(parsed.text):
            if has_cues or is_webvtt:
                raise NoTextError(f"{file_name} contains no text")
            raise ParseError(f"{file_name} holds no subtitles: no line says from when to when one is shown")
        return parsed


def _cues(lines: Sequence[str]) -> Iterator[_Cue]:
    """The cues in order, but for those without a word: a line of times, and what stands below down to an empty line."""
    at = 0
    while at < len(lines):
        timing = _TIMING.match(lines[at])
        at += 1
        if timing is None:
            continue
        first = at
        while at < len(lines) and lines[at] and not _TIMING.match(lines[at]):
            at += 1
        spoken = lines[first:at]
        if at < len(lines) and lines[at] and spoken and spoken[-1].strip().isdigit():
            spoken = spoken[:-1]  # the number of the next cue, where no empty line stands between
        yield from _by_speaker(_seconds(timing.groups()[:4]), _seconds(timing.groups()[4:]), spoken)


def _by_speaker(start_s: float, end_s: float, lines: Sequence[str]) -> Iterator[_Cue]:
    """A cue's lines, one cue for each speaker that they name."""
    cue = _Cue(start_s, end_s, "", [])
    for line in lines:
        if (found := _SPEAKER.search(line)) is not None:
            if cue.lines:
                yield cue
            cue = _Cue(start_s, end_s, one_line(html.unescape(_TAG.sub("", found[1]))), [])
        if words := one_line(html.unescape(_TAG.sub("", line))):
            cue.lines.append(words)
    if cue.lines:
        yield cue


def _seconds(parts: Sequence[str | None]) -> float:
    hours, minutes, seconds, fraction = (part or "0" for part in parts)
    return int(hours) * 3600 + int(minutes) * 60 + int(seconds) + int(fraction.ljust(3, "0")) / 1000


def _without_repetition(cues: Iterator[_Cue]) -> Iterator[_Cue]:
    """Cues without the lines that still stand from the cue before, as captions that roll up the screen have them."""
    shown: list[str] = []
    shown_until_s = -1.0
    for cue in cues:
        still_shown = shown if cue.start_s <= shown_until_s + _SAME_MOMENT_S else []
        kept = _rolled_on(still_shown, cue.lines)
        shown, shown_until_s = cue.lines, cue.end_s
        if kept:
            cue.lines = kept
            yield cue


def _rolled_on(before: Sequence[str], lines: list[str]) -> list[str]:
    """`lines` without the longest beginning that is the end of the lines before."""
    for length in range(min(len(before), len(lines)), 0, -1):
        if list(before[-length:]) == lines[:length]:
            return lines[length:]
    return lines


def _goes_on(paragraph: Sequence[_Cue], cue: _Cue) -> bool:
    """Whether a cue belongs to the paragraph before it: same speaker, no pause, and the paragraph is not yet long."""
    last = paragraph[-1]
    length = sum(len(line) for before in paragraph for line in before.lines)
    is_full = length > _LONG_PARAGRAPH and _ENDS_SENTENCE.search(last.lines[-1]) is not None
    return (
        cue.speaker == last.speaker
        and cue.start_s - last.end_s < _PAUSE_S
        and not is_full
        and length < _LONGEST_PARAGRAPH
        and not _SPOKEN_BY.match(cue.lines[0])
    )


def _append(builder: TextBuilder, paragraph: Sequence[_Cue]) -> None:
    words = ""
    for line in (line for cue in paragraph for line in cue.lines):
        words += line if not words or _joins(words[-1], line[0]) else f" {line}"
    if has_visible_text(words):
        speaker = f"{paragraph[0].speaker}: " if paragraph[0].speaker else ""
        builder.append("paragraph", f"[{_clock(paragraph[0].start_s)}] {speaker}{words}")


def _joins(before: str, after: str) -> bool:
    """Whether two characters meet without a space, as in Chinese and Japanese."""
    return all(
        "\u2e80" <= character <= "\u9fff" or "\uff00" <= character <= "\uffef"
        for character in (before, after)
    )


def _clock(seconds: float) -> str:
    minutes, second = divmod(int(seconds), 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{second:02}"
