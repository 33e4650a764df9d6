"""The text layer of a PDF page: its characters as PDFium gives them, as fragments of lines with place and style."""

from __future__ import annotations

import ctypes
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pypdfium2 as pdfium
from pypdfium2 import raw

from ingest.parsers.pdf.lines import WORD_GAP, Fragment
from ingest.parsers.pdf.places import Placement
from ingest.parsers.pdf.styles import Style, Styles

WIDE_GAP = 1.0
"""How wide a gap parts two fragments, in ems."""
_LINE_CHANGE = 0.5
"""How far, in ems, a foot may lie from the one before it within a line."""
_SCRIPT, _SCRIPT_GAP, _SCRIPT_RISE = 0.8, 0.25, 0.8
"""Up to which share of the size of its neighbour, at which distance and height in ems, small type is a script."""
_JUMP_BACK = 0.6
"""By how many ems to the left of the one before it a character begins something new."""
_MOST_TILTED = math.radians(8)
_LINE_END_HYPHENS = (0x02, 0xFFFE)
_SPACES = frozenset(
    map(
        ord,
        "\t\n\v\f\r \xa0\u1680\u2028\u2029\u202f\u205f\u2060\u3000\ufeff"
        + "".join(map(chr, range(0x2000, 0x200C))),
    )
)
_UNMAPPED = 0xFFFD
_LEADERS = re.compile(r"(?:\. ?){6,}")
"""Dots that lead from a word to its number, which would be most of the text of many tables."""
_NARROW_SPACE = 0.13
_TIGHT_LETTERS = 0.04
_EAST_ASIAN = 0x2E80
_SMALLEST_HEIGHT = 0.0025
"""Up to which share of the page's longer side text is too small to be seen by anyone."""
_LIGATURES = str.maketrans({"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st"})

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnedText:
    """The fragments of a page that run in one direction, in the order in which the file draws them.

    turn: by how many quarters the text is turned clockwise; tilted text counts as not turned.
    placement: from the fragments' coordinates, in which the text runs to the right, to the page as shown.
    """

    turn: int
    placement: Placement
    fragments: tuple[Fragment, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PageText:
    """The text layer of a page.

    width, height: of the page as shown, in points.
    texts: by direction, the one of most characters first.
    characters: how many leave a mark. unmapped: how many of these have no known meaning.
    """

    width: float
    height: float
    texts: tuple[TurnedText, ...]
    characters: int
    unmapped: int


@dataclass(slots=True)
class _Characters:
    """The visible characters of a page. `apart`: what white space goes before each (0 none, 1 space, 2 line end)."""

    codes: list[int] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    apart: list[int] = field(default_factory=list)
    styles: list[int] = field(default_factory=list)


def read_text(page: pdfium.PdfPage, text_page: pdfium.PdfTextPage) -> PageText:
    """All text that the page shows, and the invisible text that a scanner's program has put behind its picture.

    What lies outside the page's visible box, and what is too small to be seen, is left out.
    """
    width, height = page.get_size()
    to_shown = _to_shown(page, width, height)
    characters, styles, boxes = _read_characters(text_page, to_shown)
    if not characters.codes:
        return PageText(width=width, height=height, texts=(), characters=0, unmapped=0)
    shown = _transform_boxes(boxes[characters.places], to_shown)
    inside = (
        (shown[:, 2] > 0)
        & (shown[:, 0] < width)
        & (shown[:, 3] > 0)
        & (shown[:, 1] < height)
        & np.isfinite(shown).all(axis=1)
    )
    origins = _Origins(text_page, characters.places, to_shown)
    style = np.array(characters.styles)
    turns = np.array([_turn(each.direction) for each in styles])[style]
    texts = []
    for turn in np.unique(turns[inside]):
        chosen = np.flatnonzero(inside & (turns == turn))
        texts.append(_turned_text(int(turn), chosen, characters, styles, shown, origins, (width, height)))
    texts = [text for text in texts if text.fragments]
    texts.sort(key=lambda text: -sum(len(fragment.text) for fragment in text.fragments))
    codes = np.array(characters.codes)[inside]
    return PageText(
        width=width,
        height=height,
        texts=tuple(texts),
        characters=len(codes),
        unmapped=int(np.count_nonzero(_is_unmapped(codes))),
    )


def _to_shown(page: pdfium.PdfPage, width: float, height: float) -> Floats:
    """The matrix [[a, b], [c, d], [e, f]] from the page's own coordinates to those of the page as shown."""
    scale = 10_000_000 / max(width, height, 1.0)
    size = round(width * scale), round(height * scale)

    def shown(x: float, y: float) -> Floats:
        device_x, device_y = ctypes.c_int(), ctypes.c_int()
        raw.FPDF_PageToDevice(page.raw, 0, 0, *size, 0, x, y, device_x, device_y)
        return np.array([device_x.value, device_y.value]) / scale

    origin = shown(0, 0)
    return np.array([(shown(100, 0) - origin) / 100, (shown(0, 100) - origin) / 100, origin])


class _Origins:
    """Where characters stand on their baselines, on the page as shown."""

    def __init__(self, text_page: pdfium.PdfTextPage, places: Sequence[int], to_shown: Floats) -> None:
        self._handle = text_page.raw
        self._places = places
        self._matrix = to_shown.tolist()

    def of(self, character: int) -> tuple[float, float]:
        """The origin of a visible character."""
        x, y = ctypes.c_double(), ctypes.c_double()
        raw.FPDFText_GetCharOrigin(self._handle, self._places[character], x, y)
        (a, b), (c, d), (e, f) = self._matrix
        return a * x.value + c * y.value + e, b * x.value + d * y.value + f


def _read_characters(
    text_page: pdfium.PdfTextPage, to_shown: Floats
) -> tuple[_Characters, list[Style], Floats]:
    """The visible characters, the styles they refer to, and the boxes (l, t, r, b; page's own) of all characters."""
    handle = text_page.raw
    count = max(0, raw.FPDFText_CountChars(handle))
    found = (raw.FS_RECTF * count)()
    characters, styles = _Characters(), Styles(handle, to_shown)
    apart, style, last_height = 0, 0, (math.nan, math.nan)
    code_of, box_of = raw.FPDFText_GetUnicode, raw.FPDFText_GetLooseCharBox
    for index in range(count):
        code = code_of(handle, index)
        if code in _SPACES:
            apart = max(apart, 2 if code in {10, 13} else 1)
            continue
        box = found[index]
        box_of(handle, index, box)
        height = (box.top, box.bottom)
        if apart or height != last_height:
            # Within a word of one height the style stays: some files draw each character as an object of its own.
            style, last_height = styles.index(index), height
        characters.codes.append(code)
        characters.places.append(index)
        characters.apart.append(apart)
        characters.styles.append(style)
        apart = 0
    boxes = np.frombuffer(found, dtype=np.float32).reshape(count, 4).astype(np.float64)
    return characters, styles.all, boxes


def _turn(direction: float) -> int:
    """Clockwise quarters; -1 where text is tilted, or a damaged file gives it no direction."""
    if not math.isfinite(direction):
        return -1
    quarters = direction / (math.pi / 2)
    return round(quarters) % 4 if abs(quarters - round(quarters)) * math.pi / 2 <= _MOST_TILTED else -1


def _transform_boxes(boxes: Floats, matrix: Floats) -> Floats:
    """Boxes (left, top, right, bottom) of either orientation as (left, top, right, bottom), y downwards."""
    first = boxes[:, :2] @ matrix[:2] + matrix[2]
    second = boxes[:, 2:] @ matrix[:2] + matrix[2]
    return np.hstack([np.minimum(first, second), np.maximum(first, second)])


def _upright(boxes: Floats, turn: int, width: float, height: float) -> Floats:
    left, top, right, bottom = boxes.T
    match turn:
        case 1:
            columns = (top, width - right, bottom, width - left)
        case 2:
            columns = (width - right, height - bottom, width - left, height - top)
        case 3:
            columns = (height - bottom, left, height - top, right)
        case _:
            return boxes
    return np.stack(columns, axis=1)


def _turned_text(
    turn: int,
    chosen: Integers,
    characters: _Characters,
    styles: Sequence[Style],
    shown: Floats,
    origins: _Origins,
    page_size: tuple[float, float],
) -> TurnedText:
    placement = Placement.of_turned(max(turn, 0), *page_size)
    upright = placement.inverse()
    boxes = _upright(shown[chosen], turn, *page_size)
    seen = boxes[:, 3] - boxes[:, 1] > _SMALLEST_HEIGHT * max(page_size)
    chosen, boxes = chosen[seen], boxes[seen]
    if not len(chosen):
        return TurnedText(turn=max(turn, 0), placement=placement, fragments=())
    style = np.array(characters.styles)[chosen]
    heights = boxes[:, 3] - boxes[:, 1]
    sizes = np.array([each.size for each in styles])[style]
    # Some fonts state a size of 1, or of 1000, and scale their glyphs instead.
    sizes = np.where((sizes < 0.4 * heights) | (sizes > 4 * heights), heights / 1.2, sizes)
    sizes = np.maximum(sizes, 0.1)
    apart = np.array(characters.apart)[chosen]
    bold = np.array([each.bold for each in styles])[style]
    gaps = np.maximum(boxes[1:, 0], boxes[:-1, 0]) - np.minimum(boxes[1:, 2], boxes[:-1, 2])
    ems = np.maximum(sizes[1:], sizes[:-1])
    codes = np.array(characters.codes)[chosen]
    breaks = gaps > WIDE_GAP * ems
    leftwards = (codes >= 0x590) & (codes <= 0x8FF) | (codes >= 0xFB1D) & (codes <= 0xFEFC)
    jumps_back = boxes[1:, 0] < boxes[:-1, 0] - _JUMP_BACK * ems
    breaks |= jumps_back & ~leftwards[1:] & ~leftwards[:-1]
    if turn != -1:
        rise = np.abs(boxes[1:, 3] - boxes[:-1, 3])
        beside = (np.minimum(sizes[1:], sizes[:-1]) <= _SCRIPT * ems) & (np.abs(gaps) < _SCRIPT_GAP * ems)
        breaks |= (rise > _LINE_CHANGE * ems) & ~(beside & (rise < _SCRIPT_RISE * ems))
    else:
        breaks |= apart[1:] == 2
    spaced = (apart[1:] == 1) | (gaps > _word_gap(gaps / ems, apart[1:], codes) * ems)
    starts = np.flatnonzero(np.concatenate([[True], breaks]))
    lefts, tops = np.minimum.reduceat(boxes[:, :2], starts).T
    rights, bottoms = np.maximum.reduceat(boxes[:, 2:], starts).T
    ends = np.append(starts[1:], len(chosen))
    bolds = np.add.reduceat(bold.astype(np.int64), starts) >= 0.9 * (ends - starts)
    codes = _ligatures_in_order(codes, boxes)
    texts = _texts(codes, np.concatenate([[False], spaced]), starts, ends)
    fragments = [
        Fragment(
            text=text,
            left=float(lefts[i]),
            top=float(tops[i]),
            right=float(rights[i]),
            bottom=float(bottoms[i]),
            baseline=upright.point(*origins.of(int(chosen[starts[i]])))[1],
            size=float(np.sort(sizes[starts[i] : ends[i]])[(ends[i] - starts[i]) // 2]),
            bold=bool(bolds[i]),
            position=int(chosen[starts[i]]),
        )
        for i, text in enumerate(texts)
        if text
    ]
    return TurnedText(turn=max(turn, 0), placement=placement, fragments=tuple(fragments))


def _texts(codes: Integers, spaced: npt.NDArray[np.bool_], starts: Integers, ends: Integers) -> Iterator[str]:
    codes = np.where(np.isin(codes, _LINE_END_HYPHENS), ord("-"), codes)
    letters = [
        f" {chr(code)}" if space else chr(code)
        for code, space in zip(codes.tolist(), spaced.tolist(), strict=True)
    ]
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        text = "".join(letters[start:end])
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        text = "".join(filter(_is_text, text)).translate(_LIGATURES)
        yield _LEADERS.sub("... ", text).strip()


def _word_gap(gaps: Floats, apart: Integers, codes: Integers) -> Floats:
    """From which gap on, in ems, two characters between which the file has no space belong to two words.

    PDFium misses narrow spaces of justified lines; in letter-spaced and in East Asian text gaps say nothing.
    """
    within = gaps[apart == 0]
    is_set_tight = len(within) > 0 and abs(float(np.median(within))) < _TIGHT_LETTERS
    usable = is_set_tight & (codes[1:] < _EAST_ASIAN) & (codes[:-1] < _EAST_ASIAN)
    return np.where(apart == 2, WORD_GAP, np.where(usable, _NARROW_SPACE, np.inf))


def _ligatures_in_order(codes: Integers, boxes: Floats) -> Integers:
    """Right-to-left letters of one glyph, which PDFium gives in the order of the page and not of reading, put right."""
    is_one = (codes[1:] >= 0x590) & (codes[1:] <= 0x8FF) & (codes[:-1] >= 0x590) & (codes[:-1] <= 0x8FF)
    for place in np.flatnonzero(is_one & (boxes[1:] == boxes[:-1]).all(axis=1)).tolist():
        codes[place], codes[place + 1] = codes[place + 1], codes[place]
    return codes


def _is_text(character: str) -> bool:
    return character >= " " and not "\x7f" <= character <= "\x9f"


def _is_unmapped(codes: Integers) -> npt.NDArray[np.bool_]:
    private = (codes >= 0xE000) & (codes <= 0xF8FF)
    control = (codes < 32) & ~np.isin(codes, _LINE_END_HYPHENS)
    unmapped: npt.NDArray[np.bool_] = private | control | (codes == _UNMAPPED)
    return unmapped
