"""What a dashboard says, apart from how Grafana writes it down."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum


class Unit(StrEnum):
    """Units by Grafana's names for them."""

    BYTES = "bytes"
    NONE = "none"
    PER_SECOND = "cps"
    REQUESTS_PER_SECOND = "reqps"
    SECONDS = "s"
    SHARE = "percentunit"


class Kind(StrEnum):
    """How a panel shows its values."""

    CHART = "chart"
    STAT = "stat"


@dataclass(frozen=True, slots=True)
class Query:
    """An expression, and what its series are called.

    Parameters
    ----------
    empty_because
        Why a healthy suite at work has no data for it; `None` where it has.
    """

    expr: str
    legend: str = ""
    empty_because: str | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """From this value on a value is shown in this colour."""

    value: float
    colour: str


@dataclass(frozen=True, slots=True)
class Panel:
    """One question and its answer.

    Parameters
    ----------
    steps
        Colours by value, the first from below; none for a panel that judges nothing.
    runbooks
        Alerts that speak of the same.
    width
        In columns, of which a row has 24.
    """

    title: str
    queries: tuple[Query, ...]
    unit: Unit = Unit.NONE
    kind: Kind = Kind.CHART
    description: str = ""
    steps: tuple[Step, ...] = ()
    below: str = "green"
    decimals: int | None = None
    runbooks: tuple[str, ...] = ()
    width: int = 8
    highest: float | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under a heading."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class Variable:
    """What a reader can choose: the values of one label; there are none for the reason given, or always some."""

    name: str
    metric: str
    label: str
    empty_because: str | None = None


@dataclass(frozen=True, slots=True)
class Board:
    """A dashboard."""

    name: str
    title: str
    description: str
    rows: tuple[Row, ...]
    variables: tuple[Variable, ...] = ()

    def panels(self) -> Iterator[Panel]:
        """All panels, in reading order."""
        for row in self.rows:
            yield from row.panels


def stat(
    title: str,
    expr: str,
    *,
    unit: Unit = Unit.NONE,
    description: str = "",
    steps: tuple[Step, ...] = (),
    below: str = "green",
    decimals: int | None = None,
    runbooks: tuple[str, ...] = (),
    width: int = 4,
) -> Panel:
    """A panel of one number."""
    return Panel(
        title, (Query(expr),), unit, Kind.STAT, description, steps, below, decimals, runbooks=runbooks, width=width
    )


def alarm_from(value: float) -> tuple[Step, ...]:
    """Red from a value on."""
    return (Step(value, "red"),)


def good_from(value: float) -> tuple[Step, ...]:
    """Green from a value on; a panel that uses it is red below."""
    return (Step(value, "green"),)
