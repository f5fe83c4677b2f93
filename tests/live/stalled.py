"""The tests on a machine that stands still again and again: `python -m tests.live.stalled [arguments of pytest]`.

Every few seconds all processes of the test run are stopped for a moment, as those of a virtual machine are while its
host is busy. A test that fails only here depends on how fast the machine is, or code takes its own delay for a failure
of somebody else. It ends as pytest does.
"""

# ruff: noqa: T201 (a command that says what it did)

import argparse
import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

_WORKERS = ("-n", "2", "--no-loadscope-reorder")


def main() -> int:
    """Run pytest and stop it again and again."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stall-s", type=float, default=1.5, help="how long everything stands still [s]")
    parser.add_argument("--every-s", type=float, default=7.0, help="how long it runs in between, on average [s]")
    options, arguments = parser.parse_known_args()
    run = subprocess.Popen([sys.executable, "-m", "pytest", *_WORKERS, *arguments])
    stalls = 0
    while run.poll() is None:
        time.sleep(options.every_s * random.uniform(0.5, 1.5))
        _stand_still(run.pid, options.stall_s)
        stalls += 1
    print(f"stood still {stalls} times for {options.stall_s:g} s")
    return run.returncode


def _stand_still(parent: int, duration_s: float) -> None:
    # Those that a test has stopped itself are left to it.
    stopped = [pid for pid in _running_below(parent) if _signal(pid, signal.SIGSTOP)]
    time.sleep(duration_s)
    for pid in stopped:
        _signal(pid, signal.SIGCONT)


def _signal(pid: int, number: signal.Signals) -> bool:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
        return True
    return False


def _running_below(parent: int) -> Iterator[int]:
    """The descendants of a process that are neither stopped nor dead (proc(5))."""
    children, state = defaultdict(list), {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # A name in brackets may hold anything, blanks and brackets too.
            letter, below, *_ = entry.read_text().rpartition(")")[2].split()
            pid = int(entry.parent.name)
            children[int(below)].append(pid)
            state[pid] = letter
    todo = children[parent]
    while todo:
        pid = todo.pop()
        todo += children[pid]
        if state[pid] not in "TtZX":
            yield pid


if __name__ == "__main__":
    sys.exit(main())
