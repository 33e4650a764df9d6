"""The contract of citations: `document_text[char_start:char_end] == quote`, always, also after documents have changed.

    python -m benchmarks.citation_contract [--answers 1000] [--seed 7] [--overlap-tokens 0] [--quick] [--json]

A folder of many kinds of documents (`citation_folder`) is ingested into an embedded Postgres of the benchmark's own
and asked over HTTP, of the extractive answerer and of a language model that writes sentences of the passages, altered
and not, in all formats of citing (`quoting_model`). Every citation is checked against the text of its revision, which
is fetched over HTTP (`citation_ledger`). Then most files change and are refreshed, twice, the second time while
questions are being answered; then documents are deleted. After each change every citation ever given is checked again:
it resolves to its quote, or, where its document was deleted, to 410. Refusals are counted beside the answers.
With `--quick` words in common stand in for the models (`word_models`): other sentences are quoted then, by the same
code. Exits with 1 where anything was broken, or where fewer answers were given than were asked for. Reads
FOOTNOTE_TEST_DATA (default ../shared/data; without it, notes and the example's handbook alone) and
FOOTNOTE_WEIGHTS_DIR.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx

from benchmarks.citation_folder import Asked, Sizes, change, fill, questions_from
from benchmarks.citation_ledger import Ledger
from benchmarks.ingest_pipeline import temporary_home
from benchmarks.quoting_model import QuotingLLM
from benchmarks.word_models import WordEmbedder, WordScorer
from ingest.parsing import ParserPool
from ingest.reports import Fate, RefreshReport
from retrieval.batching import EmbeddingBatcher, ScoringBatcher
from retrieval.search import Searcher
from service.deleting import delete_document
from service.footnote import Footnote
from service.http.app import create_app
from service.ingestion import ingest_path
from service.keys import create_key
from service.sections import ChunkingSettings, LlmSettings
from service.settings import Settings
from service.specs import search_policy
from service.targets import SourceRules
from service.wiring import open_footnote

DATA = Path(os.environ.get("FOOTNOTE_TEST_DATA", "../shared/data"))
_AT_ONCE = 4
_SHARES = {"first": 0.4, "changed": 0.3, "changing": 0.15, "changed again": 0.15}
_ASKED_AGAIN = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is asked. `ks`: how many passages answers are made from; each question draws one."""

    answers: int
    seed: int = 7
    data: Path | None = None
    sizes: Sizes = field(default_factory=Sizes)
    ks: Sequence[int] = (3, 5, 10, 10)
    deleted: int = 20


class _Silent:
    def planned(self, *, files: int) -> None:
        """Nobody looks."""

    def finished(self, path: str, fate: Fate, chunks: int) -> None:
        """Nobody looks."""


async def check_contract(footnote: Footnote, folder: Path, plan: Plan) -> dict[str, Any]:
    """Walk through the life of a folder of documents, which is made at `folder`; returns the figures.

    `footnote` is empty, and reads for the support check (`pair_reader`).
    """
    questions = fill(folder, data=plan.data, sizes=plan.sizes, seed=plan.seed)
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(footnote.parser_pool())
        doors = await stack.enter_async_context(_open_doors(footnote, plan.seed))
        ledger = Ledger(reader=doors["extractive"], database=footnote.database)
        life = _Life(footnote=footnote, pool=pool, doors=doors, ledger=ledger, folder=folder, plan=plan)
        return await life.walk(questions)


@asynccontextmanager
async def _open_doors(footnote: Footnote, seed: int) -> AsyncIterator[Mapping[str, httpx.AsyncClient]]:
    """A client of each answerer's app, which share the index and nothing else."""
    created = await create_key(footnote.database, name="citation contract", principals=[])
    async with AsyncExitStack() as stack:
        doors = {}
        for name, llm in (("extractive", None), ("language model", QuotingLLM(seed))):
            app = create_app(_opened(replace(footnote, llm=llm)))
            await stack.enter_async_context(app.router.lifespan_context(app))
            doors[name] = await stack.enter_async_context(
                httpx.AsyncClient(
                    transport=httpx.ASGITransport(app=app, raise_app_exceptions=False),
                    base_url="http://footnote",
                    headers={"Authorization": f"Bearer {created.key}"},
                    timeout=300,
                )
            )
        yield doors


def _opened(footnote: Footnote) -> Callable[[], AbstractAsyncContextManager[Footnote]]:
    """What an app opens when it starts: a service that is closed elsewhere."""
    return lambda: nullcontext(footnote)


@dataclass(slots=True, kw_only=True)
class _Life:
    """The folder's life, phase by phase."""

    footnote: Footnote
    pool: ParserPool
    doors: Mapping[str, httpx.AsyncClient]
    ledger: Ledger
    folder: Path
    plan: Plan
    refused: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    changes: Counter[str] = field(default_factory=Counter)
    asked: list[tuple[Asked, tuple[str, ...]]] = field(default_factory=list)

    async def walk(self, questions: list[Asked]) -> dict[str, Any]:
        rng = random.Random(self.plan.seed)
        shelf = self.folder.with_name("shelf")
        loaded = await self._refresh()
        questions = _by_turns([*questions, *await self._made_questions(rng)], rng)
        fresh = iter(questions)

        self._begin("first")
        await self._ask(fresh, self._wanted("first"), rng, settled=True)

        self._begin("changed")
        self.changes += change(self.folder, shelf, rng)
        await self._refresh()
        await self.ledger.check_again()
        again = [asked for asked, _ in self.asked]
        rng.shuffle(again)
        half = iter(again[: len(again) // 2])
        await self._ask(_alternately(half, fresh), self._wanted("changed"), rng, settled=True)

        self._begin("changing")
        self.changes += change(self.folder, shelf, rng)
        await asyncio.gather(
            self._refresh(),
            self._ask(_alternately(iter(questions), fresh), self._wanted("changing"), rng, settled=False),
        )
        self._begin("changed again")
        await self.ledger.check_again()
        await self._ask(
            _alternately(iter(questions), fresh), self._wanted("changed again"), rng, settled=True
        )
        asked_for = sum(self.ledger.answers.values())

        self._begin("deleted")
        await self._delete(rng)
        await self._refresh()
        await self.ledger.check_again()
        return self._report(loaded, asked_for, sum(self.ledger.answers.values()))

    def _begin(self, phase: str) -> None:
        _tell(f"{phase}: {sum(self.ledger.answers.values())} answers so far")
        self.ledger.phase = phase

    def _wanted(self, phase: str) -> int:
        return -(-int(self.plan.answers * _SHARES[phase] * 100) // 100)

    async def _refresh(self) -> RefreshReport:
        return await ingest_path(
            self.footnote,
            self.pool,
            self.folder,
            collection="default",
            rules=SourceRules(),
            progress=_Silent(),
        )

    async def _made_questions(self, rng: random.Random) -> list[Asked]:
        """Questions to the files that come without any, from their texts as anybody can read them."""
        reader, texts = self.doors["extractive"], list[str]()
        cursor: dict[str, str] = {}
        while True:
            page = (await reader.get("/v1/documents", params={"limit": 100, **cursor})).json()
            texts += [
                (await reader.get(f"/v1/documents/{document['id']}/text")).content.decode()
                for document in page["documents"]
                if document["path"].startswith(("files/", "handbook/"))
            ]
            if page["next"] is None:
                return questions_from("files", texts, each=6, rng=rng)
            cursor = {"cursor": page["next"]}

    async def _ask(
        self, questions: Iterator[Asked], wanted: int, rng: random.Random, *, settled: bool
    ) -> None:
        """Ask until so many were answered, or there is nothing left to ask; refusals do not count."""
        answered = 0

        async def keep_asking() -> None:
            nonlocal answered
            while answered < wanted and (asked := next(questions, None)) is not None:
                if await self._ask_one(asked, rng, settled=settled):
                    answered += 1

        await asyncio.gather(*(keep_asking() for _ in range(_AT_ONCE)))

    async def _ask_one(self, asked: Asked, rng: random.Random, *, settled: bool) -> bool:
        answerer = rng.choice(list(self.doors))
        body = {"question": asked.text, "k": rng.choice(self.plan.ks), "stream": rng.random() < 0.3}
        response = await self.doors[answerer].post("/v1/ask", json=body)
        if response.status_code != 200:
            self.failed[f"{answerer}: {response.status_code}"] += 1
            return False
        answer = _told(response.text) if body["stream"] else response.json()
        if answer is None:
            self.failed[f"{answerer}: the stream does not end with the answer that it told"] += 1
            return False
        if answer["status"] == "refused":
            self.refused += 1
            return False
        citations = await self.ledger.enter(answer, answerer=answerer, settled=settled)
        self.ledger.note_of_deleted(citations)
        self.asked.append((asked, tuple(given.document for given in citations)))
        return True

    async def _delete(self, rng: random.Random) -> None:
        """Delete cited documents, every other one for good, and ask again what was answered from them."""
        current = []
        for document in sorted({given.document for given in self.ledger.given}):
            shown = (await self.doors["extractive"].get(f"/v1/documents/{document}")).json()
            if shown["revision"] is not None:
                current.append(document)
        for number, document in enumerate(rng.sample(current, k=min(self.plan.deleted, len(current) // 2))):
            await delete_document(
                self.footnote.database, self.footnote.settings, UUID(document), keep_out=number % 2 == 0
            )
            self.ledger.erased.add(document)
        await self.ledger.check_again()
        touched = dict.fromkeys(
            asked for asked, documents in reversed(self.asked) if self.ledger.erased & set(documents)
        )
        await self._ask(iter(list(touched)[:_ASKED_AGAIN]), _ASKED_AGAIN, rng, settled=True)

    def _report(self, loaded: RefreshReport, asked_for: int, all_answers: int) -> dict[str, Any]:
        ledger = self.ledger
        return {
            "answers": asked_for,
            "answers after deleting": all_answers - asked_for,
            "answers by": dict(ledger.answers),
            "refused": self.refused,
            "failed": dict(self.failed),
            "citations": len(ledger.given),
            "citations by": dict(sorted(ledger.citations.items())),
            "checks": dict(ledger.checks),
            "documents": loaded.added,
            "chunks": loaded.chunks,
            "changes": dict(sorted(self.changes.items())),
            "deleted": len(ledger.erased),
            "violations": len(ledger.violations),
            "broken": [asdict(violation) for violation in ledger.violations[:20]],
        }


def _by_turns(questions: Sequence[Asked], rng: random.Random) -> list[Asked]:
    """The questions in an order in which no kind waits for another that has more."""
    kinds: dict[str, list[Asked]] = {}
    for asked in questions:
        kinds.setdefault(asked.kind, []).append(asked)
    places: list[tuple[float, Asked]] = []
    for members in kinds.values():
        rng.shuffle(members)
        places += [(number + rng.random(), asked) for number, asked in enumerate(members)]
    return [asked for _, asked in sorted(places, key=lambda place: place[0])]


def _alternately(first: Iterator[Asked], second: Iterator[Asked]) -> Iterator[Asked]:
    missing = object()
    while True:
        pair = [next(source, missing) for source in (first, second)]
        found = [asked for asked in pair if isinstance(asked, Asked)]
        if not found:
            return
        yield from found


def _told(stream: str) -> dict[str, Any] | None:
    """The answer that a stream of events ends with, if the citations told on the way are the answer's."""
    events = []
    for frame in stream.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in frame.splitlines() if ": " in line and line[0] != ":")
        if "event" in fields:
            events.append((fields["event"], json.loads(fields["data"])))
    told = [data for name, data in events if name == "citation"]
    if not events or events[-1][0] != "done":
        return None
    answer: dict[str, Any] = events[-1][1]
    expected = [{"number": number, **citation} for number, citation in enumerate(answer["citations"])]
    return answer if told == expected else None


def _tell(line: str) -> None:
    print(line, file=sys.stderr)


def kept(report: Mapping[str, Any], answers: int) -> bool:
    """Whether the contract was kept, over as many answers as were asked for."""
    return not report["violations"] and not report["failed"] and report["answers"] >= answers


@asynccontextmanager
async def with_word_models(footnote: Footnote) -> AsyncIterator[Footnote]:
    """The same service with words in common in the place of all models; entailment is not read for."""
    embedder, scorer = WordEmbedder(footnote.embedder), WordScorer()
    async with EmbeddingBatcher(embedder) as embedding, ScoringBatcher(scorer) as scoring:
        yield replace(
            footnote,
            embedder=embedder,
            embedding=embedding,
            reranker=scorer,
            scoring=scoring,
            pair_reader=None,
            searcher=Searcher(
                database=footnote.database,
                store=footnote.store,
                embedder=embedder,
                query_embedder=embedding,
                reranker=scoring,
                policy=search_policy(footnote.settings),
            ),
        )


async def run(plan: Plan, *, overlap_tokens: int, quick: bool) -> dict[str, Any]:
    """The check over a database of its own, with the settings' defaults."""
    weights = os.environ.get("FOOTNOTE_WEIGHTS_DIR")
    with temporary_home() as home:
        settings = Settings(
            home=home,
            weights_dir=None if weights is None else Path(weights),
            chunking=ChunkingSettings(overlap_tokens=overlap_tokens),
            # Never asked: it is why the support check is built. The model that writes takes its place.
            llm=LlmSettings(base_url="http://127.0.0.1:9/v1", model="none", location="inside"),
        )
        async with open_footnote(settings, report=_tell) as footnote:
            if not quick:
                return await check_contract(footnote, home / "files", plan)
            async with with_word_models(footnote) as unread:
                return await check_contract(unread, home / "files", plan)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--answers", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--overlap-tokens", type=int, default=0, help="of neighbouring chunks (default 0)")
    parser.add_argument("--quick", action="store_true", help="words in common instead of models")
    parser.add_argument("--json", action="store_true", help="print one JSON object on one line")
    arguments = parser.parse_args()
    data = DATA if DATA.is_dir() else None
    if data is None:
        _tell(
            f"the evaluation data is not at '{DATA}' (set FOOTNOTE_TEST_DATA): notes and handbook alone are asked"
        )
    started = time.monotonic()
    plan = Plan(answers=arguments.answers, seed=arguments.seed, data=data)
    report = asyncio.run(run(plan, overlap_tokens=arguments.overlap_tokens, quick=arguments.quick))
    report["seconds"] = round(time.monotonic() - started)
    print(json.dumps(report, indent=None if arguments.json else 2))
    sys.exit(0 if kept(report, arguments.answers) else 1)


if __name__ == "__main__":
    main()
