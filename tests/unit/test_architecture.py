"""Rules of the code that no linter knows; the import rules stand in `pyproject.toml`."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCES = sorted(path for top in ("shared", "services", "futago") for path in (ROOT / top).rglob("*.py"))
LONGEST_FILE_LINES = 400


def calls(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func)


def imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def trees(*words: str) -> Iterator[tuple[str, ast.AST]]:
    """What files say that have one of these words somewhere; all others need not be understood."""
    for path in SOURCES:
        if any(word in text(path) for word in words):
            yield path.relative_to(ROOT).as_posix(), ast.parse(text(path))


@cache
def text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def test_only_one_place_makes_an_application():
    makers = [path for path, tree in trees("FastAPI") if "FastAPI" in calls(tree)]
    assert makers == ["shared/http/app.py"]


def test_a_service_reads_the_environment_in_its_settings_only():
    readers = [
        path
        for path, tree in trees("environ", "getenv")
        if path.startswith(("shared/", "services/"))
        and any(name in ast.unparse(tree) for name in ("os.environ", "os.getenv", "getenv("))
    ]
    assert [path for path in readers if not path.endswith("settings.py")] == []


def test_nothing_is_ever_unpickled():
    unsafe = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
    assert [path for path, tree in trees(*unsafe) if unsafe & set(imports(tree))] == []
    assert [path for path, tree in trees("load") if "torch.load" in calls(tree)] == []
    assert [path for path, tree in trees("allow_pickle") if "allow_pickle=True" in ast.unparse(tree)] == []


def test_no_file_holds_more_than_one_idea_fits_in():
    long = {path.relative_to(ROOT).as_posix(): len(text(path).splitlines()) for path in SOURCES}
    assert {path: lines for path, lines in long.items() if lines > LONGEST_FILE_LINES} == {}


def test_no_file_hides_behind_a_name_that_says_nothing():
    vague = {"utils.py", "util.py", "helpers.py", "common.py", "manager.py", "misc.py"}
    assert [path for path in SOURCES if path.name in vague] == []
