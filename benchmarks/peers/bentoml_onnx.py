"""A service of BentoML that does the twin's work: one run of the same graph, and the interval from its spread."""

import json
import os
from pathlib import Path

import bentoml
import numpy as np
import onnxruntime


@bentoml.service(workers=1)
class OnnxTwin:
    """Runs in BentoML's own environment; PEER_MODEL names the folder with the graph and the calibration."""

    def __init__(self) -> None:
        """Load the graph with the session options that the twin has."""
        folder = Path(os.environ["PEER_MODEL"])
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(str(folder / "model.onnx"), options)
        calibration = json.loads((folder / "calibration.json").read_text())
        self._score, self._floor = calibration["score"], calibration["floor"]

    @bentoml.api
    async def predict(self, rows: list[list[float]]) -> dict[str, list[float]]:
        """Prediction and interval of each row."""
        prediction, spread = self._session.run(["prediction", "spread"], {"rows": np.array(rows)})
        half_width = self._score * (spread + self._floor)
        return {
            "prediction": prediction.tolist(),
            "lower": (prediction - half_width).tolist(),
            "upper": (prediction + half_width).tolist(),
        }
