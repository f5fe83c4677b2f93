"""What the client sends to the planner."""

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from futago import Client
from tests.unit.futago.fake_gateway import FakeGateway, gives

PLANNER = "/api/v1/planner"
QUEUED = {"id": "j1", "kind": "planner.solve", "state": "queued", "progress": None, "attempt": 0}


@pytest.fixture
def gateway() -> FakeGateway:
    return FakeGateway()


@pytest.fixture
def client(gateway: FakeGateway) -> Iterator[Client]:
    with Client("http://plant.example/", "admin", "secret", transport=gateway.transport()) as client:
        yield client


def test_a_workbook_is_sent_as_a_file_and_options_as_fields_beside_it(
    client: Client, gateway: FakeGateway, tmp_path: Path
):
    workbook = tmp_path / "problem.xlsx"
    workbook.write_bytes(b"PK content")
    gateway.answer("POST", f"{PLANNER}/plans", gives(QUEUED))
    assert client.plan_workbook(workbook, termination={"seconds": 5}, use_inspections=True).id == "j1"
    (sent,) = gateway.sent("POST", f"{PLANNER}/plans")
    assert sent.headers["Idempotency-Key"]
    parts = sent.content.split(b"--" + sent.headers["Content-Type"].partition("boundary=")[2].encode())
    heads = {part.partition(b"\r\n\r\n")[0].split(b"\r\n")[1]: part.partition(b"\r\n\r\n")[2] for part in parts[1:-1]}
    assert heads[b'Content-Disposition: form-data; name="file"; filename="problem.xlsx"'] == b"PK content\r\n"
    # Without a file name a part is a field of the form.
    assert json.loads(heads[b'Content-Disposition: form-data; name="termination"']) == {"seconds": 5}
    assert heads[b'Content-Disposition: form-data; name="use_inspections"'] == b"true\r\n"


def test_a_file_of_a_plan_can_be_compared_with_an_older_one(client: Client, gateway: FakeGateway):
    gateway.answer("GET", f"{PLANNER}/plans/p2.xlsx", gives({"bytes": 1}))
    client.plan_file("p2", compare_with="p1", cost_per_soft_point=20_000)
    (sent,) = gateway.sent("GET", f"{PLANNER}/plans/p2.xlsx")
    assert dict(sent.url.params) == {"language": "ja", "compare_with": "p1", "cost_per_soft_point": "20000"}


def test_plans_are_compared_by_id_or_as_they_are(client: Client, gateway: FakeGateway):
    gateway.answer("POST", f"{PLANNER}/compare", gives({"better": "second"}))
    by_hand = {"problem": {}, "plan": {"assignments": []}}
    assert client.compare(by_hand, "p2", cost_per_soft_point=20_000)["better"] == "second"
    (sent,) = gateway.sent("POST", f"{PLANNER}/compare")
    assert json.loads(sent.content) == {"plans": [by_hand, "p2"], "cost_per_soft_point": 20_000}


def test_replanning_sends_what_was_said_and_nothing_else(client: Client, gateway: FakeGateway):
    gateway.answer("POST", f"{PLANNER}/plans/p1/replan", gives(QUEUED))
    client.replan("p1", {"removed": ["A1"]}, pins=["A2"], pin_before=date(2019, 6, 1))
    (sent,) = gateway.sent("POST", f"{PLANNER}/plans/p1/replan")
    assert json.loads(sent.content) == {"changes": {"removed": ["A1"]}, "pins": ["A2"], "pin_before": "2019-06-01"}


def test_inspections_are_told_and_listed(client: Client, gateway: FakeGateway):
    gateway.answer("POST", f"{PLANNER}/inspections", gives({"id": "i1"}))
    gateway.answer("GET", f"{PLANNER}/inspections", gives({"items": [{"id": "i1"}], "next_cursor": None}))
    assert client.record_inspection("A1", date(2019, 3, 1), "2019-03-20", "seal worn")["id"] == "i1"
    (sent,) = gateway.sent("POST", f"{PLANNER}/inspections")
    assert json.loads(sent.content) == {
        "device": "A1", "started": "2019-03-01", "finished": "2019-03-20", "findings": "seal worn"
    }  # fmt: skip
    assert [entry["id"] for entry in client.inspections()] == ["i1"]
