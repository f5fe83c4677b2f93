"""Loading a bundle that a trusted key signed and that is no regressor all the same."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from services.twin.adapters.onnx_model import load_model, model_card
from services.twin.domain.bundle_layout import CALIBRATION_FILE, INPUT, PREDICTION, REGION_FILE
from services.twin.packaging.graph import GraphBuilder, assemble
from shared.onnx.arrays import pack_arrays
from shared.onnx.bundle import Bundle, open_bundle, write_bundle
from shared.onnx.errors import BundleMalformed
from shared.onnx.manifest import BundleKind, ElementType, Feature, Manifest, Target, Tensor
from shared.onnx.signing import SigningKey, TrustStore

ONE_A_ROW = Tensor(PREDICTION, ElementType.FLOAT64, (None,))
REGION = {name: np.zeros(2) for name in ("minimum", "maximum", "mean", "longest_run")} | {
    "whitener": np.eye(2),
    "edge_distance": np.array(1.0),
    "out_distance": np.array(2.0),
}


def column(index: int) -> GraphBuilder:
    """A graph that answers with one of its input columns."""
    builder = GraphBuilder("test", 2)
    builder.give(builder.add("Gather", [INPUT, builder.constant(np.array(index, np.int64))], axis=1), ONE_A_ROW)
    return builder


def bundle(folder: Path, builder: GraphBuilder, region: Mapping[str, Any] = REGION, **card: object) -> Bundle:
    converted = assemble(2, [builder])
    manifest = Manifest(
        kind=BundleKind.REGRESSOR,
        name="power",
        version="1",
        created_at="2026-04-01T00:00:00Z",
        features=(Feature("a"), Feature("b")),
        graph=converted.graph,
        target=Target("PE"),
        card={"interval": {"method": "split", "floor": 0}, **card},
    )
    files = {
        converted.graph.file: converted.data,
        CALIBRATION_FILE: pack_arrays({"scores": np.arange(20.0)}),
        REGION_FILE: pack_arrays(region),
    }
    key, trust = SigningKey.load_or_create(folder / "key.pem"), TrustStore(folder / "trust")
    trust.enrol(key.public_pem())
    return open_bundle(write_bundle(folder / "bundle", manifest, files, key).folder, trust)


def test_a_graph_with_one_double_a_row_predicts(tmp_path: Path):
    outputs = load_model(bundle(tmp_path, column(1))).compute(np.array([[1.0, 2.0], [3.0, 4.0]]))
    np.testing.assert_array_equal(outputs.prediction, [2.0, 4.0])
    assert outputs.spread is None


def test_a_bundle_of_before_sensors_were_followed_is_served_and_its_sensors_are_not_judged(tmp_path: Path):
    older = {name: array for name, array in REGION.items() if name != "longest_run"}
    assert load_model(bundle(tmp_path, column(1), older)).applicability.longest_runs == (0, 0)


def test_a_graph_that_answers_with_another_shape_is_refused(tmp_path: Path):
    two_a_row = Tensor(PREDICTION, ElementType.FLOAT64, (None, 2))
    builder = GraphBuilder("test", 2)
    builder.give(INPUT, two_a_row)
    with pytest.raises(BundleMalformed, match="one double a row"):
        load_model(bundle(tmp_path, builder))


def test_a_graph_that_cannot_compute_is_refused_when_it_is_loaded_and_not_when_it_is_asked(tmp_path: Path):
    with pytest.raises(BundleMalformed, match="cannot"):
        load_model(bundle(tmp_path, column(7)))


def test_a_card_cannot_speak_for_the_manifest(tmp_path: Path):
    loaded = load_model(bundle(tmp_path, column(0), name="other", features=[], rows=9))
    card = model_card(loaded.manifest)
    assert (card["name"], [feature["name"] for feature in card["features"]], card["rows"]) == ("power", ["a", "b"], 9)
