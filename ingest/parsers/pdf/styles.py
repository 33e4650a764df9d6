"""The type in which the characters of a PDF page are set: its size as shown, whether it is bold, and where it runs."""

from __future__ import annotations

import ctypes
import math
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from pypdfium2 import raw

_BOLD = re.compile(r"bold|black|heavy|semibold|demi", re.IGNORECASE)
_FORCED_BOLD = 1 << 18
_BOLD_WEIGHT = 600


@dataclass(frozen=True, slots=True)
class Style:
    """What the characters of one text object share. direction: in radians, clockwise as shown; 0 is to the right."""

    size: float
    bold: bool
    direction: float


class Styles:
    """The styles of a page's text objects; what is told of a font is asked once."""

    def __init__(self, handle: object, to_shown: npt.NDArray[np.float64]) -> None:
        self.all: list[Style] = []
        self._handle = handle
        (self._a, self._b), (self._c, self._d), _ = to_shown.tolist()
        self._by_object: dict[int, int] = {}
        self._by_style: dict[Style, int] = {}
        self._bold: dict[int, bool] = {}

    def index(self, character: int) -> int:
        """Which of all styles a character has."""
        text_object = raw.FPDFText_GetTextObject(self._handle, character)
        address = ctypes.addressof(text_object.contents) if text_object else 0
        index = self._by_object.get(address)
        if index is None:
            style = self._read(character, text_object)
            index = self._by_object[address] = self._by_style.setdefault(style, len(self.all))
            if index == len(self.all):
                self.all.append(style)
        return index

    def _read(self, character: int, text_object: Any) -> Style:
        matrix = raw.FS_MATRIX()
        raw.FPDFText_GetMatrix(self._handle, character, matrix)
        along = self._shown(matrix.a, matrix.b)
        size = raw.FPDFText_GetFontSize(self._handle, character) * math.hypot(
            *self._shown(matrix.c, matrix.d)
        )
        font = raw.FPDFTextObj_GetFont(text_object) if text_object else None
        address = ctypes.addressof(font.contents) if font else 0
        bold = self._bold.get(address)
        if bold is None:
            bold = self._bold[address] = self._is_bold(character)
        return Style(round(abs(size), 1), bold, math.atan2(along[1], along[0]))

    def _shown(self, x: float, y: float) -> tuple[float, float]:
        return self._a * x + self._c * y, self._b * x + self._d * y

    def _is_bold(self, character: int) -> bool:
        name, flags = ctypes.create_string_buffer(128), ctypes.c_int()
        raw.FPDFText_GetFontInfo(self._handle, character, name, len(name), flags)
        return bool(
            _BOLD.search(name.value.decode("utf-8", errors="replace"))
            or flags.value & _FORCED_BOLD
            or raw.FPDFText_GetFontWeight(self._handle, character) >= _BOLD_WEIGHT
        )
