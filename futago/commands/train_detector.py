"""`futago train-detector`: from a file of normal operation to a signed detector, here or on a running suite."""

# ruff: noqa: PLC0415 (what trains is loaded by whoever trains)

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from futago.client import Client
from futago.commands.descriptions import read_units
from futago.commands.detector_card_text import detector_card_text
from futago.commands.detector_options import (
    EncodingOption,
    KindOption,
    OffOption,
    OptionUnusable,
    SettingOption,
    ThresholdOption,
    TimeOption,
    read_off,
    read_rows,
    read_settings,
    read_threshold,
    show_epoch,
)
from futago.commands.options import DEFAULT_HOME, HomeOption, KeyOption, UrlOption, connect
from futago.job import Job
from futago.launcher import settings

if TYPE_CHECKING:
    from services.anomaly.library import from_files

# The suite stops a training sooner than that; this only bounds the waiting.
_LONGEST_TRAINING_S = 86_400.0

app = typer.Typer()


@app.command("train-detector")
def train_detector(
    data: Annotated[
        Path,
        typer.Argument(help="Rows of normal operation: a .csv, .csv.gz or .parquet file.", show_default=False),
    ],
    *,
    name: Annotated[
        str | None,
        typer.Option("--name", help="Name of the detector; by default, that of the file.", show_default=False),
    ] = None,
    version: Annotated[
        str | None, typer.Option("--version", help="Version of the detector; by default, 1.", show_default=False)
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder of the bundle; by default, bundles/NAME.", show_default=False)
    ] = None,
    kind: KindOption = "auto",
    option: SettingOption = None,
    threshold: ThresholdOption = None,
    off: OffOption = None,
    column: Annotated[
        list[str] | None,
        typer.Option("--column", help="A sensor; repeat it. By default: all columns.", show_default=False),
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option("--exclude", help="A column that is not a sensor; repeat it.", show_default=False),
    ] = None,
    time: TimeOption = None,
    unit: Annotated[
        list[str] | None, typer.Option("--unit", help="COLUMN=UNIT, for the card; repeat it.", show_default=False)
    ] = None,
    units: Annotated[
        Path | None, typer.Option("--units", help="A JSON file of units by column.", show_default=False)
    ] = None,
    rows: Annotated[
        str | None, typer.Option("--rows", help="A:B, the rows to learn from, such as 0:5000.", show_default=False)
    ] = None,
    encoding: EncodingOption = "utf-8-sig",
    publish: Annotated[
        bool,
        typer.Option("--publish", help="Train on the running suite instead of here; the detector then serves there."),
    ] = False,
    home: HomeOption = DEFAULT_HOME,
    url: UrlOption = None,
    api_key: KeyOption = None,
) -> None:
    """Train a detector on normal rows, and write a signed bundle, its card and a report."""
    from services.anomaly.library import from_files

    called = name or data.name.partition(".")[0]
    reading = from_files.Reading(
        time, from_files.Selection(None if column is None else tuple(column), tuple(exclude or ())), encoding
    )
    recipe = from_files.Recipe(kind, read_settings(option or []), read_threshold(threshold), read_off(off), show_epoch)
    wanted = _Wanted(data, called, recipe, reading, read_units(unit or [], units), read_rows(rows))
    if not publish:
        settings.sign_with(home.absolute())
        _train_here(wanted, version or "1", out or Path("bundles") / called)
        return
    if version is not None or out is not None:
        raise OptionUnusable(
            "with --publish, the suite stores the bundle and numbers the versions: give no --out, no --version"
        )
    with connect(home, url, api_key) as client:
        _train_there(wanted, client)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What was asked for, wherever it is trained."""

    data: Path
    name: str
    recipe: "from_files.Recipe"
    reading: "from_files.Reading"
    units: Mapping[str, str]
    rows: slice


def _train_here(wanted: _Wanted, version: str, out: Path) -> None:
    from services.anomaly.library import from_files
    from shared.clock import SystemClock
    from shared.onnx.bundle import open_bundle
    from shared.onnx.settings import KeySettings

    trained = from_files.train_file(
        wanted.data,
        wanted.recipe,
        name=wanted.name,
        version=version,
        out=out,
        key=KeySettings().signing_key(),
        clock=SystemClock(),
        reading=wanted.reading,
        units=wanted.units,
        rows=wanted.rows,
    )
    typer.echo(detector_card_text(open_bundle(trained.bundle, KeySettings().trust()).manifest))
    typer.echo(f"Bundle: {trained.bundle}\nReport: {trained.page}")


def _train_there(wanted: _Wanted, client: Client) -> None:
    from services.anomaly.library import from_files

    with tempfile.TemporaryDirectory(prefix="futago-upload-") as folder:
        # Written anew: the suite takes plain CSV in UTF-8, and only the rows and columns that were asked for.
        sent = Path(folder) / f"{wanted.name}.csv"
        columns, time_column = from_files.write_upload(wanted.data, sent, reading=wanted.reading, rows=wanted.rows)
        upload = client.upload(sent, time_column=time_column)
    job = client.train_detector(
        wanted.name,
        wanted.recipe.kind,
        columns,
        upload_id=upload["upload_id"],
        options=wanted.recipe.options,
        threshold=wanted.recipe.threshold,
        units=wanted.units,
        off=wanted.recipe.off,
    )
    made = client.wait(job, timeout_s=_LONGEST_TRAINING_S, on_progress=_show_progress).result
    typer.echo(f"Published: {made['detector']} {made['version']}, {made['kind']}, limit {made['threshold']:.4g}.")


def _show_progress(job: Job) -> None:
    if job.message:
        typer.echo(f"{job.fraction:4.0%} {job.message}", err=True)
