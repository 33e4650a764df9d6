from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import pytest

from generation.answers import AnswerPolicy
from generation.reasons import too_weak


@dataclass(frozen=True)
class Scored:
    """As much of evidence as says how good it is."""

    score: float


def reason(score: float) -> str | None:
    return too_weak(cast("Any", [Scored(score)]), AnswerPolicy(answer_from=0.5))


@pytest.mark.parametrize(
    ("score", "told"), [(0.18, "0.18"), (0.184, "0.18"), (0.497, "0.49"), (0.4999, "0.49")]
)
def test_a_score_that_is_too_low_is_never_told_as_what_is_needed(score: float, told: str) -> None:
    assert (
        reason(score) == f"No passage comes close enough: the best scores {told}, and an answer needs 0.50."
    )


def test_a_score_that_is_enough_is_no_reason() -> None:
    assert reason(0.5) is None
