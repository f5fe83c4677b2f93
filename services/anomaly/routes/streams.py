"""Scores of an asset's newest rows, as they come."""

from typing import Annotated

from anyio import to_thread
from fastapi import APIRouter, Path, Query, Response

from services.anomaly.domain.catalogue import DetectorMissing
from services.anomaly.domain.rows import RowsRefused
from services.anomaly.domain.scoring import TooManyRows
from services.anomaly.domain.streaming import NoStream, StreamBusy, StreamDesk, StreamsUnavailable, TooManyStreams
from services.anomaly.domain.streaming_step import RowsOutOfOrder
from services.anomaly.domain.workbench import Overloaded
from services.anomaly.schemas.requests import ASSET_PATTERN
from services.anomaly.schemas.streams import StreamRequest, StreamResponse
from shared.http.dependencies import AssetOutOfReach, NotAllowed, check_asset, require, use
from shared.http.problems import responses
from shared.principal import Permission, Principal

router = APIRouter(prefix="/api/v1/anomaly", tags=["scores"])


@router.post(
    "/detectors/{name}/stream/{asset}",
    response_model=StreamResponse,
    responses=responses(
        NotAllowed,
        AssetOutOfReach,
        DetectorMissing,
        RowsRefused,
        TooManyRows,
        NoStream,
        RowsOutOfOrder,
        StreamBusy,
        StreamsUnavailable,
        TooManyStreams,
        Overloaded,
    ),
)
async def stream(
    name: str,
    asset: Annotated[str, Path(pattern=ASSET_PATTERN, max_length=255)],
    body: StreamRequest,
    desk: Annotated[StreamDesk, use(StreamDesk)],
    caller: Annotated[Principal, require(Permission.SCORE)],
    *,
    restart: Annotated[bool, Query(description="forget what was kept, and begin anew")] = False,
) -> Response:
    """Score an asset's newest rows; what they look back on is kept between the calls, for every replica."""
    check_asset(caller, asset)
    step = await desk.push(name, body.to_domain(), asset=asset, restart=restart)
    # In a thread: thousands of anomalous rows with many sensors take a while to write out.
    content = await to_thread.run_sync(lambda: StreamResponse.of_step(step, asset).model_dump_json())
    return Response(content, media_type="application/json")
