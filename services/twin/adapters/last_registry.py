"""What the registry said last, on this machine's own disk: served by a twin that starts while the database is away."""

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path

from services.twin.adapters.sql_registry import StoredModel
from shared.log import get_logger

log = get_logger(__name__)

_FILE = "registry.json"


class LastRegistry:
    """Keeps which versions there are; experiments and alert rules are not kept. Every method blocks.

    Whoever writes the file can only choose among bundles that a trusted key signed: each is checked when it is loaded.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / _FILE

    def write(self, models: Mapping[str, StoredModel]) -> None:
        """Replace what is kept; a disk that refuses is told in the log, because nobody waits for this."""
        document = {
            name: {"active": model.active, "archive_digests": dict(model.archive_digests)}
            for name, model in models.items()
        }
        try:
            with tempfile.NamedTemporaryFile("w", dir=self._path.parent, prefix=".registry-", delete=False) as file:
                json.dump(document, file)
            Path(file.name).replace(self._path)
        except OSError as error:
            log.warning("registry_not_kept", reason=str(error))

    def read(self) -> dict[str, StoredModel] | None:
        """What was kept; `None` where there is nothing, or nothing that can be used."""
        try:
            document = json.loads(self._path.read_text(encoding="utf-8"))
            return {
                name: StoredModel(model["active"], {**model["archive_digests"]})
                for name, model in document.items()
                if model["active"] in model["archive_digests"]
            }
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            log.warning("kept_registry_unusable", reason=str(error))
            return None
