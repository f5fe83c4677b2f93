"""A trained model that can still be called off: a limit takes the scores of every row, and a search takes its time."""

from collections.abc import Callable
from dataclasses import dataclass

from services.anomaly.domain.arrays import Floats
from services.anomaly.domain.report_map import LatentModel


@dataclass(frozen=True, slots=True)
class Interruptible:
    """Answers as the model does, and asks before every block of windows.

    Parameters
    ----------
    ask
        Raises where the training is no longer wanted.
    """

    model: LatentModel
    ask: Callable[[], None]

    @property
    def window_rows(self) -> int:
        """Rows in a window."""
        return self.model.window_rows

    def residuals(self, batch: Floats) -> Floats:
        """`(b, c)` residuals of `(b, window_rows, c)` windows."""
        self.ask()
        return self.model.residuals(batch)

    def latent(self, batch: Floats) -> Floats:
        """`(b, k)` latents of `(b, window_rows, c)` windows."""
        self.ask()
        return self.model.latent(batch)
