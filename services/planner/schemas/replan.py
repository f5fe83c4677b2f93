"""Replanning on the wire: what changed since a plan was made, what must stay, and what moving the rest costs."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Final

from pydantic import Field, ValidationError

from services.planner.domain.constraints.disruption import DisruptionCount
from services.planner.domain.plan_records import PlanNotFound, PlanRecord
from services.planner.domain.problem import ProblemInvalid
from services.planner.schemas.base import AreaId, Body, Name, PlainDate
from services.planner.schemas.faults import faults_of
from services.planner.schemas.plan import PlanBody
from services.planner.schemas.plans import PlanRequest
from services.planner.schemas.problem import ProblemBody
from services.planner.schemas.problem_parts import DeviceBody
from services.planner.schemas.rules import ConditionBody, DisruptionBody, EarliestStartBody, Weight
from services.planner.schemas.solve import SolverBody, TerminationBody
from shared.errors import Fault

# A day moved costs as much as a day of return interval lost ten times over, unless the request says otherwise.
_USUAL_DISRUPTION: Final = 10
_USUAL_CONDITION: Final = 10
# A day before today cannot be had: it outweighs what any other rule may ask of a day.
_NEVER: Final = 10_000
_LONGEST_SHIFT_DAYS: Final = 366
_OF_DEVICE: Final = re.compile(r"(?:/problem)?/devices/(\d+)(/.*)?")


class FinishedBody(Body):
    """An inspection that is over; it keeps its days in the plan."""

    device: Name
    started: PlainDate | None = Field(None, description="when it began, if not as planned")
    area: AreaId | None = Field(None, description="where it was, if not as planned")


class DelayedBody(Body):
    """An inspection that begins later than planned, and on a day that is known."""

    device: Name
    start: PlainDate = Field(description="the first working day from here on is its start")


class DueBody(Body):
    """A device that is due at another time than when the plan was made."""

    device: Name
    condition_due: PlainDate | None = Field(None, description="its condition asks for an inspection by")
    previous_end: PlainDate | None = Field(None, description="when its last inspection ended")


class ChangesBody(Body):
    """What changed since the plan was made."""

    added: list[DeviceBody] = Field([], max_length=20_000)
    removed: list[Name] = Field([], max_length=20_000)
    finished: list[FinishedBody] = Field([], max_length=20_000)
    delayed: list[DelayedBody] = Field([], max_length=20_000)
    due: list[DueBody] = Field([], max_length=20_000)


class DisruptionWeightBody(Body):
    """What it costs to move a device that did not change."""

    level: Name | None = Field(None, description="the last level, if left out")
    weight: Weight = Field(_USUAL_DISRUPTION, validate_default=True, description="points for a day, or a device, moved")
    count: DisruptionCount = DisruptionCount.DAYS


class ReplanRequest(Body):
    """Changes to a plan, devices that must stay where they are, and how to search."""

    changes: ChangesBody = ChangesBody()
    pins: list[Name] = Field([], max_length=20_000, description="devices that stay where the plan has them")
    pin_before: PlainDate | None = Field(
        None, description="today, say: what starts before this day stays, and what is planned anew starts no earlier"
    )
    disruption: DisruptionWeightBody = DisruptionWeightBody()
    solver: SolverBody | None = Field(None, description="that of the plan, if left out")
    termination: TerminationBody | None = Field(None, description="that of the plan, if left out")

    def to_request(self, record: PlanRecord) -> PlanRequest:
        """Return the request for the new plan: the same problem with the changes, starting from the plan.

        Raises
        ------
        PlanNotFound
            If no plan has been found yet.
        ProblemInvalid
            If a change names a device the plan does not have, or contradicts another.
        """
        if record.assignments is None:
            raise PlanNotFound(record.summary.id)
        problem = ProblemBody.model_validate(record.request["problem"])
        running = {str(entry["device"]): entry for entry in record.assignments}
        self._check(problem)
        changed = _Changed(self, problem, running)
        document = problem.model_dump(mode="json", by_alias=True)
        document["devices"] = changed.devices()
        document["rules"] = self._rules(problem)
        try:
            return PlanRequest(
                problem=ProblemBody.model_validate(document),
                solver=self.solver or SolverBody.model_validate(record.request["solver"]),
                termination=self.termination or TerminationBody.model_validate(record.request["termination"]),
                start_plan=PlanBody.model_validate({"assignments": changed.start_plan()}),
            )
        except ValidationError as error:
            names = [str(device["id"]) for device in document["devices"]]
            raise ProblemInvalid(self._told_of_changes(faults_of(error), names)) from None

    def located(self, faults: Iterable[Fault], request: PlanRequest) -> list[Fault]:
        """Return the faults of the new problem with pointers to the changes they come from, where they do."""
        return self._told_of_changes(faults, [device.id for device in request.problem.devices])

    def _told_of_changes(self, faults: Iterable[Fault], names: Sequence[str]) -> list[Fault]:
        changes = self.changes
        places: Mapping[str, str] = {
            **{entry.device: f"/changes/finished/{index}" for index, entry in enumerate(changes.finished)},
            **{entry.device: f"/changes/delayed/{index}" for index, entry in enumerate(changes.delayed)},
            **{entry.device: f"/changes/due/{index}" for index, entry in enumerate(changes.due)},
        }
        # What was added stands behind what was there, in its order.
        first_added = len(names) - len(changes.added)
        told: list[Fault] = []
        for fault in faults:
            found = _OF_DEVICE.fullmatch(fault.pointer)
            index = None if found is None else int(found[1])
            if found is None or index is None or index >= len(names):
                told.append(fault)
                continue
            field = found[2] or ""
            place = f"/changes/added/{index - first_added}" if index >= first_added else places.get(names[index])
            if place is not None and place.startswith("/changes/finished/") and field == "/start":
                field = "/started"
            told.append(fault if place is None else Fault(f"{place}{field}", fault.detail, fault.facts))
        return told

    def _check(self, problem: ProblemBody) -> None:
        known = {device.id for device in problem.devices}
        changes = self.changes
        named: Sequence[tuple[str, str]] = [
            *((f"/changes/removed/{index}", name) for index, name in enumerate(changes.removed)),
            *((f"/changes/finished/{index}/device", entry.device) for index, entry in enumerate(changes.finished)),
            *((f"/changes/delayed/{index}/device", entry.device) for index, entry in enumerate(changes.delayed)),
            *((f"/changes/due/{index}/device", entry.device) for index, entry in enumerate(changes.due)),
        ]
        pinned = [(f"/pins/{index}", name) for index, name in enumerate(self.pins)]
        faults = [Fault(at, f"the plan has no device {name!r}") for at, name in [*named, *pinned] if name not in known]
        changed: set[str] = set()
        for at, name in named:
            if name in changed:
                faults.append(Fault(at, f"device {name!r} is already changed otherwise"))
            changed.add(name)
        faults += [Fault(at, f"device {name!r} is changed, and cannot stay") for at, name in pinned if name in changed]
        faults += [
            Fault(f"/changes/added/{index}/id", f"the plan has a device {entry.id!r} already")
            for index, entry in enumerate(changes.added)
            if entry.id in known and entry.id not in changes.removed
        ]
        if faults:
            raise ProblemInvalid(faults)

    def _rules(self, problem: ProblemBody) -> list[dict[str, Any]]:
        # Both are about the running plan: those of the one before it are over.
        rules = [rule for rule in problem.rules if not isinstance(rule, DisruptionBody | EarliestStartBody)]
        made = [rule.model_dump(mode="json", by_alias=True) for rule in rules]
        last = problem.levels[-1]
        due = any(entry.condition_due is not None for entry in self.changes.due)
        if due and not any(isinstance(rule, ConditionBody) for rule in rules):
            made.append({"rule": "condition", "level": last, "weight": _USUAL_CONDITION})
        if self.disruption.weight:
            level, count = self.disruption.level or last, self.disruption.count.value
            made.append({"rule": "disruption", "level": level, "weight": str(self.disruption.weight), "count": count})
        if self.pin_before is not None:
            first, today = problem.levels[0], self.pin_before.isoformat()
            made.append({"rule": "earliest_start", "level": first, "weight": _NEVER, "from": today})
        return made


class _Changed:
    """The devices of a plan after the changes."""

    def __init__(self, request: ReplanRequest, problem: ProblemBody, running: dict[str, Any]) -> None:
        self._request = request
        self._problem = problem
        self._running = running
        changes = request.changes
        self._pins = frozenset(request.pins)
        self._removed = frozenset(changes.removed)
        self._finished = {entry.device: entry for entry in changes.finished}
        self._delayed = {entry.device: entry for entry in changes.delayed}
        self._due = {entry.device: entry for entry in changes.due}

    def devices(self) -> list[dict[str, Any]]:
        """Return the devices of the new problem."""
        kept = [self._device(device) for device in self._problem.devices if device.id not in self._removed]
        return kept + [device.model_dump(mode="json", by_alias=True) for device in self._request.changes.added]

    def start_plan(self) -> list[dict[str, Any]]:
        """Return where the search begins: the plan without the devices that are gone or fixed elsewhere."""
        elsewhere = self._removed | self._finished.keys() | self._delayed.keys()
        return [
            {name: entry[name] for name in ("device", "start", "area")}
            for device, entry in self._running.items()
            if device not in elsewhere
        ]

    def _device(self, device: DeviceBody) -> dict[str, Any]:
        """Return a device that is still there, at its place in the plan unless it may go anywhere."""
        running = self._running[device.id]
        document = device.model_dump(mode="json", by_alias=True)
        document |= {"start": running["start"], "area": running["area"]}
        if (finished := self._finished.get(device.id)) is not None:
            if finished.started is not None:
                document["start"] = finished.started.isoformat()
            area = running["area"] if finished.area is None else finished.area
            return document | {"area": area, "pinned": True}
        if (delayed := self._delayed.get(device.id)) is not None:
            # Its area may be taken by then: the search finds one.
            return document | {"start": self._worked_from(delayed.start).isoformat(), "area": None, "pinned": True}
        before = self._request.pin_before
        begun = before is not None and date.fromisoformat(running["start"]) < before
        if (due := self._due.get(device.id)) is not None:
            document |= due.model_dump(mode="json", include={"condition_due", "previous_end"}, exclude_none=True)
            if not begun:
                # Nothing holds it where it was: that is no disruption.
                return document | {"start": None, "area": None, "pinned": False}
        return document | {"pinned": begun or device.pinned or device.id in self._pins}

    def _worked_from(self, day: date) -> date:
        """Return the first working day from a day on; the day itself if a year has none."""
        calendar = self._problem.settled_calendar()
        days = (day + timedelta(offset) for offset in range(_LONGEST_SHIFT_DAYS))
        return next((candidate for candidate in days if calendar.is_worked(candidate)), day)
