"""The demonstration on public data, read from a folder.

Combined Cycle Power Plant: Tüfekci (2014), UCI Machine Learning Repository 294. SKAB: Katser and Kozitsin (2020),
doi 10.34740/KAGGLE/DSV/1693952; by its own rules the first 400 rows of a file are for training.
"""

import csv
import gzip
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from futago.demo.cases import AnomalyCase, PlanningCase, TwinCase
from futago.demo.errors import DataMissing
from futago.wire import JsonObject

SKAB_TRAIN_ROWS = 400
CCPP_UNITS = {"AT": "°C", "V": "cm Hg", "AP": "mbar", "RH": "%"}


def power_plant(folder: Path) -> TwinCase:
    """Electrical output of a power plant from ambient conditions.

    Raises
    ------
    DataMissing
        If the file is not there or lacks a column.
    """
    columns = _read_csv(folder / "regression" / "ccpp.csv.gz", ",", (*CCPP_UNITS, "PE"))
    rows = np.column_stack([columns[name] for name in CCPP_UNITS])
    features = tuple({"name": name, "unit": unit} for name, unit in CCPP_UNITS.items())
    return TwinCase("Combined Cycle Power Plant", "power", features, "PE", "MW", rows, columns["PE"])


def skab_valve(folder: Path) -> AnomalyCase:
    """A water loop in which a valve is closed step by step.

    Raises
    ------
    DataMissing
        If the file is not there or lacks a column.
    """
    path = folder / "anomaly" / "skab" / "valve1" / "0.csv.gz"
    sensors = (
        "Accelerometer1RMS",
        "Accelerometer2RMS",
        "Current",
        "Pressure",
        "Temperature",
        "Thermocouple",
        "Voltage",
        "Volume Flow RateRMS",
    )
    columns = _read_csv(path, ";", (*sensors, "anomaly"))
    rows = np.column_stack([columns[name] for name in sensors])
    labels = columns["anomaly"].astype(np.int8)
    return AnomalyCase("SKAB valve1/0", "skab-valve1-0", sensors, rows, labels, SKAB_TRAIN_ROWS)


def yearly_inspections(folder: Path) -> PlanningCase:
    """Seventy-two devices, five areas, one year, and the plan made for it.

    Raises
    ------
    DataMissing
        If a file is not there.
    """
    planner = folder / "planner"
    problem, past_plan = _read_json(planner / "article.json"), _read_json(planner / "article.past_plan.json")
    return PlanningCase("72 devices, 5 areas, a year", problem, past_plan)


def _read_csv(path: Path, delimiter: str, wanted: tuple[str, ...]) -> dict[str, NDArray[np.float64]]:
    try:
        with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
            records = list(csv.DictReader(file, delimiter=delimiter))
    except OSError as error:
        raise DataMissing(f"{path} cannot be read: {error.strerror or error}") from error
    try:
        return {name: np.array([float(record[name]) for record in records]) for name in wanted}
    except (KeyError, ValueError) as error:
        raise DataMissing(f"{path} is not the file it should be: {error}") from error


def _read_json(path: Path) -> JsonObject:
    try:
        content: JsonObject = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataMissing(f"{path} cannot be read: {error}") from error
    return content
