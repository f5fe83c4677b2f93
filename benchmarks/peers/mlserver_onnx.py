"""A model of MLServer that does the twin's work: one run of the same graph, and the interval from its spread."""

import json
from pathlib import Path

import numpy as np
import onnxruntime
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse


class OnnxTwin(MLModel):
    """Runs in MLServer's own environment; the folder of its settings holds the graph and the calibration."""

    async def load(self) -> bool:
        """Load the graph with the session options that the twin has."""
        folder = Path(self.settings.parameters.uri)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(str(folder / "model.onnx"), options)
        calibration = json.loads((folder / "calibration.json").read_text())
        self._score, self._floor = calibration["score"], calibration["floor"]
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Prediction and interval of each row."""
        rows = NumpyCodec.decode_input(payload.inputs[0]).astype(np.float64)
        prediction, spread = self._session.run(["prediction", "spread"], {"rows": rows})
        half_width = self._score * (spread + self._floor)
        outputs = {"prediction": prediction, "lower": prediction - half_width, "upper": prediction + half_width}
        return InferenceResponse(
            model_name=self.name,
            outputs=[NumpyCodec.encode_output(name, values) for name, values in outputs.items()],
        )
