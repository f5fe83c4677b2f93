"""Plan a year of inspections, and ask why each of them costs what it costs.

Start the suite with `make run`, then in another shell: python examples/plan.py
"""

import sys

from futago import Client

PROBLEM = {
    "name": "two reactors and two pumps",
    "horizon": {"start": "2026-04-01", "end": "2027-03-31"},
    "calendar": {"country": "JP", "weekend": ["sat", "sun"]},
    "areas": 1,
    "device_types": [{"type": "reactor", "inspection_days": 15}, {"type": "pump", "inspection_days": 5}],
    "devices": [
        {"id": "R-101", "type": "reactor", "previous_end": "2024-11-20"},
        {"id": "R-102", "type": "reactor", "previous_end": "2025-02-14"},
        {"id": "P-101", "type": "pump", "previous_end": "2024-10-03"},
        {"id": "P-102", "type": "pump", "previous_end": "2025-01-10"},
    ],
    "rules": [
        {"rule": "daily_limit", "level": "hard", "weight": 100, "max": 1},
        {"rule": "return_limit", "level": "hard", "weight": 1, "days": 900},
        {"rule": "return_interval", "level": "soft", "weight": 1},
        {"rule": "same_type_spacing", "level": "soft", "weight": 10, "days": 30},
    ],
}


def main(credentials: str = "var/credentials.json") -> None:
    """Run the example against the suite that wrote this credentials file."""
    with Client(credentials=credentials) as suite:
        job = suite.wait(suite.plan(PROBLEM, termination={"seconds": 3}))
        plan_id = job.result["plan"]
        plan = suite.get_plan(plan_id)
        print("score", plan["score"])
        for visit in sorted(plan["assignments"], key=lambda visit: visit["start"]):
            print(f"{visit['device']}: {visit['start']} to {visit['end']} in area {visit['area']}")

        for match in suite.explanation(plan_id, device="P-101")["matches"]:
            print(f"P-101: {match['points']} for {match['rule']}")


if __name__ == "__main__":
    main(*sys.argv[1:])
