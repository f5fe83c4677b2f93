"""The least that anybody would write: FastAPI, ONNX Runtime, an interval from the trees; no identity, no checks.

Started by uvicorn with `FLOOR_MODEL` naming the graph of a bundle.
"""

import os

import numpy as np
import onnxruntime
from fastapi import FastAPI
from pydantic import BaseModel

_LOWER, _UPPER = 0.05, 0.95

app = FastAPI()
_options = onnxruntime.SessionOptions()
_options.intra_op_num_threads = _options.inter_op_num_threads = 1
_session = onnxruntime.InferenceSession(os.environ["FLOOR_MODEL"], _options)


class Row(BaseModel):
    """One reading."""

    temp: float
    pressure: float
    flow: float


class Answer(BaseModel):
    """A prediction between two percentiles of the trees."""

    prediction: float
    lower: float
    upper: float


@app.post("/predict")
async def predict(row: Row) -> Answer:
    """Predict one row."""
    rows = np.array([[row.temp, row.pressure, row.flow]])
    prediction, trees = _session.run(["prediction", "trees"], {"rows": rows})
    ordered = np.sort(trees[0])
    last = len(ordered) - 1
    lower, upper = ordered[round(_LOWER * last)], ordered[round(_UPPER * last)]
    return Answer(prediction=float(prediction[0]), lower=float(lower), upper=float(upper))
