"""Workbooks, files, comparisons, replanning and inspections, over HTTP."""

import io
import json
from typing import Any

import httpx
import openpyxl
import pytest

from services.planner.domain.plan_report import Language
from services.planner.workbook.template import write_template
from shared.principal import Role
from tests.integration.planner.site import Site
from tests.integration.planner.test_plans import request, solved
from tests.unit.planner.builders import document, rule
from tests.unit.planner.workbooks import JAPANESE, book, rows_of

Body = dict[str, Any]


def form(content: bytes) -> Body:
    return {"file": ("problem.xlsx", content)}


async def finish(site: Site, client: httpx.AsyncClient, answer: httpx.Response) -> Body:
    """The plan of an accepted request."""
    assert answer.status_code == 202, answer.text
    site.solve_now(answer.json()["id"])
    plan: Body = (await client.get(f"/plans/{answer.json()['id']}")).json()
    return plan


async def test_a_workbook_is_planned_and_its_result_can_be_handed_in_again(site: Site, client: httpx.AsyncClient):
    options = {"solver": '{"seed": 3}', "termination": '{"steps": 5000}'}
    plan = await finish(site, client, await client.post("/plans", files=form(book(JAPANESE)), data=options))
    assert (plan["solver"]["seed"], plan["iterations"]) == (3, 5000)
    result = await client.get(f"/plans/{plan['id']}.xlsx")
    assert result.headers["content-disposition"] == f'attachment; filename="plan-{plan["id"]}.xlsx"'
    assert {row[1] for row in rows_of(result.content, "計画")[1:]} == {"A01", "A02"}
    scored = (await client.post("/score", files=form(result.content))).json()
    assert (scored["valid"], scored["score"]) == (True, plan["score"])
    for begin in ("workbook", json.dumps({"assignments": plan["assignments"]})):
        at_once = {"termination": '{"steps": 1}', "solver": '{"search": "late_acceptance"}', "start_plan": begin}
        again = await finish(site, client, await client.post("/plans", files=form(result.content), data=at_once))
        assert [entry["start"] for entry in again["assignments"]] == [entry["start"] for entry in plan["assignments"]]


async def test_a_start_plan_beside_a_workbook_is_checked(client: httpx.AsyncClient):
    answer = await client.post("/plans", files=form(book(JAPANESE)), data={"start_plan": '{"assignments": 3}'})
    assert [fault["pointer"] for fault in answer.json()["errors"]] == ["/start_plan/assignments"]


async def test_faults_of_a_workbook_name_sheet_row_and_column(client: httpx.AsyncClient):
    rows = [["機器種別", "機器名", "前回検査終了日"], ["A", "A01", "soon"]]
    answer = await client.post("/plans", files=form(book(JAPANESE, 検査対象機器=rows)))
    assert (answer.status_code, answer.json()["code"]) == (422, "planner.workbook_invalid")
    (fault,) = answer.json()["errors"]
    assert (fault["sheet"], fault["row"], fault["column"], fault["cell"]) == ("検査対象機器", 2, "C", "検査対象機器!C2")


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [(b"text", 422, "planner.workbook_unreadable"), (bytes(11 * 1024**2), 413, "planner.workbook_too_large")],
)
async def test_what_is_no_workbook_is_refused(client: httpx.AsyncClient, content: bytes, status: int, code: str):
    for path in ("/plans", "/score"):
        answer = await client.post(path, files=form(content))
        assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_a_form_without_a_file_or_with_wrong_options_is_told_so(client: httpx.AsyncClient):
    assert (await client.post("/plans", files={"other": ("x", b"")})).status_code == 422
    answer = await client.post("/plans", files=form(book(JAPANESE)), data={"termination": '{"seconds": -1}'})
    assert [fault["pointer"] for fault in answer.json()["errors"]] == ["/termination/seconds"]


@pytest.mark.parametrize(
    ("kind", "media_type", "begins"),
    [
        ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", b"PK"),
        ("csv", "text/csv", b"\xef\xbb\xbftype,device"),
        ("ics", "text/calendar", b"BEGIN:VCALENDAR"),
        ("html", "text/html", b"<!DOCTYPE html>"),
    ],
)
async def test_a_plan_comes_as_a_file(site: Site, client: httpx.AsyncClient, kind: str, media_type: str, begins: bytes):
    plan_id = await solved(site, client)
    answer = await client.get(f"/plans/{plan_id}.{kind}")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith(media_type)
    assert answer.content.startswith(begins)
    assert (await client.get(f"/plans/none.{kind}")).status_code == 404
    assert (await client.get(f"/plans/{plan_id}.pdf")).status_code == 422


async def test_a_plan_that_is_not_found_yet_is_no_file(client: httpx.AsyncClient):
    plan_id = (await client.post("/plans", json=request())).json()["id"]
    answer = await client.get(f"/plans/{plan_id}.xlsx")
    assert (answer.status_code, answer.json()["code"]) == (409, "planner.no_plan_yet")


async def test_the_page_shows_how_the_search_went(site: Site, client: httpx.AsyncClient):
    page = (await client.get(f"/plans/{await solved(site, client)}.html")).text
    assert '<div id="convergence">' in page
    assert "six pumps" in page


@pytest.mark.parametrize("language", Language)
async def test_the_template_is_served_and_can_be_planned(site: Site, client: httpx.AsyncClient, language: Language):
    template = await client.get("/template.xlsx", params={"language": language.value})
    sheets = openpyxl.load_workbook(io.BytesIO(template.content)).sheetnames
    assert sheets == openpyxl.load_workbook(io.BytesIO(write_template(language))).sheetnames
    plan = await finish(
        site, client, await client.post("/plans", files=form(template.content), data={"termination": '{"steps": 2000}'})
    )
    assert len(plan["assignments"]) == 3


def inline(start: str) -> Body:
    """A plan that costs 3447 for each day it starts before the 4th, and 85 whatever happens."""
    rules = [rule("return_interval", days=733, weight=3447), rule("daily_limit", weight=85, max=0)]
    problem = document(types={"A": 1}, devices=[{"id": "A1"}], rules=rules)
    return {"problem": problem, "plan": {"assignments": [{"device": "A1", "start": start, "area": 1}]}}


async def test_two_plans_are_compared_in_points_and_money(client: httpx.AsyncClient):
    body = {"plans": [inline("2019-04-01"), inline("2019-04-02")], "cost_per_soft_point": 20_000}
    found = (await client.post("/compare", json=body)).json()
    assert [plan["score"]["soft"] for plan in found["plans"]] == [-10426, -6979]
    assert found["saving"] == {"soft_points": 3447, "cost_per_soft_point": 20_000, "amount": 68_940_000}
    assert (found["better"], found["warning"]) == ("second", None)
    body["plans"].reverse()
    turned = (await client.post("/compare", json=body)).json()
    assert (turned["better"], turned["saving"]["amount"]) == ("first", -68_940_000)
    assert "the older plan" in turned["warning"]


async def test_a_kept_plan_is_compared_with_one_made_by_hand(site: Site, client: httpx.AsyncClient):
    plan_id = await solved(site, client)
    plan = (await client.get(f"/plans/{plan_id}")).json()
    by_hand = {"problem": request()["problem"], "plan": plan, "name": "by hand"}
    found = (await client.post("/compare", json={"plans": [by_hand, plan_id]})).json()
    assert (found["better"], found["saving"]) == ("neither", None)
    assert [entry["id"] for entry in found["plans"]] == [None, plan_id]
    assert [entry["name"] for entry in found["plans"]] == ["by hand", "six pumps"]
    assert {entry["moved_days"] for entry in found["by_device"]} == {0}
    result = await client.get(f"/plans/{plan_id}.xlsx", params={"compare_with": plan_id, "cost_per_soft_point": 5})
    assert "比較" in openpyxl.load_workbook(io.BytesIO(result.content)).sheetnames


async def test_faults_of_a_comparison_carry_pointers(client: httpx.AsyncClient):
    wrong = inline("2019-04-06")
    answer = await client.post("/compare", json={"plans": [inline("2019-04-01"), wrong]})
    assert [fault["pointer"] for fault in answer.json()["errors"]] == ["/plans/1/plan/assignments/0"]
    assert (await client.post("/compare", json={"plans": ["none", "none"]})).status_code == 404
    assert (await client.post("/compare", json={"plans": ["none"]})).status_code == 422
    assert (await client.post("/compare", json={"plans": [{"id": "x", **wrong}, "y"]})).status_code == 422


async def test_replanning_moves_what_changed_and_leaves_the_rest(site: Site, client: httpx.AsyncClient):
    plan_id = await solved(site, client)
    before = {entry["device"]: entry for entry in (await client.get(f"/plans/{plan_id}")).json()["assignments"]}
    order = sorted(before, key=lambda device: before[device]["start"])
    finished, delayed, removed, stays = order[0], order[1], order[2], order[3]
    changes = {
        "added": [{"id": "B1", "type": "A", "previous_end": "2017-06-01"}],
        "removed": [removed],
        "finished": [{"device": finished}],
        # A Saturday: the first working day behind it is a Monday.
        "delayed": [{"device": delayed, "start": "2019-08-17"}],
    }
    body = {"changes": changes, "pins": [stays], "disruption": {"weight": 1000}, "termination": {"steps": 20_000}}
    after = await finish(site, client, await client.post(f"/plans/{plan_id}/replan", json=body))
    placed = {entry["device"]: entry for entry in after["assignments"]}
    assert placed.keys() == (before.keys() - {removed}) | {"B1"}
    assert placed[delayed]["start"] == "2019-08-19"
    for device in (finished, stays):
        assert (placed[device]["start"], placed[device]["area"]) == (before[device]["start"], before[device]["area"])
    untouched = before.keys() - {removed, delayed}
    assert {device: placed[device]["start"] for device in untouched} == {
        device: before[device]["start"] for device in untouched
    }


async def test_a_new_due_date_brings_a_device_forward_without_charge(site: Site, client: httpx.AsyncClient):
    plan_id = await solved(site, client)
    before = (await client.get(f"/plans/{plan_id}")).json()["assignments"]
    last = max(before, key=lambda entry: entry["start"])
    changes = {"due": [{"device": last["device"], "condition_due": "2019-04-10"}]}
    body = {"changes": changes, "termination": {"steps": 20_000}}
    plan = await finish(site, client, await client.post(f"/plans/{plan_id}/replan", json=body))
    moved = next(entry for entry in plan["assignments"] if entry["device"] == last["device"])
    assert moved["start"] < last["start"]
    why = (await client.get(f"/plans/{plan['id']}/explanation", params={"device": last["device"]})).json()
    assert "disruption" not in {match["rule"] for match in why["matches"]}


async def test_changes_that_make_no_sense_are_all_named(site: Site, client: httpx.AsyncClient):
    plan_id = await solved(site, client)
    changes = {"removed": ["Z9", "A1"], "delayed": [{"device": "A1", "start": "2019-08-01"}]}
    body = {"changes": changes | {"added": [{"id": "A2", "type": "A", "previous_end": "2017-06-01"}]}, "pins": ["A1"]}
    answer = await client.post(f"/plans/{plan_id}/replan", json=body)
    assert answer.status_code == 422
    assert {fault["pointer"] for fault in answer.json()["errors"]} == {
        "/changes/removed/0",
        "/changes/delayed/0/device",
        "/changes/added/0/id",
        "/pins/0",
    }
    assert (await client.post("/plans/none/replan", json={})).status_code == 404
    waiting = (await client.post("/plans", json=request())).json()["id"]
    assert (await client.post(f"/plans/{waiting}/replan", json={})).json()["code"] == "planner.no_plan_yet"


async def test_a_change_that_cannot_be_planned_is_named_by_its_own_place(site: Site, client: httpx.AsyncClient):
    plan_id = await solved(site, client)
    changes: Body = {
        "delayed": [{"device": "A1", "start": "2119-08-01"}],
        "finished": [{"device": "A2", "started": "2018-01-01"}],
    }
    answer = await client.post(f"/plans/{plan_id}/replan", json={"changes": changes})
    assert {fault["pointer"] for fault in answer.json()["errors"]} == {
        "/changes/delayed/0/start",
        "/changes/finished/0/started",
    }
    changes = {"added": [{"id": "B1", "type": "Z", "previous_end": "2017-06-01"}]}
    answer = await client.post(f"/plans/{plan_id}/replan", json={"changes": changes})
    assert [fault["pointer"] for fault in answer.json()["errors"]] == ["/changes/added/0/type"]


async def test_what_began_before_today_stays_even_if_it_is_due_at_another_time(site: Site, client: httpx.AsyncClient):
    plan_id = await solved(site, client)
    before = (await client.get(f"/plans/{plan_id}")).json()["assignments"]
    first, last = (choose(before, key=lambda entry: entry["start"]) for choose in (min, max))
    body: Body = {
        "changes": {"due": [{"device": first["device"], "previous_end": "2018-12-01"}]},
        "pin_before": last["start"],
        "disruption": {"weight": 0},
        "termination": {"steps": 20_000},
    }
    plan = await finish(site, client, await client.post(f"/plans/{plan_id}/replan", json=body))
    placed = {entry["device"]: entry["start"] for entry in plan["assignments"]}
    begun = [entry for entry in before if entry["start"] < last["start"]]
    assert {entry["device"]: entry["start"] for entry in begun} == {
        entry["device"]: placed[entry["device"]] for entry in begun
    }


async def test_what_is_planned_anew_does_not_begin_before_today(site: Site, client: httpx.AsyncClient):
    plan_id = await solved(site, client)
    before = (await client.get(f"/plans/{plan_id}")).json()["assignments"]
    last = max(before, key=lambda entry: entry["start"])
    # Its limit is long passed: left to itself, it would begin on the first day of the horizon.
    body: Body = {
        "changes": {"due": [{"device": last["device"], "previous_end": "2015-01-01"}]},
        "pin_before": last["start"],
        "termination": {"steps": 20_000},
    }
    plan = await finish(site, client, await client.post(f"/plans/{plan_id}/replan", json=body))
    placed = {entry["device"]: entry["start"] for entry in plan["assignments"]}
    assert placed[last["device"]] >= last["start"]


INSPECTION = {"device": "A1", "started": "2019-03-01", "finished": "2019-03-20", "findings": "seal worn"}


@pytest.mark.parametrize("field", ["device", "asset", "findings"])
async def test_a_text_the_database_cannot_keep_is_refused(client: httpx.AsyncClient, field: str):
    answer = await client.post("/inspections", json=INSPECTION | {field: "a\x00b"})
    assert [fault["pointer"] for fault in answer.json()["errors"]] == [f"/{field}"]


async def test_an_inspection_told_twice_is_one_record(client: httpx.AsyncClient):
    first, again = [await client.post("/inspections", json=INSPECTION) for _ in range(2)]
    assert (first.status_code, first.json()["recorded_by"]) == (201, "ada")
    assert first.json()["id"] == again.json()["id"]
    listed = (await client.get("/inspections")).json()
    assert [entry["findings"] for entry in listed["items"]] == ["seal worn"]
    differs = await client.post("/inspections", json=INSPECTION | {"findings": "nothing"})
    assert (differs.status_code, differs.json()["code"]) == (409, "planner.inspection_differs")
    assert (await client.post("/inspections", json=INSPECTION | {"finished": "2019-02-01"})).status_code == 422


async def test_inspections_are_listed_page_by_page_and_by_device(client: httpx.AsyncClient):
    for device in ("A1", "A2", "A3"):
        await client.post("/inspections", json=INSPECTION | {"device": device})
    first = (await client.get("/inspections", params={"limit": 2})).json()
    second = (await client.get("/inspections", params={"limit": 2, "cursor": first["next_cursor"]})).json()
    assert {entry["device"] for entry in first["items"] + second["items"]} == {"A1", "A2", "A3"}
    assert second["next_cursor"] is None
    only = (await client.get("/inspections", params={"device": "A2"})).json()["items"]
    assert [entry["device"] for entry in only] == ["A2"]


async def test_the_next_plan_begins_with_the_last_inspection_if_it_is_told_to(site: Site, client: httpx.AsyncClient):
    await client.post("/inspections", json=INSPECTION)
    # Inside the horizon, of another asset, and older than what the problem says: none of these counts.
    await client.post("/inspections", json=INSPECTION | {"started": "2019-05-01", "finished": "2019-05-08"})
    await client.post("/inspections", json=INSPECTION | {"device": "A2", "asset": "acme.osaka"})
    await client.post(
        "/inspections", json=INSPECTION | {"device": "A3", "started": "2016-01-01", "finished": "2016-02-01"}
    )
    for use, previous_end in ((True, "2019-03-20"), (False, "2017-04-01")):
        plan = await finish(site, client, await client.post("/plans", json=request() | {"use_inspections": use}))
        lines = (await client.get(f"/plans/{plan['id']}.csv")).text.splitlines()[1:]
        ends = {line.split(",")[1]: line.split(",")[-1] for line in lines}
        assert ends == dict.fromkeys(["A0", "A2", "A3", "A4", "A5"], "2017-04-01") | {"A1": previous_end}


async def test_a_viewer_downloads_and_does_not_change(site: Site, client: httpx.AsyncClient):
    plan_id, viewer = await solved(site, client), site.headers(Role.VIEWER)
    assert (await client.get(f"/plans/{plan_id}.csv", headers=viewer)).status_code == 200
    assert (await client.get("/inspections", headers=viewer)).status_code == 200
    assert (await client.post("/inspections", json=INSPECTION, headers=viewer)).status_code == 403
    assert (await client.post(f"/plans/{plan_id}/replan", json={}, headers=viewer)).status_code == 403
    assert (await client.post("/plans", files=form(book(JAPANESE)), headers=viewer)).status_code == 403


async def test_a_caller_limited_to_assets_gets_no_file_about_others(site: Site, client: httpx.AsyncClient):
    plan_id, limited = await solved(site, client), site.headers(assets=("acme.osaka",))
    for path in (f"/plans/{plan_id}.xlsx", f"/plans/{plan_id}.html"):
        assert (await client.get(path, headers=limited)).status_code == 403
    assert (await client.post("/compare", json={"plans": [plan_id, plan_id]}, headers=limited)).status_code == 403
    assert (await client.post(f"/plans/{plan_id}/replan", json={}, headers=limited)).status_code == 403
    assert (await client.post("/score", files=form(book(JAPANESE)), headers=limited)).status_code == 403
    assert (await client.post("/inspections", json=INSPECTION, headers=limited)).status_code == 403
    await client.post("/inspections", json=INSPECTION)
    assert (await client.get("/inspections", headers=limited)).json()["items"] == []
