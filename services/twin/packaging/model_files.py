"""Models that other libraries wrote to a file, opened only where opening runs no code of whoever wrote it."""

from pathlib import Path
from typing import Any

from services.twin.packaging.errors import EstimatorUnsupported
from shared.errors import AppError, Kind

_PICKLES = frozenset({".pkl", ".pickle", ".joblib", ".dill", ".sav", ".cloudpickle"})
_TORCH = frozenset({".pt", ".pth", ".pt2", ".ckpt"})
_XGBOOST = frozenset({".json", ".ubj"})
_LIGHTGBM_START = b"tree"
# Pickle protocols 2 to 5 start with this byte; joblib packs with zlib, gzip, bz2, xz or zip.
_PICKLE_STARTS = (b"\x80", b"\x78", b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"PK")
_INSTEAD = (
    "write a function without arguments that returns the fitted estimator, and package it as MODULE:FUNCTION; LightGBM "
    "and XGBoost models can also be given as the text, .json or .ubj file that their save_model writes"
)


class ModelFileRefused(AppError):
    """The file is, or may hold, a pickle: opening it would run the code in it."""

    kind, code = Kind.UNSUPPORTED, "twin.model_file_refused"


class ModelFileUnusable(AppError):
    """The file is missing, damaged, or no model of the library that its ending names."""

    kind, code = Kind.INVALID, "twin.model_file_unusable"


def load_model_file(path: Path) -> Any:
    """The booster in a LightGBM text file or in an XGBoost `.json` or `.ubj` file.

    Raises
    ------
    ModelFileRefused
        If the file is a pickle, a joblib file or a file of PyTorch.
    ModelFileUnusable
        If it cannot be read as a model.
    EstimatorUnsupported
        If no library here reads such a file.
    """
    suffix = path.suffix.lower()
    if suffix in _PICKLES:
        raise ModelFileRefused(f"{path.name} is a pickle, and opening a pickle runs the code in it; {_INSTEAD}")
    if suffix in _TORCH:
        raise ModelFileRefused(f"{path.name} may hold pickles, as files of PyTorch do; {_INSTEAD}")
    try:
        with path.open("rb") as file:
            start = file.read(8)
    except OSError as error:
        raise ModelFileUnusable(f"{path} cannot be read: {error.strerror}") from error
    if start.startswith(_PICKLE_STARTS):
        raise ModelFileRefused(f"{path.name} looks like a pickle, and opening one runs the code in it; {_INSTEAD}")
    if suffix == ".txt":
        return _lightgbm(path, start)
    if suffix in _XGBOOST:
        return _xgboost(path)
    raise EstimatorUnsupported(
        f"{path.name} is no model file known here; {_INSTEAD}", supported=[".txt", ".json", ".ubj"]
    )


def _lightgbm(path: Path, start: bytes) -> Any:
    import lightgbm  # noqa: PLC0415 (an extra)

    if not start.startswith(_LIGHTGBM_START):
        raise ModelFileUnusable(f"{path.name} is not a model of LightGBM")
    try:
        return lightgbm.Booster(model_file=path)
    except lightgbm.basic.LightGBMError as error:
        raise ModelFileUnusable(f"{path.name} is not a model of LightGBM: {error}") from error


def _xgboost(path: Path) -> Any:
    import xgboost  # noqa: PLC0415 (an extra)

    booster = xgboost.Booster()
    try:
        booster.load_model(path)
    except xgboost.core.XGBoostError as error:
        raise ModelFileUnusable(f"{path.name} is not a model of XGBoost") from error
    return booster
