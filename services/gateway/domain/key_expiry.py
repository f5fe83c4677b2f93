"""When people are told that an API key is about to end, so that no line stops because nobody remembered."""

from datetime import datetime, timedelta

from services.gateway.domain.api_keys import ApiKey
from shared.clock import rfc3339
from shared.contracts.alert import Alert, Severity

# A key made for a day is not news all day long.
_SHARE_OF_LIFE = 4


def warns_at(key: ApiKey, lead: timedelta) -> datetime:
    """When the end of a key is near enough to be told: at `lead` before it, or in the last quarter of a short life."""
    return key.expires_at - min(lead, (key.expires_at - key.created_at) / _SHARE_OF_LIFE)


def expiry_alert(key: ApiKey, now: datetime) -> Alert:
    """The alert for one key and one end; made twice, it is the same alert."""
    end_s, ends = int(key.expires_at.timestamp()), rfc3339(key.expires_at)
    return Alert(
        id=f"api-key-{key.key_id}-{end_s}",
        source="gateway",
        kind="api_key_expiring",
        severity=Severity.WARNING,
        asset=None,
        subject=key.name,
        message=f"The API key {key.name!r} of {key.owner} ends at {ends}: make another, or extend it.",
        occurred_at=now,
        dedup_key=f"api_key_expiring {key.key_id} {end_s}",
        facts={"key": key.key_id, "owner": key.owner, "expires_at": ends},
    )
