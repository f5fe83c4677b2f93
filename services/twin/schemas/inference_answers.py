"""Answers of the Open Inference Protocol, version 2: predictions as tensors, and what a model looks like."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from pydantic import BaseModel
from starlette.responses import Response

from services.twin.domain.prediction import MatrixPrediction
from services.twin.domain.registry import ModelEntry, ModelVersion
from services.twin.domain.tensors import ROWS, TensorInvalid
from services.twin.schemas.base import WireAnswer
from services.twin.schemas.open_inference import JSON_LENGTH_HEADER, InferenceRequest
from services.twin.schemas.tensors import FLOAT64, TEXT, OutputRequest, TensorSpec, text_bytes

_OUTPUTS = {"prediction": FLOAT64, "lower": FLOAT64, "upper": FLOAT64, "applicability": TEXT}


class ServerMetadata(WireAnswer):
    """Which server this is and which extensions of the protocol it speaks."""

    name: str = "futago-twin"
    version: str
    extensions: tuple[str, ...] = ("binary_tensor_data",)


class Liveness(WireAnswer):
    """The server answers."""

    live: bool = True


class ServerReadiness(WireAnswer):
    """The server knows its models."""

    ready: bool = True


class ModelReadiness(WireAnswer):
    """The model answers predictions."""

    name: str
    ready: bool = True


class ModelParameters(WireAnswer):
    """What the protocol has no word for: the order of the columns, and the units."""

    features: list[dict[str, Any]]
    target: dict[str, Any]


class ModelMetadata(WireAnswer):
    """The tensors that a model takes and returns; each feature may also come as a tensor of its own, `[n]`."""

    name: str
    versions: list[str]
    platform: str = "onnx_onnxruntime"
    inputs: list[TensorSpec]
    outputs: list[TensorSpec]
    parameters: ModelParameters

    @classmethod
    def of(cls, entry: ModelEntry, version: ModelVersion) -> Self:
        """The wire form of one version of a model."""
        card: Mapping[str, Any] = version.card
        return cls(
            name=version.model,
            versions=[item.version for item in entry.versions],
            inputs=[TensorSpec(name=ROWS, datatype=FLOAT64, shape=[-1, len(card["features"])])],
            outputs=[TensorSpec(name=name, datatype=kind, shape=[-1]) for name, kind in _OUTPUTS.items()],
            parameters=ModelParameters(features=card["features"], target=card["target"]),
        )


class OutputTensor(BaseModel):
    """One output; its values stand in `data`, or behind the JSON."""

    name: str
    datatype: str
    shape: list[int]
    data: list[float | str] | None = None
    parameters: dict[str, int] | None = None


class InferenceAnswer(BaseModel):
    """Predictions of all rows of a request."""

    model_name: str
    model_version: str
    id: str | None = None
    outputs: list[OutputTensor]


def check_outputs(request: InferenceRequest) -> None:
    """Refuse an output that there is not, before anything is computed.

    Raises
    ------
    TensorInvalid
        If an output is unknown, or wanted in a form that this server does not give.
    """
    for output in request.outputs:
        if output.name not in _OUTPUTS:
            known = ", ".join(_OUTPUTS)
            raise TensorInvalid(f"there is no output {output.name!r}; there are {known}", tensor=output.name)
        if output.parameters.classification is not None or output.parameters.shared_memory_region is not None:
            message = f"the output {output.name!r} is given neither as a classification nor in shared memory"
            raise TensorInvalid(message, tensor=output.name)


def inference_response(request: InferenceRequest, found: MatrixPrediction) -> Response:
    """The answer, with the raw bytes behind the JSON where the client wants them."""
    wanted = request.outputs or [OutputRequest(name=name) for name in _OUTPUTS]
    outputs: list[OutputTensor] = []
    raw: list[bytes] = []
    for output in wanted:
        binary = output.parameters.binary_data
        form = request.parameters.binary_data_output if binary is None else binary
        outputs.append(_output(output.name, found, raw if form else None))
    answer = InferenceAnswer(model_name=found.model, model_version=found.version, id=request.id, outputs=outputs)
    head = json.dumps(answer.model_dump(exclude_none=True), allow_nan=False, separators=(",", ":")).encode()
    if not raw:
        return Response(head, media_type="application/json")
    return Response(
        head + b"".join(raw), media_type="application/octet-stream", headers={JSON_LENGTH_HEADER: str(len(head))}
    )


def _output(name: str, found: MatrixPrediction, raw: list[bytes] | None) -> OutputTensor:
    """One output; its bytes go to `raw` if that is given."""
    shape = [len(found.prediction)]
    states = [place.state.value for place in found.applicability]
    numbers: Mapping[str, Any] = {"prediction": found.prediction, "lower": found.lower, "upper": found.upper}
    if raw is None:
        data: Sequence[float | str] = states if name not in numbers else numbers[name].tolist()
        return OutputTensor(name=name, datatype=_OUTPUTS[name], shape=shape, data=list(data))
    raw.append(text_bytes(states) if name not in numbers else np.asarray(numbers[name], "<f8").tobytes())
    parameters = {"binary_data_size": len(raw[-1])}
    return OutputTensor(name=name, datatype=_OUTPUTS[name], shape=shape, parameters=parameters)
