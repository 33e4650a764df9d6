"""What answers are made of: the time of their stages, the tokens of language models and what those cost."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
_MOST_MODELS = 32
_OTHER = "other"


class StageFigures:
    """The `Figures` of an observer (`service.observing`). Labels have few values, whatever a server calls itself."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._models: set[str] = set()
        self._seconds = Histogram(
            "footnote_stage_seconds",
            "Seconds that a stage of a search or an answer took.",
            ("stage",),
            buckets=_SECONDS,
            registry=registry,
        )
        self._failures = Counter(
            "footnote_stage_failures", "Stages that ended with an error.", ("stage",), registry=registry
        )
        self._tokens = Counter(
            "footnote_tokens",
            "Tokens of language models, by model and kind: prompt or completion. What was kept costs none.",
            ("model", "kind"),
            registry=registry,
        )
        self._cost = Counter(
            "footnote_cost",
            "What those tokens cost, in the currency of the price table, of models that have a price.",
            ("model",),
            registry=registry,
        )

    def stage_ended(self, name: str, *, seconds: float, failed: bool) -> None:
        self._seconds.labels(name).observe(seconds)
        if failed:
            self._failures.labels(name).inc()

    def tokens_spent(self, model: str, *, prompt: int, completion: int) -> None:
        known = self._known(model)
        self._tokens.labels(known, "prompt").inc(prompt)
        self._tokens.labels(known, "completion").inc(completion)

    def money_spent(self, model: str, amount: float) -> None:
        self._cost.labels(self._known(model)).inc(amount)

    def _known(self, model: str) -> str:
        """The model's name, as long as there are few: a server may answer under any name that it likes."""
        if model not in self._models and len(self._models) >= _MOST_MODELS:
            return _OTHER
        self._models.add(model)
        return model[:100]
