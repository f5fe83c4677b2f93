"""The alerts about coverage: one when it leaves its band, one when it is back."""

from datetime import datetime

from services.twin.domain.coverage import CoverageState
from services.twin.domain.live_quality import LiveState
from services.twin.domain.live_settings import REFERENCE_LEVEL, LiveSettings
from shared.contracts.alert import Alert, Severity

OUT_OF_BAND = "coverage_out_of_band"
BACK_IN_BAND = "coverage_back_in_band"

_ADVICE = {
    CoverageState.OK: "coverage is back in its band",
    CoverageState.LOW: "too many measured values lie outside: the plant or a sensor has drifted",
    CoverageState.HIGH: "hardly any measured value lies outside: the intervals are wider than they need to be",
}


def coverage_alert(
    model: str,
    version: str,
    *,
    before: LiveState,
    after: LiveState,
    settings: LiveSettings,
    alert_id: str,
    occurred_at: datetime,
) -> Alert | None:
    """The alert for what changed between two states of a version; `None` where its alarm did not."""
    state, figures = after.alarm.state, after.figures()
    if state is before.alarm.state or figures is None:
        return None
    kind = BACK_IN_BAND if state is CoverageState.OK else OUT_OF_BAND
    covered, rows = after.newest_covered(settings.coverage_band.rows)
    return Alert(
        id=alert_id,
        source="twin",
        kind=kind,
        severity=Severity.WARNING if state is CoverageState.LOW else Severity.INFO,
        asset=None,
        subject=model,
        message=f"{model} {version}: {covered} of the last {rows} measured values lay inside their "
        f"{REFERENCE_LEVEL:.0%} interval; {_ADVICE[state]}",
        occurred_at=occurred_at,
        dedup_key=f"twin:{kind}:{model}:{version}",
        facts={
            "version": version,
            "state": state.value,
            "level": REFERENCE_LEVEL,
            "coverage": covered / rows,
            "rows": rows,
            "band": {"lower": settings.coverage_band.lower, "upper": settings.coverage_band.upper},
            "rmse": figures.rmse,
            "bias": figures.bias,
        },
    )
