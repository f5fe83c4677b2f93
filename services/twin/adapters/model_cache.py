"""Loaded models, the least recently used of which makes room; loading never holds up the event loop."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from services.twin.adapters.onnx_model import ServedModel


class ModelCache:
    """At most `limit` models in memory, by the digest of their zip.

    A request that holds a model goes on with it after the model has made room: memory returns when the last one ends.
    """

    def __init__(self, limit: int, load: Callable[[str], Awaitable[ServedModel]]) -> None:
        self._limit, self._load = limit, load
        self._models: OrderedDict[str, ServedModel] = OrderedDict()
        self._loading: dict[str, asyncio.Task[ServedModel]] = {}

    def __len__(self) -> int:
        return len(self._models)

    def __contains__(self, archive_digest: str) -> bool:
        return archive_digest in self._models

    def peek(self, archive_digest: str) -> ServedModel | None:
        """The model if it is loaded; counts as a use."""
        model = self._models.get(archive_digest)
        if model is not None:
            self._models.move_to_end(archive_digest)
        return model

    def put(self, archive_digest: str, model: ServedModel) -> None:
        """Keep a model that was loaded elsewhere."""
        self._models[archive_digest] = model
        self._models.move_to_end(archive_digest)
        while len(self._models) > self._limit:
            self._models.popitem(last=False)

    async def get(self, archive_digest: str) -> ServedModel:
        """The model, loaded if need be; requests that want the same one wait for the same load."""
        model = self.peek(archive_digest)
        if model is not None:
            return model
        task = self._loading.get(archive_digest)
        if task is None:
            task = asyncio.create_task(self._fill(archive_digest))
            self._loading[archive_digest] = task
            task.add_done_callback(lambda _: self._loading.pop(archive_digest, None))
        # A caller that gives up must not take the load away from the others.
        return await asyncio.shield(task)

    async def _fill(self, archive_digest: str) -> ServedModel:
        model = await self._load(archive_digest)
        self.put(archive_digest, model)
        return model
