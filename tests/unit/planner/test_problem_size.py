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
