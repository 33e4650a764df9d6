"""What is said where an answer is refused or leaves something open: one or more full sentences."""

from __future__ import annotations

from collections.abc import Sequence

from generation.answers import AnswerPolicy
from generation.citations import CitedText
from generation.evidence import Evidence
from generation.llms import Usage

NO_SENTENCE = "The passages found hold no sentence that could be quoted."

_CUT = "The language model reached its limit of tokens before its answer was complete."
_LONGEST_QUOTE = 200


def too_weak(evidence: Sequence[Evidence], policy: AnswerPolicy) -> str | None:
    """Why this evidence cannot answer, or None where it may."""
    if not evidence:
        return "Nothing was found that has to do with the question."
    best = evidence[0].score
    if best < policy.answer_from:
        needed = policy.answer_from
        # Rounded to the nearest, a score just below what is needed would be told as the same.
        told = min(round(best, 2), needed - 0.01)
        return f"No passage comes close enough: the best scores {told:.2f}, and an answer needs {needed:.2f}."
    return None


def no_answer(said: CitedText, usage: Usage, unsupported: int) -> str:
    """Why nothing of what the model said can be shown."""
    if unsupported:
        what = "the one sentence" if unsupported == 1 else f"any of the {unsupported} sentences"
        return f"The passages do not support {what} that the language model wrote."
    if said.declined or said.missing is not None:
        return f"The language model found no answer in the passages{_in_its_words(said)}."
    return _CUT if usage.cut else "The language model said nothing that could be checked."


def quoted_instead(unsupported: int) -> str:
    """Why an answer is in the sources' own words although a model has written one."""
    what = "The one sentence" if unsupported == 1 else f"None of the {unsupported} sentences"
    verb = "is not supported by any passage" if unsupported == 1 else "is supported by a passage"
    return f"{what} that the language model wrote {verb}: quoted instead is what the sources say themselves."


def not_wholly_supported(unsupported: int, written: int) -> str:
    """Why an answer is not shown, some sentences of which are supported, where one that is not refuses all of it."""
    no_passage = "one of them" if unsupported == 1 else f"{unsupported} of them"
    return (
        f"The language model wrote {written} sentences, and no passage supports {no_passage}: as this service is set, "
        "such an answer is refused as a whole."
    )


def left_open(said: CitedText, usage: Usage, unsupported: int, policy: AnswerPolicy) -> str | None:
    """What a partial answer leaves open; None for a whole one."""
    reasons = []
    if said.missing is not None:
        reasons.append(f"The passages do not answer all of the question{_in_its_words(said)}.")
    if unsupported:
        fate = "left out" if policy.unsupported == "drop" else "marked"
        reasons.append(
            f"One sentence that the language model wrote was {fate}, because no passage supports it."
            if unsupported == 1
            else f"{unsupported} sentences that the language model wrote were {fate}, because no passage supports them."
        )
    if usage.cut:
        reasons.append(_CUT)
    return " ".join(reasons) or None


def _in_its_words(said: CitedText) -> str:
    """What the model says is missing: unchecked, and therefore marked as its own words."""
    if not said.missing:
        return ""
    words = " ".join(said.missing.split()).rstrip(".")
    if len(words) > _LONGEST_QUOTE:
        words = words[:_LONGEST_QUOTE].rstrip() + " …"
    return f" (in its words: “{words}”)"
