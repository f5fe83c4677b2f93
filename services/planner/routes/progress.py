"""A search as it goes on, as server-sent events."""

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Annotated, Final

import anyio
from anyio import to_thread
from fastapi import APIRouter
from starlette.responses import StreamingResponse

from services.planner.domain.followers import Followers, TooManyStreams
from services.planner.domain.plan_desk import PlanDesk, PlanView
from services.planner.domain.plan_records import PlanMissing
from services.planner.routes.reach import check_reach
from services.planner.schemas.progress import ProgressBody
from shared.http.dependencies import AssetOutOfReach, NotAllowed, require, use
from shared.http.problems import responses
from shared.http.server_events import comment, described, event, event_stream
from shared.principal import Permission, Principal

router = APIRouter(prefix="/api/v1/planner", tags=["plans"])

# Between two looks at a search; its worker tells twice a second.
LOOK_INTERVAL_S: Final = 0.5
# Without a word for this long a comment is sent: proxies give up on a connection that is silent.
HEARTBEAT_S: Final = 10.0

_STREAM = described("events `progress` and, as the last one, `end`; the data of each is a ProgressBody")


@router.get(
    "/plans/{plan_id}/progress",
    response_class=StreamingResponse,
    responses={**responses(NotAllowed, AssetOutOfReach, PlanMissing, TooManyStreams), **_STREAM},
)
async def watch_plan(
    plan_id: str,
    desk: Annotated[PlanDesk, use(PlanDesk)],
    followers: Annotated[Followers, use(Followers)],
    caller: Annotated[Principal, require(Permission.READ)],
) -> StreamingResponse:
    """Follow a search: score, bound, gap and moves a second whenever they change, until it has ended."""
    view = await to_thread.run_sync(desk.look, plan_id)
    check_reach(caller, view.plan.summary.assets)
    events = _events(desk, view, followers, caller.subject)
    # What can be refused is refused before there is an answer.
    first = await anext(events)
    return event_stream(_from(first, events))


async def _from(first: bytes, events: AsyncGenerator[bytes]) -> AsyncIterator[bytes]:
    try:
        yield first
        async for line in events:
            yield line
    finally:
        await events.aclose()


async def _events(desk: PlanDesk, view: PlanView, followers: Followers, who: str) -> AsyncGenerator[bytes]:
    told, silent_s = None, 0.0
    with followers.following(who):
        while not view.state.final:
            body = ProgressBody.of_view(view)
            if body != told:
                told, silent_s = body, 0.0
                yield event("progress", body.model_dump_json())
            elif silent_s >= HEARTBEAT_S:
                silent_s = 0.0
                yield comment("still searching")
            await anyio.sleep(LOOK_INTERVAL_S)
            silent_s += LOOK_INTERVAL_S
            view = await to_thread.run_sync(desk.look, view.plan.summary.id)
        yield event("end", ProgressBody.of_view(view).model_dump_json())
