"""The words of a workbook in Japanese and English, and the readers of cells that hold them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from services.planner.domain.plan_report import Language
from services.planner.workbook.cells import CellValue, plain, read_names, read_text, read_word


@dataclass(frozen=True, slots=True)
class Label:
    """What something is called in both languages, and what else people call it."""

    ja: str
    en: str
    also: tuple[str, ...] = ()

    def text(self, language: Language) -> str:
        """Return the name in one language."""
        return self.ja if language is Language.JAPANESE else self.en

    def spellings(self) -> frozenset[str]:
        """Return every name, as `plain` gives it; both together stand for either."""
        return frozenset(plain(name) for name in (self.ja, self.en, self.ja + self.en, *self.also))


RULES: Final[Mapping[str, Label]] = {
    "daily_limit": Label("同時検査台数制限", "daily_limit", ("1日あたりの同時検査台数制限", "daily limit")),
    "area_exclusive": Label("検査エリア重複", "area_exclusive", ("エリア重複", "area exclusive")),
    "return_limit": Label("限度日数制限", "return_limit", ("限度日数", "return limit")),
    "busy_season": Label("繁忙期の同時検査数", "busy_season", ("繁忙期", "繁忙期の同時検査数考慮", "busy season")),
    "same_type_spacing": Label("同一種別の間隔", "same_type_spacing", ("同一機器の検査体制考慮", "same type spacing")),
    "return_interval": Label("回帰日数最大化", "return_interval", ("回帰日数", "return interval")),
    "monthly_levelling": Label("各月の作業平準化", "monthly_levelling", ("月別平準化", "平準化", "monthly leveling")),
    "condition": Label("状態による期限", "condition", ("状態期限",)),
    "disruption": Label("計画変更の抑制", "disruption", ("変更抑制",)),
    "earliest_start": Label("最早開始日", "earliest_start", ("最早開始", "earliest start")),
}
RULE_HELP: Final[Mapping[str, Label]] = {
    "daily_limit": Label(
        "稼働日ごとに、しきい値を超えて検査中の機器の台数。しきい値が空なら定義シートの値。",
        "Each working day: devices in inspection above the threshold; that of the definitions where it is empty.",
    ),
    "area_exclusive": Label(
        "同じ検査エリアに同時にある機器の、2台目からの台数 (エリアと日ごと)。",
        "Each area and working day: devices in the area above one.",
    ),
    "return_limit": Label(
        "前回検査終了日から開始日までの日数のうち、しきい値を超えた日数。しきい値が空なら定義シートの値。",
        "Each device: days from previous end to start above the threshold; that of the definitions where it is empty.",
    ),
    "busy_season": Label(
        "繁忙期シートの期間に、上限を超えて検査中の機器の台数 (稼働日ごと)。数え方が starts なら期間中に開始した台数。",
        "Each working day of a busy season: devices of the class in inspection above its limit. Counted by `starts`:"
        " devices sent in during the whole season.",
    ),
    "same_type_spacing": Label(
        "同じ種別の2台の開始日の間隔が、しきい値に足りない日数。",
        "Each pair of devices of one type: days their starts are closer than the threshold.",
    ),
    "return_interval": Label(
        "回帰日数 (前回検査終了日から開始日まで) が、しきい値に足りない日数。しきい値が空なら限度日数。",
        "Each device: days the return interval is shorter than the threshold; than the return limit where empty.",
    ),
    "monthly_levelling": Label(
        "種別と月ごとに、(機器数÷月数 − その月の開始台数) の2乗。機器数÷月数は小数第2位を四捨五入。",
        "Each type and month: (devices / months, rounded to one decimal - devices that start in the month) squared.",
    ),
    "condition": Label(
        "開始日が状態期限より遅れた日数。",
        "Each device with a condition due date: days the start is after it.",
    ),
    "disruption": Label(
        "検査開始日 (今の計画) から動かした日数。数え方が devices なら動かした台数。",
        "Each device with a start: days it is moved from there; 1 each, counted by `devices`.",
    ),
    "earliest_start": Label(
        "固定されていない機器の開始日が、しきい値の日付より早い日数。",
        "Each device that is not pinned: days the start is before the day in the threshold.",
    ),
}
LEVELS: Final[Mapping[str, tuple[str, ...]]] = {
    "hard": ("絶対制約", "ハード"),
    "medium": ("考慮制約", "ミディアム"),
    "soft": ("評価指標", "ソフト"),
}
COUNTS: Final[Mapping[str, tuple[str, ...]]] = {
    "simultaneous": ("同時", "同時検査"),
    "starts": ("開始", "開始台数"),
    "days": ("日数",),
    "devices": ("台数", "機器数"),
}
KINDS: Final[Mapping[str, Label]] = {
    "holidays": Label("休日", "holiday", ("祝日", "停止", "plant shutdown", "shutdown")),
    "working_days": Label("稼働日", "working day", ("出勤日", "稼働")),
}
WEEKDAYS: Final[Mapping[str, str]] = {
    "mon": "月", "tue": "火", "wed": "水", "thu": "木", "fri": "金", "sat": "土", "sun": "日",
}  # fmt: skip


def _spellings(table: Mapping[str, Label]) -> dict[str, str]:
    return {spelling: name for name, label in table.items() for spelling in label.spellings()}


def _aliases(table: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    return {plain(word): name for name, others in table.items() for word in (name, *others)}


_LEVEL_WORDS: Final = _aliases(LEVELS)
_WEEKDAY_WORDS: Final = {
    plain(word): name for name, kanji in WEEKDAYS.items() for word in (name, kanji, f"{kanji}曜", f"{kanji}曜日")
}


def read_level(value: CellValue) -> str:
    """Read a level; the three usual ones have names in both languages, others are taken as they are."""
    text = read_text(value)
    return _LEVEL_WORDS.get(plain(text), text)


def read_levels(value: CellValue) -> list[str]:
    """Read the levels, the one that counts first in front."""
    return [_LEVEL_WORDS.get(plain(name), name) for name in read_names(value)]


def read_weekdays(value: CellValue) -> list[str]:
    """Read days of the week; one that is unknown stays as it is, for the fault that says so."""
    return [_WEEKDAY_WORDS.get(plain(name), name) for name in read_names(value)]


read_count: Final = read_word(_aliases(COUNTS), "simultaneous, starts, days, devices")
read_kind: Final = read_word(_spellings(KINDS), "holiday (休日), working day (稼働日)")
read_rule: Final = read_word(_spellings(RULES), ", ".join(RULES))
