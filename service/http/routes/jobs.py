"""/v1/jobs: questions that are answered later, each seen by the key that asked alone."""

from __future__ import annotations

import re
from typing import Annotated
from uuid import UUID

from fastapi import Header, Query
from fastapi.responses import JSONResponse, Response

from retrieval.errors import InvalidRequestError
from service.http.auth import CallersDesk, CallersKey, keyed_router
from service.http.callbacks import check_callback
from service.http.cursors import CursorError, decode_cursor, encode_cursor
from service.http.describing import ALWAYS, WITH_BODY, problems
from service.http.job_shapes import JobBody, JobRequest, JobsBody, JobsQuery, WebhookSecretBody
from service.http.parts import PartsOf
from service.http.sse import as_data
from service.jobs import create_job, find_job, job_as_json, list_jobs, stop_job
from service.specs import passage_policy
from service.webhooks.signing import subscriber_secret
from service.work_policies import job_policy, webhook_secret

router = keyed_router("jobs")

_IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,200}", re.ASCII)
_LARGEST_NUMBER = 2**63 - 1


@router.post(
    "/v1/jobs",
    summary="Ask a question that is answered later",
    status_code=202,
    response_model=JobBody,
    responses={
        202: {
            "description": "It waits for its turn, or was put in under this idempotency key before.",
            "headers": {"Location": {"description": "The job.", "schema": {"type": "string"}}},
        },
        **problems(*ALWAYS, *WITH_BODY, 403, 404, 410, 429),
    },
)
async def create(
    asked: JobRequest,
    parts: PartsOf,
    key: CallersKey,
    desk: CallersDesk,
    idempotency_key: Annotated[
        str | None,
        Header(
            description="A text of the caller's own, 1 to 200 printable characters: the same request under the same "
            "key is the same job."
        ),
    ] = None,
) -> Response:
    """Put a question in. What is wrong with it is said at once, as by `POST /v1/ask`."""
    if idempotency_key is not None and not _IDEMPOTENCY_KEY.fullmatch(idempotency_key):
        raise InvalidRequestError("an Idempotency-Key has 1 to 200 printable ASCII characters, and no space.")
    footnote = parts.footnote
    await desk.prepare(
        asked.collection,
        asked.question,
        k=asked.k,
        filters=asked.chosen(),
        passages=passage_policy(footnote.settings, max_per_document=asked.max_per_document),
        turns=[turn.turn() for turn in asked.turns],
    )
    if asked.callback_url is not None:
        await check_callback(asked.callback_url, footnote.settings)
    accepted = await create_job(
        footnote.database,
        key,
        asked.model_dump(mode="json", exclude={"callback_url"}),
        policy=job_policy(footnote.settings),
        callback_url=asked.callback_url,
        idempotency_key=idempotency_key,
    )
    job = await find_job(footnote.database, accepted.id, owner_id=key.id, scope=key.scope)
    return Response(
        as_data(job_as_json(job)),
        status_code=202,
        media_type="application/json",
        headers={"Location": f"/v1/jobs/{job.id}"},
    )


@router.get(
    "/v1/jobs",
    summary="List your jobs",
    response_model=JobsBody,
    responses=problems(*ALWAYS, 400),
)
async def list_page(asked: Annotated[JobsQuery, Query()], parts: PartsOf, key: CallersKey) -> Response:
    """A page of the caller's jobs, newest first, without their answers. Those that are gone are left out."""
    before = None if asked.cursor is None else _number(asked.cursor)
    found = await list_jobs(parts.footnote.database, owner_id=key.id, before=before, limit=asked.limit + 1)
    page, rest = found[: asked.limit], found[asked.limit :]
    shape = {
        "jobs": [job_as_json(job) for job in page],
        "next": encode_cursor(str(page[-1].number), page[-1].id) if rest else None,
    }
    return Response(as_data(shape), media_type="application/json")


@router.get(
    "/v1/jobs/{job_id}",
    summary="Show a job",
    response_model=JobBody,
    responses=problems(*ALWAYS, 404, 410),
)
async def show(job_id: UUID, parts: PartsOf, key: CallersKey) -> Response:
    """A job with its answer, as its owner may see it now. It is 410 once its time has passed, or a document that its
    answer tells of is no longer there for the caller. A job of another key does not exist."""
    job = await find_job(parts.footnote.database, job_id, owner_id=key.id, scope=key.scope)
    return Response(as_data(job_as_json(job)), media_type="application/json")


@router.delete(
    "/v1/jobs/{job_id}",
    summary="Stop and forget a job",
    status_code=204,
    responses={204: {"description": "It is stopped, and what it held erased."}, **problems(*ALWAYS, 404)},
)
async def stop(job_id: UUID, parts: PartsOf, key: CallersKey) -> Response:
    """Stop a job that has not ended; from then on it is `cancelled`. One that has ended is forgotten, and then 410."""
    await stop_job(parts.footnote.database, job_id, owner_id=key.id)
    return Response(status_code=204)


@router.get(
    "/v1/webhook-secret",
    summary="Show what your webhooks are signed with",
    response_model=WebhookSecretBody,
    responses=problems(*ALWAYS),
)
async def show_secret(parts: PartsOf, key: CallersKey) -> JSONResponse:
    """The secret of the caller's key, and of no other."""
    footnote = parts.footnote
    secret = await subscriber_secret(footnote.database, webhook_secret(footnote.settings), key.id)
    return JSONResponse({"secret": secret})


def _number(cursor: str) -> int:
    number, _ = decode_cursor(cursor)
    if not number.isdecimal() or not number.isascii() or len(number) > 19 or int(number) > _LARGEST_NUMBER:
        raise CursorError("the cursor is not one that the list of jobs has given out. Take `next` as it is.")
    return int(number)
