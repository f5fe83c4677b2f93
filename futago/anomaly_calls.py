"""The detectors' part of the client: train, score, stream, limits, drift, newer versions, health, reports."""

import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal, Protocol, cast

from futago.answers import AssetHealth, DetectorScore, Upload
from futago.connection import Connection, Parameters, path_part
from futago.errors import InvalidInput
from futago.job import Job
from futago.wire import JsonObject, decode_object

_ANOMALY = "/api/v1/anomaly"
_MEDIA_TYPES = {
    ".csv": "text/csv",
    ".parquet": "application/vnd.apache.parquet",
    ".pq": "application/vnd.apache.parquet",
    ".npz": "application/x-npz",
}


class _Waits(Protocol):
    def __call__(
        self, job: Job | str, timeout_s: float = ..., on_progress: Callable[[Job], None] | None = ...
    ) -> Job: ...


class AnomalyCalls:
    """What `Client` asks of the anomaly service."""

    _api: Connection
    wait: _Waits

    def detectors(self) -> list[JsonObject]:
        """The cards of all detectors."""
        return self._api.items(f"{_ANOMALY}/detectors")

    def detector(self, name: str) -> JsonObject:
        """The card of one detector: kind, columns, threshold and where it comes from, metrics, versions."""
        return self._api.get(_detector(name))

    def delete_detector(self, name: str) -> None:
        """Forget a detector with all its versions."""
        self._api.delete(_detector(name))

    def upload(self, file: Path | str, *, time_column: str | None = None) -> Upload:
        """Send a file with rows to train on or to score.

        Parameters
        ----------
        file
            `.csv`, `.parquet`, or `.npz` with one array of images `(n, h, w[, c])`.
        time_column
            Column with times; of a Parquet file, its only column of timestamps unless named.

        Raises
        ------
        InvalidInput
            If the file has another ending, or with one fault for each line or value that cannot be used.
        """
        path = Path(file)
        media_type = _MEDIA_TYPES.get(path.suffix.lower())
        if media_type is None:
            raise InvalidInput(f"{path.name!r}: a file ends in {', '.join(_MEDIA_TYPES)}")
        files: dict[str, tuple[str | None, bytes, str]] = {"file": (path.name, path.read_bytes(), media_type)}
        answer = self._api.call(
            "POST", f"{_ANOMALY}/uploads", params={"time_column": time_column}, files=files, repeatable=False
        )
        return cast("Upload", decode_object(answer.content))

    def train_detector(
        self,
        name: str,
        kind: str = "auto",
        columns: Sequence[str] | None = None,
        rows: object | None = None,
        *,
        timestamps: Sequence[object] | None = None,
        upload_id: str | None = None,
        options: Mapping[str, object] | None = None,
        threshold: Mapping[str, object] | None = None,
        units: Mapping[str, str] | None = None,
        off: Mapping[str, object] | None = None,
        idempotency_key: str | None = None,
    ) -> Job:
        """Train a detector on rows of normal operation; follow the job with `wait`.

        Parameters
        ----------
        kind
            Such as `mahalanobis` or `lstm_autoencoder`; `auto` chooses, and says why on the card.
        rows
            `(n, f)` array or nested lists, one column for each name in `columns`, oldest row first.
        timestamps
            `n` aware times or RFC 3339 texts.
        upload_id
            Of a file sent before, instead of rows; `columns` then says which of its columns to take.
        threshold
            How the alarm limit is set, such as `{"method": "percentile", "q": 99}`; left out, the suite's way.
        units
            Unit by column, for the detector's card.
        off
            When the machine is off, such as `{"column": "current", "below": 0.5}`.
        """
        training = _given(
            columns=columns, rows=rows, timestamps=timestamps, upload_id=upload_id, units=units or None, off=off
        )
        body: JsonObject = {"name": name, "kind": kind, "training": training}
        body |= _given(options=options, threshold=threshold)
        return self._start(f"{_ANOMALY}/detectors", body, idempotency_key)

    def retrain_detector(
        self,
        name: str,
        columns: Sequence[str] | None = None,
        rows: object | None = None,
        *,
        timestamps: Sequence[object] | None = None,
        upload_id: str | None = None,
        promote: Literal["auto", "manual"] = "auto",
        options: Mapping[str, object] | None = None,
        threshold: Mapping[str, object] | None = None,
        idempotency_key: str | None = None,
    ) -> Job:
        """Train the next version like the one that serves, on newer normal rows; follow the job with `wait`.

        Parameters
        ----------
        promote
            `auto`: it serves unless it is clearly worse; `manual`: once `activate_detector` says so.
        options, threshold
            What shall be other than before.
        """
        training = _given(columns=columns, rows=rows, timestamps=timestamps, upload_id=upload_id)
        body: JsonObject = {"training": training, "promote": promote} | _given(options=options, threshold=threshold)
        return self._start(f"{_detector(name)}/retrain", body, idempotency_key)

    def activate_detector(self, name: str, version: int) -> JsonObject:
        """Let this version of a detector answer from now on; returns its card."""
        return self._api.command(f"{_detector(name)}/activate", {"version": version})

    def rollback_detector(self, name: str) -> JsonObject:
        """Let the version answer that did before; called twice, it changes back.

        Raises
        ------
        Conflict
            If there is none.
        """
        return self._api.command(f"{_detector(name)}/activate", {"previous": True})

    def score(
        self,
        name: str,
        columns: Sequence[str],
        rows: object,
        timestamps: Sequence[object] | None = None,
        asset: str | None = None,
        *,
        context: object | None = None,
        context_timestamps: Sequence[object] | None = None,
        timeout_s: float = 600.0,
    ) -> DetectorScore:
        """Score rows with a detector; runs of anomalous rows also raise an alert.

        Where the suite makes a job of it, for many rows or a detector that searches for every score, this waits for
        the job's end.

        Parameters
        ----------
        rows
            `(n, f)` array or nested lists, oldest row first.
        timestamps
            `n` aware times or RFC 3339 texts.
        asset
            Where the rows come from, for the alert and for the asset's health.
        context
            `(m, f)` rows just before, looked back on and not scored; without them the first rows, as many as the
            detector looks back, have no score.
        context_timestamps
            `m` times of these; left out, they end one usual step before the first row.
        timeout_s
            Longest wait for a job.

        Raises
        ------
        JobFailed, WaitTimeout
            If it became a job, and that did not end well or in time.
        """
        body = _given(
            columns=columns, rows=rows, timestamps=timestamps, context=context, context_timestamps=context_timestamps
        )
        answer = self._post(f"{_detector(name)}/score", body, {"asset": asset})
        if "scores" in answer:
            return cast("DetectorScore", answer)
        return self.scores(self.wait(Job.of(answer), timeout_s=timeout_s))

    def score_upload(
        self, name: str, upload_id: str, asset: str | None = None, *, idempotency_key: str | None = None
    ) -> Job:
        """Start scoring a file sent before; follow the job with `wait`, and get what it found with `scores`."""
        body = {"upload_id": upload_id}
        return Job.of(self._post(f"{_detector(name)}/score", body, {"asset": asset}, idempotency_key))

    def scores(self, job: Job | str) -> DetectorScore:
        """What a score job found."""
        job_id = job.id if isinstance(job, Job) else job
        return cast("DetectorScore", self._api.get(f"{_ANOMALY}/scores/{path_part(job_id)}"))

    def stream(
        self,
        name: str,
        asset: str,
        rows: object,
        timestamps: Sequence[object],
        *,
        columns: Sequence[str] | None = None,
        restart: bool = False,
    ) -> DetectorScore:
        """Score an asset's newest rows; the suite keeps what they look back on, and knows a row that is sent again.

        Parameters
        ----------
        columns
            Left out, the detector's own, in its order.
        restart
            Forget what was kept, and begin anew.
        """
        body = _given(columns=columns, rows=rows, timestamps=timestamps)
        path = f"{_detector(name)}/stream/{path_part(asset)}"
        return cast("DetectorScore", self._api.ask(path, body, {"restart": "true"} if restart else None))

    def set_threshold(
        self,
        name: str,
        method: str,
        *,
        columns: Sequence[str] | None = None,
        rows: object | None = None,
        labels: Sequence[int] | None = None,
        timestamps: Sequence[object] | None = None,
        context: object | None = None,
        context_timestamps: Sequence[object] | None = None,
        **settings: object,
    ) -> JsonObject:
        """Set a detector's limit anew; returns it with the figures behind it.

        Parameters
        ----------
        method
            Such as `margin`, `percentile` or `value`; `roc`, `f1` and `recall` need rows and labels.
        labels
            One a row, 0 for normal and 1 for anomalous.
        timestamps, context, context_timestamps
            Of these rows, as for `score`.
        settings
            Of the method, such as `q=99`.
        """
        body = {"method": method, **settings}
        body |= _given(columns=columns, rows=rows, labels=labels, timestamps=timestamps)
        body |= _given(context=context, context_timestamps=context_timestamps)
        return self._api.put(f"{_detector(name)}/threshold", body)

    def drift(self, name: str, asset: str | None = None) -> JsonObject:
        """How far the newest rows, of an asset or of all, lie from the training rows, sensor by sensor."""
        return self._api.get(f"{_detector(name)}/drift", {"asset": asset})

    def report(self, name: str) -> JsonObject:
        """Loss curves, held-out scores, and the limit in force of the version that serves."""
        return self._api.get(f"{_detector(name)}/report")

    def report_page(self, name: str) -> str:
        """The report as an HTML page with its plots, in one file."""
        return self._api.call("GET", f"{_detector(name)}/report", params={"format": "html"}).text

    def latent(self, name: str) -> JsonObject:
        """Where training rows lie on the two axes that explain most."""
        return self._api.get(f"{_detector(name)}/latent")

    def health(self, asset: str) -> AssetHealth:
        """Health of an asset from 0 to 100, its trend, and when an inspection is due for it."""
        return cast("AssetHealth", self._api.get(f"{_ANOMALY}/assets/{path_part(asset)}/health"))

    def _start(self, path: str, body: JsonObject, idempotency_key: str | None) -> Job:
        return Job.of(self._post(path, body, None, idempotency_key))

    def _post(
        self, path: str, body: JsonObject, params: Parameters | None, idempotency_key: str | None = None
    ) -> JsonObject:
        # Made here when the caller has none, so that a repeated post after a lost answer cannot start a second job.
        headers = {"Idempotency-Key": idempotency_key or uuid.uuid4().hex}
        return decode_object(self._api.call("POST", path, params=params, body=body, headers=headers).content)


def _detector(name: str) -> str:
    return f"{_ANOMALY}/detectors/{path_part(name)}"


def _given(**fields: object) -> JsonObject:
    return {name: value for name, value in fields.items() if value is not None}
