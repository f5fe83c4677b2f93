"""Who uses the system, as it is stored."""

import re
from dataclasses import dataclass
from datetime import datetime

from shared.principal import ROLE_PERMISSIONS, Permission, Principal, Role

USERNAME_PATTERN = r"^[a-z0-9](?:[a-z0-9._@-]{0,62}[a-z0-9])?$"
# A dotted path of names, ISA-95 like: enterprise.site.area.unit
ASSET_PATTERN = r"^[A-Za-z0-9_-]+(?:[.][A-Za-z0-9_-]+)*$"
_USERNAME = re.compile(USERNAME_PATTERN)


@dataclass(frozen=True, slots=True)
class User:
    """One user.

    Parameters
    ----------
    password_hash
        As the hasher wrote it, with its parameters.
    generation
        Rises with every change that must end what was issued before: tokens carry the generation they were issued
        under.
    assets
        Asset subtrees the user is limited to; empty means all.
    second_factor
        Whether a login also needs a code.
    short_password
        The password is shorter than one may be that stands alone.
    given_password
        Somebody else chose the password, or it was made up.
    """

    username: str
    role: Role
    password_hash: str
    active: bool
    generation: int
    assets: tuple[str, ...]
    created_at: datetime
    password_changed_at: datetime
    second_factor: bool = False
    short_password: bool = False
    given_password: bool = False
    last_login_at: datetime | None = None

    def principal(self) -> Principal:
        """The user as a caller who logged in with a password."""
        return Principal(self.username, self.role, ROLE_PERMISSIONS[self.role], self.assets, "password")


def is_username(text: str) -> bool:
    """Whether a text can be a user name: lower case, so that no two names look alike but for their case."""
    return _USERNAME.fullmatch(text) is not None


def scopes_of(permissions: frozenset[Permission]) -> list[str]:
    """Permissions in the order they are defined, as the API writes them."""
    return [permission.value for permission in Permission if permission in permissions]
