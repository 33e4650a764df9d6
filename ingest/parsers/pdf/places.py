"""Where on a page as shown a box of its layout lies: layouts are laid out upright, pages may be turned or askew."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

Box = tuple[float, float, float, float]
"""Left, top, right, bottom; y downwards."""


@dataclass(frozen=True, slots=True)
class Placement:
    """An affine map from a layout's coordinates to others: x' = a x + c y + e, y' = b x + d y + f."""

    a: float = 1.0
    b: float = 0.0
    c: float = 0.0
    d: float = 1.0
    e: float = 0.0
    f: float = 0.0

    @classmethod
    def of_turned(cls, quarters: int, width: float, height: float) -> Self:
        """To a page of this size on which the text is turned clockwise by so many quarters."""
        match quarters % 4:
            case 1:
                return cls(0, 1, -1, 0, width, 0)
            case 2:
                return cls(-1, 0, 0, -1, width, height)
            case 3:
                return cls(0, -1, 1, 0, 0, height)
            case _:
                return cls()

    @classmethod
    def of_tilted(cls, radians: float, width: float, height: float) -> Self:
        """To a picture of this size in which all is tilted clockwise about its middle."""
        cosine, sine = math.cos(radians), math.sin(radians)
        x, y = width / 2, height / 2
        return cls(cosine, sine, -sine, cosine, x - cosine * x + sine * y, y - sine * x - cosine * y)

    @classmethod
    def of_scaled(cls, factor: float) -> Self:
        """To coordinates `factor` times as large."""
        return cls(factor, 0, 0, factor, 0, 0)

    def then(self, other: Placement) -> Placement:
        """This map, and after it another."""
        x, y = other.point(self.e, self.f)
        return Placement(
            other.a * self.a + other.c * self.b,
            other.b * self.a + other.d * self.b,
            other.a * self.c + other.c * self.d,
            other.b * self.c + other.d * self.d,
            x,
            y,
        )

    def inverse(self) -> Placement:
        """The way back."""
        area = self.a * self.d - self.b * self.c
        a, b, c, d = self.d / area, -self.b / area, -self.c / area, self.a / area
        return Placement(a, b, c, d, -(a * self.e + c * self.f), -(b * self.e + d * self.f))

    def point(self, x: float, y: float) -> tuple[float, float]:
        """Where a point comes to lie."""
        return self.a * x + self.c * y + self.e, self.b * x + self.d * y + self.f

    def box(self, box: Box) -> Box:
        """The upright box around where a box comes to lie."""
        left, top, right, bottom = box
        corners = [self.point(x, y) for x in (left, right) for y in (top, bottom)]
        xs, ys = [x for x, _ in corners], [y for _, y in corners]
        return min(xs), min(ys), max(xs), max(ys)
