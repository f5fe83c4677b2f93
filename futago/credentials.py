"""The file that `futago up` leaves for its user: where the suite is and how to get in."""

import json
from dataclasses import dataclass, field
from pathlib import Path

from futago.errors import FutagoError


class CredentialsMissing(FutagoError):
    """There is no credentials file where one was expected, or it cannot be used."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What one caller needs; a user name goes with a password, an API key stands alone.

    Parameters
    ----------
    url
        Address of the gateway, such as `http://127.0.0.1:8080`.
    ca_file
        The authority (PEM) its certificate comes from, where that is not one the machine trusts.
    """

    url: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    api_key: str | None = field(default=None, repr=False)
    ca_file: Path | None = None

    @classmethod
    def read(cls, path: Path) -> "Credentials":
        """Read `credentials.json`.

        Raises
        ------
        CredentialsMissing
            If the file is not there, not readable, or lacks what a login needs.
        """
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise CredentialsMissing(
                f"there is no {path}: has `futago up` run here, and finished its first start?"
            ) from None
        except (OSError, ValueError) as error:
            raise CredentialsMissing(f"{path} cannot be read: {error}") from error
        if not isinstance(content, dict) or not isinstance(content.get("url"), str):
            raise CredentialsMissing(f"{path} has no url")
        known = {name: content.get(name) for name in ("username", "password", "api_key")}
        if not known["api_key"] and not (known["username"] and known["password"]):
            raise CredentialsMissing(f"{path} has neither an API key nor a user name with a password")
        ca_file = content.get("ca_file")
        return cls(content["url"], **known, ca_file=Path(ca_file) if isinstance(ca_file, str) else None)
