"""From rows to a finished detector, for every kind: divide, scale, fit, calibrate, set the limit.

torch is imported when a network is trained and not before: statistical detectors train without it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from services.anomaly.domain.arrays import Floats, Labels
from services.anomaly.domain.blocks import divide
from services.anomaly.domain.calibration import Calibrated, calibrate, default_rule, smoothing_rows
from services.anomaly.domain.detection import ResidualModel
from services.anomaly.domain.labelled_thresholds import BestF1, RecallFloor, Roc
from services.anomaly.domain.options import (
    AUTO_REASON,
    AutoencoderOptions,
    LstmAutoencoderOptions,
    Options,
    options_json,
)
from services.anomaly.domain.scaling import Scaling, ScalingModel, fit_scaling
from services.anomaly.domain.threshold_rules import Rule
from services.anomaly.domain.thresholds import RuleRefused, Threshold
from services.anomaly.domain.trained import Trained, describe_columns
from shared.errors import JSON, Fault
