"""What callers send; faults of form are refused here, faults of meaning in the domain."""

from typing import Annotated, Literal, Self

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    model_validator,
)

from services.anomaly.domain.options.kinds import AUTO, DetectorKind
from services.anomaly.domain.retraining import RetrainingRequest
from services.anomaly.domain.score_jobs import ScoreWish
from services.anomaly.domain.scoring import ScoreInput
from services.anomaly.domain.training_requests import Promotion, TrainingRequest
from shared.errors import JSON

# Safe in a path, a URL, a file name and a metric label; the same as a bundle's name.
NAME_PATTERN = r"^[A-Za-z0-9](?:[A-Za-z0-9_-]|[.][A-Za-z0-9_-])*$"
ASSET_PATTERN = r"^[A-Za-z0-9_-]+(?:[.][A-Za-z0-9_-]+)*$"

Name = Annotated[str, Field(pattern=NAME_PATTERN, max_length=64)]
# Reading ends at the first wrong value: a fault for each of millions of them would take gigabytes of memory.
Row = Annotated[list[StrictFloat | None], Field(fail_fast=True)]
Rows = Annotated[list[Row], Field(fail_fast=True)]
Times = Annotated[list[AwareDatetime], Field(fail_fast=True)]
Columns = Annotated[list[str], Field(max_length=4096)]
Setting = StrictBool | StrictInt | StrictFloat | str | None


def _whole(value: object) -> object:
    """To JSON Schema `1.0` is an integer, and it is the same number."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Label = Annotated[StrictInt, Field(ge=0, le=1), BeforeValidator(_whole)]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TrainingBody(_Request):
    """Normal rows: in the request, or in an upload."""

    columns: Columns | None = Field(None, description="names of the sensors; of an upload, those to take (all)")
    rows: Rows | None = Field(None, description="one list a row, oldest first")
    timestamps: Times | None = Field(None, description="one a row, increasing")
    upload_id: str | None = Field(None, max_length=64, pattern=r"^[!-~]*$", description="instead of rows")
    units: dict[str, Annotated[str, Field(min_length=1, max_length=128)]] = Field(
        default_factory=dict, description="unit by column"
    )
    off: dict[str, Setting] | None = Field(
        None,
        description="when the machine is off: {column, below or above, margin_rows}; such rows, and margin_rows after "
        "each restart, are neither learned nor scored",
    )


class DetectorRequest(_Request):
    """A detector to train; the name of an existing one makes its next version."""

    name: Name
    kind: str = Field("auto", max_length=64, description=f"{AUTO}, {', '.join(DetectorKind)}")
    training: TrainingBody
    options: dict[str, Setting] = Field(default_factory=dict, description="settings of the kind; `auto` for a default")
    threshold: dict[str, Setting | dict[str, Setting]] | None = Field(
        None, description="method and its settings: margin, percentile, sigma, fpr, pot or value"
    )

    def to_domain(self) -> TrainingRequest:
        """The wish as the domain reads it."""
        training = self.training
        return TrainingRequest(
            name=self.name,
            kind=self.kind,
            columns=training.columns,
            rows=training.rows,
            timestamps=training.timestamps,
            upload_id=training.upload_id,
            units=training.units,
            options=self.options,
            threshold=self.threshold,
            off=training.off,
        )


class NewerRows(_Request):
    """Newer normal rows: in the request, or in an upload."""

    columns: Columns | None = Field(None, description="names of the values: the detector's own, in any order")
    rows: Rows | None = Field(None, description="one list a row, oldest first")
    timestamps: Times | None = Field(None, description="one a row, increasing")
    upload_id: str | None = Field(None, max_length=64, pattern=r"^[!-~]*$", description="instead of rows")


class RetrainingBody(_Request):
    """The next version of a detector, like the one that serves, on newer rows."""

    training: NewerRows = Field(default_factory=NewerRows)
    promote: Literal[Promotion.AUTO, Promotion.MANUAL] = Field(
        Promotion.AUTO,
        description="auto: it serves unless clearly worse on held-out normal rows; manual: when it is activated",
    )
    options: dict[str, Setting] = Field(default_factory=dict, description="settings that change; the rest stays")
    threshold: dict[str, Setting | dict[str, Setting]] | None = Field(
        None, description="method and its settings; left out, the method in force"
    )

    def to_domain(self) -> RetrainingRequest:
        """The wish as the domain reads it."""
        training = self.training
        return RetrainingRequest(
            columns=training.columns,
            rows=training.rows,
            timestamps=training.timestamps,
            upload_id=training.upload_id,
            options=self.options,
            threshold=self.threshold,
            promote=self.promote,
        )


class ActivationRequest(_Request):
    """Which version shall answer from now on: one by its number, or the one that answered before."""

    version: Annotated[int, Field(ge=1, lt=2**31)] | None = None
    previous: Literal[True] | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.version is None) == (self.previous is None):
            raise ValueError("give either a version or previous: true")
        return self


class ScoreRequest(_Request):
    """Rows to score: in the request, or in an upload."""

    columns: Columns | None = Field(
        None, description="names of the detector's sensors, in the order of the values; an upload has its own"
    )
    rows: Rows | None = Field(None, description="one list a row, oldest first")
    timestamps: Times | None = Field(None, description="one a row, increasing")
    context: Rows = Field(
        default_factory=list, description="rows just before, looked back on and not scored: the first row then has one"
    )
    context_timestamps: Times | None = Field(
        None, description="one a row of the context, increasing; left out, the context ends one usual step before"
    )
    upload_id: str | None = Field(
        None, max_length=64, pattern=r"^[!-~]*$", description="instead of rows: its scores are the work of a job"
    )

    def to_domain(self) -> ScoreWish:
        """The rows as the domain reads them."""
        return ScoreWish(
            self.columns, self.rows, self.timestamps, self.context, self.upload_id, self.context_timestamps
        )


class ThresholdRequest(BaseModel):
    """A method with its settings beside it; labelled methods also get rows and labels."""

    model_config = ConfigDict(extra="allow", frozen=True)
    __pydantic_extra__: dict[str, Setting | dict[str, Setting]]

    method: str = Field(
        max_length=64,
        description="margin {factor}, percentile {q}, sigma {k}, fpr {max_fpr}, pot {risk}, value {value}; "
        "with labels roc {cost_ratio}, f1, recall {min_recall}. Without labels, `adaptive` beside it (true, or "
        "{horizon_rows, max_factor}) lets streams follow slow drift",
    )
    columns: Columns | None = Field(None, description="of the labelled rows")
    rows: Rows | None = Field(None, description="labelled rows, oldest first")
    timestamps: Times | None = Field(None, description="one a labelled row, increasing")
    context: Rows = Field(default_factory=list, description="rows just before, not labelled")
    context_timestamps: Times | None = Field(None, description="one a row of the context, increasing")
    labels: Annotated[list[Label], Field(fail_fast=True)] | None = Field(None, description="0 normal, 1 anomalous")

    def rule(self) -> dict[str, JSON]:
        """Method and settings."""
        return {"method": self.method, **(self.__pydantic_extra__ or {})}

    def labelled(self) -> ScoreInput | None:
        """The labelled rows, where there are any."""
        if self.rows is None:
            return None
        return ScoreInput(self.columns or [], self.rows, self.timestamps, self.context, self.context_timestamps)
