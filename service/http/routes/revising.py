"""POST, PATCH and DELETE /v1/documents…: files that are brought, documents that are changed or deleted."""

from __future__ import annotations

import json
from typing import Annotated, Any
from uuid import UUID

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import ConfigDict, Field, ValidationError

from retrieval.documents import find_document
from retrieval.errors import InvalidRequestError
from service.deleting import delete_from_service
from service.entries import Describing, Entry, find_entry
from service.http.auth import CallersKey, keyed_router
from service.http.changes import DocumentChange, Metadata, Readers
from service.http.describing import ALWAYS, TAG, WITH_BODY, problems
from service.http.etags import IF_MATCH, check_unchanged, tagged
from service.http.idempotency import OnlyOnce
from service.http.multipart import MEDIA_TYPE, Form, FormLimits, open_form
from service.http.parts import Parts, PartsOf
from service.http.requests import CollectionName, StrictRequest
from service.http.responses.documents import EntryBody, UploadedBody, entry_as_json
from service.identity import Identity
from service.upload_paths import check_upload_path
from service.uploads import Incoming, Said, Uploads, WrongFileError, check_readers, incoming_file

router = keyed_router("documents", role="editor")

UPLOADS = ("POST", "/v1/documents")
_FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            MEDIA_TYPE: {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "additionalProperties": False,
                    "properties": {
                        "file": {
                            "type": "array",
                            "minItems": 1,
                            "items": {"type": "string", "format": "binary"},
                            "description": "The files, each a part of this name.",
                        },
                        "path": {
                            "type": "array",
                            "items": {"type": "string"},
                            "description": "Where each file is to be, in their order (`people/leave.docx`); without "
                            "any, their own names count. A document that is there gets a new revision.",
                        },
                        "collection": {"type": "string", "default": "default"},
                        "readers": {
                            "type": "string",
                            "description": "Who may read them, with commas between; without it as the service is set, "
                            "or as it was. You have to be among them.",
                        },
                        "metadata": {"type": "string", "description": 'A JSON object: `{"team":"hr"}`.'},
                    },
                },
                "example": {
                    "file": ["…"],
                    "path": ["people/parental-leave.docx"],
                    "collection": "default",
                    "readers": "group:staff",
                    "metadata": '{"team":"hr"}',
                },
            }
        },
    }
}


class _Fields(StrictRequest):
    """The fields of an upload beside its files."""

    model_config = ConfigDict(extra="forbid")

    collection: CollectionName = "default"
    path: Annotated[tuple[str, ...], Field(max_length=1_000, strict=False)] = ()
    readers: Readers | None = None
    metadata: Metadata | None = None


@router.post(
    UPLOADS[1],
    summary="Upload documents",
    status_code=202,
    response_model=UploadedBody,
    responses={
        202: {
            "description": "The files are kept, and taken in as soon as a worker is free.",
            "headers": {
                "Location": {"description": "Of the document, where it is one.", "schema": {"type": "string"}}
            },
        },
        **problems(*ALWAYS, *WITH_BODY, 404, 409, 507),
    },
    openapi_extra=_FORM,
)
async def upload(request: Request, parts: PartsOf, key: CallersKey, once: OnlyOnce) -> Response:
    """Bring one or more files. Each is a document from now on, `pending` until it is taken in: follow it at
    `GET /v1/documents/{id}`, whose `status` then says `indexed`, or `failed` with the reason."""
    settings = parts.footnote.settings
    limits = FormLimits(
        max_bytes=settings.uploads.max_request_bytes,
        max_file_bytes=settings.ingest.max_file_bytes,
        max_files=settings.uploads.max_files,
    )
    async with open_form(request, limits=limits, new_file=lambda: incoming_file(settings)) as form:
        fields = _fields_of(form)
        files = _files_of(form, fields, parts)
        content = json.dumps([fields.model_dump(), [(file.path, file.sha256) for file in files]]).encode()
        return await once.do(lambda: _keep(files, fields, parts, key), content=content)


def _fields_of(form: Form) -> _Fields:
    """The fields of a form, which are texts, as what they stand for. Raises `RequestValidationError`."""
    given: dict[str, Any] = {}
    for name, value in form.fields:
        if name == "path":
            given.setdefault("path", []).append(value)
        elif name == "readers":
            given.setdefault("readers", []).extend(part.strip() for part in value.split(","))
        elif name in given:
            raise InvalidRequestError(f"the field '{name[:80]}' is there twice.")
        elif name == "metadata":
            given[name] = _json(value)
        else:
            given[name] = value
    try:
        return _Fields.model_validate(given)
    except ValidationError as exc:
        raise RequestValidationError(
            [{**error, "loc": ("body", *error["loc"])} for error in exc.errors(include_context=False)]
        ) from exc


def _json(value: str) -> Any:
    try:
        return json.loads(value)
    except (ValueError, RecursionError) as exc:
        raise InvalidRequestError(
            'the field \'metadata\' is not JSON. Give an object: {"team": "hr"}.'
        ) from exc


def _files_of(form: Form, fields: _Fields, parts: Parts) -> list[Incoming]:
    """The files of a form with the paths that they are to have. Raises `InvalidRequestError`, `WrongFileError`."""
    if not form.files:
        raise InvalidRequestError(
            "the form has no file: send at least one part named `file` with a file name."
        )
    if fields.path and len(fields.path) != len(form.files):
        raise InvalidRequestError(
            f"there are {len(form.files):,} files and {len(fields.path):,} paths: give one for each, or none."
        )
    names = fields.path or [file.name for file in form.files]
    paths = [check_upload_path(name) for name in names]
    for path, file in zip(paths, form.files, strict=True):
        if paths.count(path) > 1:
            raise InvalidRequestError(
                f"the path '{path[:80]}' is there twice: each file needs one of its own."
            )
        if not file.size_bytes:
            raise InvalidRequestError(f"the file '{path[:80]}' is empty.")
        policy = parts.footnote.parser_policy
        if policy.identity(path) is None:
            raise WrongFileError(f"'{path[:80]}' cannot be taken in: {policy.why_not(path)}.")
    return [
        Incoming(path=path, lies_at=file.lies_at, size_bytes=file.size_bytes, sha256=file.sha256)
        for path, file in zip(paths, form.files, strict=True)
    ]


async def _keep(files: list[Incoming], fields: _Fields, parts: Parts, key: Identity) -> Response:
    footnote = parts.footnote
    uploads = Uploads(settings=footnote.settings, database=footnote.database, store=footnote.store)
    ids = await uploads.keep(
        files,
        collection=fields.collection,
        said=Said(
            readers=None if fields.readers is None else tuple(dict.fromkeys(fields.readers)),
            metadata=fields.metadata,
        ),
        scope=key.scope,
        caller_id=key.id,
    )
    entries = [await find_entry(footnote.database, document_id, scope=key.scope) for document_id in ids]
    return JSONResponse(
        {"documents": [_shape(entry) for entry in entries]},
        status_code=202,
        headers={"Location": f"/v1/documents/{ids[0]}"} if len(ids) == 1 else None,
    )


def _shape(entry: Entry) -> dict[str, Any]:
    return entry_as_json(entry, with_readers=True)


@router.patch(
    "/v1/documents/{document_id}",
    summary="Change who may read a document",
    response_model=EntryBody,
    responses={200: {"headers": TAG}, **problems(*ALWAYS, *WITH_BODY, 404, 410, 412)},
)
async def change(
    document_id: UUID, asked: DocumentChange, parts: PartsOf, key: CallersKey, if_match: IF_MATCH = None
) -> Response:
    """Say who may read a document, or what is known of it. It holds at once, and goes before what is said of its
    source, also in later refreshes. You have to be among the readers."""
    footnote = parts.footnote
    entry = await find_entry(footnote.database, document_id, scope=key.scope)
    if asked.readers is not None:
        check_readers(asked.readers, key.scope)
    await Describing(database=footnote.database, store=footnote.store).describe(
        entry,
        scope=key.scope,
        readers=None if asked.readers is None else list(dict.fromkeys(asked.readers)),
        metadata=asked.metadata,
        check=lambda held: check_unchanged(_shape(held), if_match),
    )
    return tagged(_shape(await find_entry(footnote.database, document_id, scope=key.scope)))


@router.delete(
    "/v1/documents/{document_id}",
    summary="Delete a document",
    status_code=204,
    responses={204: {"description": "It is erased."}, **problems(*ALWAYS, 404, 410, 412)},
)
async def delete(document_id: UUID, parts: PartsOf, key: CallersKey, if_match: IF_MATCH = None) -> Response:
    """Erase a document with all of its texts: its citations are answered with 410 from now on. A file that was uploaded
    goes with it; one in another folder stays and is left out of its source."""
    footnote = parts.footnote
    check_unchanged(_shape(await find_entry(footnote.database, document_id, scope=key.scope)), if_match)
    document = await find_document(footnote.database, document_id, scope=key.scope)
    await delete_from_service(footnote.database, footnote.store, document)
    return Response(status_code=204)
