"""What an HTTP status of a language model's server means, in words that repeat none of the server's own."""

from __future__ import annotations

import re

from generation.errors import LLMError, LLMRejectedError, LLMUnavailableError
from generation.llms import LLMSpec

_TOO_LONG = re.compile(
    r"context.{0,10}(length|size|window)|too many tokens|prompt is too long", re.IGNORECASE
)
_ADDRESSES = {
    "openai_api": "an OpenAI-compatible address usually ends in /v1",
    "anthropic_api": "without /v1",
    "anthropic_bedrock": "leave it out for the region's own",
    "anthropic_vertex": "leave it out for the region's own",
}
_IDENTIFIER = re.compile(r"[a-z]+(_[a-z]+){0,6}", re.IGNORECASE)


def status_error(llm: str, spec: LLMSpec, status: int, code: object, *, complaint: str) -> LLMError:
    """The error for a status outside 200 to 299.

    llm: the model and its server, as messages name them. spec: knows what the settings that it came from are called.
    code: the server's error code, if it gave one.
    complaint: the server's own words, which are looked into and never repeated.
    """
    if status in (401, 403):
        return LLMRejectedError(f"{llm} refused the key (status {status}). Check {spec.setting('api_key')}.")
    if status == 404:
        return LLMRejectedError(
            f"{llm} does not exist: the server knows no such model, or the address is not that of its interface "
            f"(status 404). Check {spec.setting('model')} and {spec.setting('base_url')} ({_ADDRESSES[spec.kind]})."
        )
    if status in (408, 409, 429) or status >= 500:
        return LLMUnavailableError(
            f"{llm} is not able to answer now (status {status}, {shown_code(code)}). Try again later."
        )
    if status < 400:
        return LLMRejectedError(
            f"{llm} redirects to another address (status {status}), which is not followed: passages go only where "
            f"they were configured to go. Set {spec.setting('base_url')} to the final address."
        )
    if status == 413 or _TOO_LONG.search(f"{code} {complaint}"):
        return LLMRejectedError(
            f"{llm} has too small a context for the passages (status {status}). Give the model a longer context or "
            "Footnote a smaller budget of context tokens."
        )
    return LLMRejectedError(f"{llm} refused the request (status {status}, {shown_code(code)}).")


def shown_code(code: object) -> str:
    """A server's code where it is a mere identifier; anything else might hold what must not be shown."""
    return code if isinstance(code, str) and _IDENTIFIER.fullmatch(code) else "no code"
