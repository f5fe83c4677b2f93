"""Bodies with a great many faults: each that is told costs a thousand bytes or more before it is left out."""

import pytest
from pydantic import BaseModel, ValidationError

from services.anomaly.schemas.requests import DetectorRequest, RetrainingBody, ScoreRequest, ThresholdRequest
from services.anomaly.schemas.streams import StreamRequest

MANY = 40
TEXTS: dict[str, object] = {"rows": [["a"] * MANY] * MANY}
TIMES: dict[str, object] = {"rows": [[1.0]], "timestamps": [""] * MANY}
CONTEXT: dict[str, object] = {"rows": [[1.0]], "context": [["a"] * MANY] * MANY, "context_timestamps": [""] * MANY}
LABELS: dict[str, object] = {"method": "f1", "rows": [[1.0]], "labels": [2] * MANY}


@pytest.mark.parametrize(
    ("body", "sent", "at"),
    [
        (ScoreRequest, TEXTS, [("rows", 0, 0)]),
        (ScoreRequest, TIMES, [("timestamps", 0)]),
        (ScoreRequest, CONTEXT, [("context", 0, 0), ("context_timestamps", 0)]),
        (StreamRequest, TEXTS | {"timestamps": [""] * MANY}, [("rows", 0, 0), ("timestamps", 0)]),
        (ThresholdRequest, LABELS, [("labels", 0)]),
        (ThresholdRequest, LABELS | CONTEXT, [("context", 0, 0), ("context_timestamps", 0), ("labels", 0)]),
        (RetrainingBody, {"training": TEXTS}, [("training", "rows", 0, 0)]),
        (DetectorRequest, {"name": "a", "training": TIMES}, [("training", "timestamps", 0)]),
    ],
)
def test_the_first_value_of_a_table_that_is_none_ends_its_reading(
    body: type[BaseModel], sent: dict[str, object], at: list[tuple[str | int, ...]]
):
    with pytest.raises(ValidationError) as refusal:
        body.model_validate(sent)
    assert [fault["loc"] for fault in refusal.value.errors()] == at
