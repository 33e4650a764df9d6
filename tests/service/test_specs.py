from __future__ import annotations

from pathlib import Path

from retrieval.passages import PassagePolicy
from retrieval.search import SearchPolicy
from service.sections import QueriesSettings, RerankerSettings, SearchSettings
from service.settings import Settings
from service.specs import passage_policy, rewrite_policy, search_policy


def test_settings_that_were_left_alone_are_the_policies_defaults(tmp_path: Path) -> None:
    assert search_policy(Settings(home=tmp_path)) == SearchPolicy()


def test_what_is_set_reaches_the_policies(tmp_path: Path) -> None:
    settings = Settings(
        home=tmp_path,
        reranker=RerankerSettings(candidates=7, weight=0.5, budget_ms=10, decided_margin=1),
        search=SearchSettings(drop_copies=False, max_per_document=2),
        queries=QueriesSettings(variants=2, timeout_s=1),
    )
    policy = search_policy(settings)
    assert policy.rerank.decided_margin == 1
    assert (policy.rerank.candidates, policy.rerank.weight, policy.rerank.budget_ms) == (7, 0.5, 10)
    assert policy.passages == PassagePolicy(drop_copies=False, max_per_document=2)
    assert (rewrite_policy(settings).variants, rewrite_policy(settings).timeout_s) == (2, 1)


def test_what_a_request_says_goes_before_what_is_set(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, search=SearchSettings(max_per_document=2))
    assert passage_policy(settings, max_per_document=5).max_per_document == 5
    assert passage_policy(settings, merge=True) == PassagePolicy(max_per_document=2, merge=True)
