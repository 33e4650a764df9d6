"""Notebooks: the cells as a reader sees them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ingest.errors import NoTextError, ParseError
from ingest.parsers import ParsedDocument
from ingest.parsers.notebook import NotebookParser
from tests.ingest.documents import assert_keeps_contract, blocks_of

FRAME = "<table><thead><tr><th></th><th>a</th><th>b</th></tr></thead><tr><th>0</th><td>1</td><td>2</td></tr></table>"


def parse(notebook: Any) -> ParsedDocument:
    content = notebook if isinstance(notebook, bytes) else json.dumps(notebook).encode()
    parsed = NotebookParser().parse(content, file_name="work.ipynb")
    assert_keeps_contract(parsed)
    return parsed


def cell(kind: str, source: Any, *outputs: Any) -> dict[str, Any]:
    return {"cell_type": kind, "source": source, "outputs": list(outputs)}


def shown(**data: Any) -> dict[str, Any]:
    return {
        "output_type": "display_data",
        "data": {key.replace("_", "/"): value for key, value in data.items()},
    }


def test_cells_are_read_in_order_with_what_they_put_out() -> None:
    parsed = parse(
        {
            "cells": [
                cell("markdown", ["# The *work*\n", "\n", "Some words.\n", "\n", "- one\n", "- two"]),
                cell(
                    "code",
                    "  print(1)\n\nx",
                    {"output_type": "stream", "name": "stdout", "text": ["\x1b[31m1\x1b[0m\n"]},
                    shown(text_plain="   a  b\n0  1  2", text_html=FRAME),
                    shown(text_plain="<Figure size 1x1>", image_png="QUJD"),
                    {
                        "output_type": "error",
                        "ename": "ValueError",
                        "evalue": "too small",
                        "traceback": ["no"],
                    },
                ),
                cell("raw", "as it is"),
            ],
            "nbformat": 4,
        }
    )
    assert parsed.title == "The work"
    assert blocks_of(parsed) == [
        ("h1", "# The *work*"),
        ("paragraph", "Some words."),
        ("list_item", "- one"),
        ("list_item", "- two"),
        ("code", "print(1)\n\nx"),
        ("code", "1"),
        ("table", "| a | b\n0 | 1 | 2"),
        ("code", "ValueError: too small"),
        ("code", "as it is"),
    ]
    assert parsed.notes == ("work.ipynb: pictures that cells put out are left out (1 of them)",)


def test_notebooks_of_format_3_are_read() -> None:
    sheet = {
        "cells": [
            {"cell_type": "heading", "level": 2, "source": ["A\n", "heading"]},
            {"cell_type": "code", "input": "1 + 1", "outputs": [{"output_type": "pyout", "text": ["2"]}]},
        ]
    }
    parsed = parse({"worksheets": [sheet], "nbformat": 3})
    assert blocks_of(parsed) == [("h2", "## A heading"), ("code", "1 + 1"), ("code", "2")]


def test_the_title_is_the_stated_one_first() -> None:
    assert parse({"cells": [cell("markdown", "# B")], "metadata": {"title": "A"}}).title == "A"


def test_long_outputs_and_pictures_in_text_are_cut_and_said_so() -> None:
    parsed = parse(
        {
            "cells": [
                cell("markdown", f"![x](data:image/png;base64,{'QUJD' * 3000})"),
                cell("code", "run()", {"output_type": "stream", "text": "a line\n" * 5000}),
            ]
        }
    )
    assert len(parsed.text) < 11_000
    assert len(parsed.notes) == 2


@pytest.mark.parametrize(
    "notebook",
    [
        {
            "cells": [
                1,
                None,
                {"cell_type": ["x"]},
                {"cell_type": "heading", "level": ""},
                {"source": {}},
                {"source": "x"},
            ]
        },
        {
            "cells": [
                {
                    "cell_type": "code",
                    "source": "x",
                    "outputs": [1, {"data": 1}, {"data": {"text/html": 5.5}}],
                }
            ]
        },
        {
            "cells": [{"cell_type": "code", "source": ["x", None], "outputs": {"a": 1}}],
            "metadata": [{"title": 1}],
        },
    ],
)
def test_parts_of_the_wrong_kind_are_passed_over(notebook: Any) -> None:
    assert parse(notebook).text == "x"


def test_what_is_no_notebook_is_refused() -> None:
    with pytest.raises(ParseError, match=r"^work.ipynb is damaged: not valid JSON"):
        parse(b'{"cells": [')
    with pytest.raises(ParseError, match=r"^work.ipynb is damaged: nested deeper"):
        parse(b'{"cells":' + b"[" * 100_000)
    with pytest.raises(ParseError, match=r"^work.ipynb is JSON, but no notebook"):
        parse([1, 2])
    with pytest.raises(NoTextError):
        parse({"cells": [cell("code", "")]})
