"""Names of sheets, columns and keys, in Japanese and English: either is read, and a workbook is written in one."""

from dataclasses import dataclass
from typing import Final

from services.planner.workbook.cells import (
    Reader,
    plain,
    read_area,
    read_date,
    read_flag,
    read_names,
    read_number,
    read_text,
    read_threshold,
    read_weight,
)
from services.planner.workbook.words import (
    Label,
    read_count,
    read_kind,
    read_level,
    read_levels,
    read_rule,
    read_weekdays,
)


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a sheet, or a key of the definitions: what it is called, what it becomes, and a word about it."""

    field: str
    label: Label
    read: Reader
    help: Label
    width: int = 16


@dataclass(frozen=True, slots=True)
class Sheet:
    """A sheet of a workbook with a problem."""

    label: Label
    columns: tuple[Column, ...]
    needed: bool = False

    def column(self, field: str) -> int:
        """Return the number of a column, 1 for the first."""
        return 1 + next(index for index, column in enumerate(self.columns) if column.field == field)


_TYPE = Label("機器種別", "type", ("device type", "種別"))
_CLASS = Label("分類", "class", ("機器分類", "device class"))
_LEVEL = Label("レベル", "level")
_WEIGHT = Label("重み", "weight", ("重み係数",))
_NAME = Label("名称", "name", ("制約名",))
_COUNT = Label("数え方", "count")

DEVICES: Final = Sheet(
    Label("検査対象機器", "Devices", ("機器", "検査対象機器データ")),
    (
        Column(
            "type", _TYPE, read_text, Label("検査日数シートにある種別", "a type of the sheet with inspection days"), 12
        ),
        Column(
            "id", Label("機器名", "device", ("id", "name", "機器")), read_text, Label("重複しない名前", "unique name")
        ),
        Column(
            "previous_end",
            Label("前回検査終了日", "previous end", ("previous_end",)),
            read_date,
            Label("例 2017/9/15", "such as 2017/9/15"),
        ),
        Column(
            "start",
            Label("検査開始日", "start", ("start date",)),
            read_date,
            Label("計画済みの開始日 (任意)", "start in a plan made before (optional)"),
        ),
        Column(
            "area",
            Label("検査エリア", "area"),
            read_area,
            Label("計画済みのエリア (任意)", "area in that plan (optional)"),
            12,
        ),
        Column(
            "pinned",
            Label("固定", "pinned"),
            read_flag,
            Label("はい: 開始日とエリアを動かさない", "yes: stays at its start and area"),
            10,
        ),
        Column(
            "condition_due",
            Label("状態期限", "condition due", ("condition_due",)),
            read_date,
            Label("状態からみて検査すべき期限 (任意)", "its condition asks for an inspection by (optional)"),
        ),
        Column(
            "asset",
            Label("設置場所", "asset"),
            read_text,
            Label("例 acme.osaka.r101 (任意)", "such as acme.osaka.r101 (optional)"),
            22,
        ),
    ),
    needed=True,
)
TYPES: Final = Sheet(
    Label("検査日数", "Inspection days", ("検査日数データ", "types", "device types")),
    (
        Column("type", _TYPE, read_text, Label("種別の名前", "name of the type"), 12),
        Column(
            "inspection_days",
            Label("検査日数", "inspection days"),
            read_number,
            Label("開始日を含む稼働日数", "working days, the start day counted"),
        ),
        Column(
            "class", _CLASS, read_text, Label("分類シートに書いてもよい", "may stand in the sheet of classes instead")
        ),
    ),
    needed=True,
)
CLASSES: Final = Sheet(
    Label("分類", "Classes", ("機器分類", "分類データ")),
    (
        Column("type", _TYPE, read_text, Label("種別の名前", "name of the type"), 12),
        Column("class", _CLASS, read_text, Label("例 large", "such as large")),
    ),
)
SEASONS: Final = Sheet(
    Label("繁忙期", "Busy seasons", ("繁忙期データ",)),
    (
        Column("class", _CLASS, read_text, Label("空ならすべて", "all, where empty"), 12),
        Column("from", Label("開始日", "from", ("start",)), read_date, Label("最初の日", "first day")),
        Column("to", Label("終了日", "to", ("end",)), read_date, Label("最後の日", "last day")),
        Column(
            "max",
            Label("上限台数", "max", ("上限", "limit", "threshold", "しきい値", "台数")),
            read_number,
            Label("同時に検査してよい台数", "devices that may be in inspection"),
            12,
        ),
        Column(
            "types", _TYPE, read_names, Label("空ならすべて。複数は , で区切る", "all, where empty; commas between"), 14
        ),
        Column(
            "count",
            _COUNT,
            read_count,
            Label("simultaneous (同時) か starts (開始台数)", "simultaneous or starts"),
            14,
        ),
        Column(
            "level", _LEVEL, read_level, Label("空なら制約シートの値", "that of the sheet of rules, where empty"), 10
        ),
        Column(
            "weight", _WEIGHT, read_weight, Label("空なら制約シートの値", "that of the sheet of rules, where empty"), 10
        ),
        Column("name", _NAME, read_text, Label("結果に出る名前 (任意)", "name in results (optional)"), 18),
    ),
)
CALENDAR: Final = Sheet(
    Label("カレンダー", "Calendar", ("カレンダ",)),
    (
        Column("date", Label("日付", "date", ("day",)), read_date, Label("例 2019/8/13", "such as 2019/8/13")),
        Column(
            "kind",
            Label("区分", "kind", ("type",)),
            read_kind,
            Label("休日 か 稼働日。空なら休日", "holiday or working day; holiday, where empty"),
        ),
    ),
)
AREAS: Final = Sheet(
    Label("検査エリア", "Areas", ("エリア",)),
    (
        Column("id", Label("検査エリア", "area", ("id",)), read_area, Label("エリアの名前", "name of the area")),
        Column(
            "types", _TYPE, read_names, Label("受け入れる種別。空ならすべて", "types it takes; all, where empty"), 24
        ),
    ),
)
RULE_SHEET: Final = Sheet(
    Label("制約", "Rules", ("ルール", "制約ルール")),
    (
        Column(
            "rule",
            Label("制約", "rule", ("ルール",)),
            read_rule,
            Label("制約の種類", "kind of rule"),
            24,
        ),
        Column("on", Label("有効", "on", ("on or off", "enabled")), read_flag, Label("はい / いいえ", "yes / no"), 8),
        Column("level", _LEVEL, read_level, Label("hard, medium, soft など", "hard, medium, soft or other levels"), 10),
        Column("weight", _WEIGHT, read_weight, Label("基礎値 1 あたりの減点", "points for a base of 1"), 10),
        Column(
            "threshold",
            Label("しきい値", "threshold", ("閾値", "max", "days")),
            read_threshold,
            Label("台数または日数。空なら定義シートの値", "devices or days; that of the definitions, where empty"),
            12,
        ),
        Column(
            "types", _TYPE, read_names, Label("空ならすべて。複数は , で区切る", "all, where empty; commas between"), 14
        ),
        Column("class", _CLASS, read_text, Label("空ならすべて", "all, where empty"), 12),
        Column(
            "count", _COUNT, read_count, Label("days / devices (計画変更の抑制)", "days or devices (disruption)"), 14
        ),
        Column("name", _NAME, read_text, Label("結果に出る名前 (任意)", "name in results (optional)"), 18),
        Column("scope", Label("対象", "scope"), read_names, Label("種別または分類", "types, or a class"), 14),
    ),
)
DEFINITIONS: Final = Sheet(
    Label("定義", "Definitions", ("定義データ",)),
    (
        Column("key", Label("キー", "key", ("項目",)), read_text, Label("定義の名前", "name of the definition"), 34),
        Column("value", Label("値", "value"), read_text, Label("その値", "its value"), 18),
    ),
    needed=True,
)
SHEETS: Final = (DEVICES, DEFINITIONS, TYPES, CLASSES, AREAS, SEASONS, CALENDAR, RULE_SHEET)

KEYS: Final = (
    Column("name", Label("計画名", "plan name", ("name",)), read_text, Label("計画の名前", "name of the plan")),
    Column(
        "horizon/start",
        Label("計画開始日", "horizon start", ("start", "計画期間開始日")),
        read_date,
        Label("検査を始められる最初の日", "first day inspections may start"),
    ),
    Column(
        "horizon/end",
        Label("計画終了日", "horizon end", ("end", "計画期間終了日")),
        read_date,
        Label("最後の日", "last day"),
    ),
    Column(
        "year",
        Label("計画年度", "fiscal year", ("年度",)),
        read_number,
        Label("計画開始日と終了日の代わり: 4/1 から翌年 3/31", "instead of start and end: 1 April to 31 March"),
    ),
    Column(
        "horizon/work_may_cross_end",
        Label("終了日をまたぐ検査", "work may cross end", ("work_may_cross_end",)),
        read_flag,
        Label("はい: 計画終了日の後に終わってもよい", "yes: an inspection may end after the horizon"),
    ),
    Column(
        "daily_limit",
        Label("1日あたりの同時検査台数制限", "daily limit", ("daily_limit", "同時検査台数制限", "max devices per day")),
        read_number,
        Label("同時に検査できる台数", "devices in inspection at once"),
    ),
    Column(
        "return_limit",
        Label("限度日数", "return limit", ("return_limit", "return limit days")),
        read_number,
        Label("前回検査終了日から検査開始日までの上限 (暦日)", "calendar days from previous end to start, at most"),
    ),
    Column(
        "spacing",
        Label("同一種別の間隔日数", "same type spacing", ("同一機器の開始間隔", "same_type_spacing", "spacing days")),
        read_number,
        Label("同じ種別の開始日の間隔 (暦日)", "calendar days between starts of one type"),
    ),
    Column(
        "areas",
        Label("検査エリア数", "areas", ("number of areas",)),
        read_number,
        Label("空なら同時検査台数制限と同じ。名前を付けるときは検査エリアシート", "the daily limit, where empty"),
    ),
    Column(
        "calendar/country",
        Label("祝日の国", "country", ("国",)),
        read_text,
        Label("例 JP。空ならカレンダーシートの休日だけ", "such as JP; the sheet of the calendar alone, where empty"),
    ),
    Column(
        "calendar/weekend",
        Label("週休日", "weekend"),
        read_weekdays,
        Label("例 土,日", "such as sat,sun"),
    ),
    Column(
        "levels",
        Label("レベル", "levels"),
        read_levels,
        Label(
            "優先する順。空なら hard,medium,soft", "the one that counts first in front; hard,medium,soft where empty"
        ),
    ),
)
# Columns of a result that say nothing about the problem; a plan may be copied back with them.
IGNORED: Final = frozenset(
    plain(name) for name in ("検査終了日", "end", "回帰日数", "return interval", "備考", "note", "notes", "remarks")
)
