"""What Schemathesis is told about this suite: how to log in, whom to leave alone, and which refusals are in order."""

import json
import os
from typing import Any

import schemathesis

SPARED = "FUTAGO_SPARED_USERS"
"""Environment variable: names of users, as a JSON list, that no request may name."""
_NOBODY = "nobody-is-called-this"

# A request that fits the schema and is refused with `request.invalid`: rules between fields of one body, which JSON
# Schema cannot say or which would hide what a body looks like.
_CROSS_FIELD_RULES = {
    "POST /api/v1/anomaly/detectors/{name}/activate": "exactly one of `version` and `previous`",
    "POST /api/v1/twin/models/{model}/activate": "exactly one of `version` and `previous`",
    "POST /api/v1/api-keys": "`expires_at` or `expires_in_days`; a time needs its zone",
    "PATCH /api/v1/api-keys/{key_id}": "a time needs its zone, and lies within the years of UTC",
    "GET /api/v1/audit": "a time needs its zone, and lies within the years of UTC",
    "POST /api/v1/planner/compare": "a plan by its id, or with its problem",
    "POST /api/v1/planner/inspections": "it is finished no earlier than it began",
    "POST /api/v1/planner/plans": "dates in order, names known to one another",
    "POST /api/v1/planner/plans/{plan_id}/replan": "changes that do not contradict one another",
    "POST /api/v1/planner/score": "dates in order, names known to one another",
    "GET /api/v1/planner/plans/{plan_id}.{form}": "digits of an amount of money",
}
# Refused on every path: JSON Schema would have to say so of each text in each address.
_ANYWHERE = frozenset({"request.address_unusable"})


@schemathesis.hook
def before_call(_context: schemathesis.HookContext, case: schemathesis.Case, _kwargs: dict[str, Any]) -> None:
    """Keep the attacker from ending itself: an administrator may, and everything after would be a 401."""
    named = case.path_parameters or {}
    if named.get("username") in json.loads(os.environ[SPARED]):
        case.path_parameters = {**named, "username": _NOBODY}


@schemathesis.hook
def filter_failure(
    _context: schemathesis.HookContext, failure: Any, case: schemathesis.Case, response: schemathesis.Response
) -> bool:
    """Let a route refuse what fits its schema for a reason that it documents."""
    return failure.code != "ST202" or not is_documented_refusal(case, response)


def is_documented_refusal(case: schemathesis.Case, response: schemathesis.Response) -> bool:
    """Whether the answer's code is one that the operation names, or a rule between fields named here."""
    code = response.json().get("code")
    documented = case.operation.definition.raw.get("responses", {}).get(str(response.status_code), {})
    if code in documented.get("x-codes", ()) or code in _ANYWHERE:
        return True
    return code == "request.invalid" and case.operation.label in _CROSS_FIELD_RULES
