"""The keys of the folder and those of the database as one list."""

from collections.abc import Sequence
from functools import partial

from anyio import to_thread

from services.twin.adapters.sql_trusted_keys import SqlTrustedKeys
from services.twin.domain.trust import TrustedKey, TrustedKeyInFolder, TrustedKeyMissing
from shared.clock import Clock
from shared.log import get_logger
from shared.onnx.signing import TrustStore, key_id_of

log = get_logger(__name__)


class KeyRing:
    """Implements `trust.TrustedKeys`.

    Parameters
    ----------
    folder
        The keys of this installation, without those of the database.
    """

    def __init__(self, folder: TrustStore, sql: SqlTrustedKeys, clock: Clock) -> None:
        self._folder, self._sql, self._clock = folder, sql, clock

    async def list(self) -> Sequence[TrustedKey]:
        return await to_thread.run_sync(self._all)

    async def enrol(self, public_key: str, *, user: str) -> TrustedKey:
        now = self._clock.now()
        key = TrustedKey(key_id_of(public_key.encode()), public_key, now, user)
        await to_thread.run_sync(partial(self._sql.add, key, now=now))
        log.info("trusted_key_enrolled", key_id=key.key_id, user=user)
        # Another administrator may have removed it meanwhile; what is told is then what was done here.
        return next((known for known in await self.list() if known.key_id == key.key_id), key)

    async def remove(self, key_id: str, *, user: str) -> None:
        if not await to_thread.run_sync(self._sql.remove, key_id):
            in_folder = key_id in await to_thread.run_sync(self._folder.key_ids)
            raise TrustedKeyInFolder(key_id) if in_folder else TrustedKeyMissing(key_id)
        log.info("trusted_key_removed", key_id=key_id, user=user)

    def _all(self) -> Sequence[TrustedKey]:
        found = {key_id: TrustedKey(key_id, pem, None, None) for key_id, pem in self._folder.public_keys().items()}
        # What was enrolled says when and by whom, and can be removed by a call.
        found |= {key.key_id: key for key in self._sql.all()}
        return [found[key_id] for key_id in sorted(found)]
