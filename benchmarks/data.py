"""Where the public data lies."""

import os
from pathlib import Path

DATA = Path(os.environ.get("FUTAGO_DATA", Path(__file__).parents[2] / "shared" / "data"))
