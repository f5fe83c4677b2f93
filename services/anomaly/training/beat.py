"""Once a second while a network trains: tell how far it is, and ask whether to go on."""

from collections.abc import Callable
from dataclasses import dataclass

from shared.clock import Clock
from shared.errors import AppError, Kind

# A hook may ask a database: not after every step, of which there are thousands a second.
_INTERVAL_S = 1.0


class TrainingCancelled(AppError):
    """Somebody asked for the training to stop."""

    kind, code = Kind.CONFLICT, "anomaly.training_cancelled"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a training is: after `step` of `steps` of an epoch, of at most `of` epochs."""

    epoch: int
    of: int
    step: int
    steps: int

    @property
    def share(self) -> float:
        """Of the whole, as if no training ended early [1]."""
        return (self.epoch - 1 + self.step / self.steps) / self.of


def ignore(_progress: Progress) -> None:
    """For those who do not want to know."""


class Beat:
    """Calls hooks at a pace that a hook can bear.

    Parameters
    ----------
    on_progress
        Told at most once a second, within epochs too.
    should_stop
        Asked before every epoch and at most once a second within it.
    """

    def __init__(
        self, clock: Clock, *, on_progress: Callable[[Progress], None], should_stop: Callable[[], bool]
    ) -> None:
        self._clock = clock
        self._on_progress = on_progress
        self._should_stop = should_stop
        self._struck_s = clock.monotonic_s()

    def strike(self, progress: Progress) -> None:
        """Call the hooks if a second has passed.

        Raises
        ------
        TrainingCancelled
            If training was asked to stop.
        """
        now_s = self._clock.monotonic_s()
        if now_s - self._struck_s >= _INTERVAL_S:
            self._struck_s = now_s
            self._on_progress(progress)
            self.ask(progress.epoch - 1)

    def ask(self, epochs: int) -> None:
        """Ask whether to go on, after this many epochs.

        Raises
        ------
        TrainingCancelled
            If not.
        """
        if self._should_stop():
            raise TrainingCancelled(f"training was cancelled after {epochs} epochs", epochs=epochs)
