"""Gives a new suite something to show: a twin and a detector of the built-in plant.

Started as `python -m futago.launcher.demo_models HOME` once the suite answers, with `FUTAGO_HOME` set to the same
folder, whose key signs the bundle. What is there already is left alone, so that a start that was interrupted can be
repeated.
"""

import sys
import tempfile
from pathlib import Path

from futago.client import Client
from futago.credentials import Credentials
from futago.demo.simulated_cases import reactor_yield
from futago.demo.twin_part import train_and_publish
from futago.launcher.home import Home
from futago.launcher.processes import DEMO_MODEL
from futago.plant import Plant

SEED = 20260401
DETECTOR = "plant"
TRAIN_HOURS, SAMPLE_S = 2.0, 5.0
TRAIN_TIMEOUT_S = 120.0


def publish_yield_model(client: Client) -> None:
    """Train the yield of the built-in reactor on simulated runs, and publish it."""
    if any(card["name"] == DEMO_MODEL for card in client.models()):
        return
    with tempfile.TemporaryDirectory() as scratch:
        case = reactor_yield(DEMO_MODEL, SEED)
        train_and_publish(client, case, version="1.0.0", scratch=Path(scratch), seed=SEED)


def train_plant_detector(client: Client) -> None:
    """Train a quick detector on two hours of the plant in good health."""
    if any(card["name"] == DETECTOR for card in client.detectors()):
        return
    run = Plant(SEED).run(hours=TRAIN_HOURS, sample_s=SAMPLE_S)
    units = dict(zip(run.columns, run.units, strict=True))
    job = client.train_detector(DETECTOR, "mahalanobis", run.columns, run.rows, units=units)
    client.wait(job, TRAIN_TIMEOUT_S)


def main() -> None:
    """Publish both through the gateway, as any user would."""
    credentials = Home(Path(sys.argv[1])).credentials
    # By the key: where administrators need a second factor, the password alone opens nothing yet.
    with Client(credentials=credentials, api_key=Credentials.read(credentials).api_key) as client:
        publish_yield_model(client)
        train_plant_detector(client)


if __name__ == "__main__":
    main()
