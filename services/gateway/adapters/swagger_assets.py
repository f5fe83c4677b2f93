"""Swagger UI from its package, so that the documentation works without the internet."""

from pathlib import Path

from swagger_ui_bundle import swagger_ui_path

from services.gateway.domain.documents import DocumentationAssets

_FILES = ("swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png")


def swagger_assets() -> DocumentationAssets:
    """The files that the documentation page needs."""
    return DocumentationAssets({name: Path(str(swagger_ui_path)) / name for name in _FILES})
