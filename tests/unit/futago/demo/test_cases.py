"""What the demonstration works on, read and made."""

import gzip
import json
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from futago.demo import real_cases, simulated_cases
from futago.demo.errors import DataMissing
from futago.demo.report import Finding, table


def test_the_power_plant_is_read_in_the_order_of_its_features(tmp_path: Path):
    write(tmp_path / "regression" / "ccpp.csv.gz", "AT,V,AP,RH,PE\n14.96,41.76,1024.07,73.17,463.26\n")
    case = real_cases.power_plant(tmp_path)
    assert [feature["name"] for feature in case.features] == ["AT", "V", "AP", "RH"]
    assert case.rows.tolist() == [[14.96, 41.76, 1024.07, 73.17]]
    assert case.target.tolist() == [463.26]


def test_the_valve_is_read_with_its_labels_and_without_its_change_points(tmp_path: Path):
    sensors = (
        "Accelerometer1RMS;Accelerometer2RMS;Current;Pressure;Temperature;Thermocouple;Voltage;Volume Flow RateRMS"
    )
    text = f"datetime;{sensors};anomaly;changepoint\n2020-03-09 10:14:33;1;2;3;4;5;6;7;8;1.0;0.0\n"
    write(tmp_path / "anomaly" / "skab" / "valve1" / "0.csv.gz", text)
    case = real_cases.skab_valve(tmp_path)
    assert case.rows.tolist() == [[1, 2, 3, 4, 5, 6, 7, 8]]
    assert case.labels.tolist() == [1]
    assert case.train_rows == 400


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(DataMissing, match=r"ccpp\.csv\.gz cannot be read: No such file"):
        real_cases.power_plant(tmp_path)


def test_a_file_without_its_columns_is_named(tmp_path: Path):
    write(tmp_path / "regression" / "ccpp.csv.gz", "a,b\n1,2\n")
    with pytest.raises(DataMissing, match="is not the file it should be"):
        real_cases.power_plant(tmp_path)


def test_a_problem_that_is_no_json_is_named(tmp_path: Path):
    (tmp_path / "planner").mkdir()
    (tmp_path / "planner" / "article.json").write_text("{")
    with pytest.raises(DataMissing, match=r"article\.json"):
        real_cases.yearly_inspections(tmp_path)


def test_the_simulated_run_is_healthy_while_it_is_learnt_and_fouls_afterwards():
    case = simulated_cases.fouling_exchanger("demo", seed=1)
    assert not case.labels[: case.train_rows].any()
    assert case.labels[case.train_rows :].any()
    assert case.rows.shape == (1000, len(case.columns))


def test_the_plan_by_hand_uses_working_days_and_never_two_devices_in_one_area():
    case = simulated_cases.small_plant_inspections(seed=1)
    kinds = {device["id"]: device["type"] for device in case.problem["devices"]}
    assignments = case.past_plan["assignments"]
    assert sorted(item["device"] for item in assignments) == sorted(kinds)
    for area in (1, 2):
        visits = [
            (date.fromisoformat(item["start"]), simulated_cases.INSPECTION_DAYS[kinds[item["device"]]])
            for item in assignments
            if item["area"] == area
        ]
        assert all(start.weekday() < 5 for start, _days in visits)
        assert all(working_days(start, later) >= days for (start, days), (later, _) in pairwise(sorted(visits)))
        assert max(start for start, _days in visits) < simulated_cases.LAST_DAY


def test_the_same_seed_makes_the_same_problem():
    assert simulated_cases.small_plant_inspections(3) == simulated_cases.small_plant_inspections(3)


def test_the_simulated_reactor_declares_the_ranges_its_rows_keep():
    case = simulated_cases.reactor_yield("demo", seed=1)
    ranges = np.array([feature["valid_range"] for feature in case.features])
    assert (case.rows >= ranges[:, 0]).all()
    assert (case.rows <= ranges[:, 1]).all()
    assert json.loads(json.dumps(case.features)) == list(case.features)


def test_the_table_names_each_part_once():
    findings = [Finding("twin", "error", "RMSE 3.4"), Finding("twin", "interval", "90 %"), Finding("jobs", "a", "b")]
    assert table(findings).splitlines() == ["twin  error     RMSE 3.4", "      interval  90 %", "jobs  a         b"]


def working_days(start: date, end: date) -> int:
    return sum((start + timedelta(days=offset)).weekday() < 5 for offset in range((end - start).days))


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True)
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.write(text)
