"""`futago train-twin`, `package`, `card`, `verify`: from data or an estimator to a signed bundle, and what it says."""

# ruff: noqa: PLC0415 (what packages and trains is loaded by whoever packages and trains)

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from futago.commands.card_text import card_text
from futago.commands.descriptions import fitted_features, read_features, read_units
from futago.commands.detector_card_text import detector_card_text
from futago.commands.options import DEFAULT_HOME, HomeOption, JsonOption, KeyOption, UrlOption, connect
from futago.commands.user_code import load_object
from futago.launcher import settings

app = typer.Typer()

_REFERENCE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")

DataArgument = Annotated[Path, typer.Argument(help="A .csv or .csv.gz file with a header.", show_default=False)]
BundleArgument = Annotated[Path, typer.Argument(help="A bundle folder.", show_default=False)]
TargetOption = Annotated[str, typer.Option("--target", help="The column to predict.", show_default=False)]
VersionOption = Annotated[str, typer.Option("--version", help="Version of the model.")]
OutOption = Annotated[
    Path | None, typer.Option("--out", help="Folder of the bundle; by default, bundles/NAME.", show_default=False)
]
PublishOption = Annotated[bool, typer.Option("--publish", help="Publish it to the running suite, and activate it.")]
AdaptOption = Annotated[
    bool, typer.Option("--adapt", help="Let observations correct the bias and the width of the interval.")
]
EncodingOption = Annotated[
    str | None,
    typer.Option("--encoding", help="Encoding of the file, such as cp932; detected by default.", show_default=False),
]


@app.command("train-twin")
def train_twin(
    data: DataArgument,
    *,
    target: TargetOption,
    name: Annotated[
        str | None, typer.Option("--name", help="Name of the model; by default, that of the file.", show_default=False)
    ] = None,
    version: VersionOption = "1.0.0",
    out: OutOption = None,
    unit: Annotated[
        list[str] | None,
        typer.Option("--unit", help="COLUMN=UNIT, for headers without a unit; repeat it.", show_default=False),
    ] = None,
    units: Annotated[
        Path | None, typer.Option("--units", help="A JSON file of units by column.", show_default=False)
    ] = None,
    time: Annotated[
        str | None, typer.Option("--time", help="The column of times, which orders the rows.", show_default=False)
    ] = None,
    group: Annotated[
        str | None,
        typer.Option("--group", help="The column that groups rows, such as a batch number.", show_default=False),
    ] = None,
    feature: Annotated[
        list[str] | None, typer.Option("--feature", help="An input; repeat it.", show_default=False)
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option("--exclude", help="A column that is not an input; repeat it.", show_default=False),
    ] = None,
    adapt: AdaptOption = False,
    encoding: EncodingOption = None,
    seconds: Annotated[float, typer.Option("--seconds", min=1.0, help="Time for comparing recipes [s].")] = 120.0,
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed gives the same model.")] = 0,
    publish: PublishOption = False,
    home: HomeOption = DEFAULT_HOME,
    url: UrlOption = None,
    api_key: KeyOption = None,
) -> None:
    """Train a twin on a CSV file: compare several recipes, package the best one, and write a report."""
    from services.twin import library

    settings.sign_with(home.absolute())
    trained = library.train(
        data,
        target,
        name=name,
        version=version,
        out=out,
        units=read_units(unit or [], units),
        time=time,
        group=group,
        features=feature or (),
        exclude=exclude or (),
        live=_live(adapt=adapt),
        encoding=encoding,
        seconds=seconds,
        seed=seed,
    )
    shown = f" {trained.unit}" if trained.unit else ""
    typer.echo(
        f"{trained.model}: RMSE {trained.rmse:.4g}{shown}, R² {trained.r2:.3f} on {trained.test_rows} test rows."
    )
    typer.echo(f"The 90 % interval holds {trained.coverage:.1%} of them and is {trained.width:.4g}{shown} wide.")
    typer.echo(f"Split: {trained.statement}.")
    for note in trained.notes:
        typer.echo(f"Note: {note}.")
    for warning in trained.warnings:
        typer.secho(f"WARNING: {warning}.", fg="yellow")
    typer.echo(f"Bundle: {trained.bundle}\nReport: {trained.report}")
    if publish:
        _publish(trained.bundle, home, url, api_key)


@app.command()
def package(
    source: Annotated[
        str,
        typer.Argument(
            help="MODULE:OBJECT, a fitted estimator, (estimator, scaler), or a function that returns one; or a model "
            "file of LightGBM (.txt) or XGBoost (.json, .ubj).",
            show_default=False,
        ),
    ],
    *,
    data: Annotated[Path, typer.Option("--data", help="CSV of the rows it was fitted on.", show_default=False)],
    target: TargetOption,
    name: Annotated[str, typer.Option("--name", help="Name of the model.", show_default=False)],
    version: VersionOption = "1.0.0",
    out: OutOption = None,
    features: Annotated[
        Path | None,
        typer.Option(
            "--features",
            help="JSON list of inputs in the estimator's order: name, unit, valid_range, resolution.",
            show_default=False,
        ),
    ] = None,
    unit: Annotated[str | None, typer.Option("--unit", help="Unit of the target.", show_default=False)] = None,
    interval: Annotated[
        Literal["auto", "split", "normalized", "cqr"], typer.Option("--interval", help="How the interval is made.")
    ] = "auto",
    calibration: Annotated[
        str | None,
        typer.Option(
            "--calibration",
            help="CSV of rows the estimator never saw, or the share of --data to hold back from a refit; out-of-fold "
            "refits unless given.",
            show_default=False,
        ),
    ] = None,
    fail_safe: Annotated[
        Literal["reject", "hold", "fallback"],
        typer.Option("--fail-safe", help="What is answered when the model fails, is late, or an input is Bad."),
    ] = "reject",
    slim: Annotated[
        float | None,
        typer.Option(
            "--slim", help="Serve the smallest model whose error is at most this share larger.", show_default=False
        ),
    ] = None,
    adapt: AdaptOption = False,
    encoding: EncodingOption = None,
    app_dir: Annotated[Path, typer.Option("--app-dir", help="Folder in which MODULE is searched first.")] = Path(),
    publish: PublishOption = False,
    home: HomeOption = DEFAULT_HOME,
    url: UrlOption = None,
    api_key: KeyOption = None,
) -> None:
    """Package a fitted estimator as a signed bundle that gives the same predictions."""
    from services.twin import library

    settings.sign_with(home.absolute())
    loaded = load_object(source, app_dir) if _is_reference(source) else library.load_model_file(source)
    estimator, scaler = loaded if isinstance(loaded, tuple) and len(loaded) == 2 else (loaded, None)
    described = read_features(features)
    table = library.read_table(data, target, features=described or fitted_features(estimator), encoding=encoding)
    bundle = library.package(
        estimator,
        table.rows,
        table.values,
        name=name,
        version=version,
        features=table.features,
        target={**table.target, "unit": unit} if unit else table.target,
        out=out or Path("bundles") / name,
        scaler=scaler,
        interval=interval,
        calibration=_calibration(calibration, target, table.features, encoding),
        fail_safe=fail_safe,
        live=_live(adapt=adapt),
        slim=None if slim is None else {"budget": slim},
    )
    if table.incomplete:
        typer.echo(f"Note: {table.incomplete} rows of {data.name} left out, they lack a value.")
    typer.echo(card_text(library.Twin.load(bundle).card))
    typer.echo(f"Bundle: {bundle}")
    if publish:
        _publish(bundle, home, url, api_key)


@app.command()
def card(bundle: BundleArgument, home: HomeOption = DEFAULT_HOME, *, as_json: JsonOption = False) -> None:
    """Show the card of a bundle, of a model or a detector: inputs, training and accuracy."""
    from services.twin import library
    from shared.onnx.bundle import open_bundle
    from shared.onnx.manifest import BundleKind
    from shared.onnx.settings import KeySettings

    settings.sign_with(home.absolute())
    manifest = open_bundle(bundle, KeySettings().trust()).manifest
    if manifest.kind is BundleKind.DETECTOR:
        told = {"name": manifest.name, "version": manifest.version, "created_at": manifest.created_at, **manifest.card}
        typer.echo(json.dumps(told, indent=1, ensure_ascii=False) if as_json else detector_card_text(manifest))
        return
    found = library.Twin.load(bundle).card
    typer.echo(json.dumps(found, indent=1, ensure_ascii=False) if as_json else card_text(found))


@app.command()
def verify(bundle: BundleArgument, home: HomeOption = DEFAULT_HOME) -> None:
    """Verify that a trusted key signed a bundle and that no file was changed."""
    from shared.onnx.bundle import open_bundle
    from shared.onnx.settings import KeySettings

    settings.sign_with(home.absolute())
    checked = open_bundle(bundle, KeySettings().trust())
    manifest = checked.manifest
    typer.echo(f"{manifest.name} {manifest.version}: {manifest.kind.value}, signed by key {checked.key_id}.")
    typer.echo(f"{len(manifest.files)} files, {checked.size_bytes} bytes, all as signed; digest {checked.digest}.")


def _is_reference(source: str) -> bool:
    return _REFERENCE.fullmatch(source) is not None and not Path(source).exists()


def _live(*, adapt: bool) -> dict[str, bool] | None:
    return {"bias_update": True, "adaptive": True} if adapt else None


def _publish(bundle: Path, home: Path, url: str | None, api_key: str | None) -> None:
    with connect(home, url, api_key) as client:
        published = client.publish(bundle)
        client.activate(published["name"], published["version"])
    typer.echo(f"Published: {published['name']} {published['version']}.")


def _calibration(
    asked: str | None, target: str, features: Sequence[Mapping[str, Any]], encoding: str | None
) -> float | tuple[Any, Any] | None:
    """A share, or the rows of a file; `package` checks what comes out."""
    from services.twin import library

    if asked is None:
        return None
    try:
        return float(asked)
    except ValueError:
        table = library.read_table(asked, target, features=features, encoding=encoding)
        return table.rows, table.values
