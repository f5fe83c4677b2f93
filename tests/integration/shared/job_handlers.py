"""Handlers that the workers of these tests run; each writes what it did into the file its payload names."""

import os
import signal
import time
from pathlib import Path

from sqlalchemy import Connection, text

from shared.database import DatabaseUnavailable
from shared.errors import AppError, Fault, Kind
from shared.jobs import JobContext


class Refused(AppError):
    kind, code = Kind.INVALID, "test.refused"


def note(context: JobContext, word: str):
    with Path(context.payload["diary"]).open("a") as diary:
        diary.write(f"{word} {context.attempt} {os.getpid()} {os.getppid()}\n")


def add(context: JobContext):
    note(context, "start")
    context.progress(0.5, "half way", rows=10)
    return {"sum": context.payload["a"] + context.payload["b"]}


def sleep(context: JobContext):
    """Sleep, but only in the attempts that are told to."""
    note(context, "start")
    seconds = context.payload["seconds"] if context.attempt <= context.payload.get("slow_attempts", 99) else 0.0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0.02)
    note(context, "end")
    return {"attempt": context.attempt}


def publish(context: JobContext):
    """Write a row and the result in one transaction, after the sleep."""
    sleep(context)

    def insert(connection: Connection):
        connection.execute(text("INSERT INTO published (job) VALUES (:job)"), {"job": context.job_id})
        return {"published": True}

    return context.commit(insert)


def die(context: JobContext):
    note(context, "start")
    os.kill(os.getpid(), signal.SIGKILL)


def refuse(context: JobContext):
    note(context, "start")
    raise Refused("the data cannot be used", faults=[Fault("/rows/3", "not a number")], rows=7)


def crash(context: JobContext):
    note(context, "start")
    raise KeyError("secret detail")


def need(context: JobContext):
    """Something outside is away in the first attempt."""
    note(context, "start")
    if context.attempt == 1:
        raise DatabaseUnavailable
    return {"attempt": context.attempt}


def look(context: JobContext):
    """Tell what the child sees of its worker."""
    worker = Path(f"/proc/{os.getppid()}")
    return {
        "store_url": context.options["store_url"],
        "worker": (worker / "cmdline").read_text(),
        "own_command": Path("/proc/self/cmdline").read_text(),
        "own_environment": Path("/proc/self/environ").read_text(),
        "gives_way_by": os.nice(0) - os.getpriority(os.PRIO_PROCESS, os.getppid()),
    }
