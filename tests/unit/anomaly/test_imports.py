import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("module", ["services.anomaly.app", "services.anomaly.worker", "services.anomaly.library"])
def test_process_starts_without_torch(module: str):
    script = f"import sys; sys.modules['torch'] = None; import {module}"
    subprocess.run([sys.executable, "-c", script], check=True, cwd=ROOT)


def test_service_starts_without_what_only_training_needs():
    script = "import sys; sys.modules |= {'torch': None, 'onnx': None, 'scipy': None}; import services.anomaly.app"
    subprocess.run([sys.executable, "-c", script], check=True, cwd=ROOT)
