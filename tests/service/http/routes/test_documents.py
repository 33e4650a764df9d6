"""GET /v1/documents…."""

from __future__ import annotations

from uuid import UUID, uuid4

from retrieval.collections import find_collection
from retrieval.indexes import ensure_index
from retrieval.removing import remove_document
from service.deleting import delete_document
from service.http.responses.documents import EntriesBody, EntryBody
from tests.service.http.conftest import House


async def test_pages_hold_every_document_once_in_the_order_of_paths(house: House) -> None:
    paths = [f"{folder}/{number}.txt" for folder in ("a", "b", "ü%FF") for number in range(3)]
    for path in reversed(paths):
        await house.add(path, f"This is {path}.")
    seen: list[str] = []
    query = {"limit": "2"}
    while True:
        response = await house.client.get("/v1/documents", params=query)
        page = EntriesBody.model_validate(response.json())
        seen += [document.path for document in page.documents]
        if page.next is None:
            break
        query["cursor"] = page.next
    assert seen == sorted(paths, key=str.encode)


async def test_a_last_page_that_is_full_has_no_next(house: House) -> None:
    await house.add("a.txt", "One.")
    await house.add("b.txt", "Two.")
    response = await house.client.get("/v1/documents?limit=2")
    assert len(response.json()["documents"]) == 2
    assert response.json()["next"] is None


async def test_a_broken_cursor_is_a_400(house: House) -> None:
    await house.add("a.txt", "One.")
    response = await house.client.get("/v1/documents?cursor=nonsense")
    assert response.status_code == 400
    assert response.json()["type"] == "urn:footnote:problem:broken-cursor"


async def test_a_list_that_cannot_be_is_a_problem(house: House) -> None:
    for query, status in (
        ("limit=0", 422),
        ("limit=501", 422),
        ("limit=x", 422),
        ("colour=red", 422),
        ("collection=nowhere", 404),
        ("collection=A%20B", 422),
        ("collection=a%00b", 422),
    ):
        response = await house.client.get(f"/v1/documents?{query}")
        assert response.status_code == status, query
        assert response.headers["content-type"] == "application/problem+json"


async def test_a_document_is_shown_without_who_else_may_read_it(house: House) -> None:
    document_id = await house.add("a.txt", "One.", readers=["public", "group:board"])
    response = await house.client.get(f"/v1/documents/{document_id}")
    EntryBody.model_validate(response.json())
    assert response.json()["path"] == "a.txt"
    assert response.json()["revision"] == 1
    assert "board" not in response.text


async def test_what_a_caller_may_not_read_is_as_absent_as_what_is_not_there(house: House) -> None:
    hidden = await house.add("a.txt", "One.", readers=["user:ann"])
    absent = uuid4()
    for rest in ("", "/text", "/text?revision=1"):
        problems = [
            (await house.client.get(f"/v1/documents/{document_id}{rest}")) for document_id in (hidden, absent)
        ]
        assert [problem.status_code for problem in problems] == [404, 404]
        told = [
            problem.text.replace(str(document_id), "ID").replace(problem.headers["X-Request-ID"], "REQUEST")
            for problem, document_id in zip(problems, (hidden, absent), strict=True)
        ]
        assert told[0] == told[1]


async def test_a_collection_in_which_a_caller_may_read_nothing_is_as_absent_as_one_that_is_not_there(
    house: House,
) -> None:
    await house.add("a.txt", "One.", readers=["user:ann"], collection="merger")
    await house.add("b.txt", "Two.")
    for path, ask in (
        ("/v1/documents?collection={}", None),
        ("/v1/search", {"query": "one"}),
        ("/v1/ask", {"question": "one?"}),
    ):
        told = []
        for name in ("merger", "absent"):
            response = (
                await house.client.get(path.format(name))
                if ask is None
                else await house.client.post(path, json={**ask, "collection": name})
            )
            assert response.status_code == 404
            told.append(response.text.replace(name, "NAME").replace(response.headers["X-Request-ID"], "ID"))
        assert told[0] == told[1]


async def test_a_collection_is_there_for_a_caller_as_long_as_one_may_ask_for_its_texts(house: House) -> None:
    document_id = await house.add("a.txt", "One.", collection="reports")
    footnote = house.footnote
    collection = await find_collection(footnote.database, "reports")
    index = await ensure_index(footnote.database, collection, footnote.embedder.identity, footnote.store)
    await remove_document(footnote.database, footnote.store, index, document_id)
    listed = await house.client.get("/v1/documents?collection=reports")
    assert listed.json() == {"documents": [], "next": None}
    await delete_document(footnote.database, footnote.settings, document_id, keep_out=False)
    assert (await house.client.get("/v1/documents?collection=reports")).status_code == 404


async def test_a_text_comes_to_the_character_with_the_number_of_its_revision(house: House) -> None:
    first = "\ufeffOne\r\nline\rand\x0bmore \N{PILE OF POO}\u2028\u0000".replace("\x00", "\ufffd")
    document_id = await house.add("a.txt", first)
    await house.add("a.txt", "Another text.\n")
    newest = await house.client.get(f"/v1/documents/{document_id}/text")
    former = await house.client.get(f"/v1/documents/{document_id}/text?revision=1")
    assert newest.content == b"Another text.\n"
    assert newest.headers["Footnote-Revision"] == "2"
    assert former.content == first.encode()
    assert former.headers["Footnote-Revision"] == "1"
    assert former.headers["content-type"] == "text/plain; charset=utf-8"
    assert former.headers["x-content-type-options"] == "nosniff"


async def test_a_removed_document_keeps_the_texts_that_citations_point_into(house: House) -> None:
    document_id = await house.add("a.txt", "One.")
    footnote = house.footnote
    collection = await find_collection(footnote.database, "default")
    index = await ensure_index(footnote.database, collection, footnote.embedder.identity, footnote.store)
    await remove_document(footnote.database, footnote.store, index, document_id)
    assert (await house.client.get("/v1/documents")).json()["documents"] == []
    shown = (await house.client.get(f"/v1/documents/{document_id}")).json()
    assert shown["revision"] is None
    assert shown["removed_at"] is not None
    assert (await house.client.get(f"/v1/documents/{document_id}/text?revision=1")).content == b"One."


async def test_a_deleted_document_is_gone_and_says_so(house: House) -> None:
    document_id = await house.add("a.txt", "One.")
    footnote = house.footnote
    deleted = await delete_document(
        footnote.database, footnote.settings, UUID(str(document_id)), keep_out=False
    )
    assert deleted.document.path == "a.txt"
    for address in (f"/v1/documents/{document_id}", f"/v1/documents/{document_id}/text?revision=1"):
        response = await house.client.get(address)
        assert (response.status_code, response.json()["type"]) == (410, "urn:footnote:problem:erased")


async def test_a_deleted_document_is_gone_for_those_alone_who_could_read_it(house: House) -> None:
    document_id = await house.add("a.txt", "One.", readers=["user:ann"])
    await delete_document(house.footnote.database, house.footnote.settings, document_id, keep_out=False)
    ann = await house.client_as("user:ann")
    absent = uuid4()
    for rest in ("", "/text", "/text?revision=1"):
        assert (await house.client.get(f"/v1/documents/{document_id}{rest}", headers=ann)).status_code == 410
        told = []
        for asked in (document_id, absent):
            response = await house.client.get(f"/v1/documents/{asked}{rest}")
            assert response.status_code == 404
            told.append(
                response.text.replace(str(asked), "ID").replace(response.headers["X-Request-ID"], "REQUEST")
            )
        assert told[0] == told[1]


async def test_a_text_that_the_caller_has_is_not_sent_again(house: House) -> None:
    document_id = await house.add("a.txt", "One.")
    address = f"/v1/documents/{document_id}/text"
    tag = (await house.client.get(address)).headers["ETag"]
    for sent in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        response = await house.client.get(address, headers={"If-None-Match": sent})
        assert (response.status_code, response.content) == (304, b"")
        assert response.headers["ETag"] == tag
    await house.add("a.txt", "Two.")
    assert (await house.client.get(address, headers={"If-None-Match": tag})).content == b"Two."


async def test_an_address_that_leads_nowhere_is_a_problem(house: House) -> None:
    for rest, status in (
        ("not-an-id", 422),
        ("not-an-id/text", 422),
        (f"{uuid4()}/text?revision=0", 422),
        (f"{uuid4()}/text?revision=2147483648", 422),
        (f"{uuid4()}/text?revision=2147483647", 404),
        (f"{uuid4()}/text?revision=1&colour=red", 422),
        (f"{uuid4()}/elsewhere", 404),
    ):
        response = await house.client.get(f"/v1/documents/{rest}")
        assert response.status_code == status, rest
        assert response.headers["content-type"] == "application/problem+json"


async def test_documents_are_found_by_words_of_their_path_or_title(house: House) -> None:
    for path in ("people/Parental-Leave.txt", "people/pay.txt", "it/100%_done.txt"):
        await house.add(path, f"About {path}.")

    async def found(words: str) -> list[str]:
        response = await house.client.get("/v1/documents", params={"words": words})
        return [document["path"] for document in response.json()["documents"]]

    assert await found("leave PARENTAL") == ["people/Parental-Leave.txt"]
    assert await found("people") == ["people/Parental-Leave.txt", "people/pay.txt"]
    assert await found("0%_d") == ["it/100%_done.txt"]
    assert await found("_ay") == []
    assert await found("\\") == []
    assert len(await found("  ")) == 3
    assert (await house.client.get("/v1/documents", params={"words": "a\x01"})).status_code == 422
