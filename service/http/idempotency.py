"""Idempotency-Key: a request that creates something is carried out once, however often it is sent.

    @router.post(…)
    async def create(…, once: OnlyOnce) -> Response:
        return await once.do(lambda: _create(…))

The response is kept for a day, for the caller that had it. The same key with another request is a mistake (422); with
one that is still at work, a conflict (409). What came to nothing (a problem) may be tried again under its key.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Header, Request
from fastapi.responses import Response
from psycopg.types.json import Jsonb

from retrieval.database import Database, query
from retrieval.errors import DatabaseUnavailableError
from service.http.auth import key_of
from service.http.parts import parts_of
from service.http.refusals import SameKeyOtherRequestError, StillAtWorkError
from service.identity import Identity

REPLAYED_HEADER = "Idempotency-Replayed"
_GIVEN_UP_AFTER_S = 600
_KEPT_HEADERS = ("content-type", "location", "etag", "cache-control", "retry-after")


@dataclass(frozen=True, slots=True, kw_only=True)
class Once:
    """A request that is carried out once, where it names a key; else whenever it comes."""

    database: Database
    caller: Identity
    name: str | None
    request: Request

    async def do(self, work: Callable[[], Awaitable[Response]], *, content: bytes | None = None) -> Response:
        """The response of `work`, or the one that it had when the same request came before.

        content: what the request says, where its body cannot be had again.
        """
        if self.name is None:
            return await work()
        body = await self.request.body() if content is None else content
        about = {"caller_id": self.caller.id, "name": self.name}
        wanted = hashlib.sha256(
            json.dumps([self.request.method, self.request.url.path, self.request.url.query]).encode() + body
        ).digest()
        await self.database.execute(query("idempotency.forget_old"))
        begun = await self.database.fetch_one(
            query("idempotency.begin"),
            {**about, "request_hash": wanted, "given_up_after_s": _GIVEN_UP_AFTER_S},
        )
        if begun is None:
            return await self._again(about, wanted)
        try:
            response = await work()
        except BaseException:
            await self._abandon({**about, **begun})
            raise
        if response.status_code >= 400:
            await self._abandon({**about, **begun})
            return response
        await self.database.execute(
            query("idempotency.finish"),
            {
                **about,
                **begun,
                "status": response.status_code,
                "headers": Jsonb(
                    {name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers}
                ),
                "body": bytes(response.body),
            },
        )
        return response

    async def _again(self, about: dict[str, object], wanted: bytes) -> Response:
        row = await self.database.fetch_one(query("idempotency.find"), about)
        if row is None or (row["status"] is None and bytes(row["request_hash"]) == wanted):
            raise StillAtWorkError(
                "the same request, with the same Idempotency-Key, is still at work. Ask again in a few seconds."
            )
        if bytes(row["request_hash"]) != wanted:
            raise SameKeyOtherRequestError(
                "this Idempotency-Key came with another request before. Use a new one for every new request."
            )
        return Response(
            bytes(row["body"]), status_code=row["status"], headers={**row["headers"], REPLAYED_HEADER: "true"}
        )

    async def _abandon(self, about: dict[str, object]) -> None:
        try:
            await self.database.execute(query("idempotency.abandon"), about)
        except DatabaseUnavailableError:
            return  # it is given up after ten minutes by itself


def _once(
    request: Request,
    idempotency_key: Annotated[
        str | None,
        Header(
            min_length=1,
            max_length=200,
            pattern=r"^[!-~]+$",
            description="A name of your own for this request: sent again with it within a day, it is not carried out "
            "again but answered as before.",
        ),
    ] = None,
) -> Once:
    return Once(
        database=parts_of(request).footnote.database,
        caller=key_of(request),
        name=idempotency_key,
        request=request,
    )


OnlyOnce = Annotated[Once, Depends(_once)]
