"""What the suite's document says for those who follow it: every link can be followed, every example is accepted."""

import re
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from services.anomaly.routes.guide import GUIDE as ANOMALY_GUIDE
from services.gateway.domain.access import Service
from services.gateway.domain.openapi import merge
from services.gateway.domain.routes_table import suite_routes
from services.gateway.domain.suite_guide import SUITE_GUIDE
from services.gateway.routes.guide import GUIDE as GATEWAY_GUIDE
from services.planner.routes.guide import GUIDE as PLANNER_GUIDE
from services.twin.routes.guide import GUIDE as TWIN_GUIDE
from shared.contracts.guide import part_of
from tests.contract.served import Document, served

# Section 7.1, and section A.1 of RFC 8037.
SEEDS_OF_RFC_8032 = (
    "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
    "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
    "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
)
_PARAMETER_OF_PATH = re.compile(r"\$request\.path\.(\w+)")


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Document:
    folder = tmp_path_factory.mktemp("suite")
    services = {part: served(part.value, folder / part) for part in Service if part is not Service.GATEWAY}
    return merge(served("gateway", folder / "gateway"), services, suite_routes())


def test_a_link_names_an_operation_and_parameters_that_exist(suite: Document):
    by_id = {operation["operationId"]: operation for _, operation in operations(suite)}
    dangling = [
        f"{name} {status}: {parameter} of {link['operationId']}"
        for name, status, link in links(suite)
        for parameter in link.get("parameters", {})
        if parameter not in parameters(by_id[link["operationId"]])
    ]
    assert dangling == []


def test_a_link_takes_what_its_answer_has(suite: Document):
    by_name = dict(operations(suite))
    for name, status, link in links(suite):
        for expression in expressions([link.get("parameters", {}), link.get("requestBody", {})]):
            if taken := _PARAMETER_OF_PATH.fullmatch(expression):
                assert taken[1] in parameters(by_name[name]), (name, expression)
            else:
                answer = by_name[name]["responses"][status]["content"]["application/json"]["schema"]
                place = expression.removeprefix("$response.body#/").split("/")
                assert reaches(suite, answer, place), (name, status, expression)


def test_a_link_fills_every_part_of_the_path_it_knows_something_of(suite: Document):
    by_id = {operation["operationId"]: name for name, operation in operations(suite)}
    for name, _, link in links(suite):
        given = link.get("parameters", {}).keys()
        path = set(re.findall(r"\{(\w+)\}", by_id[link["operationId"]]))
        # What is chosen, not found: the asset a stream is of, and the form of a file.
        assert path - given <= {"asset", "form"}, (name, link)


def test_every_link_between_services_is_shown(suite: Document):
    shown = part_of(SUITE_GUIDE, suite)
    assert shown == SUITE_GUIDE


def test_no_link_takes_the_place_of_another_of_the_same_name(suite: Document):
    guides = (ANOMALY_GUIDE, GATEWAY_GUIDE, PLANNER_GUIDE, TWIN_GUIDE, SUITE_GUIDE)
    assert len(list(links(suite))) == sum(len(lead.to) for guide in guides for lead in guide.leads)


def test_every_operation_says_when_to_come_back(suite: Document):
    for name, operation in operations(suite):
        answers = operation["responses"]
        assert "Retry-After" in answers["503"]["headers"], name
        assert "429" not in answers or answers["429"]["headers"]["Retry-After"]["required"], name


def test_an_example_fits_its_schema(suite: Document):
    shown = [
        (name, content["schema"], example["value"])
        for name, operation in operations(suite)
        for content in operation.get("requestBody", {}).get("content", {}).values()
        for example in content.get("examples", {}).values()
    ]
    for name, schema, value in shown:
        whole = {**schema, "components": suite["components"]}
        assert jsonschema_rs.is_valid(whole, value), (name, value)
    assert len(shown) > 20


@pytest.mark.parametrize("seed", SEEDS_OF_RFC_8032)
def test_the_key_that_is_shown_is_not_one_with_which_everybody_can_sign(seed: str):
    shown = TWIN_GUIDE.examples["POST /api/v1/twin/trusted-keys"]
    assert isinstance(shown, dict)
    published = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(seed)).public_key()
    assert load_pem_public_key(str(shown["public_key"]).encode()) != published


def operations(document: Document) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield f"{method.upper()} {path}", operation


def links(document: Document) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for name, operation in operations(document):
        for status, answer in operation["responses"].items():
            for link in answer.get("links", {}).values():
                yield name, status, link


def parameters(operation: dict[str, Any]) -> set[str]:
    return {parameter["name"] for parameter in operation.get("parameters", ())}


def expressions(node: Any) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict | list):
        for part in node.values() if isinstance(node, dict) else node:
            yield from expressions(part)


def reaches(document: Document, schema: dict[str, Any], place: list[str]) -> bool:
    """Whether a value can stand at this place (RFC 6901) in what the schema describes."""
    if "$ref" in schema:
        named = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[-1]]
        return reaches(document, named, place)
    if not place:
        return True
    if choices := schema.get("anyOf") or schema.get("oneOf"):
        return any(reaches(document, choice, place) for choice in choices)
    here, *rest = place
    inner = schema.get("items") if here.isdigit() else schema.get("properties", {}).get(here)
    return inner is not None and reaches(document, inner, rest)
