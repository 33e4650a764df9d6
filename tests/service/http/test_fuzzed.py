"""schemathesis asks the running app what its OpenAPI document says may be asked, and what may not.

No answer is a fault (5xx), and none has a status, a media type or a shape that the document does not name.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from service.footnote import Footnote
from service.keys import create_key
from tests.service.http.conftest import add_document
from tests.service.http.wire import on_the_wire

CASES = 4
_CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
_BOUNDED = settings(
    max_examples=CASES,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def ask_everything(
    document: Mapping[str, Any], address: str, headers: Mapping[str, str], known: Mapping[str, str]
) -> list[str]:
    """Ask all operations, rightly and wrongly, with ids of their own and with known ones; what was asked."""
    schema = schemathesis.openapi.from_dict(dict(document))
    asked = []
    for result in schema.get_all_operations():
        assert isinstance(result, Ok), result
        operation = result.ok()
        asked.append(operation.label)
        _cases(operation.as_strategy(), address, headers, known)()
        with suppress(Unsatisfiable):  # what takes nothing cannot be asked wrongly
            wrong = operation.as_strategy(generation_mode=GenerationMode.NEGATIVE)
            _cases(wrong, address, headers, known)()
    return asked


def _cases(
    cases: st.SearchStrategy[Case[Any]], address: str, headers: Mapping[str, str], known: Mapping[str, str]
) -> Callable[[], None]:
    @_BOUNDED
    @given(case=cases, is_known=st.booleans())
    def ask(case: Case[Any], is_known: bool) -> None:
        if is_known and case.path_parameters:
            case.path_parameters = {
                name: known.get(name, value) for name, value in case.path_parameters.items()
            }
        case.call_and_validate(base_url=address, headers=dict(headers), checks=list(_CHECKS), timeout=30)

    return ask


async def test_nothing_that_is_asked_is_answered_by_a_fault_or_by_what_is_not_described(
    footnote: Footnote,
) -> None:
    document_id = await add_document(footnote, "a.txt", "Cats sleep for most of the day.")
    created = await create_key(footnote.database, name="fuzz", principals=["user:eve"], role="admin")
    headers = {"Authorization": f"Bearer {created.key}"}
    async with on_the_wire(footnote) as wired:
        [source] = (await wired.client.get("/v1/sources", headers=headers)).json()["sources"]
        known = {"document_id": str(document_id), "source_id": source["id"], "name": "default"}
        asked = await asyncio.to_thread(ask_everything, wired.app.openapi(), wired.address, headers, known)
        assert (await wired.client.get("/health/live")).status_code == 200
    assert {"POST /v1/documents", "PATCH /v1/documents/{document_id}", "POST /v1/ask"} <= set(asked)
