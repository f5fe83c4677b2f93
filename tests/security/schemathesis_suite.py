"""Schemathesis over everything the running suite documents, as each role and as nobody.

`python -m tests.security.schemathesis_suite --max-examples 100` starts a suite, runs every check, the stateful ones
too, and ends with 1 if anything was found. `--role admin` tries one caller alone.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from shared.principal import Role
from tests.security.running_suite import ROOT, RunningSuite, running_suite
from tests.security.walked_links import REPORT, WalkedLinks
from tests.security.walks import Walk, prepare

ANONYMOUS = "anonymous"
CALLERS = (ANONYMOUS, *(role.value for role in Role))
PHASES = "examples,coverage,fuzzing"
WALKING = "stateful"
# What a suite answers depends on what was done to it before. Hypothesis takes that for a fault of the test and ends its
# search early: several searches, each from another seed, come further than a long one.
ROUNDS = 4
# Part of the document's links that a run must have followed, where the caller may do most of what they lead to [1].
LEAST_SHARES = {Role.ADMIN.value: 0.6, Role.ENGINEER.value: 0.6}
# Answers that asked to come back later: of a machine that is busy, not of a service that is away.
MOST_UNAVAILABLE = 20
_FOUND_NOTHING = 0
_LOGOUT = "/api/v1/auth/logout"
_COMMAND = Path(sys.executable).with_name("schemathesis")
_CONFIGURATION = Path(__file__).with_name("schemathesis.toml")


@dataclass(frozen=True, slots=True)
class Finished:
    """What a run of Schemathesis came to; its exit code is 0 where it found nothing."""

    returncode: int
    text: str
    walked: WalkedLinks


def attack(
    suite: RunningSuite, caller: str, *, max_examples: int, seed: int, phases: str = PHASES, tags: Sequence[str] = ()
) -> Finished:
    """Run Schemathesis as one caller, over everything but its own logout.

    Parameters
    ----------
    tags
        Only operations of these; all of them where none is named.
    """
    options = ["--max-examples", str(max_examples), "--seed", str(seed), "--phases", phases, "--checks", "all"]
    options += ["--continue-on-failure", "--no-color", "--warnings", "off", "--request-timeout", "40"]
    options += [part for tag in tags for part in ("--include-tag", tag)]
    token = _token(suite, caller)
    done = _run(suite, caller, token, [*options, "--exclude-path", _LOGOUT])
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    still_in = httpx.get(f"{suite.url}/api/v1/auth/me", headers=headers, timeout=30).status_code == 200
    assert still_in is (token is not None), "the attacker lost its session on the way, and the rest proved nothing"
    return done


def attack_logout(suite: RunningSuite, caller: str, *, max_examples: int, seed: int) -> Finished:
    """As `attack`, on the one route that ends the session it is called from."""
    options = ["--max-examples", str(max_examples), "--seed", str(seed), "--phases", PHASES, "--checks", "all"]
    options += ["--no-color"]
    return _run(suite, caller, _token(suite, caller), [*options, "--warnings", "off", "--include-path", _LOGOUT])


def _token(suite: RunningSuite, caller: str) -> str | None:
    return None if caller == ANONYMOUS else suite.token(Role(caller))


def _run(suite: RunningSuite, caller: str, token: str | None, options: Sequence[str]) -> Finished:
    # A made-up API key beside a token that counts would be one credential too many, and every request a 401.
    only_one = ["--generation-with-security-parameters", "false"]
    credential = [] if token is None else ["--header", f"Authorization: Bearer {token}", *only_one]
    walk = Walk.of(suite, None if caller == ANONYMOUS else Role(caller))
    with tempfile.TemporaryDirectory() as scratch:
        report = Path(scratch) / "links.json"
        told = {**walk.environment(), REPORT: str(report), "SCHEMATHESIS_HOOKS": "tests.security.schemathesis_hooks"}
        done = subprocess.run(
            [_COMMAND, "--config-file", _CONFIGURATION, "run", f"{suite.url}/openapi.json", *options, *credential],
            cwd=ROOT,
            env={**os.environ, **told},
            capture_output=True,
            text=True,
            check=False,
        )
        text = done.stdout + done.stderr
        assert report.exists(), f"Schemathesis did not begin:\n{text}"
        return Finished(done.returncode, text, WalkedLinks.read(report))


def _faults_as(suite: RunningSuite, caller: str, examples: int, seed: int) -> list[str]:
    runs = {
        "each operation": attack(suite, caller, max_examples=examples, seed=seed),
        "logout": attack_logout(suite, caller, max_examples=examples, seed=seed),
    }
    walked = WalkedLinks(0, 0, {}, 0)
    for round_seed in range(seed, seed + ROUNDS):
        walk = attack(suite, caller, max_examples=examples, seed=round_seed, phases=WALKING)
        runs[f"from answer to answer, seed {round_seed}"] = walk
        walked = walked.joined(walk.walked)
    faults = []
    for name, done in runs.items():
        sys.stdout.write(f"== {caller}, {name}\n{done.text}\n")
        if done.returncode != _FOUND_NOTHING:
            faults.append(f"{caller}, {name}: Schemathesis ended with {done.returncode}")
    unavailable = sum(done.walked.unavailable for done in runs.values())
    sys.stdout.write(f"== {caller}: {walked.text()}; {unavailable} answers told to come back later\n")
    if unavailable > MOST_UNAVAILABLE:
        faults.append(f"{caller}: {unavailable} answers told to come back later")
    if walked.share < LEAST_SHARES.get(caller, 0.0):
        faults.append(f"{caller}: too few links were followed: {walked.text()}")
    return faults


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
        prepare(suite)
        for caller in asked.role or CALLERS:
            before = suite.processes()
            faults += _faults_as(suite, caller, asked.max_examples, asked.seed)
            if suite.processes() != before:
                faults.append(f"as {caller}: a process died")
        faults += suite.logged_faults()
    sys.stdout.write("\n".join(faults or ["nothing found"]) + "\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
