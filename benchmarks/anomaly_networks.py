"""Every family of networks on 1 Hz data of a real pump (SKAB), beside the same head on the raw sensors."""

from functools import partial

from benchmarks.anomaly.pump import print_kinds
from services.anomaly.domain.options.kinds import DetectorKind
from services.anomaly.library import Detector

# Its score takes hundreds of steps of gradient descent for every row: hours for this table.
_LEFT_OUT = {DetectorKind.ANOGAN}
_NO_NETWORKS = {DetectorKind.MAHALANOBIS, DetectorKind.PCA, DetectorKind.ISOLATION_FOREST}


def main() -> None:
    """Print a line of figures a family."""
    families = [kind for kind in DetectorKind if kind not in _LEFT_OUT | _NO_NETWORKS]
    print_kinds({kind.value: partial(Detector, kind) for kind in (DetectorKind.MAHALANOBIS, *families)})
