"""What a bundle does when its model cannot: the policy on its card, and the linear surrogate among its files."""

import numpy as np

from services.twin.domain.bundle_layout import FALLBACK_ARRAYS, FALLBACK_FILE
from services.twin.domain.fail_safe import FailSafe, FailSafeInvalid, FailSafePolicy
from services.twin.domain.fallback import LinearSurrogate
from shared.errors import JSON
from shared.onnx.arrays import read_arrays
from shared.onnx.bundle import Bundle
from shared.onnx.errors import BundleMalformed

# The eigenvalues of a correlation are 0 to `f`; what rounding puts below zero the surrogate's ridge lifts again.
_ROUNDING = 1e-9


def read_fail_safe(bundle: Bundle) -> FailSafe:
    """The policy on the card; a card without one refuses.

    Raises
    ------
    BundleMalformed
        If the card's policy makes no sense, or is a fallback that the bundle does not have.
    """
    document: JSON = bundle.manifest.card.get("fail_safe", {})
    if not isinstance(document, dict):
        raise BundleMalformed("the card's fail_safe must be an object")
    try:
        fail_safe = FailSafe.of(document)
    except FailSafeInvalid as error:
        raise BundleMalformed(f"the card's fail_safe makes no sense: {error.message}") from error
    if fail_safe.policy is FailSafePolicy.FALLBACK and FALLBACK_FILE not in bundle.manifest.files:
        raise BundleMalformed(f"the fallback policy needs {FALLBACK_FILE}")
    return fail_safe


def read_fallback(bundle: Bundle) -> LinearSurrogate | None:
    """The surrogate, or `None` for a bundle without one.

    Raises
    ------
    BundleMalformed
        If its arrays do not fit together or the features.
    """
    if FALLBACK_FILE not in bundle.manifest.files:
        return None
    arrays = read_arrays(bundle, FALLBACK_FILE, FALLBACK_ARRAYS)
    features, rows = len(bundle.manifest.features), len(arrays["target"])
    shapes: dict[str, tuple[int, ...]] = {
        **dict.fromkeys(("mean", "scale", "link"), (features,)),
        "correlation": (features, features),
        "rows": (rows, features),
    }
    if any(arrays[name].shape != shape for name, shape in shapes.items()) or not rows or np.any(arrays["scale"] <= 0):
        raise BundleMalformed("the fallback does not fit the features")
    # A matrix that is no covariance may be singular with some value missing, and then fails in the middle of a failure.
    correlation = arrays["correlation"]
    if not np.array_equal(correlation, correlation.T) or np.linalg.eigvalsh(correlation)[0] < -_ROUNDING * features:
        raise BundleMalformed("the fallback's correlation is none")
    return LinearSurrogate(**{**arrays, "target_mean": float(arrays["target_mean"])})  # type: ignore[arg-type]
