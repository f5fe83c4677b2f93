"""Train a detector on a plant in good health, then watch it find a worn pump.

Start the suite with `make run`, then in another shell: python examples/train_detector.py
"""

import sys

from futago import Client
from futago.plant import Fault, FaultKind, Plant


def main(credentials: str = "var/credentials.json") -> None:
    """Run the example against the suite that wrote this credentials file."""
    healthy = Plant(seed=1).run(hours=2.0, sample_s=5.0)
    worn = Plant(seed=2).run(
        hours=1.0, sample_s=5.0, faults=[Fault(FaultKind.PUMP_WEAR, onset_h=0.5, severity=0.3, growth_h=0.1)]
    )
    with Client(credentials=credentials) as suite:
        job = suite.train_detector("pump", "mahalanobis", healthy.columns, healthy.rows)
        suite.wait(job, on_progress=lambda job: print(f"{job.state} {job.fraction:.0%} {job.message}"))

        answer = suite.score("pump", worn.columns, worn.rows, worn.timestamps_rfc3339())
        alarms = [index for index, label in enumerate(answer["labels"]) if label]
        onset = int(worn.labels.argmax())
        print(f"the pump begins to wear at row {onset}; {len(alarms)} rows alarm, the first is {alarms[0]}")


if __name__ == "__main__":
    main(*sys.argv[1:])
