"""Bundles between the store and a model in memory; everything here blocks."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from services.twin.adapters.onnx_model import ServedModel, load_model
from shared.errors import AppError, Kind
from shared.onnx.archive import unpack
from shared.onnx.bundle import open_bundle
from shared.onnx.errors import BundleAltered, BundleMalformed, BundleTooLarge, BundleUntrustedKey
from shared.onnx.signing import TrustStore
from shared.store import Store

_PREFIX = "twin"
_COPY_CHUNK_BYTES = 1 << 20


class VersionUnusable(AppError):
    """A published bundle is no longer accepted, such as when its key was withdrawn."""

    kind, code = Kind.UNAVAILABLE, "twin.version_unusable"


@dataclass(frozen=True, slots=True)
class AcceptedBundle:
    """An uploaded zip that was checked, and the model in it."""

    model: ServedModel
    archive: Path
    store: Store

    def keep(self) -> str:
        """Put the zip into the store, if it is not there; returns its digest.

        Raises
        ------
        StoreUnavailable
            If it cannot be kept.
        """
        return self.store.put_file(_PREFIX, self.archive)


class BundleFiles:
    """Keeps uploaded bundles and loads models from them.

    Parameters
    ----------
    cache_dir
        Local folder for what can be fetched from the store again.
    """

    def __init__(self, store: Store, trust: TrustStore, cache_dir: Path) -> None:
        self._store, self._trust = store, trust
        self._archives, self._folders = cache_dir / "twin" / "archives", cache_dir / "twin" / "bundles"

    @contextmanager
    def accepted(self, upload: BinaryIO) -> Iterator["AcceptedBundle"]:
        """Check and load an uploaded zip, which can be kept as long as this lasts.

        Raises
        ------
        BundleUnsigned, BundleUntrustedKey, BundleAltered, BundleMalformed, BundleTooLarge
            If the bundle is not what a trusted key signed, or cannot be loaded.
        """
        with self._scratch() as scratch:
            archive = scratch / "upload.zip"
            with archive.open("wb") as file:
                shutil.copyfileobj(upload, file, _COPY_CHUNK_BYTES)
            model = load_model(open_bundle(unpack(archive, scratch / "bundle"), self._trust))
            yield AcceptedBundle(model, archive, self._store)

    def load(self, archive_digest: str) -> ServedModel:
        """Load a model that was accepted before, on this replica or another.

        Raises
        ------
        StoredFileMissing, StoredFileDamaged, StoreUnavailable
            If the store does not return it.
        VersionUnusable
            If it is no longer accepted; its key may have been withdrawn meanwhile.
        """
        try:
            return self._load(archive_digest)
        except (BundleUntrustedKey, BundleAltered, BundleMalformed, BundleTooLarge) as error:
            message = f"a published bundle cannot be served: {error.message}"
            raise VersionUnusable(message, archive_digest=archive_digest, reason=error.code) from error

    def forget(self, archive_digest: str) -> None:
        """Take a zip out of the store, and what was unpacked of it here.

        Raises
        ------
        StoreUnavailable
            If the store cannot be reached.
        """
        self._store.delete(_PREFIX, archive_digest)
        shutil.rmtree(self._folders / archive_digest, ignore_errors=True)

    def forget_orphans(self, known: Callable[[Sequence[str]], AbstractSet[str]], before: datetime) -> int:
        """Take zips out of the store that no version refers to: their publication failed halfway, before a moment.

        Raises
        ------
        DatabaseUnavailable, StoreUnavailable
            If one of them is away.
        """
        return self._store.sweep(_PREFIX, known, written_before=before)

    def forget_unpacked(self, known: Callable[[Sequence[str]], AbstractSet[str]]) -> int:
        """Remove what lies unpacked here of zips that no version refers to any more; returns how many there were."""
        if not self._folders.is_dir():
            return 0
        # What is there first, then what is known: a bundle comes here only after its version is known.
        digests = [folder.name for folder in self._folders.iterdir()]
        unknown = set(digests) - known(digests)
        for digest in unknown:
            shutil.rmtree(self._folders / digest, ignore_errors=True)
        return len(unknown)

    def _load(self, archive_digest: str) -> ServedModel:
        folder = self._folders / archive_digest
        if folder.is_dir():
            try:
                return load_model(open_bundle(folder, self._trust))
            except (BundleAltered, BundleMalformed):
                # What lies in a cache may have been damaged; the store still has it whole.
                shutil.rmtree(folder)
        archive = self._store.fetch(_PREFIX, archive_digest, self._archives)
        with self._scratch() as scratch:
            model = load_model(open_bundle(unpack(archive, scratch / "bundle"), self._trust))
            # Another process may have been first; its copy is as good.
            if not folder.exists():
                self._folders.mkdir(parents=True, exist_ok=True)
                _rename_if_absent(scratch / "bundle", folder)
        archive.unlink(missing_ok=True)
        return model

    @contextmanager
    def _scratch(self) -> Iterator[Path]:
        self._archives.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._archives.parent, prefix=".new-") as folder:
            yield Path(folder)


def _rename_if_absent(source: Path, target: Path) -> None:
    try:
        os.rename(source, target)  # noqa: PTH104 (a folder that is there and not empty makes this fail, which is wanted)
    except OSError:
        if not target.is_dir():
            raise
