"""What can be said of `deploy/` without a container engine."""

import re
import subprocess
from pathlib import Path

import pytest

DEPLOY = Path(__file__).parents[3] / "deploy"
SCRIPTS = sorted([*DEPLOY.glob("scripts/*.sh"), *DEPLOY.glob("edge/*.sh"), *DEPLOY.glob("container/*.sh")])
UNITS = sorted(DEPLOY.glob("edge/*.service"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_script_can_be_read_by_a_plain_shell_and_stops_at_the_first_fault(script: Path):
    assert subprocess.run(["sh", "-n", script], check=False).returncode == 0
    assert "set -eu" in script.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "script", [each for each in SCRIPTS if each.parent.name == "scripts"], ids=lambda path: path.name
)
def test_a_script_without_its_arguments_says_how_it_is_used(script: Path):
    done = subprocess.run([script], capture_output=True, text=True, check=False)
    assert done.returncode == 64
    assert done.stderr.startswith("usage: ")


def test_everything_compose_lets_one_choose_is_explained():
    chosen = set(re.findall(r"\$\{([A-Z_]+)", (DEPLOY / "compose.yaml").read_text(encoding="utf-8")))
    explained = set(re.findall(r"^([A-Z_]+)=", (DEPLOY / ".env.example").read_text(encoding="utf-8"), re.MULTILINE))
    assert chosen == explained


def test_defaults_of_compose_are_those_that_are_explained():
    compose = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
    explained = dict(
        re.findall(r"^([A-Z_]+)=(.*)$", (DEPLOY / ".env.example").read_text(encoding="utf-8"), re.MULTILINE)
    )
    for name, default in re.findall(r"\$\{([A-Z_]+):-([^}]*)\}", compose):
        assert explained[name] == default, name


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_a_unit_may_do_no_more_than_it_needs(unit: Path):
    text = unit.read_text(encoding="utf-8")
    for line in (
        "User=futago",
        "NoNewPrivileges=yes",
        "ProtectSystem=strict",
        "CapabilityBoundingSet=\n",
        "UMask=0077",
    ):
        assert line in text, line
