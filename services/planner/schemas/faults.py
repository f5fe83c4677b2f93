"""Faults pydantic finds, as JSON pointers into what was sent."""

from collections.abc import Iterable, Mapping

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from services.planner.schemas.cross_checks import CrossFault, Location
from shared.errors import Fault

# More than a problem of the largest size has with two wrong fields a device; telling one takes some kilobytes.
_MOST_FAULTS = 50_000


def faults_of(error: ValidationError, pointer: str = "") -> list[Fault]:
    """Return the faults of a validation error; `pointer` is where the validated value stood in the body."""
    return [
        Fault(pointer + "".join(f"/{_escaped(part)}" for part in entry["loc"]), entry["msg"])
        for entry in error.errors(include_url=False, include_input=False)
    ]


def path_in(document: object, location: Location) -> Location:
    """Return the part of a pydantic location that is a path in the document.

    Pydantic also names the branch of a union in its locations, which the document knows nothing of. A last part that
    is missing in an object of the document stays.
    """
    path: list[str | int] = []
    place = document
    for position, part in enumerate(location):
        found, inside = _step(place, part)
        if found:
            path.append(part)
            place = inside
        elif isinstance(place, Mapping) and isinstance(part, str) and position == len(location) - 1:
            path.append(part)
    return tuple(path)


def _step(place: object, part: str | int) -> tuple[bool, object]:
    if isinstance(place, Mapping):
        return part in place, place.get(part)
    if isinstance(place, list) and isinstance(part, int) and part < len(place):
        return True, place[part]
    return False, None


def merged(title: str, document: object, shape: ValidationError | None, cross: Iterable[CrossFault]) -> ValidationError:
    """Return one error with the faults of shape and those between parts, each at its path in the document."""
    if shape is not None and shape.error_count() > _MOST_FAULTS:
        told = _line("too_many_faults", (), f"more than {_MOST_FAULTS} faults: too many to tell", None)
        return ValidationError.from_exception_data(title, [told])
    lines: dict[Location, InitErrorDetails] = {}
    for entry in shape.errors(include_url=False) if shape is not None else ():
        path = path_in(document, entry["loc"])
        # Of the branches of a union the first speaks; the others would say the same place is wrong again.
        lines.setdefault(path, _line(entry["type"], path, entry["msg"], entry["input"]))
    for fault in cross:
        lines.setdefault(fault.location, _line("cross_check", fault.location, fault.detail, None))
    return ValidationError.from_exception_data(title, list(lines.values()))


def _line(kind: str, location: Location, message: str, value: object) -> InitErrorDetails:
    # The message is a template to pydantic: braces that a caller sent must not be read as its fields.
    error = PydanticCustomError(kind, "{message}", {"message": message})
    return InitErrorDetails(type=error, loc=location, input=value)


def _escaped(part: str | int) -> str:
    return str(part).replace("~", "~0").replace("/", "~1")
