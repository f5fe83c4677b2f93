"""The environment of the `futago` command itself."""

import os
from pathlib import Path


def outer_environment() -> dict[str, str]:
    """A copy of it; which part the processes see is decided in `environment`."""
    return dict(os.environ)


def sign_with(home: Path) -> None:
    """Make bundles packaged by this process be signed with the key of a home, however that was chosen."""
    os.environ["FUTAGO_HOME"] = str(home)
