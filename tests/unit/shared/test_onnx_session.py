"""The ONNX Runtime session: it serves what the manifest states and refuses anything else."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from shared.onnx.bundle import open_bundle, write_bundle
from shared.onnx.errors import BundleMalformed
from shared.onnx.manifest import BundleKind, Feature, Graph, Manifest, Tensor
from shared.onnx.manifest import ElementType as T
from shared.onnx.session import ModelFailed, OnnxSession
from shared.onnx.signing import SigningKey, TrustStore

GRAPH = Graph(
    "model.onnx",
    Tensor("rows", T.FLOAT64, (None, 2)),
    (Tensor("sum", T.FLOAT64, (None, 1)), Tensor("double", T.FLOAT64, (None, 2))),
)


def model_bytes() -> bytes:
    graph = helper.make_graph(
        [
            helper.make_node("ReduceSum", ["rows", "axes"], ["sum"]),
            helper.make_node("Add", ["rows", "rows"], ["double"]),
        ],
        "sums",
        [helper.make_tensor_value_info("rows", TensorProto.DOUBLE, ["n", 2])],
        [
            helper.make_tensor_value_info("sum", TensorProto.DOUBLE, ["n", 1]),
            helper.make_tensor_value_info("double", TensorProto.DOUBLE, ["n", 2]),
        ],
        [helper.make_tensor("axes", TensorProto.INT64, [1], [1])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def test_every_output_comes_back_by_name():
    outputs = OnnxSession(model_bytes(), GRAPH).run([[1, 2], [3, 4.5]])
    np.testing.assert_array_equal(outputs["sum"], [[3.0], [7.5]])
    np.testing.assert_array_equal(outputs["double"], [[2.0, 4.0], [6.0, 9.0]])


def test_only_the_outputs_asked_for_are_computed():
    (sums,) = OnnxSession(model_bytes(), GRAPH).run_only(["sum"], np.ones((3, 2)))
    np.testing.assert_array_equal(sums, [[2.0]] * 3)


def test_rows_of_another_width_are_a_named_failure():
    with pytest.raises(ModelFailed):
        OnnxSession(model_bytes(), GRAPH).run(np.ones((1, 3)))


@pytest.mark.parametrize(
    "stated",
    [
        Graph("model.onnx", Tensor("other", T.FLOAT64, (None, 2)), GRAPH.outputs),
        Graph("model.onnx", Tensor("rows", T.FLOAT32, (None, 2)), GRAPH.outputs),
        Graph("model.onnx", Tensor("rows", T.FLOAT64, (None, 3)), GRAPH.outputs),
        Graph("model.onnx", Tensor("rows", T.FLOAT64, (1, 2)), GRAPH.outputs),
        Graph("model.onnx", GRAPH.input, GRAPH.outputs[:1]),
        Graph("model.onnx", GRAPH.input, GRAPH.outputs[::-1]),
    ],
)
def test_a_graph_other_than_the_stated_one_is_refused(stated: Graph):
    with pytest.raises(BundleMalformed):
        OnnxSession(model_bytes(), stated)


@pytest.mark.parametrize("data", [b"", b"not a graph"])
def test_bytes_that_are_no_graph_are_refused(data: bytes):
    with pytest.raises(BundleMalformed, match="cannot be loaded"):
        OnnxSession(data, GRAPH)


def test_a_real_graph_with_external_weights_is_refused_by_the_bundle(tmp_path: Path):
    tensor = onnx.numpy_helper.from_array(np.ones(1000, np.float32), "weights")
    onnx.external_data_helper.set_external_data(tensor, "../../etc/passwd")
    tensor.ClearField("raw_data")
    graph = helper.make_graph([helper.make_node("Identity", ["weights"], ["y"])], "leak", [], [], [tensor])
    key = SigningKey.load_or_create(tmp_path / "signing.pem")
    with pytest.raises(BundleMalformed, match="outside the graph"):
        write_bundle(tmp_path / "b", _detector(), {"model.onnx": helper.make_model(graph).SerializeToString()}, key)


def test_a_session_loads_from_an_opened_bundle(tmp_path: Path):
    key = SigningKey.load_or_create(tmp_path / "signing.pem")
    trust = TrustStore(tmp_path / "trust")
    trust.enrol(key.public_pem())
    write_bundle(tmp_path / "b", _detector(), {"model.onnx": model_bytes()}, key)
    session = OnnxSession.of(open_bundle(tmp_path / "b", trust))
    np.testing.assert_array_equal(session.run([[1.0, 1.0]])["sum"], [[2.0]])


def _detector() -> Manifest:
    return Manifest(
        kind=BundleKind.DETECTOR,
        name="sums",
        version="1",
        created_at="2026-04-01T00:00:00Z",
        features=(Feature("a"), Feature("b")),
        graph=GRAPH,
    )


def test_graph_with_a_damaged_name_is_refused():
    damaged = model_bytes().replace(b"double", b"\x98\x98uble")
    with pytest.raises(BundleMalformed):
        OnnxSession(damaged, GRAPH)
