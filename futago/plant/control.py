"""The controllers that keep the plant where it is wanted."""

from dataclasses import dataclass


@dataclass(slots=True)
class PiController:
    """A proportional-integral controller in position form, output 0 to 100 %.

    u = bias + gain (e + 1/Ti ∫ e dt), e = setpoint - measurement (or the reverse for a loop where more output means
    a lower measurement). The integral stands still while the output is at its end, so it cannot wind up.

    Parameters
    ----------
    gain
        Output per unit of error [% / unit]; negative where more output lowers the measurement.
    integral_time_s
        Ti [s].
    output_pct
        The output to begin with [%].

    References
    ----------
    .. [1] Åström and Hägglund (2006), Advanced PID Control, chapter 3: conditional integration.
    """

    gain: float
    integral_time_s: float
    output_pct: float
    _integral_pct: float | None = None

    def update(self, setpoint: float, measurement: float, step_s: float) -> float:
        """The output for the next step [%]."""
        error = setpoint - measurement
        integral_pct = self.output_pct if self._integral_pct is None else self._integral_pct
        moved_pct = integral_pct + self.gain * error * step_s / self.integral_time_s
        wanted_pct = moved_pct + self.gain * error
        self._integral_pct = moved_pct if 0.0 <= wanted_pct <= 100.0 else integral_pct
        self.output_pct = min(100.0, max(0.0, wanted_pct))
        return self.output_pct
