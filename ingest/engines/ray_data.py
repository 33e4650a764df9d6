"""The engine that has a cluster of machines work, through Ray Data: a family member that needs the extra `ray`.

Ray places the stages, moves rows between them, holds back who is too fast, and begins again elsewhere what a machine
had that is gone. Nothing of that is done here.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ingest.engines import Done, Settle, Work
from ingest.engines.blueprint import Blueprint
from ingest.engines.spread import EmbedStage, PublishStage, ReadStage, Stage, index_in_passes, pack, unpack
from ingest.errors import EngineUnavailableError
from retrieval.errors import ExtraMissingError, FootnoteError, InvalidRequestError

# Ray tells its maker how it is used unless this is set, and it is read when Ray starts.
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
# Its core writes to our standard error what nobody who ingests can act upon.
os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")

try:
    import pyarrow as pa
    import ray
    import ray.data
    import ray.exceptions
except ModuleNotFoundError as exc:
    raise ExtraMissingError("ray", "the engine 'ray'") from exc

_FILES_A_BATCH = 16
_MOST_FILES_A_BLOCK = 1_024
_FEWEST_BLOCKS = 64
_MOST_PUBLISHERS = 16
# Of a core, so that one that embeds and one that reads share it.
_CPUS_TO_READ = 0.2
_CPUS_TO_EMBED = 0.8


_ANSWER_WITHIN_S = 10.0


@dataclass(slots=True)
class Cluster:
    """A Ray cluster, joined when it is first needed and left with the context.

    address: of a cluster that runs; None to start one on this machine.
    """

    address: str | None
    _is_joined: bool = False

    async def join(self) -> None:
        """Join the cluster. Raises `EngineUnavailableError`."""
        if self._is_joined:
            return
        if self.address is not None:
            await asyncio.to_thread(_check_reachable, self.address)
        kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        self._is_joined = True  # or is about to be, and has to be left where that is interrupted
        try:
            await asyncio.to_thread(self._join)
        finally:
            if threading.current_thread() is threading.main_thread():
                # Ray's core puts handlers of its own in their place, which end the process with a stack of addresses.
                for number, handler in kept.items():
                    signal.signal(number, handler)

    def _join(self) -> None:
        logging.getLogger("ray").setLevel(logging.CRITICAL)
        own = {} if self.address is not None else {"include_dashboard": False}
        try:
            ray.init(
                address=self.address or "local",
                log_to_driver=False,
                logging_level=logging.CRITICAL,
                namespace="footnote",
                **own,
            )
        except (ConnectionError, TimeoutError, RuntimeError, ValueError, ray.exceptions.RayError) as exc:
            where = "on this machine" if self.address is None else f"at {self.address}"
            raise EngineUnavailableError(
                f"the Ray cluster {where} cannot be joined ({_first_line(exc)}). See that it runs (ray status), with "
                "the same versions of Python and Ray as here."
            ) from exc

    async def leave(self) -> None:
        """Leave it; one that was started here ends, and with it what still runs there."""
        if self._is_joined:
            self._is_joined = False
            await asyncio.to_thread(ray.shutdown)


def _check_reachable(address: str) -> None:
    """Refuse an address at which nobody answers: Ray itself would try for minutes."""
    if address == "auto":
        return
    host, colon, port = address.rpartition(":")
    if not colon or "/" in address or not port.isdigit():
        raise InvalidRequestError(
            f"'{address}' is not the address of a Ray cluster. Give HOST:PORT of its head node, as ray start --head "
            "prints it (the port is 6379 unless it was set), or auto."
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_ANSWER_WITHIN_S).close()
    except OSError as exc:
        raise EngineUnavailableError(
            f"the Ray cluster at {address} cannot be reached ({exc.strerror or exc}). See that its head node runs "
            "(ray status) and that this machine may connect to it."
        ) from exc


@contextlib.asynccontextmanager
async def open_cluster(address: str | None) -> AsyncIterator[Cluster]:
    """A cluster to be joined when it is needed.

    What Ray has to say of it (a machine is gone) goes to standard error, where Ray itself would take standard output.
    """
    cluster = Cluster(address)
    with contextlib.redirect_stdout(sys.stderr):
        try:
            yield cluster
        finally:
            await cluster.leave()


class StageOnTables:
    """A stage as Ray Data calls it: tables with one column of rows."""

    def __init__(self, stage: type[Stage], blueprint: Blueprint) -> None:
        self._stage = stage(blueprint)

    def __call__(self, table: Any) -> Any:
        rows = self._stage(table["row"].to_pylist())
        return pa.table({"row": pa.array(rows, type=pa.large_binary())})


@dataclass(frozen=True, slots=True, kw_only=True)
class RayEngine:
    """Takes files in on a cluster."""

    cluster: Cluster
    blueprint: Blueprint

    async def index_all(self, files: Sequence[Work], settle: Settle) -> None:
        """As `Engine.index_all`."""
        if files:
            await self.cluster.join()
            await index_in_passes(files, settle, self._pass)

    async def _pass(self, files: Sequence[Work]) -> AsyncIterator[Done]:
        """Each file once through all stages."""
        batches = await asyncio.to_thread(lambda: iter(self._dataset(files)))
        try:
            while (table := await asyncio.to_thread(_next, batches)) is not None:
                for row in table["row"].to_pylist():
                    yield unpack(row)
        except ray.exceptions.RayError as exc:
            raise _as_ours(exc) from exc
        except asyncio.CancelledError:
            # A thread waits for the next table, and only the end of the cluster's work for us ends that.
            await self.cluster.leave()
            raise

    def _dataset(self, files: Sequence[Work]) -> Any:
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        context.print_on_execution_start = False
        # It logs what it raises, with stacks, and a machine that is gone is told of by Ray itself.
        logging.getLogger("ray.data").setLevel(logging.CRITICAL)
        resources = ray.cluster_resources()
        cpus, gpus = max(1, int(resources.get("CPU", 1))), int(resources.get("GPU", 0))
        embedder = self.blueprint.embedder
        on_gpu = gpus > 0 and embedder.kind == "sentence_transformer" and embedder.device != "cpu"
        # Ray shows a process the GPUs that it was given, and no others; a device named for this machine means nothing.
        blueprint = replace(self.blueprint, embedder=replace(embedder, device="cuda" if on_gpu else "cpu"))
        blocks = max(min(len(files), _FEWEST_BLOCKS), -(-len(files) // _MOST_FILES_A_BLOCK))
        dataset = ray.data.from_items([{"row": pack(work)} for work in files], override_num_blocks=blocks)
        dataset = _through(dataset, ReadStage, blueprint, at_most=cpus, num_cpus=_CPUS_TO_READ)
        dataset = _through(
            dataset,
            EmbedStage,
            blueprint,
            at_most=gpus if on_gpu else cpus,
            num_cpus=_CPUS_TO_EMBED,
            num_gpus=1 if on_gpu else 0,
        )
        dataset = _through(
            dataset, PublishStage, blueprint, at_most=min(_MOST_PUBLISHERS, -(-cpus // 4)), num_cpus=0
        )
        return dataset.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0)


def _through(
    dataset: Any,
    stage: type[Stage],
    blueprint: Blueprint,
    *,
    at_most: int,
    num_cpus: float,
    num_gpus: float = 0,
) -> Any:
    return dataset.map_batches(
        StageOnTables,
        fn_constructor_args=(stage, blueprint),
        batch_size=_FILES_A_BATCH,
        batch_format="pyarrow",
        # Two batches at a time: while one waits for the database, the model works on the other.
        compute=ray.data.ActorPoolStrategy(
            min_size=1, max_size=at_most, max_concurrent_calls_per_actor=2, enable_true_multi_threading=True
        ),
        num_cpus=num_cpus,
        num_gpus=num_gpus,
    )


def _next(tables: Iterator[Any]) -> Any:
    return next(tables, None)


def _as_ours(error: BaseException) -> FootnoteError:
    """The error of ours that a stage raised when it was built, or else what Ray says."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, FootnoteError):
            return cause
        cause = getattr(cause, "cause", None) or cause.__cause__
    return EngineUnavailableError(
        f"the Ray cluster could not go on ({type(error).__name__}: {_first_line(error)}). What was finished is kept; "
        "run the same command again for the rest."
    )


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)[:300]
