"""Schemathesis over everything the running suite documents, as each role and as nobody.

`python -m tests.security.schemathesis_suite --max-examples 100` starts a suite, runs every check, the stateful ones
too, and ends with 1 if anything was found. `--role admin` tries one caller alone.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import httpx

from shared.principal import Role
from tests.security.running_suite import ROOT, RunningSuite, running_suite
from tests.security.schemathesis_hooks import SPARED

ANONYMOUS = "anonymous"
CALLERS = (ANONYMOUS, *(role.value for role in Role))
PHASES = "examples,coverage,fuzzing,stateful"
_FOUND_NOTHING = 0
_LOGOUT = "/api/v1/auth/logout"
_COMMAND = Path(sys.executable).with_name("schemathesis")
_CONFIGURATION = Path(__file__).with_name("schemathesis.toml")

Finished: TypeAlias = subprocess.CompletedProcess[str]


def attack(
    suite: RunningSuite, caller: str, *, max_examples: int, seed: int, phases: str = PHASES, tags: Sequence[str] = ()
) -> Finished:
    """Run Schemathesis as one caller; its exit code is 0 where it found nothing.

    Parameters
    ----------
    tags
        Only operations of these; all of them where none is named.
    """
    options = ["--max-examples", str(max_examples), "--seed", str(seed), "--phases", phases, "--checks", "all"]
    options += ["--continue-on-failure", "--no-color", "--warnings", "off", "--request-timeout", "40"]
    options += [part for tag in tags for part in ("--include-tag", tag)]
    token = None if caller == ANONYMOUS else suite.token(Role(caller))
    done = _run(suite, token, [*options, "--exclude-path", _LOGOUT])
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    still_in = httpx.get(f"{suite.url}/api/v1/auth/me", headers=headers, timeout=30).status_code == 200
    assert still_in is (token is not None), "the attacker lost its session on the way, and the rest proved nothing"
    return done


def attack_logout(suite: RunningSuite, caller: str, *, max_examples: int, seed: int) -> Finished:
    """As `attack`, on the one route that ends the session it is called from."""
    options = ["--max-examples", str(max_examples), "--seed", str(seed), "--checks", "all", "--no-color"]
    token = None if caller == ANONYMOUS else suite.token(Role(caller))
    return _run(suite, token, [*options, "--warnings", "off", "--include-path", _LOGOUT])


def _run(suite: RunningSuite, token: str | None, options: Sequence[str]) -> Finished:
    credential = [] if token is None else ["--header", f"Authorization: Bearer {token}"]
    spared = json.dumps([login.username for login in suite.logins.values()])
    return subprocess.run(
        [_COMMAND, "--config-file", _CONFIGURATION, "run", f"{suite.url}/openapi.json", *options, *credential],
        cwd=ROOT,
        env={**os.environ, SPARED: spared, "SCHEMATHESIS_HOOKS": "tests.security.schemathesis_hooks"},
        capture_output=True,
        text=True,
        check=False,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Start a suite and attack it; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--role", choices=CALLERS, action="append", help="who attacks; everybody in turn unless given")
    parser.add_argument("--max-examples", type=int, default=50, help="for each operation and phase")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args(arguments)
    compiled = ROOT / ".pytest_cache" / "d" / "planner-search"
    compiled.mkdir(parents=True, exist_ok=True)
    faults: list[str] = []
    with (
        tempfile.TemporaryDirectory(prefix="futago-schemathesis-") as folder,
        running_suite(Path(folder), compiled=compiled, demo_models=True) as suite,
    ):
        for caller in asked.role or CALLERS:
            before = suite.processes()
            for run in (attack, attack_logout):
                done = run(suite, caller, max_examples=asked.max_examples, seed=asked.seed)
                sys.stdout.write(f"== {run.__name__} as {caller}\n{done.stdout}{done.stderr}\n")
                if done.returncode != _FOUND_NOTHING:
                    faults.append(f"{run.__name__} as {caller}: Schemathesis ended with {done.returncode}")
            if suite.processes() != before:
                faults.append(f"as {caller}: a process died")
        faults += suite.logged_faults()
    sys.stdout.write("\n".join(faults or ["nothing found"]) + "\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
