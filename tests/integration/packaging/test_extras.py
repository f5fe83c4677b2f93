"""Each process installs only what it runs.

The gateway's environment is really made; for the other processes the closure of their extra is resolved from the
installed metadata, and their modules are imported in a process that cannot see anything else.
"""

import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[3]
HEAVY = ("numpy", "onnxruntime", "torch", "sklearn", "numba")
# What a process imports, with the extra its image installs and what must never come with it.
PROCESSES = [
    ("gateway", "services.gateway.app", HEAVY),
    ("gateway", "services.gateway.bootstrap", HEAVY),
    ("twin", "services.twin.app", ("torch", "sklearn", "numba", "rq", "onnx")),
    ("twin", "services.twin.standalone", ("torch", "sklearn", "numba", "rq", "onnx")),
    ("anomaly", "services.anomaly.app", ("torch", "sklearn", "numba", "onnx")),
    ("anomaly", "services.anomaly.worker", ("torch", "sklearn", "numba", "onnx")),
    ("training", "services.anomaly.worker", ("fastapi", "uvicorn", "plotly", "numba")),
    ("training", "services.anomaly.training.network_detector", ("fastapi", "uvicorn", "plotly", "numba")),
    ("planner", "services.planner.app", ("torch", "sklearn", "onnxruntime")),
    ("planner", "services.planner.worker", ("torch", "sklearn", "onnxruntime")),
]


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def closure(extra: str) -> set[str]:
    """Every distribution that `pip install futago[extra]` brings, by normalised name."""
    found: set[str] = set()
    todo = [("futago", frozenset({extra}))]
    seen: set[tuple[str, frozenset[str]]] = set()
    while todo:
        name, extras = todo.pop()
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        found.add(name)
        todo.extend(needs(name, extras))
    return found


def needs(name: str, extras: frozenset[str]) -> Iterator[tuple[str, frozenset[str]]]:
    for line in metadata.requires(name) or ():
        requirement = Requirement(line)
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in extras | {""}):
            yield normal(requirement.name), frozenset(requirement.extras)


def modules_of(distributions: set[str]) -> set[str]:
    return {
        module
        for module, owners in metadata.packages_distributions().items()
        if any(normal(owner) in distributions for owner in owners)
    }


@pytest.mark.parametrize(("extra", "module", "absent"), PROCESSES)
def test_a_process_imports_with_nothing_but_its_extra(extra: str, module: str, absent: tuple[str, ...]):
    visible = modules_of(closure(extra)) | {"shared", "services", "futago"}
    assert not visible & set(absent)
    script = textwrap.dedent("""
        import importlib, importlib.abc, sys
        module, visible = sys.argv[1], set(sys.argv[2].split(","))

        class OnlyTheExtra(importlib.abc.MetaPathFinder):
            def find_spec(self, name, path=None, target=None):
                top = name.partition(".")[0]
                if top in visible or top in sys.stdlib_module_names or top.startswith("_"):
                    return None
                raise ModuleNotFoundError(f"{name} is not in the extra", name=name)

        sys.meta_path.insert(0, OnlyTheExtra())
        importlib.import_module(module)
        """)
    command = [sys.executable, "-c", script, module, ",".join(sorted(visible))]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


@pytest.mark.slow
def test_the_gateway_runs_in_an_environment_made_from_its_extra_alone(tmp_path: Path):
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    # No pip of its own and no compiled modules, most of which nobody would import: both take as long as all the rest.
    install = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--disable-pip-version-check"]
    install.append("--no-compile")
    subprocess.run(
        [*install, "--constraint", ROOT / "constraints.txt", "--editable", f"{ROOT}[gateway]"], check=True, timeout=280
    )
    subprocess.run([python, "-c", "import services.gateway.app"], cwd=ROOT, check=True)
    for heavy in HEAVY:
        absent = subprocess.run(
            [python, "-c", f"import {heavy}"], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert "ModuleNotFoundError" in absent.stderr, f"{heavy} came with the gateway"
