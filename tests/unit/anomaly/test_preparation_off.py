import numpy as np
import pytest

from services.anomaly.domain.preparation_off import OffRule, OffRuleRefused, check_off_column, read_off_rule
from shared.errors import JSON


@pytest.mark.parametrize(
    ("rule", "off"),
    [
        ({"below": 1.0}, [0, 1, 4]),
        ({"below": 1.0, "margin_rows": 1}, [0, 1, 2, 4, 5]),
        ({"below": 1.0, "margin_rows": 9}, [0, 1, 2, 3, 4, 5]),
        ({"above": 1.0}, [2, 3, 5]),
        ({"above": 0.0}, [2, 3, 5]),
    ],
)
def test_machine_is_off_while_its_sensor_says_so_and_a_margin_longer(rule: dict[str, JSON], off: list[int]):
    readings = np.array([0.0, 0.0, 5.0, 5.0, 0.0, 5.0])
    found = read_off_rule({"column": "current", **rule}).off(readings)
    assert np.flatnonzero(found).tolist() == off


def test_value_at_the_limit_is_a_machine_that_runs():
    assert not OffRule("current", 1.0, None, 0).off(np.array([1.0])).any()


@pytest.mark.parametrize(
    ("document", "pointers"),
    [
        ({"below": 1.0}, ["/training/off/column"]),
        ({"column": "a"}, ["/training/off"]),
        ({"column": "a", "below": 1.0, "above": 2.0}, ["/training/off"]),
        ({"column": "a", "below": "1"}, ["/training/off/below"]),
        ({"column": "a", "below": True}, ["/training/off/below"]),
        ({"column": "a", "below": 10**400}, ["/training/off/below"]),
        ({"column": "a", "below": 1.0, "margin_rows": -1}, ["/training/off/margin_rows"]),
        ({"column": "a", "below": 1.0, "margin_rows": 1.5}, ["/training/off/margin_rows"]),
        ({"column": 3, "under": 1.0}, ["/training/off/under", "/training/off/column", "/training/off"]),
    ],
)
def test_rule_that_cannot_be_used_is_refused_with_every_fault(document: dict[str, JSON], pointers: list[str]):
    with pytest.raises(OffRuleRefused) as refusal:
        read_off_rule(document)
    assert [fault.pointer for fault in refusal.value.faults] == pointers


def test_rule_is_written_as_it_is_read():
    document: dict[str, JSON] = {"column": "current", "above": 0.0, "margin_rows": 3}
    assert read_off_rule(document).to_json() == document


def test_rule_about_a_sensor_that_is_not_there_is_refused():
    with pytest.raises(OffRuleRefused):
        check_off_column(OffRule("current", 1.0, None, 0), ["flow"])
    check_off_column(None, ["flow"])
