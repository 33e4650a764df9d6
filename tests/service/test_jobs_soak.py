"""Kills at random under load: every job that was accepted ends done or failed with a reason, none is lost, none twice.

Two workers, a service that works too, and an embedded Postgres of their own; clients that put jobs in and come back
with the same idempotency key until they are accepted; a receiver of webhooks that refuses one in five. Workers, service
and Postgres are killed with SIGKILL. FOOTNOTE_TEST_SOAK_S says for how long.
"""

from __future__ import annotations

import json
import os
import random
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.service.test_cli import ROOT, command
from tests.service.test_kills import kill_postgres
from tests.service.webhooks.receiver import Receiver, receiving

_SECONDS = float(os.environ.get("FOOTNOTE_TEST_SOAK_S", "240"))
_SETTLE_S = 600.0
_CLIENTS = 4


class Kept:
    """A process that is begun again whenever it has died."""

    def __init__(self, environment: dict[str, str], folder: Path, *arguments: str) -> None:
        self._environment, self._folder, self._arguments = environment, folder, arguments
        self.started = 0
        self._process: subprocess.Popen[bytes] | None = None

    def keep(self) -> None:
        if self._process is None or self._process.poll() is not None:
            self.started += 1
            with (self._folder / f"{self._arguments[0]}-{id(self)}.log").open("ab") as log:
                self._process = subprocess.Popen(
                    command(*self._arguments), env=self._environment, stdout=log, stderr=log
                )

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self) -> int:
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(timeout=120)


class Clients:
    """They put jobs in until told to stop; `accepted` holds the ids that they were given, by idempotency key."""

    def __init__(self, address: str, key: str, callback: str) -> None:
        self._address, self._headers, self._callback = address, {"Authorization": f"Bearer {key}"}, callback
        self.accepted: dict[str, str] = {}
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(_CLIENTS)]

    @contextmanager
    def asking(self) -> Iterator[None]:
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in self._threads:
                thread.join()

    def _run(self, number: int) -> None:
        count = 0
        with httpx.Client(base_url=self._address, headers=self._headers, timeout=60) as client:
            while not self._stop.is_set():
                name = f"client-{number}-{count}"
                body = {"question": f"When does gate {count % 20} open?"}
                body |= {"callback_url": f"{self._callback}/{name}"} if count % 2 else {}
                if self._put_in(client, name, body):
                    count += 1
                    time.sleep(random.uniform(0.2, 1.0))

    def _put_in(self, client: httpx.Client, name: str, body: dict[str, str]) -> bool:
        while not self._stop.is_set():
            try:
                response = client.post("/v1/jobs", json=body, headers={"Idempotency-Key": name})
            except httpx.TransportError:
                time.sleep(0.5)
                continue
            if response.status_code == 202:
                given: str = response.json()["id"]
                assert self.accepted.setdefault(name, given) == given
                return True
            assert response.status_code in {500, 503}, response.text
            time.sleep(0.5)
        return False


@pytest.mark.soak
@pytest.mark.timeout(_SECONDS + 2 * _SETTLE_S)
def test_kills_of_workers_service_and_postgres_lose_no_job_and_run_none_twice(tmp_path: Path) -> None:
    chance = random.Random(20260301)
    home = tmp_path / "home"
    home.mkdir()
    tmp_path.chmod(0o711)
    documents = tmp_path / "documents"
    documents.mkdir()
    for number in range(20):
        (documents / f"gate-{number}.txt").write_text(f"Gate {number} opens at {number % 12 + 1} o'clock.\n")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = _environment(home)

    def run(*arguments: str) -> str:
        return subprocess.run(
            command(*arguments), env=environment, check=True, capture_output=True, text=True
        ).stdout

    run("ingest", str(documents))
    key = json.loads(run("keys", "create", "soak", "--json"))["key"]
    processes = [
        Kept(environment, tmp_path, "serve", "--port", str(port)),
        Kept(environment, tmp_path, "worker"),
        Kept(environment, tmp_path, "worker"),
    ]
    killed: Counter[str] = Counter()
    with receiving([500 if chance.random() < 0.2 else 204 for _ in range(10_000)]) as receiver:
        clients = Clients(f"http://127.0.0.1:{port}", key, receiver.url)
        try:
            for process in processes:
                process.keep()
            _wait(lambda: _ready(port), within_s=600)
            with clients.asking():
                end = time.monotonic() + _SECONDS
                while time.monotonic() < end or len(clients.accepted) < 50 or killed.total() < 5:
                    time.sleep(chance.uniform(5, 15))
                    victim = chance.choice(["worker", "worker", "serve", "postgres"])
                    killed[victim] += 1
                    if victim == "postgres":
                        kill_postgres(home)
                    else:
                        processes[0 if victim == "serve" else chance.choice([1, 2])].kill()
                    time.sleep(chance.uniform(0, 3))
                    for process in processes:
                        process.keep()
                    # On a slow machine a service that is killed as soon as it starts would accept nothing.
                    _wait(lambda: _ready(port), within_s=600)
            jobs = _settled(port, key, clients, receiver)
            for process in processes:
                assert process.stop() == 0
        finally:
            for process in processes:
                process.kill()
    _check(jobs, clients, receiver)
    states = Counter(job["state"] for job in jobs.values())
    begun_again = sum(job["attempts"] > 1 for job in jobs.values())
    print(
        json.dumps(
            {
                "seconds": _SECONDS,
                "killed": killed,
                "jobs": states,
                "begun_again": begun_again,
                "webhooks": len(receiver.received),
            }
        )
    )


def _settled(port: int, key: str, clients: Clients, receiver: Receiver) -> dict[str, dict[str, Any]]:
    """All accepted jobs, once they have ended and what is to be told of them is told."""
    jobs: dict[str, dict[str, Any]] = {}
    headers = {"Authorization": f"Bearer {key}"}
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=30) as client:

        def all_ended() -> bool:
            for name, job_id in clients.accepted.items():
                try:
                    response = client.get(f"/v1/jobs/{job_id}")
                except httpx.TransportError:
                    return False
                if response.status_code != 200:
                    assert response.status_code == 503, response.text
                    return False
                jobs[name] = response.json()
                if jobs[name]["state"] in {"queued", "running"}:
                    return False
                if jobs[name]["webhook"] and jobs[name]["webhook"]["state"] in {"none", "waiting"}:
                    return False
            return True

        _wait(all_ended, within_s=_SETTLE_S)
    return jobs


def _check(jobs: dict[str, dict[str, Any]], clients: Clients, receiver: Receiver) -> None:
    assert len(set(clients.accepted.values())) == len(clients.accepted), "every key has a job of its own"
    assert jobs.keys() == clients.accepted.keys()
    taken: dict[str, set[str]] = {}
    bodies: dict[str, set[str]] = {}
    for received in receiver.received:
        name = received.path.rpartition("/")[2]
        taken.setdefault(name, set()).add(received.headers["Footnote-Delivery"])
        told = received.shape
        assert told["job"]["id"] == clients.accepted[name]
        bodies.setdefault(name, set()).add(json.dumps(told["job"], sort_keys=True))
    for name, job in jobs.items():
        assert job["state"] in {"done", "failed"}, job
        assert (job["answer"] is None) == (job["state"] == "failed"), job
        assert (job["problem"] is None) == (job["state"] == "done"), job
        if job["webhook"] is not None:
            assert job["webhook"]["state"] == "delivered", job
            assert len(taken[name]) == 1, "one event a job, however often it was sent"
            assert len(bodies[name]) == 1, "and it says the same each time"


def _environment(home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FOOTNOTE_")}
    if folder := os.environ.get("FOOTNOTE_WEIGHTS_DIR"):
        kept["FOOTNOTE_WEIGHTS_DIR"] = folder
    return kept | {
        "FOOTNOTE_HOME": str(home),
        "FOOTNOTE_WORKER__DEAD_AFTER_S": "5",
        "FOOTNOTE_WEBHOOKS__ALLOW_NETWORKS": "127.0.0.0/8",
        "FOOTNOTE_WEBHOOKS__FIRST_PAUSE_S": "0.5",
        "FOOTNOTE_WEBHOOKS__ATTEMPTS": "20",
        "PYTHONPATH": str(ROOT),
    }


def _ready(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/health/ready", timeout=10).status_code == 200
    except httpx.TransportError:
        return False


def _wait(look: Callable[[], bool], *, within_s: float) -> None:
    deadline = time.monotonic() + within_s
    while not look():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.5)
