"""Subtitles: what was said, by whom and when."""

from __future__ import annotations

import pytest

from ingest.errors import NoTextError, ParseError
from ingest.parsers import ParsedDocument
from ingest.parsers.subtitles import SubtitlesParser
from tests.ingest.documents import assert_keeps_contract, blocks_of


def parse(source: str) -> ParsedDocument:
    parsed = SubtitlesParser().parse(source.encode(), file_name="talk.vtt")
    assert_keeps_contract(parsed)
    return parsed


def test_cues_of_one_speaker_are_a_paragraph_with_its_time() -> None:
    parsed = parse(
        """WEBVTT - The talk

STYLE
::cue { color: red }

NOTE not said

intro
00:11.000 --> 00:13.000 align:left
<v.loud Ann Lee>We are in <i>New</i>
York&nbsp;City &amp;

00:13.000 --> 00:16.000
<v Ann Lee>we stay.

01:00:30.500 --> 01:00:32.500
<v Bob>Really?
<v Ann Lee>Yes.
"""
    )
    assert parsed.title == "The talk"
    assert blocks_of(parsed) == [
        ("paragraph", "[00:00:11] Ann Lee: We are in New York City & we stay."),
        ("paragraph", "[01:00:30] Bob: Really?"),
        ("paragraph", "[01:00:30] Ann Lee: Yes."),
    ]


def test_subrip_is_read_even_without_empty_lines() -> None:
    parsed = parse(
        "1\n00:00:01,000 --> 00:00:04,000\n<b>Hello</b>\nthere.\n2\n00:00:04,000 --> 00:00:05,000\n{\\an8}It is 5\n"
        "\n3\n00:00:20,000 --> 00:00:21,000\nLater.\n"
    )
    assert blocks_of(parsed) == [
        ("paragraph", "[00:00:01] Hello there. It is 5"),
        ("paragraph", "[00:00:20] Later."),
    ]
    assert parsed.media_type == "application/x-subrip"


def test_lines_that_roll_up_the_screen_are_told_once() -> None:
    parsed = parse(
        """WEBVTT
Kind: captions

00:00:00.480 --> 00:00:02.790
\x20
hello<00:00:00.960><c> there</c>

00:00:02.790 --> 00:00:02.800
hello there
\x20

00:00:02.800 --> 00:00:05.000
hello there
my<00:00:03.100><c> name</c>
"""
    )
    assert parsed.text == "[00:00:00] hello there my name"


def test_a_word_said_twice_is_told_twice() -> None:
    parsed = parse("WEBVTT\n\n00:01.000 --> 00:02.000\nNo!\n\n00:03.000 --> 00:04.000\nNo!\n")
    assert parsed.text == "[00:00:01] No! No!"


def test_long_speech_is_cut_where_a_sentence_ends() -> None:
    cue = "\n00:{0:02}:00.000 --> 00:{0:02}:59.900\n{1}\n"
    words = "goes on and on without a stop, as people do"
    cues = [
        cue.format(minute, f"Part {minute} {words}{'.' if minute % 5 == 4 else ','}") for minute in range(40)
    ]
    parsed = parse("WEBVTT\n" + "".join(cues))
    assert len(parsed.blocks) > 2
    assert all(text.endswith(".") for _, text in blocks_of(parsed))


def test_chinese_cues_join_without_a_space() -> None:
    assert parse("WEBVTT\n\n00:01.000 --> 00:02.000\n你好\n世界\n").text == "[00:00:01] 你好世界"


def test_what_holds_no_cue_is_refused_and_what_says_nothing_is_skipped() -> None:
    with pytest.raises(ParseError, match=r"^talk.vtt holds no subtitles"):
        parse("Just a text.")
    with pytest.raises(NoTextError, match=r"^talk.vtt contains no text"):
        parse("WEBVTT\n\nNOTE nothing\n")
