"""A DuckDB connection that a query cannot leave.

What holds in DuckDB 2.0, each found by trying: with ``enable_external_access`` off, no function, statement or
replacement scan opens a file, a URL, a database or an extension, and ``temp_directory`` can no longer be moved, though
spilling into it still works; with ``lock_configuration`` on, no setting changes. Neither stops ``USE``,
``ATTACH ':memory:'``, ``CREATE``, ``query('...')`` or a second statement: :mod:`.syntax` refuses those before they
come here.

The order matters. Extensions, Python's variables and ``temp_directory`` are settled when connecting, before anything
can be asked. ``max_temp_directory_size`` given there is shown and not kept, so it is set afterwards. ``TimeZone`` given
there is looked for on the network, because it belongs to ``icu``, which is built in but not yet loaded. Access is
closed once all that stands, and the lock comes last.

What does not hold: ``memory_limit`` counts the buffers of operators, not the values that scalar functions make
(``len(range(1000000000))`` took 21 GB under a limit of 300 MB), and an interrupt waits until such a function has come
back (a minute, there). So queries that may call anything run in a process of their own (:mod:`.query_process`), and
only conditions that cannot grow (:mod:`.row_functions`) run in ours.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from .limits import SqlLimits

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def open_sandbox(
    limits: SqlLimits, database: Path | None = None, *, spill_to: Path | None = None, read_only: bool = False
) -> DuckDBPyConnection:
    """Return a locked connection: to a database file, or to memory. Without ``spill_to`` nothing is ever spilled."""
    import duckdb

    connection = duckdb.connect(
        ":memory:" if database is None else str(database),
        read_only=read_only,
        config={
            "autoload_known_extensions": "false",
            "autoinstall_known_extensions": "false",
            "allow_community_extensions": "false",
            "allow_persistent_secrets": "false",
            "python_enable_replacements": "false",
            "python_scan_all_frames": "false",
            "memory_limit": f"{limits.memory_bytes}B",
            "threads": str(limits.threads),
            "temp_directory": "" if spill_to is None else str(spill_to),
        },
    )
    if connection.execute("SELECT current_setting('enable_progress_bar')").fetchall() != [(False,)]:
        connection.execute("SET enable_progress_bar = false")  # in a notebook even this asks for ipywidgets
    for setting in (
        f"max_temp_directory_size = '{limits.spill_bytes}B'",
        "TimeZone = 'UTC'",
        "enable_external_access = false",
        "lock_configuration = true",
    ):
        connection.execute(f"SET {setting}")
    return connection


@contextmanager
def time_limit(connection: DuckDBPyConnection, seconds: float) -> Iterator[None]:
    """Interrupt whatever the connection does after so many seconds. DuckDB then raises ``InterruptException``."""
    timer = threading.Timer(seconds, connection.interrupt)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()  # else a late interrupt would meet the next query
