"""Memory of a process (Linux)."""

from pathlib import Path


def memory_mb(pid: int | str, field: str) -> float:
    """A field of `/proc/PID/status` in MB: `VmRSS` is what is resident now, `VmHWM` the most there was."""
    status = Path(f"/proc/{pid}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith(field + ":")]
    return int(line.split()[1]) * 1024 / 1e6
