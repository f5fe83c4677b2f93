"""The planner's part of the client: plans, files, comparisons, replanning, inspections."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Literal, TypeAlias

from futago.connection import Connection, path_part
from futago.job import Job
from futago.wire import JsonObject, decode_object, encode

PlanSource: TypeAlias = str | Mapping[str, object]
"""The id of a plan, or `{"problem": …, "plan": …}`."""

_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_PLANS = "/api/v1/planner/plans"


class PlannerCalls:
    """What `Client` asks of the planner."""

    _api: Connection

    def plan(
        self,
        problem: Mapping[str, object],
        solver: Mapping[str, object] | None = None,
        termination: Mapping[str, object] | None = None,
        *,
        start_plan: Mapping[str, object] | None = None,
        idempotency_key: str | None = None,
    ) -> Job:
        """Start looking for an inspection plan; follow the job with `wait`, its `result` names the plan."""
        optional = {"solver": solver, "termination": termination, "start_plan": start_plan}
        body = {"problem": problem} | {field: value for field, value in optional.items() if value is not None}
        return Job.of(self._api.submit(_PLANS, body, idempotency_key=idempotency_key or uuid.uuid4().hex))

    def get_plan(self, plan_id: str) -> JsonObject:
        """A plan with its score by rule, bound and gap."""
        return self._api.get(f"/api/v1/planner/plans/{path_part(plan_id)}")

    def explanation(
        self, plan_id: str, *, device: str | None = None, rule: str | None = None, month: str | None = None
    ) -> JsonObject:
        """Every reason for the points of a plan, or those of one device, rule or month."""
        path = f"/api/v1/planner/plans/{path_part(plan_id)}/explanation"
        return self._api.get(path, {"device": device, "rule": rule, "month": month})

    def score_plan(self, problem: Mapping[str, object], plan: Mapping[str, object]) -> JsonObject:
        """Score a plan made by hand, or last year's."""
        return self._api.ask("/api/v1/planner/score", {"problem": problem, "plan": plan})

    def plan_workbook(
        self,
        workbook: Path | str,
        solver: Mapping[str, object] | None = None,
        termination: Mapping[str, object] | None = None,
        *,
        use_inspections: bool = False,
        idempotency_key: str | None = None,
    ) -> Job:
        """Start looking for a plan of the problem in an `.xlsx` workbook.

        Raises
        ------
        InvalidInput
            With one fault for each cell that cannot be read, its sheet, row and column in the text.
        """
        options = {"solver": solver, "termination": termination}
        form = {name: encode(value).decode() for name, value in options.items() if value is not None}
        form |= {"use_inspections": "true"} if use_inspections else {}
        key = idempotency_key or uuid.uuid4().hex
        response = self._api.call("POST", _PLANS, files=_form(workbook, form), headers={"Idempotency-Key": key})
        return Job.of(decode_object(response.content))

    def score_workbook(self, workbook: Path | str) -> JsonObject:
        """Score the made plan in an `.xlsx` workbook."""
        response = self._api.call("POST", "/api/v1/planner/score", files=_form(workbook, {}))
        return decode_object(response.content)

    def plan_file(
        self,
        plan_id: str,
        form: Literal["xlsx", "csv", "ics", "html"] = "xlsx",
        *,
        language: Literal["ja", "en"] = "ja",
        compare_with: str | None = None,
        cost_per_soft_point: float | None = None,
    ) -> bytes:
        """A plan as a workbook, as CSV, as a calendar, or as a page with its Gantt chart.

        Parameters
        ----------
        language
            Of the workbook's sheets and headers.
        compare_with
            Id of an older plan: the workbook then compares the two.
        cost_per_soft_point
            Money a point of the last level costs, for the comparison.
        """
        params = {"language": language, "compare_with": compare_with, "cost_per_soft_point": cost_per_soft_point}
        return self._api.call("GET", f"{_PLANS}/{path_part(plan_id)}.{form}", params=params).content

    def workbook_template(self, *, language: Literal["ja", "en"] = "ja") -> bytes:
        """A workbook to fill in."""
        return self._api.call("GET", "/api/v1/planner/template.xlsx", params={"language": language}).content

    def compare(self, first: PlanSource, second: PlanSource, *, cost_per_soft_point: float | None = None) -> JsonObject:
        """An older plan beside a newer one: rule by rule, device by device, and the saving in money."""
        body: dict[str, object] = {"plans": [first, second]}
        if cost_per_soft_point is not None:
            body["cost_per_soft_point"] = cost_per_soft_point
        return self._api.ask("/api/v1/planner/compare", body)

    def replan(
        self,
        plan_id: str,
        changes: Mapping[str, object] | None = None,
        *,
        pins: Sequence[str] = (),
        pin_before: date | str | None = None,
        disruption: Mapping[str, object] | None = None,
        solver: Mapping[str, object] | None = None,
        termination: Mapping[str, object] | None = None,
        idempotency_key: str | None = None,
    ) -> Job:
        """Start looking for a plan after changes, moving the devices that did not change as little as asked.

        Parameters
        ----------
        changes
            `added`, `removed`, `finished`, `delayed`, `due`.
        pins
            Devices that stay where the plan has them.
        pin_before
            Devices that start before this day stay too.
        disruption
            `{"weight": 10, "level": "soft", "count": "days"}`: what moving a device costs.
        """
        optional = {
            "changes": changes,
            "pin_before": None if pin_before is None else str(pin_before),
            "disruption": disruption,
            "solver": solver,
            "termination": termination,
        }
        body = {"pins": list(pins)} | {name: value for name, value in optional.items() if value is not None}
        answer = self._api.submit(
            f"{_PLANS}/{path_part(plan_id)}/replan", body, idempotency_key=idempotency_key or uuid.uuid4().hex
        )
        return Job.of(answer)

    def record_inspection(
        self, device: str, started: date | str, finished: date | str, findings: str = "", *, asset: str | None = None
    ) -> JsonObject:
        """Record a finished inspection; told twice, it is one record."""
        body = {"device": device, "started": str(started), "finished": str(finished), "findings": findings}
        return self._api.ask("/api/v1/planner/inspections", body | ({"asset": asset} if asset else {}))

    def inspections(self, limit: int | None = None) -> list[JsonObject]:
        """The recorded inspections, newest first."""
        return self._api.items("/api/v1/planner/inspections", limit)


def _form(workbook: Path | str, fields: Mapping[str, str]) -> dict[str, tuple[str | None, bytes, str]]:
    path = Path(workbook)
    # A part without a file name is a field of the form.
    parts: dict[str, tuple[str | None, bytes, str]] = {
        name: (None, text.encode(), "text/plain") for name, text in fields.items()
    }
    return parts | {"file": (path.name, path.read_bytes(), _XLSX)}
