"""What a training left behind: as data, and as a page."""

from typing import Annotated, Any, Literal

from anyio import to_thread
from fastapi import APIRouter, Header, Query, Response
from starlette.responses import HTMLResponse, JSONResponse

from services.anomaly.domain.catalogue import DetectorMissing
from services.anomaly.domain.reporting import LatentMissing, ReportDesk, ReportMissing
from services.anomaly.exports.page import PAGE_POLICY
from services.anomaly.exports.training_page import training_page
from shared.http.dependencies import NotAllowed, require, use
from shared.http.problems import responses
from shared.principal import Permission, Principal

router = APIRouter(prefix="/api/v1/anomaly", tags=["reports"])

Reports = Annotated[ReportDesk, use(ReportDesk)]
Reader = Annotated[Principal, require(Permission.READ)]


@router.get(
    "/detectors/{name}/report",
    response_model=dict[str, Any],
    responses={
        200: {"content": {"text/html": {}}, "description": "As data, or as a page where that is asked for."},
        **responses(NotAllowed, DetectorMissing, ReportMissing),
    },
)
async def report(
    name: str,
    desk: Reports,
    _caller: Reader,
    accept: Annotated[str, Header(include_in_schema=False)] = "",
    form: Annotated[Literal["json", "html"] | None, Query(alias="format", description="wins over `Accept`")] = None,
) -> Response:
    """Loss curves, held-out scores and the map of the serving version; its limit in force with the figures behind it.

    A limit that was set on labelled rows brings its confusion matrix and ROC curve along.
    """
    ready, found = await to_thread.run_sync(desk.report, name)
    detector, threshold = ready.detector, ready.threshold
    if (form or _preferred(accept)) == "html":
        title = f"{detector.name}, version {detector.version}"
        set_later = None if threshold == detector.threshold else threshold
        shown = await to_thread.run_sync(lambda: training_page(found, title=title, threshold=set_later))
        return HTMLResponse(shown, headers={"Content-Security-Policy": PAGE_POLICY})
    told = {"detector": detector.name, "version": detector.version, **found.to_json(), "threshold": threshold.to_json()}
    return JSONResponse(told)


@router.get(
    "/detectors/{name}/latent",
    response_model=dict[str, Any],
    responses=responses(NotAllowed, DetectorMissing, ReportMissing, LatentMissing),
)
async def latent(name: str, desk: Reports, _caller: Reader) -> Response:
    """Where training rows lie on the two axes that explain most, and how to put later rows there."""
    ready, found = await to_thread.run_sync(desk.latent, name)
    return JSONResponse({"detector": ready.detector.name, "version": ready.detector.version, **found})


def _preferred(accept: str) -> str:
    """`html` where a caller names it before JSON, as browsers do."""
    for part in accept.split(","):
        media_type = part.partition(";")[0].strip().lower()
        if media_type in {"text/html", "application/json"}:
            return media_type.rpartition("/")[2]
    return "json"
