"""A twin on its own as a real process."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.integration.conftest import free_port

ROOT = Path(__file__).parents[3]
STARTED_WITHIN_S = 20.0
MODULE = (sys.executable, "-m", "services.twin.standalone")
COMMAND = (sys.executable, "-m", "futago", "twin")


@dataclass(frozen=True)
class EdgeTwin:
    """A running one, and how long it took to answer [s]."""

    port: int
    start_s: float
    process: subprocess.Popen[str]

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def end(self) -> tuple[int, str]:
        """SIGTERM; exit code and what it said."""
        self.process.send_signal(signal.SIGTERM)
        _, said = self.process.communicate(timeout=20)
        return self.process.returncode, said


def environment(home: Path) -> dict[str, str]:
    """Nothing of the caller's but where programs are: an edge box has no suite."""
    return {"PATH": os.defpath, "FUTAGO_HOME": str(home), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


@contextmanager
def edge_twin(bundle: Path, home: Path, *arguments: str, command: tuple[str, ...] = MODULE) -> Iterator[EdgeTwin]:
    """Start one, wait until it answers, and see to its end."""
    port = free_port()
    begun_s = time.monotonic()
    process = subprocess.Popen(
        [*command, "--bundle", str(bundle), "--port", str(port), *arguments],
        env=environment(home), cwd=ROOT, text=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        while not _answers(port):
            assert process.poll() is None, process.communicate()[1]
            assert time.monotonic() - begun_s < STARTED_WITHIN_S, "the twin did not start"
            time.sleep(0.02)
        yield EdgeTwin(port, time.monotonic() - begun_s, process)
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/health", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False
