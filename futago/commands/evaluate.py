"""`futago evaluate`: how good a detector is on files whose truth is known, beside what needs no detector."""

# ruff: noqa: PLC0415 (numpy and ONNX Runtime are loaded by whoever asks for them)

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from futago.commands.detector_options import (
    EncodingOption,
    OffOption,
    OptionUnusable,
    SettingOption,
    ThresholdOption,
    TimeOption,
    read_off,
    read_settings,
    read_threshold,
    show_epoch,
)
from futago.commands.options import DEFAULT_HOME, HomeOption
from futago.launcher import settings

if TYPE_CHECKING:
    from services.anomaly.library import from_files

Judge: TypeAlias = Callable[[Sequence["from_files.LabelledTable"], int], "from_files.EvaluatedFiles"]

app = typer.Typer()


@app.command()
def evaluate(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="[DETECTOR] DATA...",
            help="A bundle folder, unless --kind trains a detector; then labelled files: .csv, .csv.gz or .parquet.",
            show_default=False,
        ),
    ],
    *,
    kind: Annotated[
        str | None,
        typer.Option("--kind", help="Train a detector of this kind first, such as auto.", show_default=False),
    ] = None,
    option: SettingOption = None,
    threshold: ThresholdOption = None,
    off: OffOption = None,
    train_rows: Annotated[
        int | None,
        typer.Option(
            "--train-rows",
            min=1,
            help="For each file, train on its first rows and judge the rest.",
            show_default=False,
        ),
    ] = None,
    train: Annotated[
        Path | None, typer.Option("--train", help="Train once, on this file of normal operation.", show_default=False)
    ] = None,
    label: Annotated[str, typer.Option("--label", help="The label column: 1 where something was wrong.")] = "anomaly",
    changepoint: Annotated[
        str | None,
        typer.Option("--changepoint", help="The column that is 1 where something changed.", show_default=False),
    ] = None,
    time: TimeOption = None,
    ignore: Annotated[
        list[str] | None, typer.Option("--ignore", help="A column that is not a sensor; repeat it.", show_default=False)
    ] = None,
    context: Annotated[
        int, typer.Option("--context", min=0, help="First rows of each file: context for the scores, not judged.")
    ] = 0,
    jitter: Annotated[
        int,
        typer.Option("--jitter", min=0, help="Leak check: start each file up to so many rows later; 0 turns it off."),
    ] = 150,
    encoding: EncodingOption = "utf-8-sig",
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write every figure to this file.", show_default=False)
    ] = None,
    html_file: Annotated[
        Path | None, typer.Option("--html", help="Write a page with plots to this file.", show_default=False)
    ] = None,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Evaluate a detector on labelled files: by row, by fault, compared with trivial baselines, with a leak check."""
    from services.anomaly.library import from_files

    settings.sign_with(home.absolute())
    reading = from_files.Reading(time, from_files.Selection(left_out=tuple(ignore or ())), encoding)
    how = read_settings(option or []), read_threshold(threshold), read_off(off)
    files = paths if kind else paths[1:]
    if kind is None:
        if option or threshold or off or train or train_rows:
            raise OptionUnusable("--option, --threshold, --off, --train and --train-rows go with --kind")
        judge = _bundle(paths[0], context)
    elif train_rows is not None and train is None and not context:
        judge = _anew(from_files.Recipe(kind, *how, _quiet), train_rows)
    elif train is not None and train_rows is None:
        judge = _trained(from_files.Recipe(kind, *how, show_epoch), train, reading, context)
    else:
        raise OptionUnusable("--kind needs either --train FILE or --train-rows N; use --train-rows without --context")
    if not files:
        raise OptionUnusable("name the bundle folder of a detector and labelled files, or --kind and labelled files")
    tables, unlabelled = from_files.read_labelled_files(files, label=label, change_point=changepoint, reading=reading)
    for name in unlabelled:
        typer.echo(f"Note: {name} has no column {label!r} and was left out.")
    judged = judge(tables, jitter)
    # Said aloud: a column of truth that was taken for a sensor makes any detector look excellent.
    typer.echo(f"Sensors: {', '.join(judged.detectors[0].column_names)}")
    typer.echo(judged.text())
    if json_file is not None:
        from_files.write_whole(json_file, json.dumps(judged.to_json(), indent=1, ensure_ascii=False) + "\n")
    if html_file is not None:
        from_files.write_whole(html_file, judged.html())
        typer.echo(f"Page: {html_file}")


def _bundle(folder: Path, context: int) -> Judge:
    """Judge the detector of a bundle."""
    from services.anomaly.library import from_files
    from shared.onnx.settings import KeySettings

    return lambda tables, jitter: from_files.evaluate_bundle(
        folder, KeySettings().trust(), tables, context_rows=context, late_start=jitter
    )


def _anew(recipe: "from_files.Recipe", rows: int) -> Judge:
    """Train a detector for each file, and judge it on the rest of that file."""
    from services.anomaly.library import from_files

    return lambda tables, jitter: from_files.evaluate_anew(
        recipe, tables, train_rows=rows, on_file=_show_file, late_start=jitter
    )


def _trained(recipe: "from_files.Recipe", normal: Path, reading: "from_files.Reading", context: int) -> Judge:
    """Train one detector, and judge it on every file."""
    from services.anomaly.library import from_files

    return lambda tables, jitter: from_files.evaluate_trained(
        recipe, normal, tables, reading=reading, context_rows=context, late_start=jitter
    )


def _show_file(name: str) -> None:
    typer.echo(name, err=True)


def _quiet(_epoch: object) -> None:
    return None
