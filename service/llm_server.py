"""A server for a language model: vLLM's own, run as a child process with settings fit for answering from passages.

It is told ready when it has answered a completion, gets the signals that we get, and goes when we go: where we are
killed, the kernel ends it.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from retrieval.errors import ExtraMissingError, FootnoteError, InvalidRequestError

Report = Callable[[str], None]

_HAS_VLLM = "import importlib.util, sys; sys.exit(0 if importlib.util.find_spec('vllm') else 3)"
# The death signal outlives exec; whoever was orphaned before asking for it is told by its parent's id.
_TIED = (
    "import ctypes, os, signal, sys\n"
    "ctypes.CDLL(None).prctl(1, signal.SIGTERM)\n"
    "if os.getppid() != int(sys.argv[1]): sys.exit(1)\n"
    "os.execv(sys.executable, [sys.executable, *sys.argv[2:]])"
)
_LORA_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
_GRACE_S = 30.0
_LOOK_EVERY_S = 1.0
_ANSWER_WITHIN_S = 120.0
_FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class LLMServerError(FootnoteError):
    """The server of a language model could not be started, or ended by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter:
    """A LoRA adapter in a folder, and the name of the model that it makes."""

    name: str
    folder: Path

    @classmethod
    def parse(cls, text: str) -> Adapter:
        """Of NAME=FOLDER. Raises `InvalidRequestError`."""
        name, equals, folder = text.partition("=")
        if not (equals and name.strip() and (Path(folder) / "adapter_config.json").is_file()):
            raise InvalidRequestError(
                f"{text[:200]!r} is not an adapter. Write NAME=FOLDER, of a folder with an adapter_config.json in it."
            )
        return cls(name=name.strip(), folder=Path(folder))

    def rank(self) -> int:
        """The rank that the adapter was trained with. Raises `InvalidRequestError`."""
        try:
            rank = json.loads((self.folder / "adapter_config.json").read_bytes())["r"]
        except (OSError, ValueError, LookupError, TypeError):
            rank = None
        if not isinstance(rank, int) or rank > _LORA_RANKS[-1]:
            raise InvalidRequestError(
                f"the adapter '{self.name}' has no rank (r) up to {_LORA_RANKS[-1]} in its adapter_config.json."
            )
        return rank


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerPlan:
    """What is served, and how.

    context_tokens: longest prompt and answer together; a model in a folder that takes less gets less.
    python: the one that has vLLM; None for this one. more: arguments for vLLM, as they are.
    """

    model: str
    name: str
    host: str
    port: int
    context_tokens: int
    quantization: str | None = None
    dtype: str = "auto"
    adapters: tuple[Adapter, ...] = ()
    api_key: str | None = field(default=None, repr=False)
    python: Path | None = None
    more: tuple[str, ...] = ()

    @property
    def address(self) -> str:
        """Where this machine finds it."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104  # told apart, not bound
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    def arguments(self) -> list[str]:
        """vLLM's arguments. Passages and instructions recur, which is what the cache of prefixes is for."""
        context = min(self.context_tokens, _longest_context(self.model) or self.context_tokens)
        arguments = [
            *("--model", self.model, "--served-model-name", self.name),
            *("--host", self.host, "--port", str(self.port)),
            *("--dtype", self.dtype, "--max-model-len", str(context), "--enable-prefix-caching"),
        ]
        if self.quantization is not None:
            arguments += ["--quantization", self.quantization]
        if self.adapters:
            rank = max(adapter.rank() for adapter in self.adapters)
            allowed = next(allowed for allowed in _LORA_RANKS if allowed >= rank)
            modules = [f"{adapter.name}={adapter.folder}" for adapter in self.adapters]
            arguments += ["--enable-lora", "--max-loras", str(len(modules)), "--max-lora-rank", str(allowed)]
            arguments += ["--lora-modules", *modules]
        return [*arguments, *self.more]

    def environment(self) -> dict[str, str]:
        """Ours without our settings, which hold secrets; the key goes here, where no list of processes shows it.

        What our Python imports is none of another one's business.
        """
        ours = ("FOOTNOTE_",) if self.python is None else ("FOOTNOTE_", "PYTHON", "VIRTUAL_ENV")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        return kept | ({} if self.api_key is None else {"VLLM_API_KEY": self.api_key})


async def serve_llm(plan: ServerPlan, *, ready_timeout_s: float, report: Report) -> int:
    """Run the server until it ends or we are told to stop; the exit status. Raises `FootnoteError`."""
    _check_port(plan)
    python = await _python_with_vllm(plan)
    begun = time.monotonic()
    async with _running(python, plan) as (process, stopped):
        report(f"vLLM starts with '{plan.model}' (process {process.pid}).")
        ended = asyncio.create_task(process.wait())
        ready = asyncio.create_task(_until_it_answers(plan))
        try:
            awaited: set[asyncio.Future[Any]] = {ended, ready, stopped}
            await asyncio.wait(awaited, timeout=ready_timeout_s, return_when=asyncio.FIRST_COMPLETED)
            if ready.done():
                ready.result()
                report(_how_to_use(plan, time.monotonic() - begun))
                await asyncio.wait(awaited - {ready}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ready.cancel()
            await asyncio.gather(ready, return_exceptions=True)
        if stopped.done():
            report("The server of the language model is being stopped.")
            return 0
        if ended.done():
            raise LLMServerError(
                f"vLLM ended by itself with status {ended.result()}. What it says above tells why."
            )
        raise LLMServerError(
            f"vLLM did not answer within {ready_timeout_s:g} s. What it says above tells what it was doing; "
            "--ready-timeout gives it longer."
        )


def _how_to_use(plan: ServerPlan, seconds: float) -> str:
    names = ", ".join(repr(name) for name in (plan.name, *(adapter.name for adapter in plan.adapters)))
    return (
        f"{names} answers at {plan.address}/v1 after {seconds:.0f} s. For Footnote: FOOTNOTE_LLM__BASE_URL="
        f"{plan.address}/v1 FOOTNOTE_LLM__MODEL={plan.name} FOOTNOTE_LLM__LOCATION=inside"
    )


@asynccontextmanager
async def _running(
    python: str, plan: ServerPlan
) -> AsyncIterator[tuple[asyncio.subprocess.Process, asyncio.Future[int]]]:
    """The child in a group of its own, and what becomes done with the first signal to stop, which it gets, too."""
    process = await asyncio.create_subprocess_exec(
        *(python, "-c", _TIED, str(os.getpid())),
        *("-m", "vllm.entrypoints.openai.api_server", *plan.arguments()),
        env=plan.environment(),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=sys.stderr.fileno(),
        start_new_session=True,
    )
    loop = asyncio.get_running_loop()
    stopped: asyncio.Future[int] = loop.create_future()

    def forward(number: int) -> None:
        _signal_group(process.pid, number)
        if not stopped.done():
            stopped.set_result(number)

    for number in _FORWARDED:
        loop.add_signal_handler(number, forward, number)
    try:
        yield process, stopped
    finally:
        if process.returncode is None:
            _signal_group(process.pid, signal.SIGTERM)
            with suppress(TimeoutError):
                async with asyncio.timeout(_GRACE_S):
                    await process.wait()
        _signal_group(process.pid, signal.SIGKILL)  # its workers may outlive it
        await process.wait()


def _signal_group(group: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, number)


async def _until_it_answers(plan: ServerPlan) -> None:
    """Ask for a completion until there is one. Raises `LLMServerError` where there will never be any."""
    key = {} if plan.api_key is None else {"Authorization": f"Bearer {plan.api_key}"}
    asked = {"model": plan.name, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 1}
    async with httpx2.AsyncClient(
        transport=httpx2.AsyncHTTPTransport(), headers=key, timeout=_ANSWER_WITHIN_S
    ) as client:
        while True:
            with suppress(httpx2.TransportError):
                response = await client.post(f"{plan.address}/v1/chat/completions", json=asked)
                if response.status_code == 200:
                    return
                if response.status_code < 500:
                    raise LLMServerError(
                        f"vLLM runs, but refuses a completion (status {response.status_code}). Is '{plan.model}' a "
                        "model for conversations, with a chat template?"
                    )
            await asyncio.sleep(_LOOK_EVERY_S)


async def _python_with_vllm(plan: ServerPlan) -> str:
    """The Python to run. Raises `ExtraMissingError`, or `LLMServerError` for one that was named."""
    python = str(plan.python or sys.executable)
    try:
        process = await asyncio.create_subprocess_exec(python, "-c", _HAS_VLLM)
    except OSError as error:
        raise LLMServerError(f"'{python}' cannot be run: {error.strerror}.") from error
    if await process.wait() == 0:
        return python
    if plan.python is None:
        raise ExtraMissingError("vllm", "`footnote llm serve`")
    raise LLMServerError(f"'{python}' has no vLLM. Install it there: '{python}' -m pip install vllm")


def _check_port(plan: ServerPlan) -> None:
    family = socket.AF_INET6 if ":" in plan.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((plan.host, plan.port))
        except OSError as error:
            raise LLMServerError(
                f"{plan.host} port {plan.port} cannot be listened on: {error.strerror}. Choose another with --port."
            ) from error


def _longest_context(model: str) -> int | None:
    """What a model in a folder says of its longest context."""
    try:
        config = json.loads((Path(model) / "config.json").read_bytes())
    except (OSError, ValueError):
        return None
    inner = config.get("text_config") if isinstance(config, dict) else None
    for part in (config, inner):
        if isinstance(part, dict) and isinstance(longest := part.get("max_position_embeddings"), int):
            return longest
    return None
