"""Links and examples of a document."""

from typing import Any

import pytest

from shared.contracts.guide import Guide, Lead, add_guide, part_of

MAKE, READ = "POST /things", "GET /things/{thing}"
MADE = Lead(MAKE, 201, {"thing": "$response.body#/id"}, (READ,))


def document(**content: Any) -> dict[str, Any]:
    body = {"content": {"application/json": {"schema": {}, **content}}}
    make = {"operationId": "make_it", "summary": "Make It", "requestBody": body, "responses": {"201": {}}}
    read = {"operationId": "read_it", "summary": "Read It", "responses": {"200": {}}}
    return {"paths": {"/things": {"post": make}, "/things/{thing}": {"get": read}}}


def test_an_answer_links_to_the_operations_that_take_what_it_gives():
    shown = document()
    add_guide(shown, Guide((MADE,)))
    assert shown["paths"]["/things"]["post"]["responses"]["201"]["links"] == {
        "read_it": {"operationId": "read_it", "parameters": {"thing": "$response.body#/id"}}
    }


def test_a_link_may_fill_a_body_alone():
    shown = document()
    add_guide(shown, Guide((Lead(READ, 200, {}, (MAKE,), {"like": "$response.body#/id"}),)))
    assert shown["paths"]["/things/{thing}"]["get"]["responses"]["200"]["links"] == {
        "make_it": {"operationId": "make_it", "requestBody": {"like": "$response.body#/id"}}
    }


@pytest.mark.parametrize(
    "guide",
    [
        Guide((Lead("GET /nothing", 200, {}, (READ,)),)),
        Guide((Lead(MAKE, 204, {}, (READ,)),)),
        Guide((Lead(MAKE, 201, {}, ("GET /nothing",)),)),
        Guide(examples={READ: {}}),
    ],
)
def test_a_guide_to_what_is_not_there_is_refused(guide: Guide):
    with pytest.raises(KeyError):
        add_guide(document(), guide)


def test_an_example_is_shown_where_the_route_has_none_of_its_own():
    bare, full = document(), document(examples={"own": {"value": 1}})
    for shown in (bare, full):
        add_guide(shown, Guide(examples={MAKE: {"name": "a"}}))
    bodies = [shown["paths"]["/things"]["post"]["requestBody"]["content"]["application/json"] for shown in (bare, full)]
    assert [body["examples"] for body in bodies] == [{"accepted": {"value": {"name": "a"}}}, {"own": {"value": 1}}]


def test_of_a_suite_only_the_parts_that_are_known_are_linked():
    elsewhere = Lead("POST /elsewhere", 202, {}, (READ,))
    known = part_of(Guide((elsewhere, Lead(MAKE, 201, MADE.gives, (READ, "GET /elsewhere")))), document())
    assert known == Guide((MADE,))
