"""Swagger UI from a package that carries its files, so that the documentation works without the internet."""

from importlib.resources import files
from pathlib import Path

from services.gateway.domain.documents import DocumentationAssets

_FILES = ("swagger-ui.css", "swagger-ui-bundle.js", "favicon.png")


def documentation_assets() -> DocumentationAssets:
    """The files that the documentation page needs."""
    folder = Path(str(files("fastapi_offline") / "static"))
    return DocumentationAssets({name: folder / name for name in _FILES})
