"""What the training of the serving version left behind for people to look at."""

from collections.abc import Mapping

from services.anomaly.domain.catalogue import Catalogue, Ready
from services.anomaly.domain.report import TrainingReport
from shared.errors import JSON, AppError, Kind


class ReportMissing(AppError):
    """The version that serves has no report: it was published before there were reports."""

    kind, code = Kind.MISSING, "anomaly.report_missing"

    def __init__(self, detector: str, version: str) -> None:
        super().__init__(
            f"version {version} of {detector!r} has no report; train it anew", detector=detector, version=version
        )


class LatentMissing(AppError):
    """There were too few rows for a map."""

    kind, code = Kind.MISSING, "anomaly.latent_missing"

    def __init__(self, detector: str, version: str) -> None:
        super().__init__(
            f"version {version} of {detector!r} was trained on too few rows for a map",
            detector=detector,
            version=version,
        )


class ReportDesk:
    """Finds reports. Its calls may wait for a disk: make them in a thread."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def report(self, name: str) -> tuple[Ready, TrainingReport]:
        """The version that serves, and its report.

        Raises
        ------
        DetectorMissing, ReportMissing
            If there is no such detector, or no report of it.
        """
        ready = self._catalogue.ready(name)
        report = ready.detector.report
        if report is None:
            raise ReportMissing(name, ready.detector.version)
        return ready, report

    def latent(self, name: str) -> tuple[Ready, Mapping[str, JSON]]:
        """The version that serves, and its map of training rows.

        Raises
        ------
        DetectorMissing, ReportMissing, LatentMissing
            If there is no such detector, no report of it, or no map in it.
        """
        ready, report = self.report(name)
        latent = report.latent_json()
        if latent is None:
            raise LatentMissing(name, ready.detector.version)
        return ready, latent
