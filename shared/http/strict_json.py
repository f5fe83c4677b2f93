"""JSON that others read alike: what Python's parser takes beyond that is refused (RFC 8259, RFC 7493)."""

import json
import math
import re
from contextlib import suppress
from typing import Any, Never

from shared.http.problems import NotJson

# Deeper than any request of ours, shallower than what pydantic can write out again (255).
_MOST_LEVELS = 64
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_BLANKS = b" \t\r\n"
# A number that no double may hold needs a large exponent or very many digits.
_MAY_BE_HUGE = re.compile(rb"[eE]\+?\d{3}|\d{200}")
_SHOWN_DIGITS = 40
# Of one object, and of all objects of a body: more than any request of ours has. Each unknown one would be a fault, of
# about a thousand bytes in memory.
_MOST_MEMBERS = 10_000
_MOST_MEMBERS_IN_ALL = 1_000_000


def check_json(body: bytes) -> None:
    """Let nothing through that is no JSON to others, or could not be written out again; `json.loads` tells the rest.

    Raises
    ------
    NotJson
        If it holds such a thing.
    """
    # A colon after a name, and not one of a time: at least as many as there are members. A false alarm costs a parse.
    if body.count(b":") > _MOST_MEMBERS and body.translate(None, _BLANKS).count(b'":') > _MOST_MEMBERS:
        _require_few_members(body)
    # The full check costs a parse, so it runs only where one of the suspects stands somewhere in the text.
    if (
        any(suspect in body for suspect in (b"NaN", b"Infinity", b"\\u", b"\0"))
        or _may_nest_deeply(body)
        or _MAY_BE_HUGE.search(body)
    ):
        _require_json(body)
    elif not body.isascii():
        _decode(body)


def _decode(body: bytes) -> str:
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise NotJson("the text is not UTF-8") from error


def _may_nest_deeply(body: bytes) -> bool:
    """Take the innermost pairs of brackets away, again and again, for as long as that halves what is left.

    Then there are at most two levels a pass and one pass for each bit of the length, which is under the limit. A false
    alarm, as from a bracket inside a text, costs a parse.
    """
    brackets = body.translate(None, _NOT_BRACKETS)
    while brackets:
        rest = brackets.replace(b"[]", b"").replace(b"{}", b"")
        if 2 * len(rest) > len(brackets):
            return True
        brackets = rest
    return False


def _require_json(body: bytes) -> None:
    def refuse(name: str) -> Never:
        raise NotJson(f"{name} is not a JSON number")

    try:
        document = json.loads(_decode(body), parse_constant=refuse, parse_float=_finite)
        json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise NotJson("the text holds half of a surrogate pair") from error
    except (ValueError, RecursionError) as error:
        raise NotJson(str(error)) from error
    level: list[Any] = [[document]]
    for _ in range(_MOST_LEVELS + 1):
        children = (child for item in level for child in (item.values() if isinstance(item, dict) else item))
        level = [child for child in children if isinstance(child, dict | list)]
    if level:
        raise NotJson(f"values are nested deeper than {_MOST_LEVELS} levels")


def _require_few_members(body: bytes) -> None:
    in_all = 0

    def count(members: list[tuple[str, Any]]) -> None:
        nonlocal in_all
        in_all += len(members)
        if len(members) > _MOST_MEMBERS or in_all > _MOST_MEMBERS_IN_ALL:
            raise NotJson(f"an object has more than {_MOST_MEMBERS} members, or all have {_MOST_MEMBERS_IN_ALL}")

    # What is no JSON at all, the full check or the reader says.
    with suppress(ValueError, RecursionError):
        json.loads(_decode(body), object_pairs_hook=count)


def _finite(text: str) -> float:
    """A number as a double; one that is too large would be written out again as no number at all."""
    number = float(text)
    if math.isinf(number):
        raise NotJson(f"the number {text[:_SHOWN_DIGITS]} is larger than a double can hold")
    return number
