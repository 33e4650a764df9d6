"""The prompt: rules, fenced passages and the question, from the wording in `prompts/*.md`.

Passages are quotations. What could end a quotation early, pass for a turn of the conversation or for a citation of
ours is made harmless in the prompt; quotes in answers come from the passage itself.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from string import Template

from generation.citations import MISSING, NOT_IN_SOURCES
from generation.context import NumberedPassage
from generation.llms import Message
from retrieval.records import Passage

_PROMPTS = Path(__file__).parent / "prompts"

_FENCE = re.compile(r"<(?=\s*/?\s*passage)", re.IGNORECASE)
_TURN = re.compile(
    r"<(?=\s*[|｜])|<(?=/?(?:s|bos|eos|start_of_turn|end_of_turn|think)>)|<(?=<\s*/?SYS)",
    re.IGNORECASE,
)
_INSTRUCTION = re.compile(r"\[(/?INST)\]", re.IGNORECASE)
_REFERENCE = re.compile(r"[\[【]([\d\s,;–-]{1,24})[\]】]")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


def build_prompt(question: str, passages: Sequence[NumberedPassage]) -> list[Message]:
    """The messages that ask a model to answer `question` from `passages`, citing them by number."""
    fenced = "\n\n".join(_fenced(numbered) for numbered in passages)
    return [
        Message(
            role="system",
            content=template("system").substitute(not_in_sources=NOT_IN_SOURCES, missing=MISSING),
        ),
        Message(
            role="user",
            content=template("question").substitute(passages=fenced, question=harmless(question)),
        ),
    ]


def build_judge_prompt(claim: str, passages: Sequence[Passage]) -> list[Message]:
    """The messages that ask a model whether passages state a claim."""
    numbered = (NumberedPassage(number=n, passage=passage) for n, passage in enumerate(passages, start=1))
    fenced = "\n\n".join(map(_fenced, numbered))
    return [
        Message(role="system", content=template("judge").template),
        Message(role="user", content=f"{fenced}\n\nClaim: {' '.join(harmless(claim).split())}"),
    ]


def _fenced(numbered: NumberedPassage) -> str:
    passage = numbered.passage
    text = harmless(_REFERENCE.sub(r"(\1)", passage.text))
    dated = "" if passage.modified_at is None else f' changed="{passage.modified_at.date().isoformat()}"'
    return f'<passage number="{numbered.number}" from="{_attribute(_place(passage))}"{dated}>\n{text}\n</passage>'


def _place(passage: Passage) -> str:
    page = () if passage.page is None else (f"page {passage.page}",)
    return " > ".join(dict.fromkeys([passage.title or passage.path, *passage.headings, *page]))


def _attribute(text: str) -> str:
    return " ".join(harmless(text).replace('"', "'").replace(">", "›").replace("<", "‹").split())


def harmless(text: str) -> str:
    """The text without what a server's chat template or our own fences would read as structure."""
    text = _CONTROL.sub(" ", text.encode(errors="replace").decode())  # a lone surrogate cannot be sent
    for structure in (_FENCE, _TURN):
        text = structure.sub("‹", text)
    return _INSTRUCTION.sub(r"(\1)", text)


@cache
def template(name: str) -> Template:
    """The wording `prompts/NAME.md`."""
    return Template((_PROMPTS / f"{name}.md").read_text(encoding="utf-8").strip())
