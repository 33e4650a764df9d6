"""The OpenAPI document says what the service does."""

from __future__ import annotations

import json
import re

from service.http.chat_errors import speaks_openai
from service.http.compatible.bodies import CompletionBody, ModelBody, ModelsBody
from service.http.compatible.requests import ChatRequest
from service.http.requests import AskRequest, FiltersBody, SearchRequest
from service.http.responses.answers import AnswerBody, HitsBody
from tests.service.http.conftest import unopened_app


def test_every_problem_is_described_as_one_or_as_what_clients_of_openai_read() -> None:
    document = unopened_app().openapi()
    assert {"ProblemBody", "ChatErrorBody"} <= document["components"]["schemas"].keys()
    for path, methods in document["paths"].items():
        for operation in methods.values():
            for status, response in operation["responses"].items():
                if int(status) >= 400 and path != "/health/ready":
                    told = "application/json" if speaks_openai(path) else "application/problem+json"
                    assert list(response["content"]) == [told], (path, status)
    assert "HTTPValidationError" not in json.dumps(document)


def test_every_reference_leads_somewhere() -> None:
    document = unopened_app().openapi()
    text = json.dumps(document)
    for reference in text.split('"$ref": "')[1:]:
        name = reference.partition('"')[0]
        assert name.startswith("#/components/schemas/")
        assert name.rpartition("/")[2] in document["components"]["schemas"], name


def test_every_body_has_an_example() -> None:
    schemas = unopened_app().openapi()["components"]["schemas"]
    for name in (
        "AskRequest",
        "SearchRequest",
        "AnswerBody",
        "HitsBody",
        "EntryBody",
        "EntriesBody",
        "ChatRequest",
        "CompletionBody",
        "ModelsBody",
        "ModelBody",
    ):
        assert schemas[name]["examples"], name


def test_the_bounds_of_filters_and_turns_are_described() -> None:
    schemas = unopened_app().openapi()["components"]["schemas"]
    filters = schemas["FiltersBody"]
    assert filters["additionalProperties"] is False
    parts = filters["properties"]
    assert (parts["paths"]["maxItems"], parts["paths"]["items"]["maxLength"]) == (50, 1_000)
    assert parts["media_types"]["maxItems"] == 50
    for name in ("modified_from", "modified_before"):
        assert {"type": "string", "format": "date-time"} in parts[name]["anyOf"]
    assert parts["metadata"]["maxProperties"] == 32
    assert parts["metadata"]["additionalProperties"]["maxLength"] == 500
    assert re.fullmatch(parts["metadata"]["propertyNames"]["pattern"], "cost-centre")
    asked = schemas["AskRequest"]
    assert asked["properties"]["turns"]["maxItems"] == 50
    assert asked["properties"]["question"]["maxLength"] == 8_000
    assert schemas["TurnBody"]["properties"]["answer"]["maxLength"] == 50_000
    assert "merge" not in asked["properties"]
    assert schemas["AnswerBody"]["required"].count("searched") == 0


def test_the_events_of_an_answer_are_described() -> None:
    paths = unopened_app().openapi()["paths"]
    told = paths["/v1/ask"]["post"]["responses"]["200"]["content"]
    assert told.keys() == {"application/json", "text/event-stream"}
    heard = paths["/v1/answers/{answer_id}/events"]["get"]
    assert [parameter["name"] for parameter in heard["parameters"]] == ["answer_id", "Last-Event-ID"]
    assert heard["responses"]["200"]["content"].keys() == {"text/event-stream"}
    assert "delete" in paths["/v1/answers/{answer_id}"]
    for name in ("started", "retrieved", "delta", "citation", "sentence", "usage", "done"):
        assert f"event: {name}\n" in told["text/event-stream"]["example"]
        assert f"`{name}`" in told["text/event-stream"]["schema"]["description"]


def test_every_example_is_what_it_is_an_example_of() -> None:
    for model in (
        AskRequest,
        SearchRequest,
        FiltersBody,
        AnswerBody,
        HitsBody,
        ChatRequest,
        CompletionBody,
        ModelsBody,
        ModelBody,
    ):
        for example in model.model_json_schema()["examples"]:
            model.model_validate(example, strict=False)
