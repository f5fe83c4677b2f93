"""Four processes append the next number to one SQLite table: what each kind of transaction loses, refuses and costs."""

import multiprocessing
import os
import sqlite3
import tempfile
import time
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path

_WRITERS, _APPENDS = 4, 1000
_BUSY_TIMEOUT_S = 5.0
# How a transaction begins (none: every statement by itself), and how much of it reaches the disk at its end.
_KINDS = ((None, "NORMAL"), ("BEGIN", "NORMAL"), ("BEGIN IMMEDIATE", "NORMAL"), ("BEGIN IMMEDIATE", "FULL"))


def main() -> None:
    """Print, for each kind, the rows written, the updates lost, the transactions refused, and rows a second."""
    for begin, synchronous in _KINDS:
        with tempfile.TemporaryDirectory() as folder:
            rows, lost, refused, seconds = _race(Path(folder) / "chain.db", begin, synchronous)
        name = f"{begin or 'autocommit'}, synchronous {synchronous}"
        print(f"  {name:37s} {rows:5d} rows {lost:5d} lost {refused:5d} refused {rows / seconds:8.0f} rows/s")


def _race(path: Path, begin: str | None, synchronous: str) -> tuple[int, int, int, float]:
    database = sqlite3.connect(path)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("CREATE TABLE chain (id INTEGER PRIMARY KEY, number INTEGER, content TEXT)")
    processes = multiprocessing.get_context("spawn")
    together, refusals = processes.Barrier(_WRITERS + 1), processes.Queue()
    arguments = (str(path), begin, synchronous, together, refusals)
    writers = [processes.Process(target=_append, args=arguments) for _ in range(_WRITERS)]
    for writer in writers:
        writer.start()
    together.wait()
    started = time.perf_counter()
    refused = sum(refusals.get() for _ in writers)
    seconds = time.perf_counter() - started
    for writer in writers:
        writer.join()
    rows, distinct = database.execute("SELECT count(*), count(DISTINCT number) FROM chain").fetchone()
    database.close()
    return rows, rows - distinct, refused, seconds


def _append(path: str, begin: str | None, synchronous: str, together: Barrier, refusals: "Queue[int]") -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, range(os.cpu_count() or 1))  # writers that share one core would hardly ever meet
    database = sqlite3.connect(path, timeout=_BUSY_TIMEOUT_S, isolation_level=None)
    database.execute(f"PRAGMA synchronous = {synchronous}")
    together.wait()
    refused = 0
    for _ in range(_APPENDS):
        try:
            if begin:
                database.execute(begin)
            last = database.execute("SELECT coalesce(max(number), 0) FROM chain").fetchone()[0]
            database.execute("INSERT INTO chain (number, content) VALUES (?, ?)", (last + 1, "x" * 100))
            if begin:
                database.execute("COMMIT")
        except sqlite3.OperationalError:
            refused += 1
            if database.in_transaction:
                database.execute("ROLLBACK")
    database.close()
    refusals.put(refused)
