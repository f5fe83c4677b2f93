"""Who calls, and what that caller may do."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """The four roles of a plant's users, least first."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ENGINEER = "engineer"
    ADMIN = "admin"


class Permission(StrEnum):
    """One thing a caller may be allowed to do; an API key's scopes are a set of these."""

    READ = "read"
    PREDICT = "predict"
    SCORE = "score"
    ACKNOWLEDGE = "acknowledge"
    PUBLISH = "publish"
    TRAIN = "train"
    PLAN = "plan"
    SET_THRESHOLD = "set_threshold"
    MANAGE_USERS = "manage_users"
    MANAGE_KEYS = "manage_keys"
    READ_AUDIT = "read_audit"


EXTERNAL = "external"

_VIEWER = frozenset({Permission.READ})
_OPERATOR = _VIEWER | {Permission.PREDICT, Permission.SCORE, Permission.ACKNOWLEDGE}
_ENGINEER = _OPERATOR | {Permission.PUBLISH, Permission.TRAIN, Permission.PLAN, Permission.SET_THRESHOLD}

ROLE_PERMISSIONS: Mapping[Role, frozenset[Permission]] = {
    Role.VIEWER: _VIEWER,
    Role.OPERATOR: _OPERATOR,
    Role.ENGINEER: _ENGINEER,
    Role.ADMIN: frozenset(Permission),
}
_SEE_ALL_WORK = frozenset({Role.ENGINEER, Role.ADMIN})


@dataclass(frozen=True, slots=True)
class Principal:
    """A verified caller.

    Parameters
    ----------
    subject
        User name; an API key acts as its owner.
    permissions
        What the caller may do: the role's permissions, or an API key's narrower scopes.
    assets
        Asset subtrees the caller is limited to (`acme.osaka` covers `acme.osaka.reactor`); empty means all.
    method
        How the caller proved who it is: `password`, `api_key`, or `EXTERNAL` for one an identity provider vouches for.
    """

    subject: str
    role: Role
    permissions: frozenset[Permission]
    assets: tuple[str, ...] = ()
    method: str = "password"

    def may(self, permission: Permission) -> bool:
        """Whether the caller holds this permission."""
        return permission in self.permissions

    def may_see_work_of(self, owner: str | None) -> bool:
        """Whether a job, or what came of it, is this caller's to know of.

        It is its owner's, and everybody's for engineers and administrators. One who is limited to some assets has its
        own only: while a job runs, nothing tells which assets it is about.
        """
        return self.subject == owner or (self.role in _SEE_ALL_WORK and not self.assets)

    def may_reach(self, asset: str | None) -> bool:
        """Whether an asset lies in one of the caller's subtrees.

        A limited caller who names no asset is refused: leaving the name out must not widen what it reaches.
        """
        if not self.assets:
            return True
        return asset is not None and any(asset == root or asset.startswith(f"{root}.") for root in self.assets)
