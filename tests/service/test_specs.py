from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from retrieval.passages import PassagePolicy
from retrieval.search import SearchPolicy
from service.sections import EmbedderSettings, QueriesSettings, RerankerSettings, SearchSettings
from service.settings import Settings
from service.specs import embedder_spec, passage_policy, reranker_spec, rewrite_policy, search_policy


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


SERVED = {"kind": "remote", "base_url": "http://x/v1", "model": "m", "location": "inside"}


def test_a_model_behind_a_server_is_asked_as_the_settings_say(tmp_path: Path) -> None:
    settings = Settings(
        home=tmp_path,
        embedder=EmbedderSettings.model_validate(
            SERVED
            | {
                "api_key": SecretStr("hunter2"),
                "tokenizer": str(tmp_path),
                "dimensions": 256,
                "batch_size": 7,
            }
        ),
        reranker=RerankerSettings.model_validate(
            SERVED | {"tokenizer": "~nobody-of-that-name/t.json", "form": "tei", "candidates": 40}
        ),
    )
    spec = embedder_spec(settings, print)
    assert spec.remote is not None
    assert (spec.remote.dimensions, spec.remote.query_prefix) == (256, None)
    server = spec.remote.server
    assert (server.section, server.batch_size, server.timeout_s) == ("embedder", 7, 60)
    assert server.api_key == "hunter2"
    assert "hunter2" not in repr(spec)
    assert server.tokenizer == tmp_path / "tokenizer.json", "a folder stands for the file in it"
    of_reranker = reranker_spec(settings, print).remote
    assert of_reranker is not None
    assert (of_reranker.form, of_reranker.server.section, of_reranker.server.timeout_s) == (
        "tei",
        "reranker",
        10,
    )
    assert of_reranker.server.tokenizer == Path("~nobody-of-that-name/t.json")
    assert search_policy(settings).rerank.batch == 40, "in one request"


@pytest.mark.parametrize("name", ["bge-small-en-v1.5", "ms-marco-MiniLM-L-12-v2"])
def test_a_default_model_s_tokenizer_may_stand_in(name: str, weights_cache: Path) -> None:
    settings = Settings(
        home=weights_cache.parent,
        embedder=EmbedderSettings.model_validate(SERVED | {"tokenizer": name}),
    )
    spec = embedder_spec(settings, print)
    assert spec.remote is not None
    assert name in str(spec.remote.server.tokenizer)
    assert spec.remote.server.tokenizer.is_file()
