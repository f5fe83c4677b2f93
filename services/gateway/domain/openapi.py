"""One OpenAPI document for the whole suite, out of one per service."""

import copy
from collections.abc import Mapping
from typing import Any

from services.gateway.domain.access import PROBES, AccessTable, Entry, Route, Service
from services.gateway.domain.errors import AddressNotAllowed, NotAllowed, PathUnknown
from services.gateway.domain.factor_errors import EnrolmentRequired, PasswordChangeRequired
from services.gateway.domain.paths import split_path
from services.gateway.domain.suite_guide import SUITE_GUIDE
from shared.contracts.guide import add_guide, part_of

Document = dict[str, Any]

_TOKEN_PATH = "/api/v1/auth/token"  # noqa: S105  a path, not a secret
_PASSWORD_FORM: Document = {
    "password": {
        "type": "oauth2",
        "description": "Log in with user name and password; the token is sent as `Authorization: Bearer …`.",
        "flows": {
            "password": {
                "tokenUrl": _TOKEN_PATH,
                "refreshUrl": "/api/v1/auth/refresh",
                "scopes": {},
            }
        },
    }
}
_BEARER: Document = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "Log in at `/api/v1/auth/login`; the token is sent as `Authorization: Bearer …`.",
    }
}
_API_KEY: Document = {
    "apiKey": {
        "type": "apiKey",
        "in": "header",
        "name": "X-API-Key",
        "description": "For machines; made under `/api/v1/api-keys`.",
    }
}
_METHODS = frozenset({"get", "put", "post", "delete", "patch"})
_LIMITED = {"429": "Too many requests: see `Retry-After`"}
_RETRY_AFTER: Document = {
    "description": "Seconds to wait",
    "required": True,
    "schema": {"type": "integer", "minimum": 1},
}
_EVERYWHERE = _LIMITED | {
    "401": "Not authenticated",
    "503": "A part of the system is away: see `Retry-After`",
}
# Why a caller who has been recognised is turned away at the door.
_TURNED_AWAY = (NotAllowed.code, AddressNotAllowed.code, EnrolmentRequired.code, PasswordChangeRequired.code)
# What holds of every path, and would only be noise on each of them.
_RULES = """Every path has one spelling: case counts, and with a slash at its end it is another path, which is a 404.

`HEAD` is answered wherever `GET` is, with the same headers and no body. Any other method that a path does not list is a
405, `OPTIONS` too unless the gateway is told of origins whose pages may call it; `Allow` names those that it has.

Every error is a problem document (RFC 9457) and carries the request's id.
"""
_FROM_UPSTREAM = {"502": "A service broke off before it answered", "504": "A service did not answer in time"}


def merge(
    own: Document, services: Mapping[Service, Document], table: AccessTable, *, password_form: bool = True
) -> Document:
    """Put what the services serve beside what the gateway serves itself.

    Only what the table lets through is shown, each operation with what it needs. Two services may use one name for
    different schemas: the second one's then carries the name of its service.

    Parameters
    ----------
    own
        The gateway's document, as the framework makes it.
    services
        Documents of those services that could be asked.
    password_form
        Whether the password form of OAuth 2 is offered; it is not described otherwise.
    """
    merged = copy.deepcopy(own)
    merged["info"] = {**merged.get("info", {}), "description": _RULES}
    components = merged.setdefault("components", {})
    schemes = (_PASSWORD_FORM if password_form else _BEARER) | _API_KEY
    components["securitySchemes"] = copy.deepcopy(schemes)
    schemas = components.setdefault("schemas", {})
    paths = merged["paths"]
    if not password_form:
        paths.pop(_TOKEN_PATH, None)
    for service, document in services.items():
        renamed = _renamed(document, schemas, service)
        schemas.update(renamed.get("components", {}).get("schemas", {}))
        for path, item in renamed.get("paths", {}).items():
            if served := {
                method: operation for method, operation in item.items() if _serves(table, service, method, path)
            }:
                paths.setdefault(path, {}).update(served)
    for path, item in paths.items():
        for method in _METHODS & item.keys():
            if (route := _route(table, method, path)) is not None:
                _secure(item[method], route)
    add_guide(merged, part_of(SUITE_GUIDE, merged))
    merged["security"] = [{name: []} for name in schemes]
    return merged


def _serves(table: AccessTable, service: Service, method: str, path: str) -> bool:
    route = _route(table, method, path)
    return route is not None and route.service is service


def _route(table: AccessTable, method: str, path: str) -> Route | None:
    # `{name}` stands for any segment; in the table's own patterns too.
    example = path.replace("{", "").replace("}", "")
    try:
        return table.find(split_path(example.encode())).get(method.upper())
    except PathUnknown:
        return None


def _secure(operation: Document, route: Route) -> None:
    if route.needs is Entry.OPEN:
        operation["security"] = []
        if route.pattern not in PROBES:
            _add(operation, _LIMITED)
        return
    operation["x-needs"] = route.needs.value
    _add(operation, _EVERYWHERE if route.service is Service.GATEWAY else _EVERYWHERE | _FROM_UPSTREAM)
    responses = operation["responses"]
    own = responses.get("403", {}).get("x-codes", ())
    codes = [*own, *(code for code in _TURNED_AWAY if code not in own)]
    responses["403"] = _problem(f"Not allowed: {', '.join(f'`{code}`' for code in codes)}") | {"x-codes": codes}


def _add(operation: Document, answers: Mapping[str, str]) -> None:
    responses = operation.setdefault("responses", {})
    for status, description in answers.items():
        responses.setdefault(status, _problem(description))
    responses["429"]["headers"] = {"Retry-After": _RETRY_AFTER}


def _problem(description: str) -> Document:
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {"description": description, "content": content}


def _renamed(document: Document, taken: Mapping[str, Any], service: Service) -> Document:
    schemas = document.get("components", {}).get("schemas", {})
    clashes = {name for name, schema in schemas.items() if name in taken and taken[name] != schema}
    names = {name: f"{service.value.capitalize()}{name}" for name in clashes}
    renamed: Document = _rewrite(document, {f"#/components/schemas/{old}": new for old, new in names.items()})
    if names:
        inner = renamed["components"]["schemas"]
        renamed["components"]["schemas"] = {names.get(name, name): schema for name, schema in inner.items()}
    return renamed


def _rewrite(node: Any, references: Mapping[str, str]) -> Any:
    if isinstance(node, dict):
        return {
            key: f"#/components/schemas/{references[value]}"
            if key == "$ref" and value in references
            else _rewrite(value, references)
            for key, value in node.items()
        }
    if isinstance(node, list):
        return [_rewrite(item, references) for item in node]
    return node
