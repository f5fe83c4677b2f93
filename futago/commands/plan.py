"""`futago plan`: search for an inspection plan on this machine, without a suite."""

import contextlib
import json
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from futago.commands.options import DEFAULT_HOME, HomeOption
from futago.errors import FutagoError

if TYPE_CHECKING:
    from services.planner.library import Problem, Progress

app = typer.Typer()

_SUFFIXES = (".json", ".xlsx", ".csv", ".html", ".ics")


class ProblemUnreadable(FutagoError):
    """The file holds no planning problem."""


class ResultUnwritable(FutagoError):
    """The result cannot be written where it was asked for."""


@app.command("plan")
def plan(
    problem: Annotated[
        Path | None, typer.Argument(help="A .json file or an .xlsx workbook with the problem.", show_default=False)
    ] = None,
    *,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="File the plan is written to: .json, .xlsx, .csv, .html or .ics.", show_default=False
        ),
    ] = None,
    template: Annotated[
        Path | None, typer.Option("--template", help="Write a workbook to fill in, and do nothing else.")
    ] = None,
    language: Annotated[
        Literal["ja", "en"], typer.Option("--language", help="Language of the workbook that is written.")
    ] = "ja",
    seconds: Annotated[float, typer.Option("--seconds", min=0.01, help="How long to search.")] = 60.0,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the random moves.")] = 0,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Search for a plan and write it to a file; Ctrl-C ends the search early and writes the best plan."""
    from services.planner import library  # noqa: PLC0415 (each command loads what it needs, and no more)

    words = library.Language(language)
    if template is not None:
        _write(template, library.template(words))
        typer.echo(f"Workbook to fill in written to {template}.")
        return
    if problem is None or out is None:
        raise typer.BadParameter("give a problem and --out, or --template")
    _check_target(out)
    read, assets = _read(problem)
    line, history = _Line(), library.History()

    def tell(progress: "Progress") -> None:
        history.add(library.found_at(progress))
        line.show(_told(progress))

    line.show("preparing the search; the first time on this machine takes about a minute")
    library.warm_up(home.absolute() / "cache" / "planner-search")
    with _interrupts() as interrupted:
        solved = library.solve(
            read,
            options=library.SolveOptions(seed=seed),
            termination=library.Termination(seconds=seconds),
            on_progress=tell,
            should_stop=interrupted,
        )
    line.end()
    history.add(library.found_at(solved))
    if out.suffix.lower() == ".json":
        document = json.dumps(library.plan_document(solved), indent=1, ensure_ascii=False) + "\n"
        _write(out, document.encode())
    else:
        form = library.FileFormat(out.suffix.lower().removeprefix("."))
        _write(out, library.plan_file(solved, form, history=history.entries, assets=assets, language=words))
    gap = "not proven" if solved.optimality.gap is None else f"{solved.optimality.gap:.2%}"
    typer.echo(f"{solved.score}, gap {gap}, stopped because: {solved.stopped_because.value}; written to {out}")


def _check_target(out: Path) -> None:
    """Make sure, before the search, that its result can be written."""
    if out.suffix.lower() not in _SUFFIXES:
        raise ResultUnwritable(f"{out}: a plan is written as one of {', '.join(_SUFFIXES)}")
    if not out.absolute().parent.is_dir():
        raise ResultUnwritable(f"{out}: there is no folder {out.absolute().parent}")


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise ResultUnwritable(f"{path}: {error.strerror}") from None


def _read(path: Path) -> "tuple[Problem, list[str | None]]":
    """Return the problem of a file, and where each device stands."""
    from services.planner import library  # noqa: PLC0415

    if path.suffix.lower() != ".xlsx":
        return library.read_problem(_document(path)), []
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ProblemUnreadable(f"{path}: {error.strerror}") from None
    workbook = library.read_workbook(content)
    return workbook.problem, [device.asset for device in workbook.body.devices]


def _document(path: Path) -> object:
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ProblemUnreadable(f"{path}: {error.strerror}") from None
    except ValueError as error:
        raise ProblemUnreadable(f"{path} is no JSON: {error}") from None


def _told(progress: "Progress") -> str:
    optimality = progress.optimality
    gap = "" if optimality.gap is None else f"  bound {optimality.bound}  gap {optimality.gap:.2%}"
    rate = progress.steps / progress.seconds / 1e6 if progress.seconds > 0 else 0.0
    return f"{progress.seconds:5.0f} s  {progress.score}{gap}  {rate:.1f} million moves/s"


class _Line:
    """One line of a terminal that is written again and again; in a file or pipe, one line after the other."""

    def __init__(self) -> None:
        self._shown = False

    def show(self, text: str) -> None:
        """Put the text in the place of the one before."""
        sys.stderr.write(f"\r\x1b[K{text}" if sys.stderr.isatty() else f"{text}\n")
        sys.stderr.flush()
        self._shown = True

    def end(self) -> None:
        """Go on below it."""
        if self._shown and sys.stderr.isatty():
            sys.stderr.write("\n")


@contextlib.contextmanager
def _interrupts() -> Iterator[Callable[[], bool]]:
    """Turn the first Ctrl-C into a wish to stop; a second one ends the command as ever."""
    asked = False

    def note(_number: int, _frame: FrameType | None) -> None:
        nonlocal asked
        asked = True
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, note)
    try:
        yield lambda: asked
    finally:
        signal.signal(signal.SIGINT, before)
