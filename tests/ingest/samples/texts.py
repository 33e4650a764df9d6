"""Samples of text formats."""

from __future__ import annotations

import json

from ingest.parsers.formats import ParserKind

_NOTEBOOK = {
    "cells": [
        {"cell_type": "markdown", "source": ["# A guide\n", "\n", "*Words*.\n"]},
        {
            "cell_type": "code",
            "source": "print(6 * 7)",
            "outputs": [{"output_type": "stream", "name": "stdout", "text": ["42\n"]}],
        },
    ],
    "metadata": {},
    "nbformat": 4,
    "nbformat_minor": 5,
}

_RST = "A guide\n=======\n\nWords::\n\n  code\0\n\n- one\n- two\n\n== ==\na  b\n== ==\n1  2\n== ==\n"
_ASCIIDOC = "= A guide\n\nWords.\n\n* one\0\n* two\n\n----\ncode\n----\n\n|===\n|a |b\n\n|1 |2\n|===\n"
_ORG = "#+TITLE: A guide\n* Guide :tag:\nWords.\0\n- one\n- two\n| a | b |\n|---+---|\n| 1 | 2 |\n"
_XML = "<?xml version='1.0'?><!DOCTYPE guide><guide><title>A guide</title><step n='1'>Do\0 it.&#0;&auml;</step></guide>"

SAMPLES: dict[ParserKind, bytes] = {
    "plain": "One line.\r\nAnother, \ud83d\ude00 and a NUL\0.\r\r\nA paragraph.\n".encode(
        "utf-8", "surrogatepass"
    ),
    "code": b"import os\r\n\r\n\r\ndef first():\r\n    return 1\r\n\r\n\r\ndef second():\r\n\r\n    return 2\0\r\n",
    "markdown": b"---\ntitle: A guide\n---\n# Guide\r\n\r\n*Words*.\n\n- one\n- two\n\n|a|b|\n|-|-|\n|1|2|\n",
    "restructuredtext": _RST.replace("\n", "\r\n").encode(),
    "asciidoc": _ASCIIDOC.replace("\n", "\r\n").encode(),
    "org": _ORG.replace("\n", "\r\n").encode(),
    "html": b"<title>A guide</title><h1>Guide</h1><p><b>Words</b>&#13;&#0;.<ul><li>one<li>two</ul><pre> x\n y</pre>",
    "xml": _XML.encode(),
    "json": b'{"title": "A guide",\r\n "steps": [{"do": "it\\u0000 \\ud800"}, {"n": 1e400, "on": null}]}',
    "csv": b'name,price\r\n"Small\r\nplan",5\r\nLarge\0,7\r\n',
    "subtitles": b"WEBVTT - A guide\r\n\r\n00:01.000 --> 00:02.000\r\n<v Ann>Hello &amp; \0welcome\r\nto you.\r\n",
    "notebook": json.dumps(_NOTEBOOK).encode(),
}
NO_TEXT: dict[ParserKind, bytes] = {
    "plain": b" \n\t\r\n ",
    "code": b"\n\n\t\n",
    "markdown": b"\n \n",
    "restructuredtext": b"\n \n",
    "asciidoc": b"\n \n",
    "org": b"\n \n",
    "html": b"<html><body><script>var x = 1;</script><p> &nbsp; </p></body></html>",
    "xml": b"<guide><step/></guide>",
    "json": b"[]",
    "csv": b'"",""\n,\n',
    "subtitles": b"WEBVTT\n\nNOTE nothing is said\n\n00:01.000 --> 00:02.000\n<i></i>\n",
    "notebook": b'{"cells": [], "nbformat": 4}',
}
