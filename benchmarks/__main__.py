"""Run every benchmark: `python -m benchmarks [NAME …]`."""

import importlib
import sys

from benchmarks.pairs import pin_to_one_core

NAMES = (
    "twin_predict",
    "twin_forest",
    "twin_http",
    "twin_standalone",
    "twin_fleet",
    "twin_drift",
    "asset_values",
    "ccpp_intervals",
    "sqlite_writers",
    "anomaly",
    "anomaly_networks",
    "anomaly_serving",
    "anomaly_streams",
    "planner_search",
    "planner_bars",
    "gateway",
    "audit_trail",
)


def main() -> None:
    """Run the named benchmarks, or all of them, one after the other on one core."""
    pin_to_one_core()
    for name in sys.argv[1:] or NAMES:
        benchmark = importlib.import_module(f"benchmarks.{name}")
        print((benchmark.__doc__ or name).splitlines()[0])
        benchmark.main()


if __name__ == "__main__":
    main()
