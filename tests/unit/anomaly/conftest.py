from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Signing keys are made below `FUTAGO_HOME`; no test touches another's."""
    monkeypatch.setenv("FUTAGO_HOME", str(tmp_path / "home"))
