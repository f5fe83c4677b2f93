"""Write the committed page of metrics anew: `make contract`."""

import asyncio

from tests.contract.shown_metrics import COMMITTED, shown_metrics, text_of


def main() -> None:
    """Write the page."""
    COMMITTED.write_text(text_of(asyncio.run(shown_metrics())), encoding="utf-8")


if __name__ == "__main__":
    main()
