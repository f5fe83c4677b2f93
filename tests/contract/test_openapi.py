import re
from pathlib import Path

import pytest

from tests.contract.served import COMMITTED, SERVICES, served, text_of


@pytest.mark.parametrize("service", SERVICES)
def test_the_committed_contract_is_the_served_one(service: str, tmp_path: Path):
    committed = (COMMITTED / f"{service}.json").read_text(encoding="utf-8")
    assert text_of(served(service, tmp_path)) == committed, "the interface changed: run `make contract` and look at it"


@pytest.mark.parametrize("service", SERVICES)
def test_every_route_says_how_it_fails(service: str, tmp_path: Path):
    document = served(service, tmp_path)
    silent = [
        f"{method} {path}"
        for path, operations in document["paths"].items()
        if path.startswith("/api/")
        for method, operation in operations.items()
        if not any(status >= "4" for status in operation["responses"])
    ]
    assert silent == []


@pytest.mark.parametrize("service", SERVICES)
def test_no_pattern_means_more_here_than_to_those_who_read_it(service: str):
    # In JSON Schema these are ASCII (ECMA-262); the server would take every letter and digit of the world.
    patterns = re.findall(r'"pattern": "(.*)"', (COMMITTED / f"{service}.json").read_text(encoding="utf-8"))
    assert patterns
    assert [pattern for pattern in patterns if re.search(r"\\[dws]", pattern)] == []
