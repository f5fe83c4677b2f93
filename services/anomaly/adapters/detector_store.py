"""Detector bundles in the store, and the loaded ones in memory."""

import tempfile
from collections import OrderedDict
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from services.anomaly.adapters.detector_bundle import read_detector, write_detector
from services.anomaly.domain.served import ServedDetector
from services.anomaly.domain.trained import Trained
from shared.onnx.archive import pack, unpack
from shared.onnx.bundle import open_bundle
from shared.onnx.signing import SigningKey, TrustStore
from shared.store import Store

DETECTORS = "detectors"


@dataclass(frozen=True, slots=True)
class StoredBundle:
    """A bundle in the store: digest of the signed manifest, and of the archive that holds it."""

    digest: str
    archive: str
    size_bytes: int


class DetectorStore:
    """Packs bundles into the store and loads them from it, checking signature and digests on the way in.

    Parameters
    ----------
    trust
        Keys whose bundles are accepted.
    cache_dir
        Local folder for archives that can be fetched again.
    loaded_limit
        Detectors that stay loaded; the one that was used longest ago goes first.
    """

    def __init__(self, store: Store, trust: TrustStore, *, cache_dir: Path, loaded_limit: int) -> None:
        self._store = store
        self._trust = trust
        self._cache_dir = cache_dir / DETECTORS
        self._loaded_limit = loaded_limit
        # Several threads may want the same detector at once: the first one loads it, the others wait for that.
        self._loaded: OrderedDict[str, Future[ServedDetector]] = OrderedDict()
        self._lock = Lock()

    @property
    def loaded(self) -> int:
        """Number of detectors in memory."""
        return len(self._loaded)

    def load(self, archive: str) -> ServedDetector:
        """The detector in an archive.

        Raises
        ------
        BundleMalformed, BundleUnsigned, BundleUntrustedKey, BundleAltered
            If it is not a bundle that is accepted here.
        StoredFileMissing, StoredFileDamaged, StoreUnavailable
            If the store does not return it.
        """
        with self._lock:
            future = self._loaded.get(archive)
            mine = future is None
            if future is None:
                future = self._loaded[archive] = Future()
            self._loaded.move_to_end(archive)
            while len(self._loaded) > self._loaded_limit:
                self._loaded.popitem(last=False)
        if mine:
            self._fill(archive, future)
        return future.result()

    def delete(self, archive: str) -> None:
        """Forget an archive, here and in the store."""
        with self._lock:
            self._loaded.pop(archive, None)
        self._store.delete(DETECTORS, archive)
        (self._cache_dir / archive).unlink(missing_ok=True)

    def _fill(self, archive: str, future: "Future[ServedDetector]") -> None:
        try:
            packed = self._store.fetch(DETECTORS, archive, self._cache_dir)
            with tempfile.TemporaryDirectory(dir=self._cache_dir, prefix=".open-") as folder:
                bundle = open_bundle(unpack(packed, Path(folder) / "bundle"), self._trust)
                future.set_result(read_detector(bundle))
        except BaseException as error:  # noqa: BLE001 (handed on to everybody who waits; the next call tries again)
            with self._lock:
                self._loaded.pop(archive, None)
            future.set_exception(error)


def store_detector(
    store: Store, trained: Trained, *, name: str, version: str, created_at: str, key: SigningKey
) -> StoredBundle:
    """Write, sign and pack a detector, and keep it in the store."""
    with tempfile.TemporaryDirectory(prefix="futago-detector-") as folder:
        info = write_detector(
            Path(folder) / "bundle", trained, name=name, version=version, created_at=created_at, key=key
        )
        packed = pack(info.folder, Path(folder) / "bundle.zip")
        return StoredBundle(info.digest, store.put_file(DETECTORS, packed), packed.stat().st_size)
