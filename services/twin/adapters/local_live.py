"""Live quality of one model in one process, optionally kept in a file: a box in the plant has no database."""

import json
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import numpy as np

from services.twin.adapters.onnx_model import ServedModel
from services.twin.domain.features import InputsInvalid
from services.twin.domain.live_correction import LiveCorrection
from services.twin.domain.live_quality import Learner, LiveState, Measured, Verdict
from services.twin.domain.observations import ObservationInvalid, read_envelope, to_ms
from services.twin.domain.observed import is_comparable
from services.twin.domain.prediction import PredictionNotFinite
from shared.clock import Clock
from shared.errors import JSON, AppError, Kind


class StateUnreadable(AppError):
    """The file is no live state, or cannot be read or written."""

    kind, code = Kind.UNAVAILABLE, "twin.state_unreadable"

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"the live state in {path} cannot be used: {reason}")


class LocalLive:
    """The live state of one model; safe to use from several threads.

    Parameters
    ----------
    path
        Where it is kept; a state of another bundle there is left behind. `None` keeps it in memory alone.

    Raises
    ------
    StateUnreadable
        If the file is there and is no live state.
    """

    def __init__(self, model: ServedModel, clock: Clock, path: Path | None = None) -> None:
        self._model, self._clock, self._path = model, clock, path
        self._learner = Learner(model.live, model.calibration)
        self._learning = threading.Lock()
        self.state = LiveState() if path is None else read_state(path, model.digest)

    @property
    def correction(self) -> LiveCorrection | None:
        """What is in force; `None` where nothing corrects."""
        return self.state.correction

    def observe(self, inputs: Mapping[str, JSON], actual: float, timestamp: str | None) -> Verdict:
        """Judge a measured value by the correction in force before it, then learn from it.

        Raises
        ------
        ObservationInvalid
            If a value or the time cannot be used; every fault is listed.
        QualityBad
            If the source calls an input Bad: nothing is learned from such a row.
        PredictionNotFinite
            If the model has no answer to compare it with.
        StateUnreadable
            If the state cannot be written; nothing was learned.
        """
        now = self._clock.now()
        document: dict[str, JSON] = {"inputs": inputs, "actual": actual, "timestamp": timestamp}
        envelope = read_envelope(document, "", now=now)
        faults = list(envelope.faults)
        try:
            values = self._model.reader.read(envelope.inputs, "/inputs")
        except InputsInvalid as error:
            faults += error.faults
        if faults:
            raise ObservationInvalid(faults)
        outputs = self._model.compute(np.array([values]))
        if not is_comparable(outputs):
            raise PredictionNotFinite(self._model.name)
        observed_at_ms = to_ms(now) if envelope.observed_at_ms is None else envelope.observed_at_ms
        measured = Measured(outputs, envelope.actual, observed_at_ms, to_ms(now))
        with self._learning:
            state, verdict = self.state.observe(measured, self._learner)
            if self._path is not None:
                write_state(self._path, self._model.digest, state)
            self.state = state
        return verdict


def read_state(path: Path, digest: str) -> LiveState:
    """What a file keeps of a bundle; a new state where it is not there or is about another bundle.

    Raises
    ------
    StateUnreadable
        If it is there and is no live state.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return LiveState()
    except (OSError, ValueError) as error:
        raise StateUnreadable(path, str(error)) from error
    if not isinstance(document, dict) or not {"digest", "revision", "state"} <= document.keys():
        raise StateUnreadable(path, "it holds something else")
    if document["digest"] != digest:
        return LiveState()
    try:
        return LiveState.of(cast("Mapping[str, JSON]", document["state"]), int(document["revision"]))
    except (KeyError, TypeError, ValueError) as error:
        raise StateUnreadable(path, "it is damaged") from error


def write_state(path: Path, digest: str, state: LiveState) -> None:
    """Keep a state; a power cut leaves the old one or the new one, never half of one.

    Raises
    ------
    StateUnreadable
        If the file cannot be written.
    """
    text = json.dumps({"digest": digest, "revision": state.revision, "state": state.to_json()}, allow_nan=False)
    beside = path.with_name(f"{path.name}.new")
    try:
        with beside.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            # Otherwise the new name may reach the disk before what it names.
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        raise StateUnreadable(path, str(error)) from error
