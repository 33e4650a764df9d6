"""`footnote llm`: what the configured language models can do, and running a server for one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from generation.answers import AnswerPolicy
from generation.llms import LLMSpec
from generation.llms.checking import LLMCheck, check_llm
from retrieval.errors import ConfigurationError
from service.cli.display import note, print_json, stdout
from service.cli.options import JsonOption, run_until_done
from service.llm_server import Adapter, ServerPlan, serve_llm
from service.settings import load_settings
from service.specs import llm_specs

_NONE_SET = (
    "no language model is set: answers are quoted from the sources. Set llm.base_url (FOOTNOTE_LLM__BASE_URL) and "
    "llm.model (FOOTNOTE_LLM__MODEL); docs/llms.md says more."
)
_SHOWN_MODELS = 5
_POLICY = AnswerPolicy()
_AROUND_PASSAGES = 800
"""Tokens of the instructions and the question, at most."""


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    commands = typer.Typer(
        help="Language models: what the configured ones can do, and a server for one.", no_args_is_help=True
    )
    commands.command("check")(check)
    commands.command("serve", context_settings={"allow_extra_args": True})(serve)
    app.add_typer(commands, name="llm")


def check(as_json: JsonOption = False) -> int:
    """Ask each configured language model in turn what it can do: two short requests each, without any document."""
    specs = llm_specs(load_settings())
    if not specs:
        raise ConfigurationError(_NONE_SET)
    checks = run_until_done(_check_all(specs, quietly=as_json))
    if as_json:
        pairs = zip(specs, checks, strict=True)
        print_json({"models": [_as_json(spec, found) for spec, found in pairs]})
    return 0 if all(found.usable for found in checks) else 1


async def _check_all(specs: list[LLMSpec], *, quietly: bool) -> list[LLMCheck]:
    checks = []
    for spec in specs:
        found = await check_llm(spec)
        checks.append(found)
        if not quietly:
            for line in _lines(spec, found):
                stdout().print(line, markup=False)
    return checks


def _lines(spec: LLMSpec, found: LLMCheck) -> list[str]:
    place = f"llm.fallbacks[{spec.fallback - 1}]" if spec.fallback else "llm"
    head = f"{place}: {spec.model!r} ({spec.kind}, {spec.location})"
    if found.error is not None:
        return [f"{head} cannot be used:", f"  {found.error}", *_models_line(found)]
    facts = [
        ("context", _context(found.context_tokens)),
        ("streams", _yes(found.streams)),
        ("first word", f"after {found.first_token_s:.2f} s" if found.first_token_s is not None else "?"),
        ("speed", "?" if found.tokens_per_s is None else f"{found.tokens_per_s:.1f} tokens/s"),
        ("tells usage", _yes(found.reports_usage, no="no: it is estimated")),
        ("keeps max_tokens", _yes(found.keeps_limit)),
        ("counts tokens", _yes(found.counts_tokens, no="no: they are estimated")),
        ("stops when left", _yes(found.stops_when_left, no="no: it goes on for nobody")),
    ]
    return [f"{head} can be used:", *_models_line(found), *(f"  {name:<17}{fact}" for name, fact in facts)]


def _context(tokens: int | None) -> str:
    if tokens is None:
        return "not told"
    needed = _POLICY.context_tokens + _POLICY.max_answer_tokens + _AROUND_PASSAGES
    short = f", less than the {needed:,} that passages and answer may take" if tokens < needed else ""
    return f"{tokens:,} tokens{short}"


def _models_line(found: LLMCheck) -> list[str]:
    if found.models is None:
        return []
    others = "" if len(found.models) <= _SHOWN_MODELS else f" and {len(found.models) - _SHOWN_MODELS} more"
    listed = ", ".join(found.models[:_SHOWN_MODELS]) + others
    told = "this one among them" if found.listed else "this one is not among them"
    return [f"  {'models':<17}{listed or 'none'} ({told})"]


def _yes(fact: bool | None, *, no: str = "no") -> str:
    return "not told" if fact is None else ("yes" if fact else no)


def _as_json(spec: LLMSpec, found: LLMCheck) -> dict[str, Any]:
    return {
        "model": spec.model,
        "kind": spec.kind,
        "location": spec.location,
        "fallback": spec.fallback,
        "usable": found.usable,
        "error": found.error,
        "models": None if found.models is None else list(found.models),
        "listed": found.listed,
        "context_tokens": found.context_tokens,
        "streams": found.streams,
        "first_token_s": _rounded(found.first_token_s),
        "tokens_per_s": _rounded(found.tokens_per_s),
        "reports_usage": found.reports_usage,
        "keeps_limit": found.keeps_limit,
        "counts_tokens": found.counts_tokens,
        "stops_when_left": found.stops_when_left,
    }


def _rounded(figure: float | None) -> float | None:
    return None if figure is None else round(figure, 3)


def serve(
    context: typer.Context,
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A folder, or the model's name at the hub.")],
    name: Annotated[
        str | None, typer.Option(help="The name to serve it under; else llm.model, else MODEL.")
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.", min=1, max=65535)] = 8000,
    context_tokens: Annotated[
        int,
        typer.Option("--context", min=1024, help="Longest prompt and answer together, in tokens."),
    ] = 8192,
    quantization: Annotated[
        str | None,
        typer.Option(help="How weights are packed, as in awq, gptq or fp8; else as the model says."),
    ] = None,
    dtype: Annotated[str, typer.Option(help="auto, bfloat16, float16 or float32.")] = "auto",
    adapters: Annotated[
        list[str] | None,
        typer.Option(
            "--adapter",
            metavar="NAME=FOLDER",
            help="A LoRA adapter, served as a model of that name. Repeatable.",
        ),
    ] = None,
    python: Annotated[
        Path | None,
        typer.Option(
            help="The Python that has vLLM, where that is an environment of its own; else this one."
        ),
    ] = None,
    ready_timeout_s: Annotated[
        float, typer.Option("--ready-timeout", min=1, help="Seconds until it has to answer.")
    ] = 1800.0,
) -> int:
    """Run vLLM's OpenAI-compatible server for MODEL, and say when it really answers. What follows -- is for vLLM.

    Where llm.api_key (FOOTNOTE_LLM__API_KEY) is set, the server asks for that key.
    """
    settings = load_settings().llm
    plan = ServerPlan(
        model=model,
        name=name or settings.model or model,
        host=host,
        port=port,
        context_tokens=context_tokens,
        quantization=quantization,
        dtype=dtype,
        adapters=tuple(Adapter.parse(text) for text in adapters or ()),
        api_key=None if settings.api_key is None else settings.api_key.get_secret_value(),
        python=python,
        more=tuple(context.args),
    )
    return run_until_done(serve_llm(plan, ready_timeout_s=ready_timeout_s, report=note))
