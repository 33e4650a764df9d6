"""What a worker process may not do: tried for real, in a process that has given it up."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from ingest.confinement import Guards

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the guards are Linux's")

PROGRAM = """
import json, os, socket, subprocess, sys
from pathlib import Path
from ingest import confinement

folder, outside, owner, address, prepare = Path(sys.argv[1]), Path(sys.argv[2]), *map(int, sys.argv[3:5]), sys.argv[5]
before = os.getuid(), Path(outside / "there").read_text()
exec(prepare)
guards = confinement.confine(folder)

def tried(action):
    try:
        action()
        return "done"
    except OSError as error:
        return type(error).__name__

def connect(family, address):
    with socket.socket(family) as connection:
        connection.connect(address)

def own():
    (folder / "sub").mkdir()
    (folder / "a").write_text("x")
    (folder / "a").rename(folder / "sub/b")

def start(command):
    return subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True).stdout.strip()

print(json.dumps({
    "network": guards.network, "files": guards.files, "privileges": guards.privileges, "said": str(guards),
    "tcp": tried(lambda: connect(socket.AF_INET, ("127.0.0.1", address))),
    "unix": tried(lambda: connect(socket.AF_UNIX, str(outside / "socket"))),
    "netlink": tried(lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)),
    "pair": tried(socket.socketpair),
    "write": tried(lambda: (outside / "new").write_text("x")),
    "append": tried(lambda: (outside / "there").open("a")),
    "remove": tried(lambda: (outside / "there").unlink()),
    "rename in": tried(lambda: (outside / "there").rename(folder / "stolen")),
    "link in": tried(lambda: (folder / "link").symlink_to(outside / "there")),
    "write through a link": tried(lambda: (folder / "link").write_text("x")),
    "own": tried(own),
    "null": tried(lambda: Path(os.devnull).write_text("x")),
    "read": tried(lambda: (outside / "there").read_text()),
    "signal": tried(lambda: os.kill(owner, 0)),
    "memory of the owner": tried(lambda: open(f"/proc/{owner}/mem", "rb")),
    "child's write": start(f"echo x > '{outside}/new' && echo done"),
    "child's status": start("cat /proc/self/status"),
    "same user": os.getuid() == before[0] or "unknown",
}))
"""


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir()
    outside.mkdir()
    (outside / "there").write_text("kept")
    return inside, outside


def attempts(folders: tuple[Path, Path], *, prepare: str = "") -> dict[str, Any]:
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(folders[1] / "socket"))
        unix.listen()
        run = subprocess.run(
            [
                sys.executable,
                "-c",
                PROGRAM,
                *map(str, (*folders, os.getpid(), tcp.getsockname()[1], prepare)),
            ],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    assert run.returncode == 0, run.stderr
    tried: dict[str, Any] = json.loads(run.stdout)
    return tried


def test_a_confined_process_reaches_no_network(folders: tuple[Path, Path]) -> None:
    tried = attempts(folders)
    if not tried["network"]:
        pytest.skip("this kernel grants neither a network namespace nor a system call filter")
    assert tried["tcp"] != "done"
    if "filter" in tried["network"]:
        assert (tried["tcp"], tried["unix"], tried["netlink"]) == ("PermissionError",) * 3
        assert tried["pair"] == "done"


@pytest.mark.parametrize(
    ("prepare", "left"),
    [
        ("confinement._leave_network = lambda as_root: False", ["filter"]),
        ("confinement._refuse_system_calls = lambda: False", ["namespace"]),
    ],
)
def test_each_guard_of_the_network_holds_alone(
    folders: tuple[Path, Path], prepare: str, left: list[str]
) -> None:
    tried = attempts(folders, prepare=prepare)
    if tried["network"] != left:
        pytest.skip(f"this kernel does not grant a {left[0]}")
    assert tried["tcp"] in {"PermissionError", "OSError"}


def test_a_confined_process_writes_to_its_own_folder_alone(folders: tuple[Path, Path]) -> None:
    tried = attempts(folders)
    if not tried["files"]:
        pytest.skip("this kernel has no Landlock")
    refused = ("write", "append", "remove", "rename in", "write through a link")
    assert {name: tried[name] for name in refused} == dict.fromkeys(refused, "PermissionError")
    assert [tried[name] for name in ("own", "null", "read", "link in")] == ["done"] * 4
    assert tried["child's write"] == ""
    assert (folders[1] / "there").read_text() == "kept"


def test_a_confined_process_cannot_look_into_its_owner(folders: tuple[Path, Path]) -> None:
    tried = attempts(folders)
    if not tried["files"]:
        pytest.skip("this kernel has no Landlock")
    assert tried["memory of the owner"] == "PermissionError"


def test_a_confined_process_and_its_children_have_no_privileges_and_gain_none(
    folders: tuple[Path, Path],
) -> None:
    tried = attempts(folders)
    assert tried["privileges"]
    assert tried["same user"] is True
    status = dict(line.split(":", 1) for line in tried["child's status"].splitlines())
    assert int(status["NoNewPrivs"]) == 1
    only_reading = 1 << 2
    for kind in ("CapPrm", "CapEff", "CapInh", "CapAmb"):
        assert int(status[kind], 16) & ~only_reading == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_somebody_without_privileges_is_confined_as_well(folders: tuple[Path, Path]) -> None:
    for folder in (*folders, *folders[0].parents):
        if folder.is_relative_to(tempfile.gettempdir()) and folder != Path(tempfile.gettempdir()):
            folder.chmod(0o777)
    become = "os.setgroups([]); os.setgid(65534); os.setuid(65534)"
    tried = attempts(folders, prepare=become)
    assert tried["network"]
    assert tried["tcp"] != "done"
    status = dict(line.split(":", 1) for line in tried["child's status"].splitlines())
    assert int(status["CapEff"], 16) == 0


def test_guards_say_what_holds_and_what_does_not() -> None:
    assert str(Guards()) == (
        "NOT cut off from the network; may write any file its user may; all privileges of its user"
    )
    everything = Guards(network=("namespace", "filter"), files=True, privileges=True)
    assert str(everything) == (
        "no network (a network namespace and a system call filter); "
        "writes to a folder of its own alone (Landlock); no privileges"
    )
