"""The server's parameters: for a small machine and much writing, and never less than safe."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from service.embedded_postgres.location import Location
from service.embedded_postgres.postmaster import PORT

_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - only its size is asked for
_AMPLE_BYTES = 2**30
_DEFAULTS = {
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "wal_compression": "on",
    "max_connections": "100",
    "timezone": "UTC",
    "lc_messages": "C",  # `server_log` looks for English words
    "log_line_prefix": "%m [%p] ",
    "log_checkpoints": "off",  # a line every few minutes, for ever
    # Statements and details of errors quote what is stored, and documents do not belong in logs.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}


def server_parameters(location: Location, socket_directory: Path, settings: Mapping[str, str]) -> list[str]:
    """Command-line options for `postgres`. `settings` adds to the defaults and wins over them.

    They cannot move the socket or open a port: other processes find the server where it is expected, and nobody else
    finds it at all.
    """
    fixed = {
        "listen_addresses": "",
        "port": str(PORT),
        # A list for PostgreSQL, so the one path in it is quoted as a member of a list.
        "unix_socket_directories": '"' + str(socket_directory).replace('"', '""') + '"',
        "unix_socket_permissions": "0700",
        "logging_collector": "off",
        "log_destination": "stderr",
        "cluster_name": location.name,
    }
    parameters = {**_DEFAULTS, **_roomy_shared_memory(), **settings, **fixed}
    return [option for name, value in parameters.items() for option in ("-c", f"{name}={value}")]


def _roomy_shared_memory() -> dict[str, str]:
    """System V memory where /dev/shm is small: containers often get 64 MB, too little for a parallel index build."""
    if _SHARED_MEMORY.is_dir() and shutil.disk_usage(_SHARED_MEMORY).total >= _AMPLE_BYTES:
        return {}
    return {"dynamic_shared_memory_type": "sysv"}
