"""Measuring the support check as its callers ask for it: claims in, figures out, by the check as it is configured.

Everything that can be wrong with what was asked for is found by `prepare_support`, before a model is loaded. No
database is needed.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluation.measures import percentiles
from evaluation.runs import check_savable, write_whole
from evaluation.support import ClaimJudge, JudgedClaim
from evaluation.support_figures import SupportFigures, sum_up_support
from evaluation.support_files import PassedOver, find_support_files
from evaluation.support_sets import SupportSet, read_support_set
from generation.entailment import LAYERS_SHA256
from generation.judging import JudgePolicy, LLMJudge
from generation.llms import load_llms
from retrieval.errors import ConfigurationError
from service.evaluating import Progress
from service.settings import Settings
from service.specs import Report, llm_specs
from service.wiring import SupportCheck, open_support_check


@dataclass(frozen=True, slots=True, kw_only=True)
class SupportRequest:
    """What to measure, and how.

    baseline: whether the cross-encoder alone is measured beside the check.
    save: a file that gets a line for every claim, to be read by a person.
    """

    places: tuple[Path, ...]
    limit: int | None = None
    seed: int = 0
    baseline: bool = True
    save: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedSupport:
    """The sets with the claims that are drawn of them, what each holds in all, and the files that are none."""

    sets: tuple[SupportSet, ...]
    whole: Mapping[str, int]
    passed_over: tuple[PassedOver, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SupportMeasurement:
    """What one set came to. `latency`: milliseconds that the check of a claim takes, one at a time."""

    support_set: SupportSet
    whole: int
    figures: SupportFigures
    latency: Mapping[str, float]

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.support_set.name,
            "format": self.support_set.format,
            "claims": len(self.support_set.claims),
            "claims_of_the_set": self.whole,
            "without_source": self.support_set.without_source,
            **self.figures.as_json(),
            "latency_ms": dict(self.latency),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class SupportEvaluation:
    """What all sets came to."""

    request: SupportRequest
    settings: Mapping[str, str]
    threshold: float
    measurements: tuple[SupportMeasurement, ...]
    passed_over: tuple[PassedOver, ...]

    def as_json(self) -> dict[str, Any]:
        return {
            "limit": self.request.limit,
            "seed": self.request.seed,
            "threshold": self.threshold,
            "settings": dict(self.settings),
            "sets": [measurement.as_json() for measurement in self.measurements],
            "passed_over": [{"path": str(each.path), "why": each.why} for each in self.passed_over],
            "saved": None if self.request.save is None else str(self.request.save),
        }


def prepare_support(request: SupportRequest) -> PreparedSupport:
    """Find and read the sets. Raises `FootnoteError` for whatever could not be measured."""
    if request.save is not None:
        check_savable(request.save)
    found = find_support_files(request.places)
    whole = [read_support_set(file.path, file.format, name=file.name) for file in found.sets]
    return PreparedSupport(
        sets=tuple(
            each if request.limit is None else each.sample(request.limit, request.seed) for each in whole
        ),
        whole={each.name: len(each.claims) for each in whole},
        passed_over=found.passed_over,
    )


async def measure_support(
    settings: Settings,
    request: SupportRequest,
    prepared: PreparedSupport,
    *,
    report: Report,
    progress: Progress,
) -> SupportEvaluation:
    """Load the models, judge all claims, one after the other, and compare with the sets' labels."""
    measurements, lines = [], []
    async with (
        open_support_check(settings, report=report) as check,
        _second_opinion(settings, check) as second,
    ):
        judge = ClaimJudge(
            scorer=check.scoring,
            reader=check.pair_reader,
            policy=check.policy,
            baseline=request.baseline,
            second=second,
        )
        for support_set in prepared.sets:
            progress.name(support_set.name)
            judged = await _judge_set(judge, support_set, progress)
            lines += [_tell(each, check.policy.supported_from) for each in judged]
            measurements.append(
                SupportMeasurement(
                    support_set=support_set,
                    whole=prepared.whole[support_set.name],
                    figures=sum_up_support(judged, threshold=check.policy.supported_from, seed=request.seed),
                    latency=percentiles([each.seconds for each in judged]),
                )
            )
        described, threshold = _describe(settings, check), check.policy.supported_from
    if request.save is not None:
        write_whole(request.save, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))
    return SupportEvaluation(
        request=request,
        settings=described,
        threshold=threshold,
        measurements=tuple(measurements),
        passed_over=prepared.passed_over,
    )


@asynccontextmanager
async def _second_opinion(settings: Settings, check: SupportCheck) -> AsyncIterator[LLMJudge | None]:
    """The language model as a judge, where the settings want one. Claims of a set may be sent to any."""
    if not check.policy.judge:
        yield None
        return
    specs = llm_specs(settings)
    if not specs:
        raise ConfigurationError(
            "support.judge has a language model give a second opinion, and none is set. Set llm.base_url and llm.model "
            "(docs/llms.md), or support.judge to false."
        )
    llm = load_llms(specs)
    try:
        yield LLMJudge(llm, JudgePolicy(timeout_s=check.policy.judge_timeout_s))
    finally:
        await llm.close()


async def _judge_set(judge: ClaimJudge, support_set: SupportSet, progress: Progress) -> Sequence[JudgedClaim]:
    progress.begin("checking", len(support_set.claims))
    judged = []
    for claim in support_set.claims:
        judged.append(await judge.judge(claim))
        progress.advance()
    return judged


def _tell(judged: JudgedClaim, threshold: float) -> dict[str, Any]:
    """A claim, what the set says of it and what the check does, for a person to read."""
    claim = judged.claim
    return {
        "set": claim.set_name,
        "line": claim.line,
        "group": claim.group,
        "claim": claim.claim,
        "label": claim.label,
        "label_in_the_set": claim.kind,
        "support": round(judged.support, 4),
        "supported": judged.support >= threshold,
        "contradicted": None if judged.contradicted is None else round(judged.contradicted, 4),
        "cross_encoder": None if judged.likeness is None else round(judged.likeness, 4),
        "quotes": list(judged.quotes),
        "annotators_point_to": claim.reading,
    }


def _describe(settings: Settings, check: SupportCheck) -> dict[str, str]:
    """What decides the figures, in words."""
    described = {"support check": settings.support.check, "cross-encoder": check.reranker.name}
    if check.policy.judge:
        described["judge"] = settings.llm.model or ""
    if check.pair_reader is not None:
        described["layers"] = f"entailment@{LAYERS_SHA256[:8]}"
    return described
