"""What all bodies of responses are."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict


class Body(BaseModel):
    """A body that holds what its model names, and nothing else."""

    model_config = ConfigDict(extra="forbid")


def moment(value: datetime | None) -> str | None:
    """A time as responses write it."""
    return None if value is None else value.isoformat()
