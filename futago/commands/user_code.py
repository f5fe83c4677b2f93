"""Imports what a user names on the command line: the one place where `futago` runs code that is not its own."""

import importlib
import inspect
import sys
from pathlib import Path
from typing import Any

from futago.errors import FutagoError


class UserCodeUnusable(FutagoError):
    """The module cannot be imported, or holds no such object."""


def load_object(reference: str, folder: Path) -> Any:
    """The object at `MODULE:OBJECT`; a function is called, and its result returned.

    Parameters
    ----------
    folder
        Where modules are looked for first, as `python` does with the folder of a script.

    Raises
    ------
    UserCodeUnusable
        If there is no such module or object.
    """
    module_name, _, path = reference.partition(":")
    sys.path.insert(0, str(folder.absolute()))
    try:
        found: Any = importlib.import_module(module_name)
        for part in path.split("."):
            found = getattr(found, part)
    except (ImportError, ValueError, AttributeError) as error:
        raise UserCodeUnusable(f"{reference!r} cannot be loaded: {error}") from error
    finally:
        sys.path.remove(str(folder.absolute()))
    # A fitted network can be called too, and must not be.
    if not inspect.isroutine(found):
        return found
    try:
        inspect.signature(found).bind()
    except (TypeError, ValueError) as error:
        raise UserCodeUnusable(f"{reference!r} must be callable without arguments: {error}") from error
    return found()
