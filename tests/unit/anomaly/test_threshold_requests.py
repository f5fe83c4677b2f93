"""Labels as callers may write them."""

import pytest
from pydantic import ValidationError

from services.anomaly.schemas.requests import ThresholdRequest


def asked(labels: str) -> ThresholdRequest:
    return ThresholdRequest.model_validate_json(f'{{"method": "roc", "labels": [{labels}]}}')


def test_a_whole_number_is_a_label_however_it_is_written():
    assert asked("0, 1, 1.0, 0.0, 1e0").labels == [0, 1, 1, 0, 1]


@pytest.mark.parametrize("label", ["true", "0.5", "2", "2.0", "-1", '"1"', "1e400", "null"])
def test_what_is_neither_0_nor_1_is_no_label(label: str):
    with pytest.raises(ValidationError):
        asked(label)
