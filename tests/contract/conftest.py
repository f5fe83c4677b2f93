"""The chart, rendered once for all tests of a file that read it as it comes."""

from pathlib import Path

import pytest

from tests.contract.chart_render import Manifest, render


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("helm")


@pytest.fixture(scope="module")
def plain(folder: Path) -> list[Manifest]:
    return render(folder)
