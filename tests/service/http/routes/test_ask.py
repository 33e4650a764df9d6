"""POST /v1/ask."""

from __future__ import annotations

import json
import logging
from dataclasses import replace

import pytest

from generation.errors import LLMUnavailableError
from generation.llms import LLMSpec, load_llm
from generation.llms.ordered import OrderedLLMs
from generation.llms.scripted import ScriptedLLM
from retrieval.records import Scope
from service.http.responses.answers import ANSWER_EXAMPLE, AnswerBody
from tests.service.http.conftest import House, open_house

_LEAVE = (
    "Every employee has twenty-five days of paid leave in a year. "
    "Days that were not taken may be carried over until the end of March."
)
_QUESTION = "How many days of paid leave does an employee have?"


async def test_an_answer_is_exactly_what_ask_json_prints(house: House) -> None:
    await house.add("leave.txt", _LEAVE)
    response = await house.client.post("/v1/ask", json={"question": _QUESTION})
    answer = await house.footnote.ask("default", _QUESTION, scope=Scope.of([]))
    assert response.status_code == 200
    assert response.json() == json.loads(json.dumps(answer.as_json()))
    assert response.json()["status"] == "answered"


async def test_an_answer_has_the_shape_that_the_api_describes(house: House) -> None:
    await house.add("leave.txt", _LEAVE)
    for question in (_QUESTION, "What is the melting point of tungsten?"):
        answer = (await house.client.post("/v1/ask", json={"question": question})).json()
        body = AnswerBody.model_validate(answer)
        assert json.loads(body.model_dump_json(exclude_unset=True)) == answer
    assert AnswerBody.model_validate(ANSWER_EXAMPLE)


async def test_the_text_of_the_document_holds_every_quote_at_its_place(house: House) -> None:
    await house.add("leave.txt", "\r\n\N{PILE OF POO} " + _LEAVE)
    answer = (await house.client.post("/v1/ask", json={"question": _QUESTION})).json()
    assert answer["citations"]
    for citation in answer["citations"]:
        address = f"/v1/documents/{citation['document']}/text?revision={citation['revision']}"
        text = (await house.client.get(address)).content.decode("utf-8")
        assert text[citation["char_start"] : citation["char_end"]] == citation["quote"]


async def test_a_question_that_the_documents_do_not_answer_is_refused_with_200(house: House) -> None:
    await house.add("leave.txt", _LEAVE)
    response = await house.client.post("/v1/ask", json={"question": "What is the melting point of tungsten?"})
    assert response.status_code == 200
    assert response.json()["status"] == "refused"
    assert response.json()["sentences"] == []
    assert response.json()["looked_at"][0]["path"] == "leave.txt"


async def test_a_caller_is_answered_from_what_they_may_read_alone(house: House) -> None:
    await house.add("leave.txt", _LEAVE, readers=["group:hr"])
    await house.add("cats.txt", "Cats sleep for most of the day.")
    hr = await house.client_as("group:hr")
    theirs = await house.client.post("/v1/ask", json={"question": _QUESTION}, headers=hr)
    others = await house.client.post("/v1/ask", json={"question": _QUESTION})
    assert theirs.json()["status"] == "answered"
    assert others.json()["status"] == "refused"
    assert {place["path"] for place in others.json()["looked_at"]} <= {"cats.txt"}


async def test_an_answer_is_made_of_the_documents_that_fit_the_filters(house: House) -> None:
    await house.add("old/leave.txt", _LEAVE.replace("twenty-five", "twenty"), metadata={"year": "2025"})
    await house.add("new/leave.txt", _LEAVE, metadata={"year": "2026"})
    for filters, status, paths in (
        ({"metadata": {"year": "2026"}}, "answered", {"new/leave.txt"}),
        ({"paths": ["old/"]}, "answered", {"old/leave.txt"}),
        ({"metadata": {"year": "2024"}}, "refused", set()),
    ):
        answer = (await house.client.post("/v1/ask", json={"question": _QUESTION, "filters": filters})).json()
        assert answer["status"] == status
        assert {citation["path"] for citation in answer["citations"]} == paths


async def test_a_follow_up_is_answered_as_the_question_that_it_is_after_its_turns(house: House) -> None:
    await house.add("leave.txt", _LEAVE)
    turns = [{"question": "How many days of sick leave does an employee have?", "answer": "Ten."}]
    body = {"question": "And of paid leave?", "turns": turns}
    llm = ScriptedLLM(_QUESTION)
    async with open_house(replace(house.footnote, llm=llm)) as with_llm:
        answer = (await with_llm.client.post("/v1/ask", json=body)).json()
    AnswerBody.model_validate(answer)
    assert (answer["searched"]["question"], answer["searched"]["texts"]) == (_QUESTION, [_QUESTION])
    assert answer["searched"]["outcome"] == "rewritten"
    standing_alone, answering = llm.prompts
    assert "sick leave" in standing_alone[-1].content
    assert _QUESTION in answering[-1].content
    assert "sick leave" not in answering[-1].content


async def test_without_a_language_model_a_follow_up_is_taken_as_it_is_and_that_is_said(house: House) -> None:
    await house.add("leave.txt", _LEAVE)
    turns = [{"question": "What do you know?", "answer": "Much."}]
    answer = (await house.client.post("/v1/ask", json={"question": _QUESTION, "turns": turns})).json()
    AnswerBody.model_validate(answer)
    assert answer["status"] == "answered"
    assert (answer["searched"]["question"], answer["searched"]["outcome"]) == (_QUESTION, "unchanged")
    assert "no language model" in answer["searched"]["why"]


async def test_a_conversation_does_not_go_outside_unless_the_collection_allows_it(house: House) -> None:
    await house.add("leave.txt", _LEAVE)
    llm = ScriptedLLM(_QUESTION, location="outside")
    body = {"question": "And then?", "turns": [{"question": _QUESTION, "answer": "Twenty-five."}]}
    async with open_house(replace(house.footnote, llm=llm)) as with_llm:
        response = await with_llm.client.post("/v1/ask", json=body)
    assert response.status_code == 403
    assert llm.prompts == []


async def test_a_body_of_the_wrong_shape_is_refused_by_the_name_of_its_field(house: House) -> None:
    for body, field, message in (
        ({"question": "x", "colour": 1}, "colour", "there is no such field"),
        ({"question": 7}, "question", "input should be a valid string"),
        ({"question": "x", "k": "10"}, "k", "input should be a valid integer"),
        ({"question": "x", "k": True}, "k", "input should be a valid integer"),
        ({"question": "x", "k": 0}, "k", "input should be greater than or equal to 1"),
        ({"question": "x", "k": 1001}, "k", "input should be less than or equal to 1000"),
        ({"question": "x", "collection": "Not A Name"}, "collection", "string should match pattern"),
        ({"question": "x", "collection": "a\x00"}, "collection", "string should match pattern"),
        ({"question": "x", "collection": "a\n"}, "collection", "string should match pattern"),
        ({"query": "x"}, "question", "it is required"),
    ):
        response = await house.client.post("/v1/ask", json=body)
        problem = response.json()
        assert response.status_code == 422, body
        assert problem["type"] == "urn:footnote:problem:not-valid"
        assert field in {error["field"] for error in problem["errors"]}
        assert message in problem["detail"]


async def test_a_question_of_no_or_too_many_characters_is_refused_with_422(house: House) -> None:
    for question in ("", " \n ", "\x00", "q" * 100_000):
        response = await house.client.post("/v1/ask", json={"question": question})
        assert response.status_code == 422, question[:9]
        assert response.json()["type"] == "urn:footnote:problem:invalid-request"
        assert response.json()["detail"].startswith("the question ")


async def test_a_question_with_half_a_character_in_it_is_a_question(house: House) -> None:
    await house.add("leave.txt", _LEAVE)
    response = await house.client.post(
        "/v1/ask",
        content=b'{"question": "paid leave \\ud800?"}',
        headers={"Content-Type": "application/json"},
    )
    assert response.status_code == 200


async def test_an_unknown_collection_is_a_404_that_says_how_collections_come_to_be(house: House) -> None:
    response = await house.client.post("/v1/ask", json={"question": "x", "collection": "nowhere"})
    assert response.status_code == 404
    assert response.json()["type"] == "urn:footnote:problem:not-found"
    assert "'nowhere'" in response.json()["detail"]


async def test_passages_do_not_go_outside_unless_the_collection_allows_it(house: House) -> None:
    await house.add("leave.txt", _LEAVE)
    llm = load_llm(LLMSpec(base_url="http://127.0.0.1:9/v1", model="far-away", location="outside"))
    async with open_house(replace(house.footnote, llm=llm)) as with_llm:
        response = await with_llm.client.post("/v1/ask", json={"question": _QUESTION})
    await llm.close()
    assert response.status_code == 403
    assert response.json()["type"] == "urn:footnote:problem:outside-not-allowed"


async def test_a_language_model_that_is_away_is_a_502_that_may_be_tried_again(house: House) -> None:
    await house.add("leave.txt", _LEAVE)
    llm = load_llm(LLMSpec(base_url="http://127.0.0.1:9/v1", model="near", location="inside"))
    async with open_house(replace(house.footnote, llm=llm)) as with_llm:
        response = await with_llm.client.post("/v1/ask", json={"question": _QUESTION})
    await llm.close()
    assert response.status_code == 502
    assert response.json()["type"] == "urn:footnote:problem:llm-unavailable"
    assert response.headers["Retry-After"] == "5"


async def test_neither_question_nor_document_nor_key_is_logged(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await house.add("leave.txt", _LEAVE)
    await house.client.post("/v1/ask", json={"question": _QUESTION})
    await house.client.post("/v1/ask", json={"question": _QUESTION, "colour": _QUESTION})
    assert "POST /v1/ask 200" in caplog.text
    for secret in ("paid leave", "twenty-five", house.key):
        assert secret not in caplog.text


async def test_the_answer_names_the_model_that_gave_it(house: House) -> None:
    await house.add("leave.txt", _LEAVE)
    away = ScriptedLLM(error=LLMUnavailableError("the model is away."), model="first")
    there = ScriptedLLM("Every employee has twenty-five days of paid leave in a year [1].", model="second")
    async with open_house(replace(house.footnote, llm=OrderedLLMs([away, there]))) as with_llm:
        answer = (await with_llm.client.post("/v1/ask", json={"question": _QUESTION})).json()
    assert (answer["status"], answer["model"]) == ("answered", "second")


async def test_where_passages_stay_inside_the_model_inside_answers_and_none_outside_is_asked(
    house: House,
) -> None:
    await house.add("leave.txt", _LEAVE)
    outside = ScriptedLLM("Anything [1].", location="outside", model="outside")
    inside = ScriptedLLM("Every employee has twenty-five days of paid leave in a year [1].", model="inside")
    async with open_house(replace(house.footnote, llm=OrderedLLMs([outside, inside]))) as with_llm:
        answer = (await with_llm.client.post("/v1/ask", json={"question": _QUESTION})).json()
    assert answer["model"] == "inside"
    assert outside.prompts == []
