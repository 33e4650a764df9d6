"""What a worker process may not do, whatever a hostile file makes of its parser.

Linux's own means, each taken where this kernel grants it, so that one refusal (an older kernel, a container's rules)
leaves the others in force; `confine` says which hold. Other systems than Linux have none of them.

- Network: a network namespace of its own, with nothing in it (network_namespaces(7); unprivileged through a user
  namespace), and a system call filter under which no socket of any family can be made (seccomp(2)).
- Files: nothing is written, made or removed outside a private folder (Landlock, landlock(7)); reading is free.
- Other processes: not to be traced, read or (Linux 6.12) signalled; what the process starts dies with it.
- Privileges: none can be gained (PR_SET_NO_NEW_PRIVS), and those of root are given up, save to read what root may read,
  since Python and its packages may lie in a folder closed to everyone else.
"""

from __future__ import annotations

import ctypes
import os
import platform
import signal
import struct
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

NetworkGuard = Literal["namespace", "filter"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Guards:
    """What holds in a worker process.

    network: what cuts it off from the network; empty where nothing does.
    files: whether it can write to its own folder alone.
    privileges: whether it can gain none and has given up root's.
    """

    network: tuple[NetworkGuard, ...] = ()
    files: bool = False
    privileges: bool = False

    def __str__(self) -> str:
        means = {"namespace": "a network namespace", "filter": "a system call filter"}
        network = " and ".join(means[guard] for guard in self.network)
        return "; ".join(
            (
                f"no network ({network})" if network else "NOT cut off from the network",
                "writes to a folder of its own alone (Landlock)"
                if self.files
                else "may write any file its user may",
                "no privileges" if self.privileges else "all privileges of its user",
            )
        )


def confine(folder: Path) -> Guards:
    """Give up, in this process and all that it starts, for good, what parsing does not need.

    folder: where it may go on writing. To be called while the process has one thread.
    """
    if sys.platform != "linux":
        return Guards()
    was_root = os.geteuid() == 0
    namespace = _leave_network(was_root)
    privileges = _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    files = privileges and _forbid_writing_outside(folder)
    privileges = _drop_capabilities(_CAP_DAC_READ_SEARCH if was_root else 0) and privileges
    filtered = _refuse_system_calls()
    network: list[NetworkGuard] = ["namespace"] if namespace else []
    network += ["filter"] if filtered else []
    return Guards(network=tuple(network), files=files, privileges=privileges)


def tie_to_owner(owner: int) -> None:
    """End with the process that started this one, and adopt what children leave behind, so that it can be found.

    To be called after `confine`: a change of privileges unties.
    """
    if sys.platform != "linux":
        return
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    if os.getppid() != owner:
        os._exit(0)


_PR_SET_PDEATHSIG, _PR_SET_SECCOMP, _PR_CAPBSET_DROP = 1, 22, 24
_PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS, _PR_CAP_AMBIENT = 36, 38, 47

_C = ctypes.CDLL(None, use_errno=True)
_C.syscall.restype = ctypes.c_long


def _prctl(option: int, *values: int) -> bool:
    padded = (*values, 0, 0, 0, 0)[:4]
    return bool(_C.prctl(option, *map(ctypes.c_ulong, padded)) == 0)


# The network's namespace.

_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000


def _leave_network(as_root: bool) -> bool:
    uid, gid = os.geteuid(), os.getegid()
    if as_root:
        return bool(_C.unshare(_CLONE_NEWNET) == 0)
    if _C.unshare(_CLONE_NEWUSER | _CLONE_NEWNET) != 0:
        return False
    for name, value in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        try:
            Path("/proc/self", name).write_text(value)
        except OSError:  # the process then sees itself as nobody; what it may do is the same
            break
    return True


# Landlock. The bits are those of linux/landlock.h, the same on every architecture.

_LANDLOCK_CREATE_RULESET, _LANDLOCK_ADD_RULE, _LANDLOCK_RESTRICT_SELF = 444, 445, 446
_LANDLOCK_VERSION, _LANDLOCK_PATH_BENEATH = 1, 1
_WRITE_FILE, _REFER, _TRUNCATE = 1 << 1, 1 << 13, 1 << 14
_REMOVE_OR_MAKE = sum(1 << bit for bit in range(4, 13))
_BIND_OR_CONNECT_TCP, _SCOPE_SOCKETS_AND_SIGNALS = 3, 3


def _forbid_writing_outside(folder: Path) -> bool:
    """Needs PR_SET_NO_NEW_PRIVS."""
    version = _C.syscall(_LANDLOCK_CREATE_RULESET, None, 0, _LANDLOCK_VERSION)
    if version < 1:
        return False
    writing = _WRITE_FILE | (_TRUNCATE if version >= 3 else 0)
    every_change = writing | _REMOVE_OR_MAKE | (_REFER if version >= 2 else 0)
    rules = struct.pack(
        "=QQQ",
        every_change,
        _BIND_OR_CONNECT_TCP if version >= 4 else 0,
        _SCOPE_SOCKETS_AND_SIGNALS if version >= 6 else 0,
    )
    ruleset = _C.syscall(_LANDLOCK_CREATE_RULESET, rules, len(rules), 0)
    if ruleset < 0:
        return False
    try:
        return (
            _allow(ruleset, folder, every_change)
            and _allow(ruleset, Path(os.devnull), writing)
            and _C.syscall(_LANDLOCK_RESTRICT_SELF, ruleset, 0) == 0
        )
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: Path, changes: int) -> bool:
    beneath = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        rule = struct.pack("=Qi", changes, beneath)
        return bool(_C.syscall(_LANDLOCK_ADD_RULE, ruleset, _LANDLOCK_PATH_BENEATH, rule, 0) == 0)
    finally:
        os.close(beneath)


# Capabilities, as capset(2) takes them: two words each of effective, permitted, inheritable.

_CAP_DAC_READ_SEARCH = 1 << 2
_CAPABILITY_VERSION_3 = 0x20080522


def _drop_capabilities(kept: int) -> bool:
    _prctl(_PR_CAP_AMBIENT, 4)  # clear all
    for capability in range(64):
        if not kept >> capability & 1:
            _prctl(_PR_CAPBSET_DROP, capability)  # refused without privileges, where there is nothing to drop
    header = struct.pack("=Ii", _CAPABILITY_VERSION_3, 0)
    if _C.capset(header, struct.pack("=6I", kept, kept, 0, 0, 0, 0)) == 0:
        return True
    return bool(_C.capset(header, bytes(24)) == 0)  # some of `kept` was not to be had


# The system call filter: a program of classic BPF over (number, architecture, …).

_FILTERED: dict[str, tuple[int, tuple[int, ...]]] = {
    # socket, ptrace, process_vm_readv, process_vm_writev, unshare, setns, open_by_handle_at, add_key, request_key,
    # keyctl, perf_event_open, bpf, userfaultfd; on both: io_uring_setup (which could make sockets), pidfd_getfd
    "x86_64": (0xC000003E, (41, 101, 310, 311, 272, 308, 304, 248, 249, 250, 298, 321, 323, 425, 438)),
    "aarch64": (0xC00000B7, (198, 117, 270, 271, 97, 268, 265, 217, 218, 219, 241, 280, 282, 425, 438)),
}
_LOAD, _IF_EQUAL, _IF_AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOW, _REFUSE, _KILL = 0x7FFF0000, 0x00050000 | 13, 0x80000000  # refused with EACCES
_X32 = 0x40000000  # x86_64's second set of numbers for the same calls


def _refuse_system_calls() -> bool:
    """Needs PR_SET_NO_NEW_PRIVS."""
    machine = platform.machine()
    if machine not in _FILTERED or sys.maxsize < 2**32:
        return False
    architecture, refused = _FILTERED[machine]
    program = [
        (_LOAD, 0, 0, 4),
        (_IF_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, 0),
        (_IF_AT_LEAST, len(refused) + 1, 0, _X32),
        *((_IF_EQUAL, len(refused) - at, 0, number) for at, number in enumerate(refused)),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _REFUSE),
    ]
    steps = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in program))
    filter_program = struct.pack("@HP", len(program), ctypes.addressof(steps))
    return bool(_C.prctl(_PR_SET_SECCOMP, ctypes.c_ulong(2), filter_program, 0, 0) == 0)
