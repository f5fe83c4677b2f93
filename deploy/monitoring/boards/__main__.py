"""Write the dashboards to `deploy/monitoring/dashboards`."""

from pathlib import Path

from deploy.monitoring.boards.catalogue import BOARDS
from deploy.monitoring.boards.grafana import as_json

FOLDER = Path(__file__).parents[1] / "dashboards"


def main() -> None:
    """Write every dashboard, and remove files of dashboards that are no more."""
    FOLDER.mkdir(exist_ok=True)
    wanted = {f"{board.name}.json": as_json(board) for board in BOARDS}
    for path in FOLDER.glob("*.json"):
        if path.name not in wanted:
            path.unlink()
    for name, text in wanted.items():
        (FOLDER / name).write_text(text)


if __name__ == "__main__":
    main()
