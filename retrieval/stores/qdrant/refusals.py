"""What Qdrant or its client refuses, as Footnote's own errors."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from json import JSONDecodeError

from qdrant_client.common.client_exceptions import ResourceExhaustedResponse
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

from retrieval.errors import ConfigurationError, FootnoteError, IndexMissingError, StoreUnavailableError
from retrieval.stores import Index
from retrieval.stores.qdrant.connecting import Qdrant

# As servers and the local client say it.
_NO_SUCH_VECTORS = re.compile(r"Not existing vector name|vector \w+ is not found")


def collection_name(index: Index) -> str:
    """What an index's collection is called."""
    return f"footnote_{index.id}"


@asynccontextmanager
async def asking(qdrant: Qdrant, index: Index) -> AsyncIterator[None]:
    """Turn what Qdrant's client raises into `StoreUnavailableError` where Qdrant cannot be reached or refuses,
    `IndexMissingError` where it has lost the index, `ConfigurationError` where it does not accept the key."""
    try:
        yield
    except UnexpectedResponse as exc:
        raise _refusal(qdrant, index, exc) from exc
    except ResourceExhaustedResponse as exc:
        raise StoreUnavailableError(
            f"{qdrant.where} has too much to do and asks to come again in {exc.retry_after_s} s. Try again later."
        ) from exc
    except (ResponseHandlingException, JSONDecodeError) as exc:
        cause = exc.source if isinstance(exc, ResponseHandlingException) else exc
        raise StoreUnavailableError(
            f"{qdrant.where} cannot be reached or did not answer as Qdrant does ({type(cause).__name__}). "
            "Start it, or correct store.url (FOOTNOTE_STORE__URL), and try again."
        ) from exc
    except (OSError, sqlite3.Error) as exc:
        raise StoreUnavailableError(
            f"{qdrant.where} cannot be read or written: {exc}. Make room or mend its permissions, and try again."
        ) from exc
    except ValueError as exc:
        if _NO_SUCH_VECTORS.search(str(exc)):
            raise _outdated(qdrant, index) from exc
        # The local client's only word for a collection that it does not have.
        if qdrant.is_server or await qdrant.client.collection_exists(collection_name(index)):
            raise
        raise _missing(qdrant, index) from exc


def _refusal(qdrant: Qdrant, index: Index, exc: UnexpectedResponse) -> FootnoteError:
    match exc.status_code:
        case 401 | 403:
            return ConfigurationError(
                f"{qdrant.where} does not accept the key (HTTP {exc.status_code}). "
                "Set store.api_key (FOOTNOTE_STORE__API_KEY) to one that may read and write."
            )
        case 404:
            return _missing(qdrant, index)
        case 400 if _NO_SUCH_VECTORS.search(exc.content.decode(errors="replace")):
            return _outdated(qdrant, index)
        case status:
            return StoreUnavailableError(
                f"{qdrant.where} refused to work on collection '{collection_name(index)}' "
                f"(HTTP {status} {exc.reason_phrase}). Its log says why; mend that and try again."
            )


def _missing(qdrant: Qdrant, index: Index) -> IndexMissingError:
    return IndexMissingError(
        f"{qdrant.where} has no collection '{collection_name(index)}', which held the vectors of index {index.id}. "
        "Restore it from a backup, or build the index anew: footnote reindex."
    )


def _outdated(qdrant: Qdrant, index: Index) -> IndexMissingError:
    return IndexMissingError(
        f"{qdrant.where} has a collection '{collection_name(index)}' without vectors of the names that this release "
        "gives them: an earlier one made it. Build the index anew: footnote reindex."
    )
