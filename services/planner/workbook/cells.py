"""What a cell means: the ways people write dates, numbers, names and yes or no."""

import re
import unicodedata
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import Final, TypeAlias

CellValue: TypeAlias = str | int | float | bool | date | datetime | time | timedelta | None
Wire: TypeAlias = str | int | bool | list[str]
Reader: TypeAlias = Callable[[CellValue], Wire]

_DATE: Final = re.compile(r"(\d{4})\s*[-/.年]\s*(\d{1,2})\s*[-/.月]\s*(\d{1,2})\s*日?")
_BETWEEN: Final = re.compile(r"[,、;\n]")
_YES: Final = frozenset({"yes", "true", "on", "1", "はい", "有効", "固定", "○", "〇", "◯", "する", "y"})
_NO: Final = frozenset({"no", "false", "off", "0", "いいえ", "無効", "×", "✕", "しない", "n", "-"})
# No weight has more digits, and 1E999999999 written out fills the memory.
_MOST_DIGITS: Final = 400
_ERRORS: Final = frozenset({"#NULL!", "#DIV/0!", "#VALUE!", "#REF!", "#NAME?", "#NUM!", "#N/A"})


class CellFault(ValueError):
    """A cell does not say what it should; the message is for the person who wrote it."""


def plain(text: str) -> str:
    """Return a text without differences of width, case, spaces and units in brackets: how names are compared."""
    narrow = unicodedata.normalize("NFKC", text).casefold()
    return re.sub(r"\([^)]*\)|[\s_\-/]", "", narrow)


def is_empty(value: CellValue) -> bool:
    """Whether a cell says nothing."""
    return value is None or (isinstance(value, str) and not value.strip())


def read_text(value: CellValue) -> str:
    """Read a name; a number is the name its digits are."""
    if isinstance(value, bool | date | time | timedelta):
        raise CellFault("a name is expected here")
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = str(value).strip()
    if text in _ERRORS:
        raise CellFault(f"the cell holds the error {text}")
    return text


def read_area(value: CellValue) -> int | str:
    """Read the name of an area, which often is a number."""
    text = unicodedata.normalize("NFKC", read_text(value))
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else text


def read_number(value: CellValue) -> int:
    """Read a whole number."""
    if isinstance(value, str):
        narrow = unicodedata.normalize("NFKC", value).strip()
        if re.fullmatch(r"-?\d{1,9}", narrow):
            return int(narrow)
    elif isinstance(value, int | float) and not isinstance(value, bool) and float(value).is_integer():
        return int(value)
    raise CellFault(f"a whole number is expected here, not {_shown(value)}")


def read_weight(value: CellValue) -> str:
    """Read a decimal number, exactly as it is written."""
    if isinstance(value, int | float | str) and not isinstance(value, bool):
        try:
            number = Decimal(unicodedata.normalize("NFKC", str(value)).strip())
        except InvalidOperation:
            number = Decimal("NaN")
        if number.is_finite() and abs(number.adjusted()) < _MOST_DIGITS:
            return f"{number:f}"
    raise CellFault(f"a number is expected here, not {_shown(value)}")


def read_date(value: CellValue) -> str:
    """Read a day, from a date cell or from text such as 2017/9/15, 2017-09-15 or 2017年9月15日."""
    if isinstance(value, datetime):
        if value.time() != time():
            raise CellFault(f"a day without a time is expected here, not {value:%Y-%m-%d %H:%M}")
        return value.date().isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, str) and (found := _DATE.fullmatch(unicodedata.normalize("NFKC", value).strip())):
        try:
            return date(*(int(part) for part in found.groups())).isoformat()
        except ValueError:
            raise CellFault(f"there is no day {value.strip()}") from None
    raise CellFault(f"a date is expected here, such as 2017/9/15, not {_shown(value)}")


def read_threshold(value: CellValue) -> int | str:
    """Read what a rule measures by: a whole number, or a day."""
    is_day = isinstance(value, date) or (
        isinstance(value, str) and _DATE.fullmatch(unicodedata.normalize("NFKC", value))
    )
    return read_date(value) if is_day else read_number(value)


def read_flag(value: CellValue) -> bool:
    """Read yes or no."""
    if isinstance(value, bool):
        return value
    word = plain(str(value)) or str(value).strip()
    if word in _YES:
        return True
    if word in _NO:
        return False
    raise CellFault(f"yes or no (はい, いいえ) is expected here, not {_shown(value)}")


def read_names(value: CellValue) -> list[str]:
    """Read names with commas between them."""
    names = [name.strip() for name in _BETWEEN.split(read_text(value))]
    return [name for name in names if name]


def read_word(words: dict[str, str], expected: str) -> Callable[[CellValue], str]:
    """Return a reader of one of some words; `words` maps each, as `plain` gives it, to what it means."""

    def read(value: CellValue) -> str:
        word = plain(read_text(value))
        if word not in words:
            raise CellFault(f"one of {expected} is expected here, not {_shown(value)}")
        return words[word]

    return read


def _shown(value: CellValue) -> str:
    text = str(value)
    return repr(text if len(text) <= 40 else f"{text[:40]}…")
