"""Numbers in a problem that nothing may be made of before they are refused."""

import tracemalloc

import pytest
from pydantic import ValidationError

from services.planner.schemas.problem import ProblemBody

DOCUMENT = {
    "horizon": {"start": "2026-04-01", "end": "2026-09-30"},
    "device_types": [{"type": "A", "inspection_days": 3, "class": "large"}],
    "devices": [{"id": "A1", "type": "A", "previous_end": "2026-01-15"}],
    "rules": [{"rule": "daily_limit", "level": "hard", "weight": 100, "max": 1}],
}


@pytest.mark.parametrize("areas", [10_001, 300_000, 2**63])
@pytest.mark.timeout(20)
def test_more_areas_than_there_may_be_are_refused_without_naming_each(areas: int):
    tracemalloc.start()
    try:
        with pytest.raises(ValidationError) as refused:
            ProblemBody.model_validate(DOCUMENT | {"areas": areas})
        _, most_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert all(fault["loc"][0] == "areas" for fault in refused.value.errors())
    assert most_bytes < 2 * 1024**2


def test_devices_beyond_as_many_as_there_may_be_are_not_read():
    (device,) = DOCUMENT["devices"]
    again = [device] * 3
    devices = [device, *({"id": f"B{number}"} for number in range(19_998)), *again]
    with pytest.raises(ValidationError) as refused:
        ProblemBody.model_validate(DOCUMENT | {"devices": devices})
    faults = [fault["loc"] for fault in refused.value.errors() if fault["type"] != "missing"]
    # Too many, and the second of the four that are named alike: the others stand behind the end.
    assert sorted(map(str, faults)) == ["('devices', 19999, 'id')", "('devices',)"]


def test_more_faults_than_a_problem_can_have_by_mistake_are_not_told_apart():
    unknown = dict.fromkeys(map(str, range(6_000)))
    with pytest.raises(ValidationError) as refused:
        ProblemBody.model_validate(DOCUMENT | {"devices": [unknown] * 10})
    assert [(fault["type"], fault["loc"]) for fault in refused.value.errors()] == [("too_many_faults", ())]
