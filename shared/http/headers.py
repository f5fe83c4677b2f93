"""One header of a request, looked up without building a mapping of all of them."""

from starlette.types import Scope


def header(scope: Scope, name: bytes) -> bytes | None:
    """The first header of this name, which is in lower case as all names of a scope are."""
    for key, value in scope["headers"]:
        if key == name:
            found: bytes = value
            return found
    return None
