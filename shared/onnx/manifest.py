"""What a model bundle says about itself: the manifest, its canonical bytes and its strict reader.

Everything that is signed is in here, so a manifest that exists is valid: an unsafe name, a path that climbs out of
the bundle or a number that is not finite is refused when the object is made, whoever makes it.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from shared.errors import JSON
from shared.onnx.errors import BundleMalformed
from shared.onnx.json_fields import Fields, canonical_bytes

SCHEMA_VERSION = 1
MANIFEST_NAME = "manifest.json"

MAX_FEATURES = 4096
MAX_FILES = 64
MAX_PATH_DEPTH = 4

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?")
_PATH_SEGMENT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_MAX_LABEL = 128
_MAX_RANK = 8


class BundleKind(StrEnum):
    """Which engine serves the bundle."""

    REGRESSOR = "regressor"
    DETECTOR = "detector"


class ElementType(StrEnum):
    """Element types a graph may take or return."""

    FLOAT32 = "float32"
    FLOAT64 = "float64"
    INT64 = "int64"


@dataclass(frozen=True, slots=True)
class Distribution:
    """How a feature was spread over the training rows, in the unit of the feature."""

    minimum: float
    maximum: float
    mean: float
    std: float

    def __post_init__(self) -> None:
        values = (self.minimum, self.maximum, self.mean, self.std)
        if not all(map(math.isfinite, values)) or self.minimum > self.maximum or self.std < 0:
            raise BundleMalformed("a training distribution needs finite values, minimum <= maximum and std >= 0")

    @classmethod
    def of(cls, fields: Fields) -> "Distribution":
        return cls(*(fields.number(name) for name in ("minimum", "maximum", "mean", "std")))


@dataclass(frozen=True, slots=True)
class Feature:
    """One input column, in the order the graph takes it.

    Parameters
    ----------
    name
        What callers name it: 1 to 128 printable characters.
    unit
        Unit of the values, for people.
    valid_range
        Lowest and highest value that is accepted, both included.
    resolution
        Step of the sensor's quantisation grid.
    training
        Spread over the training rows.
    """

    name: str
    unit: str | None = None
    valid_range: tuple[float, float] | None = None
    resolution: float | None = None
    training: Distribution | None = None

    def __post_init__(self) -> None:
        _check_label("feature name", self.name)
        _check_unit(self.unit)
        if self.valid_range is not None:
            lower, upper = self.valid_range
            if not (math.isfinite(lower) and math.isfinite(upper) and lower < upper):
                raise BundleMalformed(f"the valid range of {self.name!r} must be two finite numbers, lowest first")
        if self.resolution is not None and not (math.isfinite(self.resolution) and self.resolution > 0):
            raise BundleMalformed(f"the resolution of {self.name!r} must be a finite number above zero")

    @classmethod
    def of(cls, fields: Fields) -> "Feature":
        name, unit = fields.text("name"), fields.optional_text("unit")
        valid_range = fields.numbers("valid_range") if fields.present("valid_range") else None
        if valid_range is not None and len(valid_range) != 2:
            raise BundleMalformed(f"the valid range of {name!r} must be two finite numbers, lowest first")
        return cls(
            name=name,
            unit=unit,
            valid_range=None if valid_range is None else (valid_range[0], valid_range[1]),
            resolution=fields.optional_number("resolution"),
            training=fields.optional_item("training", Distribution.of),
        )


@dataclass(frozen=True, slots=True)
class Target:
    """What a regressor predicts."""

    name: str
    unit: str | None = None

    def __post_init__(self) -> None:
        _check_label("target name", self.name)
        _check_unit(self.unit)

    @classmethod
    def of(cls, fields: Fields) -> "Target":
        return cls(name=fields.text("name"), unit=fields.optional_text("unit"))


@dataclass(frozen=True, slots=True)
class Tensor:
    """Name, element type and shape of a graph's input or output; `None` in the shape is any size."""

    name: str
    element_type: ElementType
    shape: tuple[int | None, ...]

    def __post_init__(self) -> None:
        _check_label("tensor name", self.name)
        if len(self.shape) > _MAX_RANK or any(size is not None and size < 1 for size in self.shape):
            raise BundleMalformed(f"the shape of {self.name!r} must be at most {_MAX_RANK} sizes, each above zero")

    @classmethod
    def of(cls, fields: Fields) -> "Tensor":
        name, element_type = fields.text("name"), fields.text("element_type")
        if element_type not in set(ElementType):
            raise BundleMalformed(f"the element type {element_type!r} of {name!r} is unknown")
        return cls(name=name, element_type=ElementType(element_type), shape=fields.sizes("shape"))


@dataclass(frozen=True, slots=True)
class Graph:
    """The ONNX file of a bundle and what it takes and returns."""

    file: str
    input: Tensor
    outputs: tuple[Tensor, ...]

    def __post_init__(self) -> None:
        check_path(self.file)
        if not self.outputs:
            raise BundleMalformed("a graph needs at least one output")

    @classmethod
    def of(cls, fields: Fields) -> "Graph":
        return cls(fields.text("file"), fields.item("input", Tensor.of), fields.items("outputs", Tensor.of))


@dataclass(frozen=True, slots=True)
class FileEntry:
    """Digest and size of one file of the bundle."""

    sha256: str
    size_bytes: int

    def __post_init__(self) -> None:
        if not _SHA256.fullmatch(self.sha256) or self.size_bytes < 0:
            raise BundleMalformed("a file needs a SHA-256 in lower-case hex and a size of zero or more")

    @classmethod
    def of(cls, fields: Fields) -> "FileEntry":
        return cls(sha256=fields.text("sha256"), size_bytes=fields.whole("size_bytes"))


@dataclass(frozen=True, slots=True)
class Manifest:
    """All that a bundle states and signs.

    Parameters
    ----------
    kind
        Which engine serves it.
    name, version
        1 to 64 letters, digits, dots, dashes and underscores, without two dots in a row.
    created_at
        Moment of packaging, RFC 3339 in UTC.
    features
        Input columns in graph order.
    graph
        The ONNX file with its tensors; `None` for a model that is arrays only.
    target
        What a regressor predicts; a detector has none.
    card
        What the engine of this kind adds: intervals, thresholds, training report. Never read by this package.
    files
        Every file of the bundle but the manifest, by relative path; filled in when the bundle is written.
    """

    kind: BundleKind
    name: str
    version: str
    created_at: str
    features: tuple[Feature, ...]
    graph: Graph | None = None
    target: Target | None = None
    card: Mapping[str, JSON] = field(default_factory=dict)
    files: Mapping[str, FileEntry] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_name("name", self.name)
        check_name("version", self.version)
        _check_moment(self.created_at)
        if not 1 <= len(self.features) <= MAX_FEATURES:
            raise BundleMalformed(f"a bundle needs 1 to {MAX_FEATURES} features, not {len(self.features)}")
        check_distinct(self.features)
        if (self.target is None) == (self.kind is BundleKind.REGRESSOR):
            raise BundleMalformed("a regressor names its target; a detector has none")
        _check_paths(self.files)
        canonical_bytes(self.card)

    def with_files(self, files: Mapping[str, FileEntry]) -> "Manifest":
        """The same manifest, listing these files."""
        return replace(self, files=dict(files))

    def to_json(self) -> dict[str, JSON]:
        """The manifest as a JSON object, the form that `from_json` reads."""
        return {
            "schema_version": SCHEMA_VERSION,
            "kind": self.kind.value,
            "name": self.name,
            "version": self.version,
            "created_at": self.created_at,
            "features": [_feature_json(feature) for feature in self.features],
            "graph": None if self.graph is None else _graph_json(self.graph),
            "target": None if self.target is None else {"name": self.target.name, "unit": self.target.unit},
            "card": self.card,
            "files": {
                path: {"sha256": entry.sha256, "size_bytes": entry.size_bytes} for path, entry in self.files.items()
            },
        }

    @classmethod
    def from_json(cls, document: Mapping[str, JSON]) -> "Manifest":
        """Read a manifest strictly.

        Raises
        ------
        BundleMalformed
            If a field is missing, unknown or not what it must be.
        """
        fields = Fields(document, "manifest")
        if fields.whole("schema_version") != SCHEMA_VERSION:
            raise BundleMalformed(f"this release reads manifests of schema version {SCHEMA_VERSION} only")
        kind = fields.text("kind")
        if kind not in set(BundleKind):
            raise BundleMalformed(f"the kind {kind!r} is unknown")
        files = Fields(fields.mapping("files"), "manifest.files")
        manifest = cls(
            kind=BundleKind(kind),
            name=fields.text("name"),
            version=fields.text("version"),
            created_at=fields.text("created_at"),
            features=fields.items("features", Feature.of),
            graph=fields.optional_item("graph", Graph.of),
            target=fields.optional_item("target", Target.of),
            card=fields.mapping("card"),
            files={path: files.item(path, FileEntry.of) for path in files},
        )
        fields.close()
        return manifest


def check_name(what: str, value: str) -> None:
    """Refuse a name or version that is not safe in a path, a URL and a metric label."""
    if not _NAME.fullmatch(value) or ".." in value:
        raise BundleMalformed(
            f"the {what} {value!r} must be 1 to 64 letters, digits, dots, dashes and underscores, without '..'"
        )


def check_distinct(features: Sequence[Feature]) -> None:
    """Refuse two features of one name."""
    names = [feature.name for feature in features]
    if len(set(names)) != len(names):
        raise BundleMalformed("two features have the same name")


def check_path(path: str) -> None:
    """Refuse a path that is absolute, climbs, hides, or is the manifest itself."""
    segments = path.split("/")
    safe = len(segments) <= MAX_PATH_DEPTH and all(map(_PATH_SEGMENT.fullmatch, segments))
    if not safe or path.lower() == MANIFEST_NAME:
        raise BundleMalformed(f"{path!r} is not a safe relative path for a file of a bundle", path=path)


def _check_paths(files: Mapping[str, FileEntry]) -> None:
    if len(files) > MAX_FILES:
        raise BundleMalformed(f"a bundle holds at most {MAX_FILES} files")
    for path in files:
        check_path(path)
    # Where the file system ignores case, two such files would be one.
    if len({path.lower() for path in files}) != len(files):
        raise BundleMalformed("two paths differ only in case")


def _check_label(what: str, value: str) -> None:
    if not (1 <= len(value) <= _MAX_LABEL and value.isprintable() and value == value.strip()):
        raise BundleMalformed(f"the {what} {value!r} must be 1 to {_MAX_LABEL} printable characters")


def _check_unit(unit: str | None) -> None:
    if unit is not None:
        _check_label("unit", unit)


def _check_moment(created_at: str) -> None:
    try:
        offset = datetime.fromisoformat(created_at).utcoffset()
    except ValueError:
        offset = None
    if offset != timedelta(0) or not created_at.endswith("Z"):
        raise BundleMalformed(f"created_at must be RFC 3339 in UTC, not {created_at!r}")


def _feature_json(feature: Feature) -> dict[str, JSON]:
    training = feature.training
    return {
        "name": feature.name,
        "unit": feature.unit,
        "valid_range": None if feature.valid_range is None else list(feature.valid_range),
        "resolution": feature.resolution,
        "training": None
        if training is None
        else {
            "minimum": training.minimum,
            "maximum": training.maximum,
            "mean": training.mean,
            "std": training.std,
        },
    }


def _graph_json(graph: Graph) -> dict[str, JSON]:
    return {
        "file": graph.file,
        "input": _tensor_json(graph.input),
        "outputs": [_tensor_json(tensor) for tensor in graph.outputs],
    }


def _tensor_json(tensor: Tensor) -> dict[str, JSON]:
    shape: Sequence[JSON] = list(tensor.shape)
    return {"name": tensor.name, "element_type": tensor.element_type.value, "shape": shape}
