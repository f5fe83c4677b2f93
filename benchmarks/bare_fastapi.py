"""The floor: FastAPI and ONNX Runtime with an interval from the trees, as anyone would write it in an afternoon.

No identity, no metrics, no log, no validation of ranges, no applicability. Run by `twin_http` with uvicorn.
"""

import os

import numpy as np
import onnxruntime
from fastapi import FastAPI
from pydantic import BaseModel

NAMES = os.environ["FLOOR_FEATURES"].split(",")


class Inputs(BaseModel):
    """One number for each feature, as `NAMES` has them."""

    __annotations__ = dict.fromkeys(NAMES, float)


options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(os.environ["FLOOR_GRAPH"], options, providers=["CPUExecutionProvider"])
app = FastAPI()


@app.post("/predict")
async def predict(inputs: Inputs) -> dict[str, float]:
    """The mean of the trees, and the second lowest and second highest of ten as a 90 % interval."""
    row = np.array([[getattr(inputs, name) for name in NAMES]])
    trees = np.sort(session.run(["trees"], {"rows": row})[0][0])
    cut = len(trees) // 10
    return {"prediction": float(trees.mean()), "lower": float(trees[cut]), "upper": float(trees[-1 - cut])}
