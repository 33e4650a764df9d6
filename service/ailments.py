"""What each finding of the doctor means, and what `footnote doctor --repair` does about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ailment:
    """In words for a person. `remedy` is what repair does, or what a person has to do."""

    meaning: str
    remedy: str


_ANEW = "the document is made anew from its file"
_DELETED = "they are deleted"
_COUNTED = "they are counted anew"
_FRESH = "their chunks wait for new ones, and are found meanwhile"

AILMENTS: Mapping[str, Ailment] = {
    # Files against documents.
    "source_unavailable": Ailment(
        "a source cannot be listed; nothing is concluded about its files", "mount it, or remove the source"
    ),
    "folder_unlisted": Ailment(
        "folders or files cannot be looked at; what is indexed from them stays",
        "let Footnote's account read them",
    ),
    "file_new": Ailment("files that are not in the index", "their source is refreshed"),
    "file_changed": Ailment(
        "files that are not as they were when they were indexed", "their source is refreshed"
    ),
    "file_gone": Ailment("documents whose files are gone", "their source is refreshed"),
    "file_failed": Ailment(
        "files that could not be taken in, for a reason that `footnote status` shows",
        "nothing; mend the file, or run footnote ingest --retry-failed",
    ),
    "lease_lapsed": Ailment("a worker died while it refreshed a source", "the source is nobody's again"),
    # Documents, revisions, places and chunks against each other.
    "document_without_revision": Ailment("documents whose current text is lost", _ANEW),
    "document_without_chunks": Ailment("documents of which nothing can be found", _ANEW),
    "revision_superseded": Ailment("current texts that are marked as superseded", "the mark is taken off"),
    "revision_not_superseded": Ailment("former texts that are not marked as superseded", "they are marked"),
    "chunk_without_place": Ailment("chunks that stand nowhere in their document", _DELETED),
    "chunk_of_removed_document": Ailment("chunks of documents that have been removed", _DELETED),
    "chunk_in_other_collection": Ailment(
        "chunks that another collection searches than their document's", f"{_DELETED}; {_ANEW}"
    ),
    "chunk_altered": Ailment(
        "chunks whose title, headings or text are not those that were indexed", f"{_DELETED}; {_ANEW}"
    ),
    "place_without_chunk": Ailment("places at which no chunk stands", f"{_DELETED}; {_ANEW}"),
    "place_wrong": Ailment(
        "chunks at whose place the document says something else; a citation would be wrong",
        f"{_DELETED}; {_ANEW}",
    ),
    "place_gap": Ailment("documents whose chunks are not numbered without a gap", _ANEW),
    "pages_wrong": Ailment("documents whose pages do not begin inside their text, in order", _ANEW),
    "chunk_without_document": Ailment("chunks of documents that do not exist", _DELETED),
    "revision_without_document": Ailment("texts of documents that do not exist", _DELETED),
    "place_without_document": Ailment("places in documents that do not exist", _DELETED),
    # Words.
    "words_missing": Ailment("chunks without words; search cannot find them", _COUNTED),
    "words_misfiled": Ailment(
        "chunks whose words are noted for another document or collection; search could show them to the wrong readers",
        _COUNTED,
    ),
    "words_miscounted": Ailment("chunks whose list of words has not as many as it says", _COUNTED),
    "words_wrong": Ailment("chunks that lexical search knows by other words than theirs", _COUNTED),
    "words_without_chunk": Ailment("words of chunks that do not exist", _DELETED),
    "fresh_wrong": Ailment("chunks in no segment yet whose words are not those of their list", _COUNTED),
    "chunk_unlisted": Ailment(
        "chunks that are in no segment and do not wait for one; lexical search may miss them",
        "they wait for one",
    ),
    "chunk_listed_twice": Ailment(
        "chunks that are in two segments, or in one and waiting for one; their words weigh too little",
        "they are listed once; of two segments one is given up",
    ),
    "removed_missing": Ailment(
        "chunks that have gone and that a segment still counts", f"their segments are given up; {_FRESH}"
    ),
    "removed_extra": Ailment("chunks that are counted out and should not be", "they are counted in again"),
    "postings_wrong": Ailment(
        "chunks of which a segment lists other words than theirs; lexical search may miss them",
        f"their segments are given up; {_FRESH}",
    ),
    "postings_unsorted": Ailment(
        "segments with a list that does not begin with the best chunks; lexical search may miss those",
        f"they are given up; {_FRESH}",
    ),
    "segment_wrong": Ailment(
        "segments with wrong totals, or with lists that are cut wrongly", f"they are given up; {_FRESH}"
    ),
    "segment_without_collection": Ailment(
        "segments of collections that do not exist, lists of no segment, and chunks counted out of no collection",
        _DELETED,
    ),
    # Vectors and indexes.
    "vector_missing": Ailment(
        "chunks without a vector; dense search cannot find them", "they are embedded again"
    ),
    "vector_without_chunk": Ailment("vectors of chunks that do not exist", _DELETED),
    "vector_wrong": Ailment(
        "vectors of a wrong dimension or length, or of another document", "their chunks are embedded again"
    ),
    "vector_readers_wrong": Ailment(
        "vectors with an outdated copy of who may read them", "the copy is brought up to date"
    ),
    "index_missing": Ailment(
        "a collection without an index, or whose vectors the store has lost",
        "restore the store from a backup, or run footnote reindex",
    ),
    "index_elsewhere": Ailment(
        "an index in another store than the configured one; its vectors cannot be looked at",
        "configure the former store again, or run footnote reindex",
    ),
    "store_unavailable": Ailment("the vector store does not answer", "start it, and ask the doctor again"),
    "index_building": Ailment(
        "an index that `footnote reindex` has begun and not finished",
        "nothing; run the same reindex again, or footnote indexes drop ID",
    ),
    "index_retired": Ailment(
        "a former index, kept for going back to it", "nothing; footnote indexes drop ID gives it up"
    ),
    "table_without_index": Ailment("tables of vectors that no index owns", "they are dropped"),
}
