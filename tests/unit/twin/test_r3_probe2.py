import json, asyncio, time
import httpx, pytest
from tests.unit.twin.twin_service import GOOD, Bench, publish
from services.twin.domain.live_settings import LiveSettings
from tests.unit.twin.test_r3_probe import app, client, API, OBS
from datetime import timedelta
from shared.clock import rfc3339

async def test_gap(bench, app, client):
    start = bench.clock.now() - timedelta(days=1)
    docs = json.dumps([{"inputs": GOOD, "actual": 84.0+i/1000, "asset": "a.b", "timestamp": rfc3339(start + timedelta(seconds=i))} for i in range(1000)])
    gaps = []; stop = False
    async def beat():
        last = time.perf_counter()
        while not stop:
            await asyncio.sleep(0.001)
            now = time.perf_counter(); gaps.append(now-last); last = now
    t = asyncio.create_task(beat())
    await asyncio.sleep(0.05)
    t0 = time.perf_counter()
    r = await client.post(OBS, content=docs, headers={"content-type": "application/json"})
    print("request", time.perf_counter()-t0, r.status_code, len(r.content))
    stop = True; await t
    print("largest gaps ms", [round(1e3*g,1) for g in sorted(gaps)[-5:]])
def test_choose():
    from services.twin.domain.experiments import Experiment, Plan, Arm
    from datetime import datetime, UTC
    e = Experiment("m", "x", Plan(tuple(Arm(str(i), str(i), 1.0) for i in range(2))), datetime.now(UTC), "u")
    t=time.perf_counter()
    for i in range(20000): e.choose(sticky_key=None, request_id="abcdef")
    print("choose us", (time.perf_counter()-t)/20000*1e6)
    from services.twin.domain.live_correction import LiveCorrection
    from services.twin.domain.adaptive_conformal import *
    import numpy as np
    from services.twin.domain.intervals import *
    cal=Calibration(IntervalMethod.SPLIT,np.sort(np.abs(np.random.default_rng(0).normal(size=500))))
    c=LiveCorrection(1, .5, adapted_scores(cal.scores, Experts.new())); o=Outputs(np.zeros(1))
    for f,n in ((lambda: c.correct(cal,o,.9),"correct"),(lambda: cal.bounds(o,.9),"plain")):
        t=time.perf_counter()
        for i in range(20000): f()
        print(n,"us", (time.perf_counter()-t)/20000*1e6)
