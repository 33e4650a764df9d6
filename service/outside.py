"""Which collections' texts a model behind a server outside may see: those that allow it, as for language models.

The embedder sees every passage that goes into an index, and every question; the reranker questions and what was found.
"""

from __future__ import annotations

from generation.errors import OutsideNotAllowedError
from retrieval.records import Collection
from service.sections import EmbedderSettings, RerankerSettings
from service.settings import Settings


def may_see(model: EmbedderSettings | RerankerSettings, collection: Collection) -> bool:
    """Whether a model may see a collection's texts."""
    return model.kind != "remote" or model.location == "inside" or collection.allow_outside


def check_embedder_allowed(settings: Settings, collection: Collection) -> None:
    """Raise `OutsideNotAllowedError` where the embedder may not see the collection's texts."""
    if not may_see(settings.embedder, collection):
        raise OutsideNotAllowedError(
            settings.embedder.model, what="embedder", setting="FOOTNOTE_EMBEDDER__LOCATION"
        )


def check_models_allowed(settings: Settings, collection: Collection) -> None:
    """Raise `OutsideNotAllowedError` where embedder or reranker may not see what a question to the collection finds."""
    check_embedder_allowed(settings, collection)
    if not may_see(settings.reranker, collection):
        raise OutsideNotAllowedError(
            settings.reranker.model, what="reranker", setting="FOOTNOTE_RERANKER__LOCATION"
        )
