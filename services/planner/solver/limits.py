"""What the search refuses before it starts: tables beyond memory, scores beyond 64 bits."""

from services.planner.domain.constraints.monthly_levelling import MonthlyLevelling
from services.planner.domain.constraints.same_type_spacing import SameTypeSpacing
from services.planner.domain.problem import Problem
from services.planner.domain.rule import HUNDREDTHS, CapacityRule, DeviceRule, Rule
from shared.errors import AppError, Kind

# 400 MB of table: 20,000 devices over two years on one level take 80 MB.
CELL_LIMIT = 50_000_000
# Half the range of int64: a difference of two scores must fit as well.
UNIT_LIMIT = 2**62


class ProblemTooLarge(AppError):
    """The search's tables would not fit in memory."""

    kind, code = Kind.TOO_LARGE, "planner.problem_too_large"

    def __init__(self, cells: int) -> None:
        super().__init__(
            f"devices x working days x levels is {cells}, more than {CELL_LIMIT}", cells=cells, limit=CELL_LIMIT
        )


class WeightsTooLarge(AppError):
    """A score could leave the range of the search's integers."""

    kind, code = Kind.INVALID, "planner.weights_too_large"

    def __init__(self, level: str, largest_digits: int) -> None:
        super().__init__(
            f"with these weights a score of level {level!r} can take {largest_digits} digits, more than the search"
            " can add up exactly: make the weights smaller, or give them fewer decimals",
            level=level,
            digits=largest_digits,
        )


def check_size(problem: Problem, *, levels: int) -> None:
    """Raise `ProblemTooLarge` if the table of devices, start days and levels is too large."""
    cells = len(problem.devices) * len(problem.days) * (levels + len(problem.areas) // 64)
    if cells > CELL_LIMIT:
        raise ProblemTooLarge(cells)


def check_weights(problem: Problem) -> None:
    """Raise `WeightsTooLarge` if the worst plan's cost on any level could overflow."""
    for level in problem.levels:
        worst = sum(
            problem.weight_units(rule) * _worst_base_hundredths(problem, rule)
            for rule in problem.rules
            if rule.level == level
        )
        if worst > UNIT_LIMIT:
            raise WeightsTooLarge(level, len(str(worst)))


def _worst_base_hundredths(problem: Problem, rule: Rule) -> int:
    devices = len(problem.devices)
    if isinstance(rule, DeviceRule):
        start_day = problem.calendar_day[: problem.horizon_days, None]
        return devices * int(rule.base_days(problem, start_day).max()) * HUNDREDTHS
    if isinstance(rule, SameTypeSpacing):
        return devices * devices * rule.days * HUNDREDTHS
    if isinstance(rule, MonthlyLevelling):
        return len(problem.types) * len(problem.month_names) * (10 * devices + 10) ** 2
    per_day = len(problem.days) if isinstance(rule, CapacityRule) else max(len(problem.days), 1)
    return devices * per_day * HUNDREDTHS
