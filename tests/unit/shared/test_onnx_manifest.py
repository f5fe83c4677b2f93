"""The manifest: what it accepts, what it refuses, and that it survives its own JSON."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from shared.onnx.errors import BundleMalformed
from shared.onnx.json_fields import canonical_bytes, parse_object
from shared.onnx.manifest import (
    BundleKind,
    Distribution,
    ElementType,
    Feature,
    FileEntry,
    Graph,
    Manifest,
    Target,
    Tensor,
)

FEATURE = Feature(
    "AT", unit="°C", valid_range=(1.81, 37.11), resolution=0.01, training=Distribution(1.81, 37.11, 19.65, 7.45)
)
GRAPH = Graph(
    "model.onnx",
    Tensor("rows", ElementType.FLOAT64, (None, 1)),
    (Tensor("prediction", ElementType.FLOAT64, (None,)),),
)


def manifest(**changes: Any) -> Manifest:
    base = Manifest(
        kind=BundleKind.REGRESSOR,
        name="power",
        version="1.0.0",
        created_at="2026-04-01T00:00:00Z",
        features=(FEATURE,),
        graph=GRAPH,
        target=Target("PE", "MW"),
        card={"rows": 9568, "metrics": {"rmse": 3.4}},
        files={"model.onnx": FileEntry("ab" * 32, 12)},
    )
    return replace(base, **changes)


def test_a_manifest_survives_its_own_json():
    assert Manifest.from_json(parse_object(canonical_bytes(manifest().to_json()))) == manifest()


def test_canonical_bytes_do_not_depend_on_the_order_of_keys():
    assert canonical_bytes({"b": 1, "a": {"d": 2.0, "c": "é"}}) == '{"a":{"c":"é","d":2.0},"b":1}'.encode()


@pytest.mark.parametrize("name", ["a", "power", "Power-2.1_b", "9", "a" * 64])
def test_a_safe_name_is_accepted(name: str):
    assert manifest(name=name).name == name


@pytest.mark.parametrize(
    "name", ["", ".", "..", ".hidden", "a/b", "a\\b", "a..b", "a ", "ä", "a\n", "-a", "a.", "a" * 65]
)
def test_an_unsafe_name_or_version_is_refused(name: str):
    with pytest.raises(BundleMalformed):
        manifest(name=name)
    with pytest.raises(BundleMalformed):
        manifest(version=name)


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "../x",
        "a/../b",
        "a//b",
        "",
        "./a",
        "a\\b",
        ".hidden",
        "manifest.json",
        "MANIFEST.json",
        "C:x",
        "a/b/c/d/e",
    ],
)
def test_a_path_that_could_leave_the_bundle_is_refused(path: str):
    with pytest.raises(BundleMalformed):
        manifest(files={path: FileEntry("ab" * 32, 1)})


def test_two_paths_that_one_disk_could_not_tell_apart_are_refused():
    with pytest.raises(BundleMalformed, match="case"):
        manifest(files={"a.npz": FileEntry("ab" * 32, 1), "A.npz": FileEntry("ab" * 32, 1)})


@pytest.mark.parametrize(
    "changes",
    [
        {"features": ()},
        {"features": (FEATURE, FEATURE)},
        {"target": None},
        {"kind": BundleKind.DETECTOR},
        {"created_at": "2026-04-01"},
        {"created_at": "2026-04-01T09:00:00+09:00"},
        {"created_at": "yesterday"},
        {"card": {"rmse": math.nan}},
        {"card": {"rmse": math.inf}},
    ],
)
def test_a_manifest_that_contradicts_itself_is_refused(changes: dict):
    with pytest.raises(BundleMalformed):
        manifest(**changes)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Feature("a", valid_range=(2.0, 1.0)),
        lambda: Feature("a", valid_range=(1.0, 1.0)),
        lambda: Feature("a", valid_range=(-math.inf, 1.0)),
        lambda: Feature("a", resolution=0.0),
        lambda: Feature("a\x00"),
        lambda: Feature(" a"),
        lambda: Feature("a" * 129),
        lambda: Feature("a", unit=""),
        lambda: Distribution(1.0, 0.0, 0.5, 1.0),
        lambda: Distribution(0.0, 1.0, math.nan, 1.0),
        lambda: FileEntry("AB" * 32, 1),
        lambda: FileEntry("ab" * 32, -1),
        lambda: Tensor("rows", ElementType.FLOAT64, (0,)),
        lambda: Graph("model.onnx", GRAPH.input, ()),
    ],
)
def test_a_part_that_makes_no_sense_is_refused(make: Callable[[], object]):
    with pytest.raises(BundleMalformed):
        make()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("schema_version", 2),
        ("schema_version", True),
        ("schema_version", "1"),
        ("kind", "oracle"),
        ("name", 7),
        ("features", {}),
        ("features", [{"name": "a", "surprise": 1}]),
        ("features", [{"name": "a", "valid_range": [1, 2, 3]}]),
        ("features", [{"name": "a", "valid_range": ["1", 2]}]),
        ("features", [{"name": "a", "valid_range": [0, 10**400]}]),
        ("features", ["a"]),
        ("graph", {"file": "model.onnx"}),
        ("target", []),
        ("card", None),
        ("files", []),
        ("files", {"a": {"sha256": "ab" * 32, "size_bytes": 1.0}}),
        ("surprise", 1),
    ],
)
def test_a_field_of_another_type_or_name_is_refused(field: str, value: object):
    with pytest.raises(BundleMalformed):
        Manifest.from_json({**manifest().to_json(), field: value})


@pytest.mark.parametrize("field", sorted(manifest().to_json()))
def test_a_missing_field_is_refused_unless_it_may_be_null(field: str):
    document = manifest().to_json()
    del document[field]
    if field == "graph":
        assert Manifest.from_json(document).graph is None
    else:
        with pytest.raises(BundleMalformed):
            Manifest.from_json(document)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"\xff",
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'{"a": 1, "a": 2}',
        b"[" * 100_000,
        b'{"a": ' + b"9" * 5000 + b"}",
    ],
)
def test_bytes_that_are_not_one_plain_json_object_are_refused(data: bytes):
    with pytest.raises(BundleMalformed):
        parse_object(data)
