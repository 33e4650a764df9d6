"""The OpenAPI document says what the service does."""

from __future__ import annotations

import json

from tests.service.http.conftest import unopened_app


def test_every_problem_is_described_as_one() -> None:
    document = unopened_app().openapi()
    assert "ProblemBody" in document["components"]["schemas"]
    for path, methods in document["paths"].items():
        for operation in methods.values():
            for status, response in operation["responses"].items():
                if int(status) >= 400 and path != "/health/ready":
                    assert list(response["content"]) == ["application/problem+json"], (path, status)
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
    for name in ("AskRequest", "SearchRequest", "AnswerBody", "HitsBody", "DocumentBody", "DocumentsBody"):
        assert schemas[name]["examples"], name
