"""What a document says for those who use it: bodies that are accepted, and where an answer leads.

A link (OpenAPI 3.1, section 4.8.20) names an operation and says which of its parameters an answer fills: people follow
it by hand, generated clients and tests by themselves.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from shared.errors import JSON

Document: TypeAlias = dict[str, Any]
Operation: TypeAlias = dict[str, Any]
_JSON_TYPE = "application/json"


@dataclass(frozen=True, slots=True)
class Lead:
    """What one answer gives, and the operations that take it.

    Parameters
    ----------
    source
        Method and path of the operation that answers.
    status
        The answer's.
    gives
        Where the value of each parameter stands, as a runtime expression (OpenAPI 3.1, section 4.8.20.4).
    to
        Method and path of each operation that takes all of these parameters.
    body
        What a request's body takes from the answer, if anything.
    """

    source: str
    status: int
    gives: Mapping[str, str]
    to: tuple[str, ...]
    body: Mapping[str, JSON] | None = None


@dataclass(frozen=True, slots=True)
class Guide:
    """All that a document says besides what its operations say themselves.

    Parameters
    ----------
    examples
        A body that is accepted, by method and path.
    """

    leads: tuple[Lead, ...] = ()
    examples: Mapping[str, JSON] = field(default_factory=dict)


def add_guide(document: Document, guide: Guide) -> None:
    """Put the links and the examples of a guide into a document.

    Raises
    ------
    KeyError
        If the guide names an operation, an answer or a body that the document does not have.
    """
    operations = dict(_operations(document))
    for name, example in guide.examples.items():
        content = operations[name]["requestBody"]["content"][_JSON_TYPE]
        content.setdefault("examples", {"accepted": {"value": example}})
    for lead in guide.leads:
        links = operations[lead.source]["responses"][str(lead.status)].setdefault("links", {})
        for name in lead.to:
            links[_link_name(operations[name])] = _link(lead, operations[name])


def part_of(guide: Guide, document: Document) -> Guide:
    """The leads between operations that a document has: of a suite, some services may not have been asked yet."""
    known = {name for name, _ in _operations(document)}
    leads = [
        Lead(lead.source, lead.status, lead.gives, tuple(name for name in lead.to if name in known), lead.body)
        for lead in guide.leads
        if lead.source in known
    ]
    return Guide(tuple(leads))


def _operations(document: Document) -> Iterator[tuple[str, Operation]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield f"{method.upper()} {path}", operation


def _link_name(target: Operation) -> str:
    return str(target["summary"]).lower().replace(" ", "_")


def _link(lead: Lead, target: Operation) -> Document:
    link: Document = {"operationId": target["operationId"]}
    if lead.gives:
        link["parameters"] = dict(lead.gives)
    if lead.body is not None:
        link["requestBody"] = dict(lead.body)
    return link
