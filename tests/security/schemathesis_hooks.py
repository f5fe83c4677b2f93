"""What Schemathesis is told about this suite: how to log in, whom to leave alone, and which refusals are in order."""

from typing import Any

import schemathesis
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode, HookContext, cli
from schemathesis.generation.meta import TestPhase

from tests.security.accepted_requests import PUBLISH, Sent, accepted_bodies, put_right
from tests.security.walked_links import LinkCounter
from tests.security.walks import Walk

_NOBODY = "nobody-is-called-this"
# What a user may be asked about without being harmed.
_HARMLESS = frozenset(
    {
        "GET /api/v1/users/{username}",
        "GET /api/v1/users/{username}/sessions",
        "POST /api/v1/users/{username}/second-factor",
    }
)
# Of ten steps of a walk, so many send what is accepted; the others send what the schema allows.
_ACCEPTED_OF_TEN = 8

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
# What belongs to something that was made just now, and is not made with it.
_MADE_APART = frozenset({"twin.experiment_missing"})
_WITHDRAW = "DELETE /api/v1/twin/models/{model}/versions/{version}"
# Versions that were published and not withdrawn since. A body may name any other: the model is there, and that is not.
_published: set[tuple[str, str]] = set()
# Refused on every path: JSON Schema would have to say so of each text in each address.
_ANYWHERE = frozenset({"request.address_unusable"})


cli.handler()(LinkCounter)


@schemathesis.hook
def before_call(_context: HookContext, case: Case, _kwargs: dict[str, Any]) -> None:
    """Keep the attacker from ending itself: an administrator may, and everything after would be a 401."""
    named = case.path_parameters or {}
    if case.operation.label not in _HARMLESS:
        spared = Walk.of_environment().spared
        for part in ("username", "name"):
            if named.get(part) in spared and (part == "username" or case.operation.method == "delete"):
                case.path_parameters = {**named, part: _NOBODY}
    if _is_step(case):
        put_right(case)


@schemathesis.hook
def after_call(_context: HookContext, case: Case, response: schemathesis.Response) -> None:
    """Note which versions there are."""
    if case.operation.label == _WITHDRAW and response.status_code == 204:
        named = case.path_parameters or {}
        _published.discard((named["model"], named["version"]))
    elif case.operation.label == PUBLISH and response.status_code == 201:
        made = response.json()
        _published.add((made["name"], made["version"]))


@schemathesis.hook
def flatmap_case(_context: HookContext, case: Case) -> st.SearchStrategy[Case]:
    """On a walk, mostly send what is accepted: what follows from an answer is tried only where there is one."""
    bodies = accepted_bodies(case, Walk.of_environment()) if _is_step(case) else None
    if bodies is None:
        return st.just(case)
    chance = st.integers(1, 10)
    return st.builds(lambda sent, drawn: _sending(case, sent) if drawn <= _ACCEPTED_OF_TEN else case, bodies, chance)


@schemathesis.hook
def filter_failure(_context: HookContext, failure: Any, case: Case, response: schemathesis.Response) -> bool:
    """Let a route refuse what fits its schema for a reason that it documents."""
    # Away or over capacity for a moment, as documented everywhere: a busy machine does that, and the suite counts them.
    # What will not come back by itself has no `Retry-After`, and is a finding.
    if failure.code == "ST101" and response.status_code == 503 and "retry-after" in response.headers:
        return False
    # Whatever is made of bytes counts as violating its schema; no bundle is accepted but one that was signed for this.
    if failure.code == "ST201" and case.operation.label == PUBLISH:
        return False
    # All sessions of a user are ended, and the list of them is then an empty one.
    if failure.code == "ST301" and case.operation.label == "GET /api/v1/users/{username}/sessions":
        return False
    if failure.code == "ST302" and (_NOBODY in (case.path_parameters or {}).values() or _is_made_apart(response)):
        return False
    return failure.code != "ST202" or not is_documented_refusal(case, response)


def _is_made_apart(response: schemathesis.Response) -> bool:
    """Whether what is missing is not made with its parent, or is a version that nobody made or that is gone again."""
    problem = response.json()
    if problem.get("code") == "twin.version_missing":
        return (problem["model"], problem["version"]) not in _published
    return problem.get("code") in _MADE_APART


def is_documented_refusal(case: Case, response: schemathesis.Response) -> bool:
    """Whether the answer's code is one that the operation names, or a rule between fields named here."""
    code = response.json().get("code")
    documented = case.operation.definition.raw.get("responses", {}).get(str(response.status_code), {})
    if code in documented.get("x-codes", ()) or code in _ANYWHERE:
        return True
    return code == "request.invalid" and case.operation.label in _CROSS_FIELD_RULES


def _is_step(case: Case) -> bool:
    """Whether the case is one that the schema allows, and part of a walk from answer to answer."""
    meta = case.meta
    if meta is None or meta.phase.name is not TestPhase.STATEFUL:
        return False
    return meta.generation.mode is GenerationMode.POSITIVE


def _sending(case: Case, sent: Sent) -> Case:
    case.media_type, case.body = sent.media_type, sent.body
    return case
