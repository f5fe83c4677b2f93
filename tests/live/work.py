"""Work for a suite that was just started, so that every panel has something to show."""

import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime

from futago import Client
from futago.credentials import Credentials
from futago.errors import FutagoError
from futago.launcher.demo_models import DETECTOR
from futago.launcher.home import Home
from futago.launcher.processes import DEMO_MODEL
from futago.plant import Plant, yield_dataset

_ASSETS = tuple(f"plant{number}" for number in range(4))
_SEED = 7
_NO_KEY = "fut_not-a-key"


def work_for(home: Home, seconds: float) -> int:
    """Predict, observe and stream for four assets, and be refused now and then; returns how many calls there were."""
    data = yield_dataset(500, seed=_SEED)
    readings = [dict(zip(data.columns, row, strict=True)) for row in data.rows.tolist()]
    sensors = Plant(_SEED).run(hours=1.0, sample_s=5.0).rows
    calls, end_s = 0, time.monotonic() + seconds
    url = Credentials.read(home.credentials).url
    with Client(credentials=home.credentials) as suite, Client(url, api_key=_NO_KEY, attempts=1) as stranger:
        for number, asset in _rounds(end_s):
            reading, measured = readings[number % len(readings)], float(data.target[number % len(readings)])
            suite.predict(reading, DEMO_MODEL, asset)
            # The same again, for the cache.
            suite.predict(reading, DEMO_MODEL, asset)
            suite.observe(reading, measured, model=DEMO_MODEL, asset=asset)
            row = sensors[number % len(sensors)].tolist()
            suite.stream(DETECTOR, asset, [row], [datetime.now(UTC)])
            calls += 4
            if number % 50 == 0:
                with suppress(FutagoError):
                    stranger.me()
                with suppress(FutagoError):
                    suite.predict(dict.fromkeys(reading), DEMO_MODEL)
                calls += 2
    return calls


def _rounds(end_s: float) -> Iterator[tuple[int, str]]:
    number = 0
    while time.monotonic() < end_s:
        yield number, _ASSETS[number % len(_ASSETS)]
        number += 1
