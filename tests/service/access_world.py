"""A small world of documents with readers that change, and what each of them should be to whom.

The model (`Life`, `World`) says who may see what, in words of its own; nothing here is read from the database's columns
of readers. `forget_unseen` makes the world of a caller for whom everything else never was.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from retrieval.database import Database, query
from retrieval.publishing import RevisionDraft
from retrieval.readers import set_readers
from retrieval.records import PUBLIC, Scope
from retrieval.removing import delete_chunks, erase_document, remove_document, stored_chunks
from retrieval.segments import SegmentPolicy, merge_segments
from retrieval.stores import VectorStore
from service.identity import Role
from tests.retrieval.corpus import BagOfWords, Corpus, make_corpus

PRINCIPALS = ("user:ann", "user:bob", "group:hr", "group:sales", PUBLIC)
CALLERS: Mapping[str, tuple[str, ...]] = {
    "stranger": (),
    "ann": ("user:ann",),
    "bob": ("user:bob", "group:sales"),
    "hr": ("group:hr", "user:carl"),
    "all": ("user:ann", "user:bob", "group:hr", "group:sales"),
    "clerk": ("user:ann", "group:hr", "group:sales"),
}
# A role makes nothing readable; a key with collections knows of no others.
ROLES: Mapping[str, Role] = {"bob": "editor", "hr": "admin", "clerk": "editor"}
KEPT_TO: Mapping[str, tuple[str, ...]] = {"clerk": ("default", "nowhere")}
COLLECTIONS = ("default", "reports", "merger")
# Words that all documents share, so that what is hidden would weigh on what is seen.
SHARED = ("budget", "office", "contract", "travel", "salary", "garden", "server", "meeting")
# What many documents say in the same words, whoever may read them.
BOILERPLATE = ("Every contract ends with the year.", "The office pays for travel to a meeting.")


@dataclass(slots=True, kw_only=True)
class Life:
    """A document from its first revision to its end. Texts that were superseded keep those who could read them then.

    marks: words that no other document has, one for each revision, in its text.
    """

    collection: str
    path: str
    id: UUID
    readers: frozenset[str]
    texts: list[str]
    marks: list[str]
    last_readers: dict[int, frozenset[str]] = field(default_factory=dict)
    removed: bool = False
    erased: bool = False

    def visible_to(self, scope: Scope) -> bool:
        principals = scope.principals or frozenset()
        exists = scope.collections is None or self.collection in scope.collections
        return exists and bool(self.readers & principals)

    def readable_revisions(self, scope: Scope) -> set[int]:
        if not self.visible_to(scope) or self.erased:
            return set()
        principals = scope.principals or frozenset()
        return {
            number
            for number in range(1, len(self.texts) + 1)
            if self.last_readers.get(number, self.readers) & principals
        }

    def secrets_from(self, scope: Scope) -> Iterator[str]:
        """Words that may not be told to a caller: of the document, or of its texts that are not for them."""
        readable = self.readable_revisions(scope)
        yield from (mark for number, mark in enumerate(self.marks, start=1) if number not in readable)
        if not self.visible_to(scope) or self.erased:
            yield self.path


@dataclass(slots=True, kw_only=True)
class World:
    """Documents in three collections, and one thing after another that happens to them."""

    database: Database
    store: VectorStore
    embedder: BagOfWords
    chance: random.Random
    corpora: dict[str, Corpus] = field(default_factory=dict)
    lives: list[Life] = field(default_factory=list)
    count: int = 0

    async def begin(self) -> None:
        for name in COLLECTIONS:
            self.corpora[name] = await make_corpus(
                self.database, self.store, name=name, embedder=self.embedder
            )
        for _ in range(10):
            await self._add()

    async def happen(self, times: int) -> None:
        """Let something happen, mostly publishing, so many times."""
        events = (
            self._add,
            self._edit,
            self._regrant,
            self._remove,
            self._erase,
            self._merge,
            self._fail,
        )
        for _ in range(times):
            await self.chance.choices(events, weights=(8, 6, 4, 2, 1, 1, 2))[0]()

    async def end_some(self) -> None:
        """See to it that something was mended, removed and erased that not everybody could read."""
        events = (self._edit, self._edit, self._remove, self._fail, self._fail, self._erase, self._erase)
        for event in events:
            await event()

    async def regrant_some(self) -> None:
        """Let readers of some documents be others, while what was told before is remembered."""
        events = (
            self._regrant,
            self._regrant,
            self._regrant,
            self._edit,
            self._erase,
            self._fail,
            self._fail,
        )
        for event in events:
            await event()

    def alive(self) -> list[Life]:
        return [life for life in self.lives if not life.erased and not life.removed]

    def remembered(self) -> list[Life]:
        return [life for life in self.lives if not life.erased]

    def secrets_from(self, scope: Scope) -> list[str]:
        """All words that may not be told to a caller."""
        return [word for life in self.lives for word in life.secrets_from(scope)]

    async def forget_unseen(self, database: Database, scope: Scope) -> None:
        """Make a copy of this world the one that a caller may know of: nothing else has ever been in it."""
        held = "SELECT DISTINCT collection_id AS id FROM documents"
        before = [row["id"] for row in await database.fetch_all(held)]
        for life in self.lives:
            about = {"id": life.id, "readable": sorted(life.readable_revisions(scope))}
            if life.erased and not life.visible_to(scope):
                await database.execute("DELETE FROM erased_documents WHERE id = %(id)s", about)
            elif not life.visible_to(scope):
                async with database.transaction() as connection:
                    await delete_chunks(connection, [*(await stored_chunks(connection, life.id)).values()])
                    await connection.execute(
                        "DELETE FROM ingest_failures AS f USING documents AS d"
                        " WHERE d.id = %(id)s AND (f.source_id, f.path) = (d.source_id, d.path)",
                        about,
                    )
                    await connection.execute("DELETE FROM documents WHERE id = %(id)s", about)
            elif not life.erased:
                await database.execute(
                    "DELETE FROM revisions WHERE document_id = %(id)s AND NOT revision = ANY(%(readable)s)",
                    about,
                )
        await database.execute(
            "DELETE FROM collections AS c WHERE c.id = ANY(%(before)s) AND NOT EXISTS"
            " (SELECT FROM documents AS d WHERE d.collection_id = c.id)",
            {"before": before},
        )

    async def _add(self) -> None:
        self.count += 1
        collection = self.chance.choices(COLLECTIONS, weights=(6, 2, 1))[0]
        folder = self.chance.choice(("", "hr/", "hr/pay/", "Ä ordner/"))
        # The odd one begins as its readers' name does, to end up beside others in the order of paths.
        path = f"{folder}{self.chance.choice('abc')}-zq{self.count}path.txt"
        readers = self._some_readers(secret=collection == "merger")
        mark, texts = self._texts()
        corpus = self.corpora[collection]
        published = await corpus.publish(self._draft(corpus, path, texts, readers))
        self.lives.append(
            Life(
                collection=collection,
                path=path,
                id=published.document_id,
                readers=frozenset(readers),
                texts=["\n\n".join(texts)],
                marks=[mark],
            )
        )

    async def _edit(self) -> None:
        """A new revision, sometimes for others than the one before, also of a file that comes back."""
        if not (there := self.remembered()):
            return
        life = self.chance.choice(there)
        readers = (
            list(life.readers)
            if self.chance.random() < 0.5
            else self._some_readers(secret=life.collection == "merger")
        )
        mark, texts = self._texts()
        corpus = self.corpora[life.collection]
        await corpus.publish(self._draft(corpus, life.path, texts, readers))
        life.last_readers.setdefault(len(life.texts), life.readers)
        life.readers = frozenset(readers)
        life.removed = False
        life.texts.append("\n\n".join(texts))
        life.marks.append(mark)

    async def _regrant(self) -> None:
        if not (there := self.remembered()):
            return
        life = self.chance.choice(there)
        readers = self._some_readers(secret=life.collection == "merger")
        if {*readers} <= life.readers and self.chance.random() < 0.5:
            # The store has not heard of it yet: its copy names readers too many.
            await self.database.execute(query("readers.set"), {"document_id": life.id, "readers": readers})
        else:
            index = self.corpora[life.collection].index
            await set_readers(self.database, self.store, index, life.id, readers)
        life.readers = frozenset(readers)

    async def _remove(self) -> None:
        if not (alive := self.alive()):
            return
        life = self.chance.choice(alive)
        await remove_document(self.database, self.store, self.corpora[life.collection].index, life.id)
        life.last_readers[len(life.texts)] = life.readers
        life.removed = True

    async def _erase(self) -> None:
        if not (there := self.remembered()):
            return
        life = self.chance.choice(there)
        await erase_document(self.database, self.store, self.corpora[life.collection].index, life.id)
        life.erased = True

    async def _fail(self) -> None:
        """A document's file changed and could not be taken in; its path and the reason are for its readers alone."""
        if not (there := self.remembered()):
            return
        life = self.chance.choice(there)
        await self.database.execute(
            "INSERT INTO ingest_failures (source_id, path, error, retryable, size_bytes, mtime_ns)"
            " SELECT source_id, path, path || ' is broken', false, 1, 1 FROM documents WHERE id = %(id)s"
            " ON CONFLICT DO NOTHING",
            {"id": life.id},
        )

    async def _merge(self) -> None:
        for corpus in self.corpora.values():
            await merge_segments(self.database, corpus.collection.id, SegmentPolicy(fresh=4, fan_in=2))

    def _some_readers(self, *, secret: bool) -> list[str]:
        """Seldom none; what is secret is for one group alone, so that its collection is hidden from most."""
        if secret:
            return ["group:hr"]
        return self.chance.sample(PRINCIPALS, self.chance.choices((0, 1, 2), weights=(1, 8, 3))[0])

    def _texts(self) -> tuple[str, list[str]]:
        """Two to four chunks with a word of their own; often copies of what another document says."""
        self.count += 1
        mark = f"zq{self.count}mark"
        texts = [
            " ".join(self.chance.choices(SHARED, range(1, 9), k=self.chance.randint(3, 9)))
            for _ in range(self.chance.randint(1, 3))
        ]
        texts += self.chance.sample(BOILERPLATE, self.chance.randint(0, 2))
        alive = self.alive()
        if alive and self.chance.random() < 0.4:
            copied = self.chance.choice(alive).texts[-1].split("\n\n")
            # Its own word would tell of it; the others are as good as copied.
            texts += [text for text in copied if "zq" not in text]
        texts.insert(self.chance.randrange(len(texts) + 1), f"The {mark} is {self.chance.choice(SHARED)}.")
        return mark, list(dict.fromkeys(texts))

    def _draft(
        self, corpus: Corpus, path: str, texts: Sequence[str], readers: Sequence[str]
    ) -> RevisionDraft:
        title = self.chance.choices(("", "Notes"), weights=(4, 1))[0]
        draft = corpus.draft(path, texts, title=title, readers=readers)
        return replace(draft, metadata={"team": self.chance.choice(("hr", "sales"))})
