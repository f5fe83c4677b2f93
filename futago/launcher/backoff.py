"""How long to wait before a process that ended is started again."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits that double from failure to failure and start afresh after a healthy time.

    Parameters
    ----------
    first_s
        Before the first restart [s].
    longest_s
        Never longer than this [s].
    healthy_s
        A process that ran this long before it ended has used up none of its patience [s].

    Examples
    --------
    >>> [Backoff().delay_s(failures) for failures in (1, 2, 3, 8)]
    [0.5, 1.0, 2.0, 30.0]
    """

    first_s: float = 0.5
    longest_s: float = 30.0
    healthy_s: float = 30.0

    def failures_after(self, failures: int, ran_s: float) -> int:
        """Failures in a row, counting the one that just happened after `ran_s` seconds."""
        return 1 if ran_s >= self.healthy_s else failures + 1

    def delay_s(self, failures: int) -> float:
        """Seconds to wait after this many failures in a row."""
        # The exponent is capped because a float overflows long before a supervisor tires.
        return min(self.longest_s, self.first_s * 2.0 ** min(failures - 1, 32))
