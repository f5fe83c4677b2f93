"""Runs a command that dies with the process that started it, however that ends.

Started as `python -I -S child.py PARENT COMMAND...`, it asks the kernel for SIGKILL on the death of its parent and
becomes the command; the request survives `exec`. A `preexec_fn` could do it without a process of its own, but runs
Python between fork and exec, which can deadlock in a parent with threads. Only Linux has this; elsewhere the command
runs all the same and a killed supervisor leaves it behind.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Tie this process to its parent, then become the command."""
    parent, *command = sys.argv[1:]
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL), 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    # A parent that died before the request was made sends nothing.
    if os.getppid() != int(parent):
        raise SystemExit("the process that started this one is gone")
    os.execvp(command[0], command)  # noqa: S606 (becoming the command without a shell is the point)


if __name__ == "__main__":
    main()
