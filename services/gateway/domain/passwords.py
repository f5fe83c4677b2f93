"""Which passwords are good enough to store.

Length and a blocklist, no rules on composition: NIST SP 800-63B-4, section 3.1.1, and OWASP ASVS 5, section 6.2.
"""

from services.gateway.domain.errors import PasswordRefused

MIN_LENGTH = 15
# Hashing a longer text would let one request buy much more work than it costs to send.
MAX_BYTES = 1024
# Texts that are long enough and still among the first a guesser tries, compared without case and separators.
_GUESSED_FIRST = frozenset(
    {
        "123456789012345",
        "1234567890123456",
        "12345678901234567890",
        "abcdefghijklmno",
        "abcdefghijklmnopqrstuvwxyz",
        "administrator123",
        "changemechangeme",
        "correcthorsebatterystaple",
        "iloveyouiloveyou",
        "letmeinletmeinletmein",
        "passwordpassword",
        "password12345678",
        "password123456789",
        "qwertyuiopasdfgh",
        "qwertyuiopasdfghjkl",
        "qwertyuiopasdfghjklzxcvbnm",
        "thisisapassword",
        "thisismypassword",
        "welcometofutago",
    }
)
# Words of the place itself, which a guesser would add: they may occur, but not make up most of a password.
_CONTEXT = ("futago", "password", "admin", "gateway", "digitaltwin")
_LEAST_DISTINCT = 5
_LEAST_BEYOND_CONTEXT = 8


def check_password(password: str, username: str, *, pointer: str = "/password") -> None:
    """Accept a new password, or say everything that is wrong with it.

    Parameters
    ----------
    pointer
        Where the password stood in the request body, for the answer.

    Raises
    ------
    PasswordRefused
        With one fault for each broken rule.
    """
    if reasons := tuple(_reasons(password, username)):
        raise PasswordRefused(reasons, pointer)


def is_checkable(password: str) -> bool:
    """Whether a password sent with a login is worth hashing: nothing longer was ever stored."""
    return len(password.encode()) <= MAX_BYTES


def _reasons(password: str, username: str) -> list[str]:
    plain = "".join(character for character in password.casefold() if character.isalnum())
    name = "".join(character for character in username.casefold() if character.isalnum())
    reasons = []
    if len(password) < MIN_LENGTH:
        reasons.append(f"use at least {MIN_LENGTH} characters")
    if len(password.encode()) > MAX_BYTES:
        reasons.append(f"use at most {MAX_BYTES} bytes")
    if plain in _GUESSED_FIRST:
        reasons.append("this is one of the passwords that are guessed first")
    if len(set(password)) < _LEAST_DISTINCT:
        reasons.append(f"use at least {_LEAST_DISTINCT} different characters")
    if name and len(plain.replace(name, "")) < _LEAST_BEYOND_CONTEXT and name in plain:
        reasons.append("do not build it around the user name")
    if len(_without_context(plain)) < _LEAST_BEYOND_CONTEXT <= len(plain):
        reasons.append("do not build it around the name of the system")
    return reasons


def _without_context(plain: str) -> str:
    for word in _CONTEXT:
        plain = plain.replace(word, "")
    return plain
