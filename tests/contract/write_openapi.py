"""Write the committed OpenAPI documents anew: `make contract`."""

import tempfile
from pathlib import Path

from tests.contract.served import COMMITTED, SERVICES, served, text_of


def main() -> None:
    """Write one file a service."""
    COMMITTED.mkdir(parents=True, exist_ok=True)
    for service in SERVICES:
        with tempfile.TemporaryDirectory() as folder:
            (COMMITTED / f"{service}.json").write_text(text_of(served(service, Path(folder))), encoding="utf-8")


if __name__ == "__main__":
    main()
