"""Every family of networks on 1 Hz data of a real pump (SKAB), beside the same head on the raw sensors."""

from collections.abc import Iterable
from functools import partial

from benchmarks.anomaly.pump import print_kinds
from services.anomaly.domain.options.kinds import DetectorKind
from services.anomaly.library import Detector

_NO_NETWORKS = (DetectorKind.MAHALANOBIS, DetectorKind.PCA, DetectorKind.ISOLATION_FOREST)
# Where every score is the result of a search, a table of all runs would take longer than all other kinds together.
_EVERY = 6


def main() -> None:
    """Print a line of figures a family; those that search for every score, on some of the runs, beside the head."""
    networks = [kind for kind in DetectorKind if kind not in _NO_NETWORKS]
    print_kinds(_makes([DetectorKind.MAHALANOBIS, *(kind for kind in networks if kind.realtime)]))
    print(f"  kinds that search for every score, on one run in {_EVERY} alone:")
    print_kinds(_makes([DetectorKind.MAHALANOBIS, *(kind for kind in networks if not kind.realtime)]), every=_EVERY)


def _makes(kinds: Iterable[DetectorKind]) -> dict[str, partial[Detector]]:
    return {kind.value: partial(Detector, kind) for kind in kinds}
