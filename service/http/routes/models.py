"""GET /v1/models…: the collections that a caller may read, as clients of OpenAI's API list and look up models."""

from __future__ import annotations

from fastapi.responses import JSONResponse

from service.http.auth import Caller, keyed_router
from service.http.compatible.bodies import ModelBody, ModelsBody
from service.http.compatible.models import list_models, show_model
from service.http.describing import chat_errors
from service.http.parts import PartsOf

router = keyed_router("openai")


@router.get(
    "/v1/models",
    summary="List models (OpenAI-compatible)",
    response_model=ModelsBody,
    responses=chat_errors(401, 429, 500, 503),
)
async def list_all(parts: PartsOf, caller: Caller) -> JSONResponse:
    """A model for every collection in which the caller may read something: `footnote` for the one named default,
    `footnote/NAME` for the others."""
    models = await list_models(parts.footnote.database, scope=caller)
    return JSONResponse({"object": "list", "data": models})


@router.get(
    "/v1/models/{model:path}",
    summary="Show a model (OpenAI-compatible)",
    response_model=ModelBody,
    responses=chat_errors(401, 404, 422, 429, 500, 503),
)
async def show(model: str, parts: PartsOf, caller: Caller) -> JSONResponse:
    """One model. What the caller may not read does not exist for them."""
    return JSONResponse(await show_model(parts.footnote.database, model, scope=caller))
