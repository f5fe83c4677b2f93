"""Typed access to parsed JSON: each getter returns the asked type or says which field is wrong."""

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NoReturn, TypeGuard, TypeVar

from shared.errors import JSON
from shared.onnx.errors import BundleMalformed

T = TypeVar("T")


def canonical_bytes(document: Mapping[str, JSON]) -> bytes:
    """Encode a JSON object in the one way that is signed: sorted keys, no spaces, UTF-8, finite numbers only.

    Raises
    ------
    BundleMalformed
        If a number is NaN or infinite, or a value has no JSON form.
    """
    try:
        text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        return text.encode("utf-8")
    except (ValueError, TypeError, RecursionError) as error:
        raise BundleMalformed(f"the manifest has no canonical JSON form: {error}") from error


def parse_object(data: bytes) -> Mapping[str, JSON]:
    """Parse a JSON object; duplicate keys, NaN and infinity are refused.

    Raises
    ------
    BundleMalformed
        If the bytes are not such an object.
    """
    try:
        document = json.loads(data.decode("utf-8"), object_pairs_hook=_without_duplicates, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise BundleMalformed(f"manifest.json is not valid JSON: {error}") from error
    if not isinstance(document, dict):
        raise BundleMalformed("manifest.json must hold a JSON object")
    return document


def _without_duplicates(pairs: list[tuple[str, JSON]]) -> dict[str, JSON]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key appears twice in one object")
    return result


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a JSON number")


class Fields:
    """One JSON object, read field by field; `close` refuses the fields nobody asked for."""

    def __init__(self, document: JSON, where: str) -> None:
        if not isinstance(document, Mapping):
            raise BundleMalformed(f"{where} must be an object", field=where)
        self._document = document
        self._where = where
        self._asked: set[str] = set()

    def __iter__(self) -> Iterator[str]:
        return iter(self._document)

    def present(self, name: str) -> bool:
        """Whether the field is there and not null; asking counts as reading it."""
        self._asked.add(name)
        return self._document.get(name) is not None

    def text(self, name: str) -> str:
        value = self._get(name)
        return value if isinstance(value, str) else self._wrong(name, "a string")

    def optional_text(self, name: str) -> str | None:
        return self.text(name) if self.present(name) else None

    def whole(self, name: str) -> int:
        value = self._get(name)
        return value if _is_whole(value) else self._wrong(name, "an integer")

    def number(self, name: str) -> float:
        return self._as_number(name, self._get(name))

    def optional_number(self, name: str) -> float | None:
        return self.number(name) if self.present(name) else None

    def numbers(self, name: str) -> tuple[float, ...]:
        return tuple(self._as_number(name, value) for value in self._sequence(name))

    def sizes(self, name: str) -> tuple[int | None, ...]:
        """Read a list of integers and nulls."""
        values = self._sequence(name)
        return tuple(v if v is None or _is_whole(v) else self._wrong(name, "integers and nulls") for v in values)

    def mapping(self, name: str) -> Mapping[str, JSON]:
        value = self._get(name)
        return value if isinstance(value, Mapping) else self._wrong(name, "an object")

    def item(self, name: str, read: Callable[["Fields"], T]) -> T:
        """Read one object with `read`; nothing else may be in it."""
        return _complete(Fields(self._get(name), f"{self._where}.{name}"), read)

    def optional_item(self, name: str, read: Callable[["Fields"], T]) -> T | None:
        """Read one object with `read`, or `None` where the field is null or left out."""
        return self.item(name, read) if self.present(name) else None

    def items(self, name: str, read: Callable[["Fields"], T]) -> tuple[T, ...]:
        """Read each object of a list with `read`; nothing else may be in it."""
        where = f"{self._where}.{name}"
        return tuple(_complete(Fields(item, f"{where}[{i}]"), read) for i, item in enumerate(self._sequence(name)))

    def close(self) -> None:
        """Refuse fields that were never asked for: a reader that skips them would sign off what it did not read."""
        if unknown := sorted(set(self._document) - self._asked):
            raise BundleMalformed(f"{self._where} has unknown fields: {', '.join(unknown)}", field=self._where)

    def _get(self, name: str) -> JSON:
        self._asked.add(name)
        if name not in self._document:
            raise BundleMalformed(f"{self._where}.{name} is missing", field=f"{self._where}.{name}")
        return self._document[name]

    def _sequence(self, name: str) -> Sequence[JSON]:
        value = self._get(name)
        return value if isinstance(value, list) else self._wrong(name, "a list")

    def _as_number(self, name: str, value: JSON) -> float:
        largest = sys.float_info.max
        if isinstance(value, bool) or not isinstance(value, int | float) or not -largest <= value <= largest:
            self._wrong(name, "a finite number")
        return float(value)

    def _wrong(self, name: str, wanted: str) -> NoReturn:
        raise BundleMalformed(f"{self._where}.{name} must be {wanted}", field=f"{self._where}.{name}")


def _complete(fields: Fields, read: Callable[[Fields], T]) -> T:
    value = read(fields)
    fields.close()
    return value


def _is_whole(value: JSON) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)
