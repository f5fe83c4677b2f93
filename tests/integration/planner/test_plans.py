"""Plans from the request to the explanation, over HTTP, jobs and the database."""

import asyncio
import json
import threading
import time
from typing import Any

import httpx
import pytest

from services.planner.domain.followers import STREAMS_PER_CALLER
from shared.contracts.job import JobState
from shared.principal import Role
from tests.integration.planner.site import Site, serving
from tests.unit.planner.builders import document, rule
from tests.unit.planner.planted import planted_document

RULES = [
    rule("daily_limit", level="hard", weight=100, max=2),
    rule("area_exclusive", level="hard", weight=100),
    rule("return_limit", level="hard", days=900),
    rule("return_interval"),
    rule("monthly_levelling", weight=100),
]


def request(**termination: object) -> dict[str, Any]:
    devices = [{"id": f"A{index}", "previous_end": "2017-04-01"} for index in range(6)]
    problem = document(devices=devices, rules=RULES, end="2019-09-30", name="six pumps")
    return {"problem": problem, "solver": {"seed": 1}, "termination": termination or {"steps": 20_000}}


async def solved(site: Site, client: httpx.AsyncClient) -> str:
    """The id of a plan that is finished."""
    answer = await client.post("/plans", json=request())
    assert answer.status_code == 202, answer.text
    site.solve_now(answer.json()["id"])
    return str(answer.json()["id"])


async def test_a_request_becomes_a_job_whose_result_names_the_plan(site: Site, client: httpx.AsyncClient):
    answer = await client.post("/plans", json=request())
    assert answer.status_code == 202
    job = answer.json()
    assert answer.headers["Location"] == f"/api/v1/jobs/{job['id']}"
    assert (job["kind"], job["state"]) == ("planner.solve", "queued")

    before = (await client.get(f"/plans/{job['id']}")).json()
    assert (before["state"], before["assignments"], before["score"]) == ("queued", [], None)

    result = site.solve_now(job["id"])
    plan = (await client.get(f"/plans/{job['id']}")).json()
    assert result["plan"] == plan["id"] == job["id"]
    assert result["score"] == plan["score"]
    assert site.jobs.get(job["id"]).state is JobState.SUCCEEDED
    assert (plan["state"], plan["finished"], plan["stopped_because"]) == ("succeeded", True, "steps")
    assert plan["score"]["hard"] == 0
    assert len(plan["assignments"]) == 6
    assert plan["iterations"] == 20_000
    assert sum(entry["points"] for entry in plan["score_by_rule"]) == pytest.approx(sum(plan["score"].values()))


async def test_the_same_seed_and_steps_give_the_same_plan(site: Site, client: httpx.AsyncClient):
    first, second = [await solved(site, client) for _ in range(2)]
    plans = [(await client.get(f"/plans/{plan}")).json() for plan in (first, second)]
    assert first != second
    assert plans[0]["assignments"] == plans[1]["assignments"]


async def test_the_explanation_adds_up_to_the_score_and_can_be_filtered(site: Site, client: httpx.AsyncClient):
    plan_id = await solved(site, client)
    plan = (await client.get(f"/plans/{plan_id}")).json()
    whole = (await client.get(f"/plans/{plan_id}/explanation")).json()
    assert whole["score"] == whole["total"] == plan["score"]
    for table in ("matches", "by_rule", "by_device", "by_month"):
        assert sum(entry["points"] for entry in whole[table]) == pytest.approx(sum(plan["score"].values()))

    one = (await client.get(f"/plans/{plan_id}/explanation", params={"device": "A3", "rule": "return_interval"})).json()
    assert {(match["rule"], *match["devices"]) for match in one["matches"]} == {("return_interval", "A3")}
    unknown = await client.get(f"/plans/{plan_id}/explanation", params={"device": "Z9"})
    assert (unknown.status_code, unknown.json()["code"]) == (422, "planner.filter_unknown")


async def test_a_plan_can_be_handed_in_again_to_be_scored(site: Site, client: httpx.AsyncClient):
    plan = (await client.get(f"/plans/{await solved(site, client)}")).json()
    scored = (await client.post("/score", json={"problem": request()["problem"], "plan": plan})).json()
    assert scored["valid"]
    assert scored["score"] == plan["score"]
    assert scored["assignments"] == plan["assignments"]


async def test_an_invalid_plan_is_reported_and_not_scored(client: httpx.AsyncClient):
    plan = {"assignments": [{"device": "A1", "start": "2019-04-06", "area": 9}]}
    scored = (await client.post("/score", json={"problem": document(rules=RULES), "plan": plan})).json()
    assert (scored["valid"], scored["score"], scored["explanation"]) == (False, None, None)
    assert [(entry["device"], entry["reason"]) for entry in scored["invalid"]] == [
        ("A1", "not_a_working_day"),
        ("A1", "unknown_area"),
        ("A2", "missing"),
    ]


async def test_faults_of_the_problem_carry_pointers_into_the_body(client: httpx.AsyncClient):
    body = request()
    body["problem"]["devices"][2]["type"] = "Z"
    body["problem"]["rules"][0]["max"] = "two"
    body["termination"] = {"seconds": -1}
    answer = await client.post("/plans", json=body)
    assert answer.status_code == 422
    pointers = {fault["pointer"] for fault in answer.json()["errors"]}
    assert pointers == {"/problem/devices/2/type", "/problem/rules/0/max", "/termination/seconds"}


async def test_a_search_longer_than_allowed_is_refused(client: httpx.AsyncClient):
    answer = await client.post("/plans", json=request(seconds=3600))
    assert (answer.status_code, answer.json()["code"]) == (422, "planner.search_too_long")


async def test_an_idempotency_key_finds_the_job_again_and_guards_against_another_body(client: httpx.AsyncClient):
    headers = {"Idempotency-Key": "spring"}
    first = await client.post("/plans", json=request(), headers=headers)
    again = await client.post("/plans", json=request(), headers=headers)
    other = await client.post("/plans", json=request(steps=5), headers=headers)
    assert first.json()["id"] == again.json()["id"]
    assert (other.status_code, other.json()["code"]) == (409, "job.idempotency_conflict")
    assert len((await client.get("/plans")).json()["items"]) == 1


async def test_plans_are_listed_newest_first_page_by_page(client: httpx.AsyncClient):
    ids = [(await client.post("/plans", json=request())).json()["id"] for _ in range(3)]
    first = (await client.get("/plans", params={"limit": 2})).json()
    second = (await client.get("/plans", params={"limit": 2, "cursor": first["next_cursor"]})).json()
    assert {plan["id"] for plan in first["items"] + second["items"]} == set(ids)
    assert second["next_cursor"] is None
    assert (await client.get("/plans", params={"cursor": "nonsense"})).status_code == 422


async def test_a_viewer_reads_plans_and_does_not_make_them(site: Site, client: httpx.AsyncClient):
    viewer = site.headers(Role.VIEWER)
    assert (await client.post("/plans", json=request(), headers=viewer)).status_code == 403
    assert (await client.get("/plans", headers=viewer)).status_code == 200
    plan_id = (await client.post("/plans", json=request())).json()["id"]
    assert (await client.get(f"/plans/{plan_id}", headers=viewer)).status_code == 200
    assert (await client.post(f"/plans/{plan_id}/stop", headers=viewer)).status_code == 403


async def test_a_caller_limited_to_assets_reaches_only_plans_about_them(site: Site, client: httpx.AsyncClient):
    limited = site.headers(assets=("acme.osaka",))
    body = request()
    for device in body["problem"]["devices"]:
        device["asset"] = "acme.osaka.r101"
    inside = (await client.post("/plans", json=body, headers=limited)).json()["id"]
    outside = (await client.post("/plans", json=request())).json()["id"]
    assert (await client.post("/plans", json=request(), headers=limited)).status_code == 403
    assert (await client.get(f"/plans/{inside}", headers=limited)).status_code == 200
    assert (await client.get(f"/plans/{outside}", headers=limited)).status_code == 403
    assert [plan["id"] for plan in (await client.get("/plans", headers=limited)).json()["items"]] == [inside]


async def test_what_is_not_there_is_missing_and_what_is_not_found_yet_says_so(client: httpx.AsyncClient):
    assert (await client.get("/plans/none")).json()["code"] == "planner.plan_missing"
    assert (await client.post("/plans/none/stop")).status_code == 404
    plan_id = (await client.post("/plans", json=request())).json()["id"]
    answer = await client.get(f"/plans/{plan_id}/explanation")
    assert (answer.status_code, answer.json()["code"]) == (409, "planner.no_plan_yet")


async def test_a_search_that_is_told_to_stop_keeps_its_best_plan(site: Site, client: httpx.AsyncClient):
    # The best plan of a plant cannot be proven in a minute, so the search goes on until it is stopped.
    body = request(seconds=50) | {"problem": planted_document(devices=24, areas=2, seed=1)["problem"]}
    plan_id = (await client.post("/plans", json=body)).json()["id"]
    search = threading.Thread(target=site.solve_now, args=(plan_id,))
    search.start()
    deadline_s = time.monotonic() + 60
    while (await client.get(f"/plans/{plan_id}")).json()["score"] is None:
        assert time.monotonic() < deadline_s, "no plan was shown while the search went on"
        await asyncio.sleep(0.1)
    assert (await client.post(f"/plans/{plan_id}/stop")).status_code == 202
    search.join(30)
    plan = (await client.get(f"/plans/{plan_id}")).json()
    assert (plan["state"], plan["stopped_because"]) == ("succeeded", "stopped")
    assert len(plan["assignments"]) == 24
    assert plan["bound"] <= -plan["score"]["soft"]
    events = (await client.get(f"/plans/{plan_id}/progress")).text.split("\n\n")
    assert events[0].startswith("event: end\ndata: ")
    assert json.loads(events[0].partition("data: ")[2])["gap"] == plan["gap"]


async def test_a_search_is_followed_as_a_stream_until_it_ends(site: Site, client: httpx.AsyncClient):
    plan_id = (await client.post("/plans", json=request())).json()["id"]
    search = threading.Thread(target=site.solve_now, args=(plan_id,))
    search.start()
    async with client.stream("GET", f"/plans/{plan_id}/progress") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        events = [line async for line in answer.aiter_lines()]
    search.join(30)
    told = [json.loads(line.removeprefix("data: ")) for line in events if line.startswith("data: ")]
    assert [line for line in events if line.startswith("event: ")][-1] == "event: end"
    assert told[-1]["finished"]
    assert told[-1]["score"] == (await client.get(f"/plans/{plan_id}")).json()["score"]
    assert (await client.get("/plans/none/progress")).status_code == 404


async def test_one_caller_follows_a_few_searches_at_once(site: Site, client: httpx.AsyncClient):
    plan_id = (await client.post("/plans", json=request())).json()["id"]
    followed = [asyncio.create_task(client.get(f"/plans/{plan_id}/progress")) for _ in range(STREAMS_PER_CALLER + 1)]
    done, _ = await asyncio.wait(followed, return_when=asyncio.FIRST_COMPLETED)
    assert [(one.result().status_code, one.result().json()["code"]) for one in done] == [
        (429, "planner.too_many_streams")
    ]
    await asyncio.to_thread(site.solve_now, plan_id)
    assert sorted([(await one).status_code for one in followed]) == [200] * STREAMS_PER_CALLER + [429]
    # Whoever has seen the end makes room.
    assert (await client.get(f"/plans/{plan_id}/progress")).status_code == 200


async def test_without_the_queue_plans_are_still_scored_and_none_is_accepted(site: Site):
    settings = site.settings.model_copy(update={"redis_url": type(site.settings.redis_url)("redis://127.0.0.1:1/0")})
    async with serving(site, settings) as client:
        refused = await client.post("/plans", json=request())
        assert (refused.status_code, refused.json()["code"]) == (503, "job.queue_unavailable")
        assert (await client.get("/plans")).json()["items"] == []


async def test_a_worker_process_solves_what_was_asked_for(site: Site, client: httpx.AsyncClient):
    with site.worker():
        plan_id = (await client.post("/plans", json=request())).json()["id"]
        job = site.wait_for(plan_id)
    assert job.state is JobState.SUCCEEDED, job.error
    assert job.result is not None
    assert job.result["plan"] == plan_id
    assert (await client.get(f"/plans/{plan_id}")).json()["score"] == job.result["score"]
