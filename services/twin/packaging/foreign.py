"""Graphs that other exporters made: taken in only if ONNX Runtime can compute them as they are."""

import numpy as np
import onnx

from services.twin.domain.bundle_layout import INPUT
from services.twin.packaging.errors import EstimatorUnsupported
from services.twin.packaging.graph import GraphBuilder, assemble
from shared.onnx.errors import BundleMalformed
from shared.onnx.manifest import ElementType, Tensor
from shared.onnx.session import OnnxSession


def embed_foreign(builder: GraphBuilder, model: onnx.ModelProto, source: str, *, width: int, made_from: str) -> str:
    """Add a graph of one input and one output; double, of whatever shape it has.

    Parameters
    ----------
    width
        Columns of its input.
    made_from
        What it computes, for the refusal.

    Raises
    ------
    EstimatorUnsupported
        If it needs an operator that is no part of ONNX, or that ONNX Runtime has not in this precision.
    """
    if len(model.graph.output) != 1:
        raise EstimatorUnsupported(f"{made_from} gives more than one answer")
    trial = GraphBuilder("trial", width)
    element = model.graph.input[0].type.tensor_type.elem_type
    answer = trial.embed(model, trial.add("Cast", [INPUT], to=element))
    flat = trial.add("Reshape", [answer, trial.constant(np.array([-1], np.int64))])
    trial.give(flat, Tensor("answer", ElementType.FLOAT64, (None,)))
    try:
        converted = assemble(width, [trial])
        OnnxSession(converted.data, converted.graph)
    except BundleMalformed as error:
        raise EstimatorUnsupported(f"ONNX Runtime cannot compute {made_from}: {error}") from error
    builder.foreign.append(made_from)
    return builder.embed(model, source)
