"""Which links of the document were followed, and what their operations answered."""

import json
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from schemathesis.cli import EventHandler
from schemathesis.engine import events
from schemathesis.engine.run import PhaseName

REPORT = "FUTAGO_WALKED_LINKS"
"""Environment variable: file that the report is written to."""


@dataclass(frozen=True, slots=True)
class WalkedLinks:
    """What walks from answer to answer came by.

    Parameters
    ----------
    links
        How many the document has between operations that were attacked.
    statuses
        Answers by link and status; only links whose values were used are here.
    unavailable
        How often something was away or over its capacity (503), in all phases.
    """

    links: int
    scenarios: int
    statuses: Mapping[str, Mapping[str, int]]
    unavailable: int

    @classmethod
    def read(cls, path: Path) -> "WalkedLinks":
        """The report of a process that ended."""
        return cls(**json.loads(path.read_text(encoding="utf-8")))

    def joined(self, later: "WalkedLinks") -> "WalkedLinks":
        """What both came by."""
        names = self.statuses.keys() | later.statuses.keys()
        counts = {
            name: dict(Counter(self.statuses.get(name, {})) + Counter(later.statuses.get(name, {}))) for name in names
        }
        unavailable = self.unavailable + later.unavailable
        return WalkedLinks(max(self.links, later.links), self.scenarios + later.scenarios, counts, unavailable)

    @property
    def share(self) -> float:
        """Part of the links that were followed [1]."""
        return len(self.statuses) / self.links if self.links else 0.0

    def text(self) -> str:
        """The figures in one line."""
        fruitful = sum(any(status.startswith("2") for status in of_link) for of_link in self.statuses.values())
        return (
            f"{len(self.statuses)} of {self.links} links followed ({self.share:.0%}), "
            f"{fruitful} of them to a success, in {self.scenarios} scenarios"
        )


class LinkCounter(EventHandler):
    """Counts while Schemathesis runs, and writes the report when it ends."""

    def __init__(self, *_arguments: Any, **_options: Any) -> None:
        self._links = 0
        self._scenarios = 0
        self._statuses: dict[str, Counter[str]] = {}
        self._unavailable = 0

    def handle_event(self, _ctx: Any, event: events.EngineEvent) -> None:
        """Take what tells of a walk."""
        if isinstance(event, events.PhaseStarted) and isinstance(event.payload, events.StatefulPhasePayload):
            self._links = event.payload.transitions_selected
        if isinstance(event, events.ScenarioFinished):
            answers = [done.response for done in event.recorder.interactions.values() if done.response is not None]
            self._unavailable += sum(answer.status_code == 503 for answer in answers)
            if event.phase is PhaseName.STATEFUL_TESTING:
                self._scenarios += 1
                self._count(event)

    def shutdown(self, _ctx: Any) -> None:
        """Write the report."""
        statuses = {link: dict(of_link) for link, of_link in self._statuses.items()}
        report = WalkedLinks(self._links, self._scenarios, statuses, self._unavailable)
        Path(os.environ[REPORT]).write_text(json.dumps(asdict(report)), encoding="utf-8")

    def _count(self, event: events.ScenarioFinished) -> None:
        for case_id, node in event.recorder.cases.items():
            if node.transition is None or not node.is_transition_applied:
                continue
            done = event.recorder.interactions.get(case_id)
            if done is not None and done.response is not None:
                of_link = self._statuses.setdefault(node.transition.id, Counter())
                of_link[str(done.response.status_code)] += 1
