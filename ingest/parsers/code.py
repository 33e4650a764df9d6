"""Source code and configuration of any language. The revision's text is the file itself, so that a citation shows its
very lines; blocks follow the code's own paragraphs, as blank lines and indentation show them.

No language is parsed: a definition is what stands between two blank lines at one depth. A stretch that is too large
is cut at the blank lines of least depth within it, or else where the code returns to that depth. There are no
headings, because a chunk does not show the headings above it, and a citation of a function is to show its signature.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise

from ingest.parsers import Block, ParsedDocument
from ingest.parsers.encoding import read_text
from ingest.parsers.machine_text import refuse_lock_file, without_machine_lines
from ingest.parsers.markup.regions import indentation
from ingest.parsers.text import trimmed

_LARGEST = 800
"""Characters up to which a stretch of code stays whole: about the 256 tokens of a chunk."""
_SMALLEST = 160
"""Characters up to which neighbours (imports, constants) are one block."""
_GOES_ON = re.compile(
    r"[)\]}>]|(?:end|else|elif|elsif|elseif|except|finally|catch|rescue|fi|done|esac|then|do|until)\b"
)
_CLOSES = re.compile(r"[)\]}>]|(?:end|fi|done|esac)\b")
_PARAGRAPH, _RETURN = 0, 1


class CodeParser:
    """Reads source code and configuration files."""

    def parse(self, content: bytes, *, file_name: str) -> ParsedDocument:
        """Parse a file of code; raises `ParseError` if it is empty, or binary, `NoTextError` if it is minified."""
        refuse_lock_file(file_name)
        text = read_text(content, file_name=file_name)
        text, notes = without_machine_lines(text, file_name=file_name)
        return ParsedDocument(
            text=text, blocks=tuple(code_blocks(text)), media_type="text/plain", notes=notes
        )


def code_blocks(text: str) -> Iterator[Block]:
    """The blocks of a text that is laid out by blank lines and indentation."""
    lines = text.split("\n")
    starts = list(accumulate((len(line) + 1 for line in lines), initial=0))
    for first, after in _parts(starts, list(_edges(lines)), len(lines)):
        start, end = trimmed(text, starts[first], min(starts[after], len(text)))
        if start < end:
            yield Block(kind="code", char_start=start, char_end=end)


def _edges(lines: Sequence[str]) -> Iterator[tuple[int, int, int]]:
    """Where the code may be cut: (depth, kind, line), lines ascending; the lower the depth and the kind, the better."""
    above = depth_above = None
    is_after_blank = False
    for index, line in enumerate(lines):
        stripped = line.lstrip()
        if not stripped:
            is_after_blank = True
            continue
        depth = indentation(line)
        if above is not None and depth_above is not None and not _GOES_ON.match(stripped):
            if is_after_blank:
                yield depth, _PARAGRAPH, index
            elif depth < depth_above or (depth == depth_above and _CLOSES.match(above)):
                yield depth, _RETURN, index
        above, depth_above, is_after_blank = stripped, depth, False


def _parts(
    starts: Sequence[int], edges: list[tuple[int, int, int]], line_count: int
) -> Iterator[tuple[int, int]]:
    """The spans of lines that stay whole, ascending.

    Every cut goes deeper than the one before, and an edge costs at least its depth in characters: the work is linear
    in the text.
    """
    waiting = [(0, line_count, edges)]
    while waiting:
        first, after, inner = waiting.pop()
        if starts[after] - starts[first] <= _LARGEST or not inner:
            yield first, after
            continue
        best = min(edge[:2] for edge in inner)
        cuts = _spaced([line for *rank, line in inner if tuple(rank) == best], first, after, starts)
        deeper = [edge for edge in inner if edge[:2] != best]
        waiting.extend(reversed(list(_divided(cuts, deeper))))


def _spaced(lines: list[int], first: int, after: int, starts: Sequence[int]) -> list[int]:
    """The lines at which to cut, with both ends, but for those between two neighbours that are small together."""
    cuts = [first]
    for line, following in pairwise([*lines, after]):
        if starts[following] - starts[cuts[-1]] > _SMALLEST:
            cuts.append(line)
    return [*cuts, after]


def _divided(
    cuts: Sequence[int], edges: Sequence[tuple[int, int, int]]
) -> Iterator[tuple[int, int, list[tuple[int, int, int]]]]:
    """Each part between two cuts, with the edges inside it."""
    at = 0
    for first, after in pairwise(cuts):
        inner: list[tuple[int, int, int]] = []
        while at < len(edges) and edges[at][2] < after:
            if edges[at][2] > first:
                inner.append(edges[at])
            at += 1
        yield first, after, inner
