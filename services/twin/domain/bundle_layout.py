"""Names inside a regressor's bundle: packaging writes them, serving reads them."""

INPUT = "rows"
PREDICTION = "prediction"
SPREAD = "spread"
LOWER_QUANTILE = "lower_quantile"
UPPER_QUANTILE = "upper_quantile"
TREES = "trees"

GRAPH_FILE = "model.onnx"
CALIBRATION_FILE = "calibration.npz"
REGION_FILE = "region.npz"
FALLBACK_FILE = "fallback.npz"

# Arrays of the region file with their number of dimensions; named as the fields of `TrainingRegion`.
REGION_ARRAYS = {
    "minimum": 1,
    "maximum": 1,
    "mean": 1,
    "whitener": 2,
    "edge_distance": 0,
    "out_distance": 0,
    "longest_run": 1,
}
# Bundles of before have none: their sensors are not judged for standing still.
OPTIONAL_REGION_ARRAYS = frozenset({"longest_run"})
CALIBRATION_ARRAYS = {"scores": 1}
# Named as the fields of `LinearSurrogate`.
FALLBACK_ARRAYS = {
    "mean": 1,
    "scale": 1,
    "correlation": 2,
    "link": 1,
    "target_mean": 0,
    "rows": 2,
    "target": 1,
}
