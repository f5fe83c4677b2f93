"""Requests that are accepted, where a schema alone would hardly ever bring one about.

What follows from an answer is tried only where there is one: these make users, keys, models, detectors and plans.
Most bodies are the examples of the document itself, with something new in them each time.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

from hypothesis import strategies as st
from schemathesis import Case
from schemathesis.transport.serialization import Binary

from tests.security.walks import ASSET, DETECTORS, INPUT, MODEL, Walk

PUBLISH = "POST /api/v1/twin/models"
_JSON = "application/json"
_PASSWORDS = ("four kettles under the pier", "nine lanterns by the weir")
_MODELS = (MODEL, "yield")
# Parts of a path: a name that nobody gave to anything is tried by all the phases but walks.
_THERE: Mapping[str, Sequence[str]] = {"model": _MODELS, "name": (*DETECTORS, "plant")}
# Like one that a list gave; nothing else leads anywhere.
_CURSOR = re.compile(r"[\w.=-]{2,}", re.ASCII)
_CSV = "time,speed,vibration\n" + "".join(
    f"2026-04-01T00:{minute:02}:00Z,{1480 + minute * 7 % 12},{2 + minute * 5 % 9 / 10}\n" for minute in range(60)
)


@dataclass(frozen=True, slots=True)
class Sent:
    """A body, and how it is written."""

    media_type: str
    body: Any


Bodies: TypeAlias = st.SearchStrategy[Sent]
_json = partial(Sent, _JSON)


def accepted_bodies(case: Case, walk: Walk) -> Bodies | None:
    """Bodies that the case's operation accepts; none where its schema says enough."""
    name = case.operation.label
    if name in _MADE:
        return _MADE[name](walk)
    example = _example(case)
    if example is None:
        return None
    change = _CHANGED.get(name)
    return st.just(_json(example)) if change is None else change(example).map(_json)


def put_right(case: Case) -> None:
    """Ask for what is there, and drop what the values of a link make superfluous."""
    path = case.path_parameters or {}
    if there := {part: names[0] for part, names in _THERE.items() if path.get(part, names[0]) not in names}:
        case.path_parameters = {**path, **there}
    query = dict(case.query or {})
    if query.get("model", MODEL) not in _MODELS:
        query["model"] = MODEL
    if case.operation.path.endswith("/timeseries"):
        query["asset"] = ASSET
    if not _CURSOR.fullmatch(str(query.get("cursor", "none"))):
        del query["cursor"]
    if query != (case.query or {}):
        case.query = query
    body = case.body
    if not isinstance(body, dict):
        return
    training, plans = body.get("training"), body.get("plans")
    if isinstance(training, dict) and "upload_id" in training:
        case.body = {**body, "training": {"upload_id": training["upload_id"]}}
    if isinstance(plans, list):
        case.body = {**body, "plans": [_by_id(plan) for plan in plans]}


def _by_id(plan: Any) -> Any:
    return {"id": plan["id"]} if isinstance(plan, dict) and "id" in plan else plan


def _example(case: Case) -> Any:
    content = case.operation.definition.raw.get("requestBody", {}).get("content", {})
    examples = content.get(_JSON, {}).get("examples", {})
    return next((example["value"] for example in examples.values()), None)


def _users(example: Any) -> st.SearchStrategy[Any]:
    roles = st.sampled_from(["viewer", "operator", "engineer", "admin"])
    numbers = st.integers(0, 10**9)
    return st.builds(lambda number, role: {**example, "username": f"walker-{number}", "role": role}, numbers, roles)


def _passwords(example: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from(_PASSWORDS).map(lambda password: {**example, "new_password": password})


def _detectors(example: Any) -> st.SearchStrategy[Any]:
    kinds, names = st.sampled_from(["mahalanobis", "pca"]), st.sampled_from(DETECTORS)
    return st.builds(lambda kind, name: {**example, "name": name, "kind": kind}, kinds, names)


def _inspections(example: Any) -> st.SearchStrategy[Any]:
    return st.integers(1, 20).map(lambda number: {**example, "device": f"A{number:02}"})


def _bundles(walk: Walk) -> Bodies | None:
    if not walk.has_bundle:
        return None
    versions = st.integers(0, 10**6).map(lambda number: f"2.{number}")
    return versions.map(lambda version: Sent("multipart/form-data", {"bundle": Binary(walk.archive(version))}))


def _uploads(_walk: Walk) -> Bodies:
    return st.sampled_from([Sent("text/csv", _CSV), Sent("multipart/form-data", {"file": _CSV})])


def _own_password(walk: Walk) -> Bodies:
    return st.just(_json({"password": walk.password}))


def _observations(_walk: Walk) -> Bodies:
    return st.floats(50, 99).map(lambda actual: _json({"model": MODEL, "inputs": INPUT, "actual": actual}))


_MADE: Mapping[str, Callable[[Walk], Bodies | None]] = {
    "POST /api/v1/users/{username}/second-factor": _own_password,
    PUBLISH: _bundles,
    "POST /api/v1/twin/observations": _observations,
    "POST /api/v1/anomaly/uploads": _uploads,
}
_CHANGED: Mapping[str, Callable[[Any], st.SearchStrategy[Any]]] = {
    "POST /api/v1/users": _users,
    "POST /api/v1/users/{username}/password": _passwords,
    "POST /api/v1/anomaly/detectors": _detectors,
    "POST /api/v1/planner/inspections": _inspections,
}
