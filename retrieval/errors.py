"""Errors of the index, and the root of every error that Footnote raises on purpose.

    FootnoteError                  what, which, why, and what to do; never a secret, never document text
    ├── ConfigurationError         a setting is missing, unknown or contradicts another
    ├── ExtraMissingError          an optional dependency is not installed
    ├── WeightsError               model files cannot be had or are not the ones expected
    ├── DatabaseUnavailableError   the database cannot be reached (retryable)
    ├── QueryTimeoutError          the database ended a statement that took too long (retryable)
    ├── SchemaOutdatedError        the database's schema is older or newer than this release
    ├── NotFoundError              a collection, document, revision, source or key does not exist
    │   └── ErasedError            a document did exist, and was deleted with its texts
    ├── InvalidRequestError        the caller asked for something that cannot be
    ├── IndexMismatchError         the configured embedder is not the one the index was built with
    ├── IndexMissingError          the vector store has lost an index that the database knows of
    ├── IndexBusyError             somebody else is changing the same indexes, or keeps one from going (retryable)
    ├── StoreUnavailableError      the vector store cannot be reached or refuses (retryable)
    ├── ContentRejectedError       the database does not take a document's content, whatever is done
    └── ModelError                 an embedder or reranker failed while running
        ├── ModelStoppedError      a model's process ended over a call, or had no memory (retryable)
        └── ModelUnavailableError  a model's server is away, too busy, or not what it should be (retryable)

`ingest.errors` and `generation.errors` derive from the same root.
"""

from __future__ import annotations

from typing import Any


class FootnoteError(Exception):
    """Root of Footnote's errors. `str(error)` is fit to be shown to a person."""

    retryable: bool = False

    def __reduce__(self) -> tuple[Any, ...]:
        """Errors travel between processes whatever their constructors take."""
        return _as_it_was, (type(self), self.args), self.__dict__


def _as_it_was(kind: type[FootnoteError], args: tuple[Any, ...]) -> FootnoteError:
    return kind.__new__(kind, *args)


class ConfigurationError(FootnoteError):
    """A setting is missing, unknown, or contradicts another."""


class ExtraMissingError(FootnoteError):
    """An optional dependency is not installed; the message names the extra."""

    def __init__(self, extra: str, needed_for: str) -> None:
        super().__init__(
            f"{needed_for} needs the '{extra}' extra, which is not installed. "
            f"Install it with: pip install 'footnote-service[{extra}]'"
        )
        self.extra = extra


class WeightsError(FootnoteError):
    """Model files cannot be had, or are not the ones expected."""


class DatabaseUnavailableError(FootnoteError):
    """The database cannot be reached; the same call may succeed later."""

    retryable = True


class QueryTimeoutError(FootnoteError):
    """A statement took longer than it may, and the database ended it; the same call may succeed later."""

    retryable = True


class SchemaOutdatedError(FootnoteError):
    """The database's schema does not fit this release."""


class NotFoundError(FootnoteError):
    """Something asked for by name or id does not exist, or not for this caller."""


class ErasedError(NotFoundError):
    """A document did exist, and was deleted with its texts."""


class InvalidRequestError(FootnoteError):
    """The caller asked for something that cannot be: an empty question, an absurd k."""


class IndexMismatchError(FootnoteError):
    """The configured embedder is not the one the index was built with."""


class IndexMissingError(FootnoteError):
    """The vector store does not hold an index that the database knows of."""


class IndexBusyError(FootnoteError):
    """Somebody else is changing the same indexes, or keeps one from being changed; the same call may succeed later."""

    retryable = True


class StoreUnavailableError(FootnoteError):
    """The vector store cannot be reached, or refuses; the same call may succeed later."""

    retryable = True


class ModelError(FootnoteError):
    """An embedder or reranker failed while running."""


class ModelStoppedError(ModelError):
    """A model's process ended over a call, or its device had no memory left: the text may be the reason, or the
    machine. The same call may succeed later."""

    retryable = True


class ModelUnavailableError(ModelError):
    """A model's server cannot be reached, is too busy, or does not answer as it should, whatever it is asked, or
    none of its processes runs; the same call may succeed later."""

    retryable = True


class ContentRejectedError(FootnoteError):
    """The database does not take a document's content: one of its limits, and the same content will meet it again."""
