"""What lies within asset subtrees, asked of the database itself: of any number of rows and of subtrees."""

from collections.abc import Sequence

from sqlalchemy import JSON, ColumnElement, Dialect, Select, TableValuedAlias, exists, func, literal, or_, select

from services.gateway.adapters.tables import users

# What gives the texts of a JSON array as rows with a column `value`.
_ELEMENTS = {"sqlite": "json_each", "postgresql": "json_array_elements_text"}


def lies_within(asset: ColumnElement[str], roots: Sequence[str], dialect: Dialect) -> ColumnElement[bool]:
    """Whether an asset lies in one of the subtrees, as `Principal.may_reach` has it of a caller who is limited."""
    # As one value: a condition for each subtree would be more than SQLite takes (a thousand).
    root = _elements(literal(list(roots), JSON), dialect).c.value
    # Read once, and not for each row that is looked at.
    within = select(root.label("root"), root.concat(".").label("below")).cte().prefix_with("MATERIALIZED").c
    # Compared as they are written: LIKE would take capitals for small letters on SQLite.
    below = func.substr(asset, 1, func.length(within.below)) == within.below
    return exists(select(within.root).where(or_(asset == within.root, below)))


def users_within(roots: Sequence[str], dialect: Dialect) -> Select[tuple[str]]:
    """Names of the users that a caller with these subtrees reaches, as `delegation.reaches` has it.

    Those who were deleted are among them. For a look at what such users did: their names themselves would be more
    values than a statement takes (65,535 on PostgreSQL).

    Parameters
    ----------
    roots
        Subtrees that the caller is limited to; not empty.
    """
    asset = _elements(users.c.assets, dialect).c.value
    outside = exists(select(asset).where(~lies_within(asset, roots, dialect)))
    return select(users.c.username).where(func.json_array_length(users.c.assets) > 0, ~outside)


def _elements(array: ColumnElement[object], dialect: Dialect) -> TableValuedAlias:
    rows: TableValuedAlias = getattr(func, _ELEMENTS[dialect.name])(array).table_valued("value")
    return rows
