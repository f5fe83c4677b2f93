"""When people are told that a key is about to end."""

from dataclasses import replace
from datetime import timedelta

import pytest

from services.gateway.domain.key_expiry import expiry_alert, warns_at
from shared.contracts.alert import Alert
from tests.unit.gateway.domain.test_credentials import KEY, MINTED
from tests.unit.gateway.fakes import NOW

MONTH = timedelta(days=30)


@pytest.mark.parametrize(("life_days", "before_days"), [(365, 30), (120, 30), (119, 29.75), (8, 2), (1, 0.25)])
def test_a_short_lived_key_is_told_of_in_the_last_quarter_of_its_life(life_days: float, before_days: float):
    key = replace(KEY, expires_at=NOW + timedelta(days=life_days))
    assert warns_at(key, MONTH) == key.expires_at - timedelta(days=before_days)


def test_one_end_is_one_alert_and_another_end_another():
    later = replace(KEY, expires_at=KEY.expires_at + timedelta(days=1))
    first, again, other = expiry_alert(KEY, NOW), expiry_alert(KEY, NOW + MONTH), expiry_alert(later, NOW)
    assert first.id == again.id
    assert {first.id, first.dedup_key}.isdisjoint({other.id, other.dedup_key})


def test_the_alert_names_the_key_and_not_its_secret():
    alert = expiry_alert(KEY, NOW)
    assert (KEY.name in alert.message, KEY.owner in alert.message) == (True, True)
    assert MINTED.text not in str(alert.to_json())
    assert Alert.from_json(alert.to_json()) == alert
