"""One document out of several."""

from services.gateway.domain.access import Service
from services.gateway.domain.documents import SuiteDocument
from services.gateway.domain.openapi import merge
from services.gateway.domain.routes_table import suite_routes

TABLE = suite_routes()
PAGE = {"$ref": "#/components/schemas/Page"}


def document(path: str, method: str, schemas: dict[str, object]) -> dict[str, object]:
    operation = {"responses": {"200": {"content": {"application/json": {"schema": PAGE}}}}}
    return {"openapi": "3.1.0", "info": {}, "paths": {path: {method: operation}}, "components": {"schemas": schemas}}


OWN = document("/api/v1/users", "get", {"Page": {"type": "object"}})
TWIN = document("/api/v1/twin/models", "get", {"Page": {"type": "array"}, "Same": {"type": "string"}})


def test_paths_of_all_services_stand_side_by_side():
    merged = merge(OWN, {Service.TWIN: TWIN}, TABLE)
    assert merged["paths"].keys() == {"/api/v1/users", "/api/v1/twin/models"}


def test_one_name_for_two_schemas_becomes_two_names():
    merged = merge(OWN, {Service.TWIN: TWIN}, TABLE)
    assert merged["components"]["schemas"]["Page"] == {"type": "object"}
    assert merged["components"]["schemas"]["TwinPage"] == {"type": "array"}
    answer = merged["paths"]["/api/v1/twin/models"]["get"]["responses"]["200"]
    assert answer["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/TwinPage"}


def test_one_name_for_one_schema_stays_one():
    again = document("/api/v1/anomaly/detectors", "get", {"Same": {"type": "string"}})
    merged = merge(OWN, {Service.TWIN: TWIN, Service.ANOMALY: again}, TABLE)
    assert merged["components"]["schemas"].keys() == {"Page", "TwinPage", "Same"}


def test_what_the_door_does_not_let_through_is_not_shown():
    for path, method in (("/healthz", "get"), ("/api/v1/twin/models", "delete"), ("/api/v1/anomaly/detectors", "get")):
        merged = merge(OWN, {Service.TWIN: document(path, method, {})}, TABLE)
        assert merged["paths"].keys() == {"/api/v1/users"}


def test_each_operation_says_what_it_needs_and_how_it_can_be_refused():
    merged = merge(OWN, {Service.TWIN: TWIN}, TABLE)
    own = merged["paths"]["/api/v1/users"]["get"]
    forwarded = merged["paths"]["/api/v1/twin/models"]["get"]
    assert (own["x-needs"], forwarded["x-needs"]) == ("manage_users", "read")
    assert own["responses"].keys() == {"200", "401", "403", "429", "503"}
    assert forwarded["responses"].keys() == own["responses"].keys() | {"502", "504"}
    assert merged["security"] == [{"password": []}, {"apiKey": []}]


def test_each_operation_names_why_the_door_turns_a_caller_away_beside_its_own_reasons():
    own = document("/api/v1/users", "get", {})
    own["paths"]["/api/v1/users"]["get"]["responses"]["403"] = {"x-codes": ["users.own", "gateway.not_allowed"]}
    refusals = merge(own, {}, TABLE)["paths"]["/api/v1/users"]["get"]["responses"]["403"]
    at_the_door = {"gateway.address_not_allowed", "auth.password_change_required"}
    assert refusals["x-codes"][:2] == ["users.own", "gateway.not_allowed"]
    assert refusals["x-codes"].count("gateway.not_allowed") == 1
    assert at_the_door < set(refusals["x-codes"])
    assert all(f"`{code}`" in refusals["description"] for code in refusals["x-codes"])


def test_an_open_operation_needs_nothing_and_is_limited_unless_it_is_a_probe():
    merged = merge(document("/api/v1/auth/login", "post", {}), {}, TABLE)
    login = merged["paths"]["/api/v1/auth/login"]["post"]
    assert login["security"] == []
    assert login["responses"].keys() == {"200", "429"}
    probe = merge(document("/healthz", "get", {}), {}, TABLE)["paths"]["/healthz"]["get"]
    assert probe["responses"].keys() == {"200"}


def test_merging_changes_none_of_its_parts():
    before = repr((OWN, TWIN))
    merge(OWN, {Service.TWIN: TWIN}, TABLE)
    assert repr((OWN, TWIN)) == before


def test_the_suites_document_follows_a_service_that_changes():
    suite = SuiteDocument(TABLE)
    suite.describe_gateway(lambda: OWN)
    assert suite.merged()["paths"].keys() == {"/api/v1/users"}
    suite.learn(Service.TWIN, TWIN)
    assert "/api/v1/twin/models" in suite.merged()["paths"]
    assert suite.merged() is suite.merged()
