"""Errors of answering. None is ever turned into another kind of answer.

    GenerationError
    ├── OutsideNotAllowedError    passages would leave the house and their collection does not allow it
    └── LLMError
        ├── LLMUnavailableError   not reachable, overloaded, or broke off in mid-answer (retryable)
        ├── LLMTimeoutError       too slow to connect, to begin, or to finish (retryable)
        ├── LLMRejectedError      refused the request: wrong key, unknown model, too long a prompt
        └── LLMResponseError      answered with something that is not an answer

Messages name the server and the model, never the key, the question or a document's text. Server messages are
not repeated in them: some servers echo the key or the prompt.
"""

from __future__ import annotations

from retrieval.errors import FootnoteError


class GenerationError(FootnoteError):
    """Root of answering's errors."""


class OutsideNotAllowedError(GenerationError):
    """A model is outside and the collection's passages may not leave. `what`: which kind of model it is."""

    def __init__(
        self, model: str, *, what: str = "language model", setting: str = "FOOTNOTE_LLM__LOCATION"
    ) -> None:
        super().__init__(
            f"the {what} {model!r} is declared as outside, and this collection does not allow its passages "
            "to leave: nothing was sent. If the server is in fact yours, declare it with "
            f"{setting}=inside; if the passages may leave, allow it with "
            "`footnote collections allow-outside NAME`."
        )


class LLMError(GenerationError):
    """Root of what a language model's server can do wrong."""


class LLMUnavailableError(LLMError):
    """The server cannot be reached, is overloaded, or broke off in mid-answer."""

    retryable = True


class LLMTimeoutError(LLMError):
    """The server took too long to connect, to begin its answer, or to finish it."""

    retryable = True


class LLMRejectedError(LLMError):
    """The server refused the request; the same request will be refused again."""


class LLMResponseError(LLMError):
    """The server answered with something that is not an answer."""
