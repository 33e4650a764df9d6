"""What a reader is shown of a language model that cannot be relied upon: is what passes as supported stated there?

    python -m benchmarks.unreliable_model --base-url URL --model NAME [--set squad2-dev] [--questions 100] [--seed 7]

Answerable questions, drawn by the seed, are put to the service as it is configured, with this model. A sentence that is
shown as supported counts as stated where what it cites has all its numbers and names and nearly all of its content
words; sentences that miss only a few words are listed for a person to judge. Those that are quoted because nothing that
the model wrote was supported are counted apart, and so is what the document that holds the answer states: a sentence
from another document may be true and is no answer. Documents go into a
throw-away collection of the configured database, as with `footnote eval answers`. Reads FOOTNOTE_TEST_DATA (default
../shared/data).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from evaluation.answer_sets import AnswerSet
from evaluation.answers import Share
from generation.facts import content_words, facts_of
from service.cli.evaluation_progress import EvaluationProgress
from service.evaluating_answers import AnswersRequest, measure_answers, prepare_answers
from service.sections import LlmSettings
from service.settings import Settings, load_settings

DATA = Path(os.environ.get("FOOTNOTE_TEST_DATA", "../shared/data")) / "qa"
Verdict = Literal["stated", "doubtful", "not stated"]
_STATED, _DOUBTFUL = 0.9, 0.6
_STEM = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A sentence that a reader was shown as supported, and whether what it cites states it.

    quoted: whether it is one of the sources' own; in_gold: whether a document that holds the answer states it.
    """

    question: str
    sentence: str
    quotes: tuple[str, ...]
    verdict: Verdict
    share: float
    missing: tuple[str, ...]
    quoted: bool
    in_gold: bool


def judge(sentence: str, documents: Sequence[str]) -> tuple[Verdict, float, tuple[str, ...]]:
    """The best verdict that one of the documents gives: its content words' share, and the facts that it lacks."""
    return max(
        (_judge(sentence, document) for document in documents),
        key=lambda found: (found[0] == "stated", found[0] == "doubtful", found[1]),
    )


def _judge(sentence: str, document: str) -> tuple[Verdict, float, tuple[str, ...]]:
    lacking = facts_of(sentence).missing_from(document)
    missing = (*sorted(lacking.names), *(str(min(number)) for number in lacking.numbers))
    words, known = _stems(sentence), _stems(document)
    share = len(words & known) / len(words) if words else 1.0
    if missing or share < _DOUBTFUL:
        return "not stated", share, missing
    return ("stated" if share >= _STATED else "doubtful"), share, missing


def _stems(text: str) -> frozenset[str]:
    return frozenset(word[:_STEM] for word in content_words(text))


def judged_sentences(lines: Sequence[Mapping[str, Any]], answer_set: AnswerSet) -> Iterator[Judged]:
    """Every sentence of the saved answers that a reader sees as supported."""
    texts = {document.id: f"{document.title}\n{document.text}" for document in answer_set.corpus.documents}
    asked = {question.id: question for question in answer_set.questions}
    for line in lines:
        documents = [texts[name] for name in sorted(asked[line["question_id"]].documents) if name in texts]
        for sentence in line["sentences"]:
            if sentence["supported"]:
                quotes = tuple(line["quotes"][number] for number in sentence["citations"])
                verdict, share, missing = judge(sentence["text"], [" ".join(quotes)])
                yield Judged(
                    question=line["question"],
                    sentence=sentence["text"],
                    quotes=quotes,
                    verdict=verdict,
                    share=round(share, 2),
                    missing=missing,
                    quoted=sentence["text"] in {" ".join(quote.split()) for quote in quotes},
                    in_gold=judge(sentence["text"], documents)[0] == "stated",
                )


def report(lines: Sequence[Mapping[str, Any]], answer_set: AnswerSet) -> dict[str, Any]:
    """The figures, and the sentences to be read."""
    judged = list(judged_sentences(lines, answer_set))
    worded = [each for each in judged if not each.quoted]
    shown = sum(any(sentence["supported"] for sentence in line["sentences"]) for line in lines)
    return {
        "questions": len(lines),
        "with a supported sentence": Share(successes=shown, trials=len(lines)).as_json(),
        "supported sentences": _stated(judged),
        "of these in the model's words": _stated(worded),
        "stated by the document that holds the answer": sum(each.in_gold for each in judged),
        "dropped sentences": sum(line["dropped"] for line in lines),
        "status": {
            status: sum(line["status"] == status for line in lines)
            for status in ("answered", "partial", "refused")
        },
        "to be read": [
            {
                "verdict": each.verdict,
                "question": each.question,
                "sentence": each.sentence,
                "quotes": list(each.quotes),
                "share": each.share,
                "missing": list(each.missing),
            }
            for each in judged
            if each.verdict != "stated"
        ],
    }


def _stated(judged: Sequence[Judged]) -> dict[str, Any]:
    stated = sum(each.verdict == "stated" for each in judged)
    doubtful = sum(each.verdict == "doubtful" for each in judged)
    return {
        "sentences": len(judged),
        "stated": Share(successes=stated, trials=len(judged)).as_json(),
        "stated or doubtful": Share(successes=stated + doubtful, trials=len(judged)).as_json(),
    }


async def run(settings: Settings, request: AnswersRequest) -> dict[str, Any]:
    """Ask, and judge what was shown."""
    assert request.save is not None, "answers are judged from the file that they are saved in"
    (answer_set,) = prepare_answers(request)
    with EvaluationProgress() as progress:
        await measure_answers(settings, request, [answer_set], report=_tell, progress=progress)
    lines = [json.loads(line) for line in request.save.read_text(encoding="utf-8").splitlines()]
    return report(lines, answer_set)


def _tell(line: str) -> None:
    print(line, file=sys.stderr)


def main() -> None:
    """Measure, and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--base-url", required=True, help="of an OpenAI-compatible server")
    parser.add_argument("--model", required=True)
    parser.add_argument("--set", default="squad2-dev", help="a folder of the qa data (default squad2-dev)")
    parser.add_argument("--questions", type=int, default=100)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--save", type=Path, help="keep what was asked and answered, a JSON line a question")
    arguments = parser.parse_args()
    llm = LlmSettings(base_url=arguments.base_url, model=arguments.model, location="inside")
    settings = load_settings().model_copy(update={"llm": llm})
    with tempfile.TemporaryDirectory() as folder:
        request = AnswersRequest(
            folders=(DATA / arguments.set,),
            limit=arguments.questions,
            seed=arguments.seed,
            answerable_only=True,
            save=arguments.save or Path(folder) / "answers.jsonl",
        )
        print(json.dumps(asyncio.run(run(settings, request)), indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
