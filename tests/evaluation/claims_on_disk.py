"""Small sets of claims on disk, in the formats that `evaluation.support_sets` knows."""

from __future__ import annotations

from pathlib import Path

from tests.evaluation.folders_on_disk import Rows, lines, write

ABSTRACT = ["Badgers dig tunnels below the garden.", "They eat worms at night."]
ON_SENTENCES: Rows = (
    {
        "claim": "Badgers dig tunnels below the garden.",
        "doc_id": 7,
        "sentences": ABSTRACT,
        "label": "SUPPORT",
        "rationale_sentences": [0],
    },
    {"claim": "Badgers never dig tunnels.", "doc_id": 7, "sentences": ABSTRACT, "label": "CONTRADICT"},
    {
        "claim": "Tickets for owls cost four euros.",
        "doc_id": 8,
        "sentences": ["Owls fly at night."],
        "label": "NOT_ENOUGH_INFO",
        "rationale_sentences": [],
    },
)
ON_EVIDENCE: Rows = (
    {
        "claim": "Children pay two.",
        "claim_title": "Tickets",
        "evidence": ["Tickets", "Children pay two euros."],
        "label": "supported",
        "supporting_sentences": [[1], [0, 1]],
    },
    {
        "claim": "Children and dogs pay two.",
        "claim_title": "Tickets",
        "evidence": ["Tickets", "Children pay two euros."],
        "label": "partially_supported",
        "supporting_sentences": [[]],
    },
    {
        "claim": "Dogs pay three.",
        "evidence": ["Dogs", "There are dogs."],
        "label": "not_supported",
    },
)
WITH_FLAGS: Rows = (
    {
        "claim": "Owls fly",
        "claim_tokens": ["Owls", "fly"],
        "evidence": ["Owls fly."],
        "non_supported_spans": [False, False],
        "label": "supported",
    },
    {
        "claim": "Owls swim",
        "claim_tokens": ["Owls", "swim"],
        "evidence": ["Owls fly."],
        "non_supported_spans": [False, True],
        "label": "partially_supported",
    },
)
ON_KNOWLEDGE: Rows = (
    {"source": "Owls fly  at night.", "response": "they fly at night", "label": "Fully attributable"},
    {"source": "Owls fly  at night.", "response": "they sing", "label": "Not fully attributable"},
    {"source": "Foxes run.", "response": "i see!", "label": "Generic"},
)
VOTED_ON: Rows = (
    {
        "id": "c1<::>1|model",
        "response": "Owls fly at night. They eat mice.",
        "contexts": [
            {"doc_id": "1", "text": "Owls fly at night."},
            {"doc_id": "2", "text": "Owls eat mice."},
        ],
        "human": {"faithfulness": [4.0, 3.0, 4.0]},
    },
    {
        "id": "c1<::>2|model",
        "response": "Owls fly at night. They cost four euros.",
        "contexts": [{"doc_id": "1", "text": "Owls fly at night."}],
        "human": {"faithfulness": [1, 4]},
    },
    {"id": "c2<::>1|model", "response": "I do not know.", "contexts": [], "human": {"faithfulness": [4.0]}},
)


def write_claims(path: Path, rows: Rows, *, zipped: bool = False) -> Path:
    """A file of claims; with `zipped` its name gets .gz."""
    write(path, lines(rows), zipped=zipped)
    return path.with_name(f"{path.name}.gz") if zipped else path
