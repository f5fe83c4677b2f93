"""How narrow the middle of a network of windows is where nobody chose it."""

# Of the 10 to 30 % of the input that are usual, the narrow end: neighbouring rows of a window repeat each other.
_LATENT_SHARE = 0.1
# A window of several sensors has few independent movements: on pump runs (SKAB), 32 numbers copy faults as well.
_MOST_LATENT = 16


def auto_window_latent(window_rows: int, sensors: int) -> int:
    """Width of the bottleneck: 10 % of the readings in a window, from 1 to 16.

    Examples
    --------
    >>> auto_window_latent(window_rows=10, sensors=8)
    8
    """
    return min(max(1, round(_LATENT_SHARE * window_rows * sensors)), _MOST_LATENT)
