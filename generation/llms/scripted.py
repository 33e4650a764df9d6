"""A language model that says what it was told to say: for tests, and for trying a prompt without a server."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence

from generation.errors import LLMError
from generation.llms import Location, Message, TextDelta, Usage
from generation.tokens import approximate_tokens


class ScriptedLLM:
    """Answers every prompt with the same pieces, then raises `error` where one is given.

    `prompts` holds the messages it was asked, `closed_early` how many streams were left before their end.
    """

    def __init__(
        self,
        *pieces: str,
        location: Location = "inside",
        error: LLMError | None = None,
        cut: bool = False,
        model: str = "scripted",
    ) -> None:
        self._pieces = pieces
        self._error = error
        self._cut = cut
        self._model = model
        self._location = location
        self.prompts: list[Sequence[Message]] = []
        self.closed_early = 0

    @property
    def model(self) -> str:
        return self._model

    @property
    def location(self) -> Location:
        return self._location

    def inside(self) -> ScriptedLLM | None:
        return self if self.location == "inside" else None

    async def stream(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int,
    ) -> AsyncGenerator[TextDelta | Usage, None]:
        self.prompts.append(messages)
        try:
            for piece in self._pieces:
                yield TextDelta(text=piece)
        except GeneratorExit:
            self.closed_early += 1
            raise
        if self._error is not None:
            raise self._error
        yield Usage(
            prompt_tokens=sum(approximate_tokens(message.content) for message in messages),
            completion_tokens=approximate_tokens("".join(self._pieces)),
            estimated=True,
            cut=self._cut,
            model=self.model,
        )

    async def count_tokens(self, texts: Sequence[str]) -> list[int] | None:
        """None: it has no tokens."""

    async def close(self) -> None:
        """Nothing to close."""
