"""Which passwords are good enough to store.

Length and a blocklist, no rules on composition: NIST SP 800-63B-4, section 3.1.1, and OWASP ASVS 5, section 6.2.
"""

import operator
import unicodedata
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from itertools import takewhile
from typing import Protocol

from services.gateway.domain.errors import PasswordRefused

MIN_LENGTH = 15
# NIST SP 800-63B-4, section 3.1.1.2: where a second factor is asked for as well.
MIN_LENGTH_BESIDE_FACTOR = 8
# Hashing a longer text would let one request buy much more work than it costs to send.
MAX_BYTES = 1024
# Of a password that is made up: 192 bits, 32 characters in base64.
MADE_UP_BYTES = 24
# Texts that are long enough and still among the first a guesser tries, compared without case and separators.
_GUESSED_FIRST = frozenset(
    {
        "administrator123",
        "changemechangeme",
        "correcthorsebatterystaple",
        "iloveyouiloveyou",
        "letmeinletmeinletmein",
        "passwordpassword",
        "password12345678",
        "password123456789",
        "thisisapassword",
        "thisismypassword",
        "welcometofutago",
    }
)
# What fingers and counting give in a row. A text that is made of pieces of these is guessed first, in whatever order.
_LINES = (
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890",
    "qwertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "1q2w3e4r5t6y7u8i9o0p",
    "q1w2e3r4t5y6u7i8o9p0",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p",
)
_ROWS = (*_LINES, *(line[::-1] for line in _LINES))
_SHORTEST_PIECE = 4
# Words of the place itself, which a guesser would add: they may occur, but not make up most of a password.
_CONTEXT = ("futago", "password", "admin", "gateway", "digitaltwin")
# No list holds a text so long, whatever it is made of.
_LISTED_BELOW = 128
_LEAST_DISTINCT = 5
_LEAST_BEYOND_CONTEXT = 8


class WordLists(Protocol):
    """Words and passwords that are in everybody's lists."""

    async def words(self) -> AbstractSet[str]:
        """All of them, as `plain` writes them."""
        ...


class PasswordPolicy:
    """Decides which passwords are stored."""

    def __init__(self, lists: WordLists) -> None:
        self._lists = lists

    async def check(
        self, password: str, username: str, *, min_length: int = MIN_LENGTH, pointer: str = "/password"
    ) -> None:
        """As `check_password`, with the lists."""
        check_password(password, username, await self._lists.words(), min_length=min_length, pointer=pointer)


def check_password(
    password: str,
    username: str,
    common: AbstractSet[str] = frozenset(),
    *,
    min_length: int = MIN_LENGTH,
    pointer: str = "/password",
) -> None:
    """Accept a new password, or say everything that is wrong with it.

    Parameters
    ----------
    common
        Words and passwords that are not accepted, alone or repeated, as `plain` writes them.
    pointer
        Where the password stood in the request body, for the answer.

    Raises
    ------
    PasswordRefused
        With one fault for each broken rule.
    """
    if reasons := tuple(_reasons(password, username, common, min_length)):
        raise PasswordRefused(reasons, pointer)


def min_length(*, second_factor: bool) -> int:
    """How many characters a user's password has at least."""
    return MIN_LENGTH_BESIDE_FACTOR if second_factor else MIN_LENGTH


def is_checkable(password: str) -> bool:
    """Whether a password sent with a login is worth hashing: nothing longer was ever stored."""
    return len(password.encode()) <= MAX_BYTES


def is_short(password: str) -> bool:
    """Whether a password may only be used beside a second factor."""
    return len(normalised(password)) < MIN_LENGTH


def normalised(password: str) -> str:
    """The form that is counted and hashed, whatever keyboard the password was typed on (NFKC).

    NIST SP 800-63B-4, section 3.1.1.2: Japanese input may send half or full width, and an accent one character or two.

    Examples
    --------
    >>> normalised("\uff43af\u0065\u0301")
    'café'
    """
    return unicodedata.normalize("NFKC", password)


def plain(text: str) -> str:
    """Letters and digits alone, without case: the form in which texts are compared with lists."""
    return "".join(character for character in text.casefold() if character.isalnum())


def _reasons(password: str, username: str, common: AbstractSet[str], min_length: int) -> list[str]:
    # A longer one is not even normalised: a login would refuse it as well.
    if not is_checkable(password):
        return [f"use at most {MAX_BYTES} bytes"]
    password = normalised(password)
    letters = plain(password)
    reasons = []
    if len(password) < min_length:
        reasons.append(f"use at least {min_length} characters")
    if not is_checkable(password):
        reasons.append(f"use at most {MAX_BYTES} bytes")
    listable = len(password) < _LISTED_BELOW
    if letters in _GUESSED_FIRST or letters in common or (listable and _is_in_rows(letters)):
        reasons.append("this is one of the passwords that are guessed first")
    elif listable and _repeated_part(letters) in common:
        reasons.append("this repeats one of the words that are guessed first")
    if listable and len(set(password)) < _LEAST_DISTINCT:
        reasons.append(f"use at least {_LEAST_DISTINCT} different characters")
    if _built_around(letters, (plain(username),)):
        reasons.append("do not build it around the user name")
    if _built_around(letters, _CONTEXT):
        reasons.append("do not build it around the name of the system")
    return reasons


def _repeated_part(letters: str) -> str:
    """The shortest text that the letters are a repetition of, in the end they themselves."""
    return letters[: (letters + letters).find(letters, 1)] if letters else ""


def _is_in_rows(letters: str) -> bool:
    """Whether the letters are pieces of rows and nothing else."""
    # What begins a piece is one as well: wherever a piece may end, the next one may begin.
    ends = {0}
    for at in range(len(letters)):
        if at in ends:
            ends.update(range(at + _SHORTEST_PIECE, at + _piece(letters[at:]) + 1))
    return 0 < len(letters) in ends


def _piece(letters: str) -> int:
    """How many characters at the beginning are the same, or stand in one row."""
    same = len(letters) - len(letters.lstrip(letters[0]))
    begins = (row[at:] for row in _ROWS for at, character in enumerate(row) if character == letters[0])
    return max((same, *(sum(1 for _ in takewhile(bool, map(operator.eq, begin, letters))) for begin in begins)))


def _built_around(letters: str, words: Iterable[str]) -> bool:
    rest = letters
    for word in words:
        rest = rest.replace(word, "")
    return rest != letters and len(rest) < _LEAST_BEYOND_CONTEXT and 2 * len(rest) <= len(letters)
