"""The gateway's own metrics, for those inside: they tell how much is asked, by which routes and how well it goes."""

from starlette.types import ASGIApp, Receive, Scope, Send

from services.gateway.domain.addresses import Network, is_within
from services.gateway.domain.errors import PathUnknown
from services.gateway.routes.callers import ADDRESS_KEY

_PATH = "/metrics"


class MetricsInside:
    """Answers `/metrics` to some networks; to all others there is no such path.

    Parameters
    ----------
    app
        The gateway's own routes, behind the door, which has found out the caller's address.
    """

    def __init__(self, app: ASGIApp, networks: tuple[Network, ...]) -> None:
        self._app, self._networks = app, networks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == _PATH and not is_within(scope[ADDRESS_KEY], self._networks):
            raise PathUnknown
        await self._app(scope, receive, send)
