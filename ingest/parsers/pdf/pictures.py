"""Pictures of pages: straightened, read, and laid out like pages that have a text layer."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from statistics import median

import numpy as np
import numpy.typing as npt
from PIL import Image

from ingest.parsers import OcrPolicy
from ingest.parsers.pace import ask_for_time
from ingest.parsers.pdf.layout import PageLayout, page_blocks
from ingest.parsers.pdf.lines import Fragment
from ingest.parsers.pdf.places import Placement
from ingest.parsers.tesseract import PAGE_TIME_LIMIT_S, ReadLine, read_lines

_STEPS = np.arange(-24, 25) * math.radians(0.25)
_SMALLEST_TILT = math.radians(0.4)
_CLEARER = 1.1
"""How many times more distinct lines must be after straightening than before."""
_MOST_INK = 60_000
_LOOKED_AT = 800
_WIDE_GAP = 1.2
"""How wide a gap parts two fragments, in ems."""

Grey = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A picture of a page: its grey values (height × width, 255 is white), and how many pixels make a point."""

    pixels: Grey
    pixels_per_point: float


def read_picture(picture: Picture, *, number: int, policy: OcrPolicy) -> list[PageLayout]:
    """The layouts of page `number`, that of most text first; none where there is no text. Raises `OcrError`."""
    # Tesseract is asked up to twice.
    ask_for_time(3 * PAGE_TIME_LIMIT_S)
    height, width = picture.pixels.shape
    tilt = _tilt(picture.pixels)
    pixels = picture.pixels
    if tilt:
        turned = Image.fromarray(pixels).rotate(math.degrees(tilt), Image.Resampling.BICUBIC, fillcolor=255)
        pixels = np.asarray(turned)
    dots_per_inch = min(max(round(72 * picture.pixels_per_point), 150), 600)
    lines = read_lines(
        b"P5 %d %d 255\n" % (width, height) + pixels.tobytes(), dots_per_inch=dots_per_inch, policy=policy
    )
    scale = 1 / picture.pixels_per_point
    to_page = Placement.of_tilted(tilt, width, height).then(Placement.of_scaled(scale))
    by_turn = Counter(line.turn for line in lines for _ in line.words)
    layouts = []
    for place, (turn, _) in enumerate(by_turn.most_common()):
        own = Placement.of_turned(turn, width, height)
        fragments = list(_fragments([line for line in lines if line.turn == turn], own.inverse(), scale))
        layouts.append(
            PageLayout(
                number=number,
                from_picture=True,
                width=width * scale,
                height=height * scale,
                is_main=place == 0,
                placement=Placement.of_scaled(picture.pixels_per_point).then(own).then(to_page),
                blocks=tuple(page_blocks(fragments)),
            )
        )
    return layouts


def _fragments(lines: Sequence[ReadLine], upright: Placement, scale: float) -> Iterator[Fragment]:
    """Words that stand close together, as fragments in points, in the picture turned upright."""
    place = upright.then(Placement.of_scaled(scale))
    usual = {block: median(line.size for line in of_block) for block, of_block in _by_block(lines)}
    position = 0
    for line in lines:
        # What Tesseract says of single lines wavers.
        size = usual[line.block] if 0.75 < line.size / usual[line.block] < 1.33 else line.size
        size *= scale
        boxes = [(word, *place.box((word.left, word.top, word.right, word.bottom))) for word in line.words]
        top, bottom = min(box[2] for box in boxes), max(box[4] for box in boxes)
        groups = [[boxes[0]]]
        for before, box in pairwise(boxes):
            if box[1] - before[3] > _WIDE_GAP * size:
                groups.append([])
            groups[-1].append(box)
        for group in groups:
            position += 1
            yield Fragment(
                text=" ".join(word.text for word, *_ in group),
                left=group[0][1],
                top=top,
                right=group[-1][3],
                bottom=bottom,
                baseline=bottom - line.baseline * scale,
                size=size,
                position=position,
            )


def _by_block(lines: Sequence[ReadLine]) -> Iterator[tuple[int, Iterator[ReadLine]]]:
    return groupby(sorted(lines, key=lambda line: line.block), key=lambda line: line.block)


def _tilt(pixels: Grey) -> float:
    """By which angle, in radians clockwise, a page's lines are tilted; 0 where that is little or not clear.

    The lines stand out most in the picture's profile (how much ink each height holds) along their own direction.
    """
    step = max(1, max(pixels.shape) // _LOOKED_AT)
    small = pixels[: pixels.shape[0] // step * step, : pixels.shape[1] // step * step]
    small = small.reshape(small.shape[0] // step, step, small.shape[1] // step, step).mean(axis=(1, 3))
    y, x = np.nonzero(small < 0.75 * np.median(small) if np.median(small) > 60 else small < 0)
    if not len(y) > 50:
        return 0.0
    if len(y) > _MOST_INK:
        chosen = np.linspace(0, len(y) - 1, _MOST_INK).astype(np.int64)
        y, x = y[chosen], x[chosen]
    clearness = [_clearness(y - x * math.tan(angle)) for angle in _STEPS]
    best = int(np.argmax(clearness))
    straight = clearness[len(_STEPS) // 2]
    angle = float(_STEPS[best])
    return angle if abs(angle) >= _SMALLEST_TILT and clearness[best] > _CLEARER * straight else 0.0


def _clearness(heights: npt.NDArray[np.float64]) -> float:
    profile = np.bincount((heights - heights.min()).astype(np.int64)).astype(np.float64)
    return float(np.square(np.diff(profile)).sum())
