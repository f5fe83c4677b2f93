"""How a detector prepares rows, as a file of its bundle."""

from collections.abc import Sequence

import numpy as np

from services.anomaly.domain.preparation import Preparation
from services.anomaly.domain.preparation_copies import Copy
from services.anomaly.domain.preparation_gaps import Cadence, Patience
from services.anomaly.domain.preparation_off import OffRule
from services.anomaly.domain.preparation_season import PERIODS_US, Season
from shared.errors import JSON
from shared.onnx.errors import BundleMalformed
from shared.onnx.json_fields import Fields, canonical_bytes, parse_object

PREPARATION_FILE = "preparation.json"


def preparation_file(preparation: Preparation) -> bytes:
    """The file."""
    cadence, off, season = preparation.cadence, preparation.off, preparation.season
    document: dict[str, JSON] = {
        "gap_rows": preparation.patience.gap_rows,
        "sensors": preparation.patience.sensors,
        "cadence": None if cadence is None else {"step_us": cadence.step_us, "gap_us": cadence.gap_us},
        "off": None if off is None else off.to_json(),
        "season": None
        if season is None
        else {
            "name": season.name,
            "phases": len(season.profile),
            "profile": season.profile.ravel().tolist(),
            "gains": season.gains.tolist(),
        },
        "copies": [
            {
                "original": copy.original,
                "copy": copy.copy,
                "slope": copy.slope,
                "offset": copy.offset,
                "spread": copy.spread,
            }
            for copy in preparation.copies
        ],
    }
    return canonical_bytes(document)


def read_preparation(file: bytes, columns: Sequence[str]) -> Preparation:
    """Read the file again, for a detector of these sensors.

    Raises
    ------
    BundleMalformed
        If it holds something else.
    """
    fields = Fields(parse_object(file), PREPARATION_FILE)
    preparation = Preparation(
        tuple(columns),
        Patience(fields.whole("gap_rows"), fields.whole("sensors")),
        fields.optional_item("cadence", _cadence),
        fields.optional_item("off", _off),
        fields.optional_item("season", lambda item: _season(item, len(columns))),
        fields.items("copies", _copy),
    )
    fields.close()
    places = {place for copy in preparation.copies for place in (copy.original, copy.copy)}
    if (preparation.off and preparation.off.column not in columns) or not places <= set(range(len(columns))):
        raise BundleMalformed(f"{PREPARATION_FILE} is about sensors that the detector does not have")
    if preparation.patience.gap_rows < 0:
        raise BundleMalformed(f"{PREPARATION_FILE} looks ahead")
    return preparation


def _cadence(fields: Fields) -> Cadence:
    return Cadence(fields.whole("step_us"), fields.whole("gap_us"))


def _off(fields: Fields) -> OffRule:
    rule = OffRule(
        fields.text("column"),
        fields.optional_number("below"),
        fields.optional_number("above"),
        fields.whole("margin_rows"),
    )
    if (rule.below is None) == (rule.above is None) or rule.margin_rows < 0:
        raise BundleMalformed(f"the rule in {PREPARATION_FILE} for a machine that is off is none")
    return rule


def _season(fields: Fields, sensors: int) -> Season:
    name, phases = fields.text("name"), fields.whole("phases")
    profile, gains = np.array(fields.numbers("profile")), np.array(fields.numbers("gains"))
    if name not in PERIODS_US or phases < 1 or profile.shape != (phases * sensors,) or gains.shape != (sensors,):
        raise BundleMalformed(f"the season in {PREPARATION_FILE} is not what it must be")
    return Season(name, profile.reshape(phases, sensors), gains)


def _copy(fields: Fields) -> Copy:
    return Copy(
        fields.whole("original"),
        fields.whole("copy"),
        fields.number("slope"),
        fields.number("offset"),
        fields.number("spread"),
    )
