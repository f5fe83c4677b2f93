"""Refresh tokens: one use each, and a family that falls together."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from services.gateway.domain.refresh import Family, RefreshToken, Verdict, is_token, judge, write_token

NOW = datetime(2026, 4, 1, tzinfo=UTC)
LATER = NOW + timedelta(days=1)
FAMILY = Family("f" * 32, "olga", NOW, NOW + timedelta(days=30), None)
TOKEN = RefreshToken(b"d" * 32, "f" * 32, LATER, None)
MOMENT = timedelta(milliseconds=1)


@pytest.mark.parametrize(
    ("token", "family", "at", "verdict"),
    [
        (TOKEN, FAMILY, LATER - MOMENT, Verdict.ROTATE),
        (TOKEN, FAMILY, LATER, Verdict.REFUSE),
        (replace(TOKEN, expires_at=NOW + timedelta(days=60)), FAMILY, FAMILY.ends_at - MOMENT, Verdict.ROTATE),
        (replace(TOKEN, expires_at=NOW + timedelta(days=60)), FAMILY, FAMILY.ends_at, Verdict.REFUSE),
        (replace(TOKEN, spent_at=NOW), FAMILY, NOW, Verdict.REVOKE_FAMILY),
        (replace(TOKEN, spent_at=NOW), FAMILY, LATER, Verdict.REVOKE_FAMILY),
        (TOKEN, replace(FAMILY, revoked_at=NOW), NOW, Verdict.REFUSE),
        (replace(TOKEN, spent_at=NOW), replace(FAMILY, revoked_at=NOW), NOW, Verdict.REFUSE),
    ],
)
def test_a_token_is_judged_by_its_use_its_age_and_its_family(
    token: RefreshToken, family: Family, at: datetime, verdict: Verdict
):
    assert judge(token, family, at) is verdict


def test_only_what_was_written_as_a_token_is_looked_up():
    text = write_token(bytes(32))
    assert is_token(text)
    assert not any(map(is_token, ["", text[:-1], text + "0", text.upper(), text.replace("futr_", "fut_"), text + "\n"]))
