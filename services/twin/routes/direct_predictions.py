"""The plain form of the prediction requests, answered without the framework; `predictions` documents them."""

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import orjson

from services.twin.domain.predictor import Predictor
from services.twin.domain.serving import Requester
from services.twin.schemas.base import ASSET_PATTERN, DEFAULT_LEVEL
from services.twin.schemas.prediction_documents import batch_document, prediction_document
from shared.http.dependencies import NotAllowed, check_asset
from shared.http.direct import DirectRequest
from shared.principal import Permission

# Query strings that were read, by their text: a plant sends the same few again and again.
_REMEMBERED_QUERIES = 1_024
_LONGEST_REMEMBERED_BYTES = 512
_LONGEST_ASSET = 255
_LONGEST_STICKY_KEY = 128
_ASSET = re.compile(ASSET_PATTERN)
# Fifteen digits are told apart by a double; with more of them a level below 1 may be read as 1.
_LEVEL = re.compile(r"0?\.[0-9]{1,15}")
_NAMES = frozenset({"model", "asset", "level", "sticky_key"})


@dataclass(frozen=True, slots=True)
class PredictionQuery:
    """What the query string of a prediction says."""

    model: str | None = None
    asset: str | None = None
    level: float = DEFAULT_LEVEL
    sticky_key: str | None = None


def read_query(text: bytes) -> PredictionQuery | None:
    """The query, or `None` where it is not plain enough to be sure of.

    Examples
    --------
    >>> read_query(b"model=yield&level=0.8")
    PredictionQuery(model='yield', asset=None, level=0.8, sticky_key=None)
    >>> read_query(b"level=2") is None
    True
    """
    if not text:
        return PredictionQuery()
    if not text.isascii():
        return None
    pairs = parse_qsl(text.decode(), keep_blank_values=True)
    given = dict(pairs)
    level, asset = given.pop("level", str(DEFAULT_LEVEL)), given.get("asset")
    plain = (
        len(pairs) == len(dict(pairs))
        and all(given.values())
        and given.keys() <= _NAMES
        and _LEVEL.fullmatch(level) is not None
        and float(level) > 0
        and (asset is None or (len(asset) <= _LONGEST_ASSET and _ASSET.fullmatch(asset) is not None))
        and len(given.get("sticky_key", "")) <= _LONGEST_STICKY_KEY
    )
    return PredictionQuery(level=float(level), **given) if plain else None


class DirectPredictions:
    """Answers `/predict` and `/batch` as the routes of the same paths do."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor
        self._queries: dict[bytes, PredictionQuery | None] = {}

    async def predict(self, request: DirectRequest) -> bytes | None:
        """One row; declines a query or body that is not plain."""
        query, inputs = self._query(request.query), _read(request.body)
        if query is None or type(inputs) is not dict:
            return None
        requester = _requester(request, query)
        answer = await self._predictor.predict(query.model, inputs, level=query.level, requester=requester)
        return orjson.dumps(prediction_document(answer, user=requester.user, request_id=request.request_id))

    async def predict_batch(self, request: DirectRequest) -> bytes | None:
        """Many rows; declines a query or body that is not plain."""
        query, body = self._query(request.query), _read(request.body)
        if query is None or type(body) is not dict or body.keys() != {"inputs"} or type(body["inputs"]) is not list:
            return None
        inputs = body["inputs"]
        if not all(type(row) is dict for row in inputs):
            return None
        requester = _requester(request, query)
        answer = await self._predictor.predict_batch(query.model, inputs, level=query.level, requester=requester)
        return orjson.dumps(batch_document(answer, inputs, user=requester.user, request_id=request.request_id))

    def _query(self, text: bytes) -> PredictionQuery | None:
        if len(text) > _LONGEST_REMEMBERED_BYTES:
            return read_query(text)
        if text not in self._queries:
            if len(self._queries) >= _REMEMBERED_QUERIES:
                self._queries.clear()
            self._queries[text] = read_query(text)
        return self._queries[text]


def _read(body: bytes) -> Any:
    """The body's JSON; nothing where it is none, or holds a number that no double can."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def _requester(request: DirectRequest, query: PredictionQuery) -> Requester:
    if not request.caller.may(Permission.PREDICT):
        raise NotAllowed(Permission.PREDICT)
    check_asset(request.caller, query.asset)
    return Requester(request.caller.subject, query.asset, query.sticky_key, request.request_id)
