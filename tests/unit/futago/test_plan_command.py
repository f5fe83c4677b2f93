"""`futago plan`: from a file to a file, without a suite."""

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from futago.cli import app, main
from futago.commands.plan import ProblemUnreadable, ResultUnwritable
from services.planner import library
from services.planner.domain.problem import ProblemInvalid
from tests.unit.planner.planted import planted_document
from tests.unit.planner.workbooks import JAPANESE, book


@pytest.fixture(scope="module")
def _compiled(request: pytest.FixtureRequest) -> None:
    """Compile the search, or take what earlier runs of the tests have kept: the seconds below are for searching."""
    cache = request.config.cache
    assert cache is not None
    library.warm_up(cache.mkdir("planner-search"))


@pytest.fixture(autouse=True)
def _compiled_elsewhere(_compiled: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command's own folder is a new one in every test."""
    monkeypatch.setattr(library, "warm_up", lambda _folder: True)


@pytest.fixture
def problem(tmp_path: Path) -> Path:
    path = tmp_path / "problem.json"
    path.write_text(json.dumps(planted_document(devices=24, areas=2, seed=1)["problem"]), encoding="utf-8")
    return path


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["plan", *arguments])


def test_a_problem_becomes_a_plan_that_scores_what_the_file_says(problem: Path, tmp_path: Path):
    out = tmp_path / "result.json"
    ran = run(str(problem), "-o", str(out), "--seconds", "1", "--seed", "3", "--home", str(tmp_path))
    assert ran.exit_code == 0, ran.output
    result = json.loads(out.read_text(encoding="utf-8"))
    scored = library.score(json.loads(problem.read_text()), result)
    assert scored.explanation is not None
    assert scored.explanation.score.as_numbers() == result["score"]
    assert result["bound"] <= -result["score"]["soft"]
    assert (result["seed"], result["stopped_because"], result["conflicts"]) == (3, "seconds", [])


def test_an_interrupt_keeps_the_best_plan(problem: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    out, search = tmp_path / "result.json", library.solve

    def interrupted(*problems: Any, on_progress: Callable[[library.Progress], None], **how: Any) -> library.SolvedPlan:
        def show(progress: library.Progress) -> None:
            on_progress(progress)
            signal.raise_signal(signal.SIGINT)

        return search(*problems, on_progress=show, **how)

    monkeypatch.setattr(library, "solve", interrupted)
    ran = run(str(problem), "-o", str(out), "--seconds", "60", "--home", str(tmp_path))
    assert ran.exit_code == 0, ran.output
    result = json.loads(out.read_text(encoding="utf-8"))
    assert result["stopped_because"] == "stopped"
    assert len(result["assignments"]) == 24


@pytest.mark.parametrize(
    ("text", "error"), [("{", ProblemUnreadable), ("{}", ProblemInvalid), (None, ProblemUnreadable)]
)
def test_a_file_without_a_problem_is_refused(text: str | None, error: type[Exception], tmp_path: Path):
    path = tmp_path / "problem.json"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    ran = run(str(path), "-o", str(tmp_path / "result.json"))
    assert isinstance(ran.exception, error)


def test_a_folder_that_is_not_there_is_noticed_before_the_search(problem: Path, tmp_path: Path):
    ran = run(str(problem), "-o", str(tmp_path / "none" / "result.json"))
    assert isinstance(ran.exception, ResultUnwritable)


def test_a_workbook_becomes_a_workbook_and_a_page(tmp_path: Path):
    template = tmp_path / "problem.xlsx"
    assert run("--template", str(template), "--language", "en").exit_code == 0
    for name in ("result.xlsx", "result.html"):
        ran = run(str(template), "-o", str(tmp_path / name), "--seconds", "0.2", "--home", str(tmp_path))
        assert ran.exit_code == 0, ran.output
    planned = library.read_workbook((tmp_path / "result.xlsx").read_bytes())
    assert len(planned.plan.assignments) == 3
    assert b'<div id="convergence">' in (tmp_path / "result.html").read_bytes()


def test_faults_of_a_workbook_are_told_with_their_cells(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    path = tmp_path / "problem.xlsx"
    path.write_bytes(book(JAPANESE, 検査日数=[["機器種別", "検査日数"], ["A", "many"]]))
    monkeypatch.setattr("sys.argv", ["futago", "plan", str(path), "-o", str(tmp_path / "result.json")])
    with pytest.raises(SystemExit):
        main()
    assert "  検査日数!B2: a whole number is expected here, not 'many'" in capsys.readouterr().err


def test_a_plan_is_written_in_the_formats_there_are(problem: Path, tmp_path: Path):
    ran = run(str(problem), "-o", str(tmp_path / "result.docx"))
    assert isinstance(ran.exception, ResultUnwritable)
    assert run(str(problem)).exit_code == 2
