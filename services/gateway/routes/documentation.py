"""The documentation page, which needs nothing from the internet."""

from typing import Annotated

from fastapi import APIRouter
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response

from services.gateway.domain.documents import DocumentationAssets
from services.gateway.domain.errors import PathUnknown
from shared.http.dependencies import use

router = APIRouter(include_in_schema=False)

# Only what this origin serves, and no script that stands in the page itself.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Futago API</title>
<link rel="icon" href="/docs/favicon.png">
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"""
_START = """SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  persistAuthorization: false,
  validatorUrl: null,
});
"""


@router.get("/")
async def start() -> Response:
    """Where a browser arrives with the address that the start prints."""
    return RedirectResponse("/docs")


@router.get("/docs")
async def page() -> Response:
    """The documentation page."""
    return HTMLResponse(_PAGE, headers={"Content-Security-Policy": _POLICY})


@router.get("/docs/{asset}")
async def file(asset: str, assets: Annotated[DocumentationAssets, use(DocumentationAssets)]) -> Response:
    """What the page loads."""
    if asset == "start.js":
        return Response(_START, media_type="text/javascript")
    if asset not in assets.files:
        raise PathUnknown
    return FileResponse(assets.files[asset], headers={"Cache-Control": "public, max-age=86400"})
