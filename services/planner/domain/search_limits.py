"""What the search refuses before it starts: tables beyond memory, scores beyond 64 bits."""

from services.planner.domain.constraints.monthly_levelling import MonthlyLevelling
from services.planner.domain.constraints.same_type_spacing import SameTypeSpacing
from services.planner.domain.problem import Problem
from services.planner.domain.rule import HUNDREDTHS, DeviceRule, Rule
from shared.errors import AppError, Kind

# 400 MB of table: 20,000 devices over two years on two levels take 160 MB.
CELL_LIMIT = 50_000_000
# Half the range of int64: a difference of two scores must fit as well.
UNIT_LIMIT = 2**62


class ProblemTooLarge(AppError):
    """The search's tables would not fit in memory."""

    kind, code = Kind.TOO_LARGE, "planner.problem_too_large"

    def __init__(self, cells: int) -> None:
        super().__init__(
            f"devices x (working days x levels + areas) is {cells}, more than {CELL_LIMIT}",
            cells=cells,
            limit=CELL_LIMIT,
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


def check_search_limits(problem: Problem) -> None:
    """Make sure that the search can hold a problem and add its score up.

    Raises
    ------
    ProblemTooLarge
        If its tables would not fit in memory.
    WeightsTooLarge
        If the worst plan's score on any level could leave the range of 64-bit integers.
    """
    _check_size(problem)
    _check_weights(problem)


def _check_size(problem: Problem) -> None:
    levels = len({rule.level for rule in problem.rules})
    devices, areas = len(problem.devices), len(problem.areas)
    # The table of what each start costs a device, and the table of the areas a device may go to.
    cells = devices * (problem.horizon_days * max(1, levels) + areas)
    if cells > CELL_LIMIT:
        raise ProblemTooLarge(cells)


def _check_weights(problem: Problem) -> None:
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
        most_off_tenths = 10 * devices + 10
        return len(problem.types) * len(problem.month_names) * most_off_tenths * most_off_tenths
    # What is left counts devices, at most every day.
    return devices * len(problem.days) * HUNDREDTHS
