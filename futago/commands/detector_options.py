"""What the commands about detectors take, and how it is read."""

import json
import re
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from futago.errors import FutagoError
from futago.wire import JsonObject

KindOption = Annotated[str, typer.Option("--kind", help="Kind of detector; auto chooses and says why.")]
SettingOption = Annotated[
    list[str] | None,
    typer.Option(
        "--option", help="NAME=VALUE, a setting of the kind such as epochs=20; repeat it.", show_default=False
    ),
]
ThresholdOption = Annotated[
    str | None,
    typer.Option("--threshold", help="How the limit is set, such as method=fpr,max_fpr=0.01.", show_default=False),
]
OffOption = Annotated[
    str | None,
    typer.Option(
        "--off",
        help="When the machine is off, such as column=speed,below=10,margin_rows=60: such rows do not count.",
        show_default=False,
    ),
]
TimeOption = Annotated[
    str | None, typer.Option("--time", help="The column of times; they increase from row to row.", show_default=False)
]
EncodingOption = Annotated[str, typer.Option("--encoding", help="Of a CSV file, such as cp932.")]

_RANGE = re.compile(r"(\d*):(\d*)")


class OptionUnusable(FutagoError):
    """An option of a command cannot be read."""


def read_settings(pairs: Sequence[str]) -> JsonObject:
    """Settings by name of `NAME=VALUE` texts; numbers, `true`, `false` and `null` are read as such.

    Raises
    ------
    OptionUnusable
        If a text is no such pair, or names a setting again.
    """
    settings: JsonObject = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not (name and equals and value):
            raise OptionUnusable(f"a setting is written NAME=VALUE, not {pair!r}")
        if name in settings:
            raise OptionUnusable(f"{name!r} is set twice")
        settings[name] = _value(value)
    return settings


def read_threshold(text: str | None) -> JsonObject | None:
    """A rule such as `method=fpr,max_fpr=0.01`, or only its name; or a JSON object, for rules with parts of their own.

    Raises
    ------
    OptionUnusable
        If it is not written like that.
    """
    if text is None:
        return None
    if text.startswith("{"):
        return _read_object(text)
    return read_settings(text.split(",") if "=" in text else [f"method={text}"])


def read_off(text: str | None) -> JsonObject | None:
    """A rule such as `column=speed,below=10`.

    Raises
    ------
    OptionUnusable
        If it is not written like that.
    """
    return None if text is None else read_settings(text.split(","))


def read_rows(text: str | None) -> slice:
    """The rows `A:B`, counted from 0, the last one not included; either may be left out.

    Raises
    ------
    OptionUnusable
        If it is not written like that.
    """
    found = _RANGE.fullmatch(text or ":")
    if found is None:
        raise OptionUnusable(f"--rows takes A:B, such as 0:5000, not {text!r}")
    first, end = (int(part) if part else None for part in found.groups())
    return slice(first, end)


def show_epoch(epoch: Any) -> None:
    """Tell a person how a network learns."""
    typer.echo(
        f"epoch {epoch.number} of at most {epoch.of}: loss {epoch.fit_loss:.4g}, on later rows {epoch.stop_loss:.4g}",
        err=True,
    )


def _read_object(text: str) -> JsonObject:
    try:
        # JSON that begins with a brace is an object.
        found: JsonObject = json.loads(text)
    except ValueError as error:
        raise OptionUnusable(f"{text!r} cannot be read as JSON: {error}") from error
    return found


def _value(text: str) -> Any:
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return text if isinstance(value, list | dict) else value
