"""Loaded models, the least recently used of which make room; loading never holds up the event loop."""

import asyncio
import ctypes
import ctypes.util
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from anyio import to_thread

from services.twin.adapters.onnx_model import ServedModel

# Giving memory back stops every thread that wants some for a moment, so it is done after this much was loaded.
_TRIM_AFTER_BYTES = 16 * 1024**2


class ModelCache:
    """A bounded number and size of models in memory, by the digest of their zip.

    A request that holds a model goes on with it after the model has made room: memory returns when the last one ends.

    Parameters
    ----------
    limit
        Most models.
    limit_bytes
        Most bytes of their bundles together [bytes]; a single model that is larger is kept as the only one.
    """

    def __init__(self, limit: int, limit_bytes: int, load: Callable[[str], Awaitable[ServedModel]]) -> None:
        self._limit, self._limit_bytes, self._load = limit, limit_bytes, load
        self._models: OrderedDict[str, ServedModel] = OrderedDict()
        self._loading: dict[str, asyncio.Task[ServedModel]] = {}
        self.size_bytes = 0
        self._untrimmed_bytes = 0

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
        former = self._models.pop(archive_digest, None)
        self.size_bytes += model.size_bytes - (0 if former is None else former.size_bytes)
        self._models[archive_digest] = model
        while len(self._models) > self._limit or (self.size_bytes > self._limit_bytes and len(self._models) > 1):
            _, least_used = self._models.popitem(last=False)
            self.size_bytes -= least_used.size_bytes

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
        self._untrimmed_bytes += model.size_bytes
        if self._untrimmed_bytes > _TRIM_AFTER_BYTES:
            self._untrimmed_bytes = 0
            await to_thread.run_sync(_return_freed_memory)
        return model


_libc = ctypes.CDLL(ctypes.util.find_library("c"))


def _return_freed_memory() -> None:
    """Give back what loading freed: glibc kept 600 MB of a forest whose session holds 220 MB, and all of it when the
    forest had made room."""
    if hasattr(_libc, "malloc_trim"):
        _libc.malloc_trim(0)
