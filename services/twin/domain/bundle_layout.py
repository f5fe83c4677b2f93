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

# Arrays of the region file with their number of dimensions; named as the fields of `TrainingRegion`.
REGION_ARRAYS = {"minimum": 1, "maximum": 1, "mean": 1, "whitener": 2, "edge_distance": 0, "out_distance": 0}
CALIBRATION_ARRAYS = {"scores": 1}
