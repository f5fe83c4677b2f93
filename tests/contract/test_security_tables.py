"""The tables of requirements: each stands in exactly one row, and a row that claims something names what shows it."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ASVS = ROOT / "docs/security/asvs.md"
IEC = ROOT / "docs/security/iec-62443-4-2.md"
API = ROOT / "docs/security/owasp-api-top-10.md"
TABLES = (ASVS, IEC, API)

# OWASP ASVS 5.0.0, levels 1 and 2: in each section the numbers of its requirements.
LEVELS_1_AND_2 = """
V1.1 1-2; V1.2 1-9; V1.3 1-11; V1.4 1-3; V1.5 1-2; V2.1 1-3; V2.2 1-3; V2.3 1-4; V2.4 1; V3.2 1-2; V3.3 1-4; V3.4 1-6;
V3.5 1-5; V3.7 1-2; V4.1 1-3; V4.2 1; V4.3 1-2; V4.4 1-4; V5.1 1; V5.2 1-3; V5.3 1-2; V5.4 1-3; V6.1 1-3; V6.2 1-12;
V6.3 1-4; V6.4 1-4; V6.5 1-5; V6.6 1-3; V6.8 1-4; V7.1 1-3; V7.2 1-4; V7.3 1-2; V7.4 1-5; V7.5 1-2; V7.6 1-2; V8.1 1-2;
V8.2 1-3; V8.3 1; V8.4 1; V9.1 1-3; V9.2 1-4; V10.1 1-2; V10.2 1-2; V10.3 1-4; V10.4 1-11; V10.5 1-5; V10.6 1-2;
V10.7 1-3; V11.1 1-2; V11.2 1-3; V11.3 1-3; V11.4 1-4; V11.5 1; V11.6 1; V12.1 1-3; V12.2 1-2; V12.3 1-4; V13.1 1;
V13.2 1-5; V13.3 1-2; V13.4 1-5; V14.1 1-2; V14.2 1-4; V14.3 1-3; V15.1 1-3; V15.2 1-3; V15.3 1-7; V16.1 1; V16.2 1-5;
V16.3 1-4; V16.4 1-3; V16.5 1-3; V17.1 1; V17.2 1-4; V17.3 1-2
"""
# IEC 62443-4-2:2019, the requirements of software applications up to SL-C 2, with the enhancements of that level.
SL_C_2 = """
CR 1.1; CR 1.1 RE 1; CR 1.2; CR 1.3; CR 1.4; CR 1.5; CR 1.7; CR 1.8; CR 1.9; CR 1.10; CR 1.11; CR 1.12; CR 1.14; CR 2.1;
CR 2.1 RE 1; CR 2.1 RE 2; CR 2.2; SAR 2.4; SAR 2.4 RE 1; CR 2.5; CR 2.6; CR 2.8; CR 2.9; CR 2.10; CR 2.11; CR 2.11 RE 1;
CR 2.12; CR 3.1; CR 3.1 RE 1; SAR 3.2; CR 3.3; CR 3.4; CR 3.4 RE 1; CR 3.5; CR 3.6; CR 3.7; CR 3.8; CR 3.9; CR 4.1;
CR 4.2; CR 4.3; CR 5.1; CR 6.1; CR 6.2; CR 7.1; CR 7.1 RE 1; CR 7.2; CR 7.3; CR 7.3 RE 1; CR 7.4; CR 7.6; CR 7.7; CR 7.8
"""
TEN = {f"API{number}:2023" for number in range(1, 11)}

# A table whose heading says so holds requirements that no test shows, each with its reason.
REASONS = ("does not apply", "document", "outside", "not met")
_TEST = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
_PATH = re.compile(
    r"`((?:services|shared|futago|docs|deploy|tests|benchmarks)/[\w./-]*|SECURITY\.md|Makefile|pyproject\.toml)"
)


@dataclass(frozen=True, slots=True)
class Row:
    """One requirement."""

    requirement: str
    heading: str
    cells: tuple[str, ...]

    @property
    def text(self) -> str:
        return " | ".join(self.cells)


def rows_of(document: Path) -> Iterator[Row]:
    """Every row of every table, with the heading of its first column."""
    heading = ""
    for line in document.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if not line.startswith("|"):
            heading = ""
        elif not heading:
            heading = cells[-1]
        elif set(cells[0]) - set("-: "):
            yield Row(cells[0], heading, tuple(cells[1:]))


@cache
def names_of_tests(path: Path) -> frozenset[str]:
    """Names of the tests in a file, found without running it."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return frozenset(node.name for node in functions if node.name.startswith("test_"))


def sections(listed: str) -> set[str]:
    found = set()
    for part in listed.replace("\n", " ").split(";"):
        section, numbers = part.split()
        first, _, last = numbers.partition("-")
        found |= {f"{section}.{number}" for number in range(int(first), int(last or first) + 1)}
    return found


WANTED = {
    ASVS: sections(LEVELS_1_AND_2),
    IEC: {part.strip() for part in SL_C_2.replace("\n", " ").split(";")},
    API: TEN,
}


def test_the_list_of_requirements_is_as_long_as_the_standard():
    # 70 requirements of level 1 and 183 of level 2.
    assert len(WANTED[ASVS]) == 253


@pytest.mark.parametrize("document", TABLES, ids=lambda path: path.stem)
def test_every_requirement_stands_in_exactly_one_row(document: Path):
    named = [row.requirement for row in rows_of(document)]
    assert sorted(named) == sorted(WANTED[document])


@pytest.mark.parametrize("document", TABLES, ids=lambda path: path.stem)
def test_a_row_names_where_it_is_done_and_a_test_that_shows_it_or_a_reason(document: Path):
    faults = []
    for row in rows_of(document):
        if row.heading.startswith(REASONS):
            if len(row.text) < 15:
                faults.append(f"{row.requirement}: no reason")
        elif len(row.cells) != 2 or not _PATH.search(row.cells[0]) or not _TEST.search(row.cells[1]):
            faults.append(f"{row.requirement}: names no place or no test")
    assert faults == []


@pytest.mark.parametrize("document", [*TABLES, ROOT / "SECURITY.md"], ids=lambda path: path.stem)
def test_every_place_and_every_test_that_is_named_exists(document: Path):
    text = document.read_text(encoding="utf-8")
    faults = [path for path in _PATH.findall(text) if not (ROOT / path.rstrip(".")).exists()]
    for path, name in _TEST.findall(text):
        if (ROOT / path).is_file() and name not in names_of_tests(ROOT / path):
            faults.append(f"{path}::{name}")
    assert faults == []
