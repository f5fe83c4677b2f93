"""What callers send; faults of form are refused here, faults of meaning in the domain."""

from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StrictBool, StrictFloat, StrictInt

from services.anomaly.domain.scoring import ScoreInput
from services.anomaly.domain.training_requests import TrainingRequest
from shared.errors import JSON

# Safe in a path, a URL, a file name and a metric label; the same as a bundle's name.
NAME_PATTERN = r"^[A-Za-z0-9](?:[A-Za-z0-9_-]|[.][A-Za-z0-9_-])*$"
ASSET_PATTERN = r"^[A-Za-z0-9_-]+(?:[.][A-Za-z0-9_-]+)*$"

Name = Annotated[str, Field(pattern=NAME_PATTERN, max_length=64)]
Rows = list[list[StrictFloat | None]]
Columns = Annotated[list[str], Field(max_length=4096)]
Setting = StrictBool | StrictInt | StrictFloat | str | None


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TrainingBody(_Request):
    """Normal rows: in the request, or in an upload."""

    columns: Columns | None = Field(None, description="names of the sensors; of an upload, those to take (all)")
    rows: Rows | None = Field(None, description="one list a row, oldest first")
    timestamps: list[AwareDatetime] | None = Field(None, description="one a row, increasing")
    upload_id: str | None = Field(None, max_length=64, pattern=r"^[!-~]*$", description="instead of rows")
    units: dict[str, Annotated[str, Field(min_length=1, max_length=128)]] = Field(
        default_factory=dict, description="unit by column"
    )


class DetectorRequest(_Request):
    """A detector to train; the name of an existing one makes its next version."""

    name: Name
    kind: str = Field("auto", max_length=64, description="auto, mahalanobis, pca, autoencoder or lstm_autoencoder")
    training: TrainingBody
    options: dict[str, Setting] = Field(default_factory=dict, description="settings of the kind; `auto` for a default")
    threshold: dict[str, Setting] | None = Field(
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
        )


class ScoreRequest(_Request):
    """Rows to score."""

    columns: Columns = Field(description="names of the detector's sensors, in the order of the values")
    rows: Rows = Field(description="one list a row, oldest first")
    timestamps: list[AwareDatetime] | None = Field(None, description="one a row, increasing")
    context: Rows = Field(
        default_factory=list, description="rows just before, looked back on and not scored: the first row then has one"
    )

    def to_domain(self) -> ScoreInput:
        """The rows as the domain reads them."""
        return ScoreInput(self.columns, self.rows, self.timestamps, self.context)


class ThresholdRequest(BaseModel):
    """A method with its settings beside it; labelled methods also get rows and labels."""

    model_config = ConfigDict(extra="allow", frozen=True)
    __pydantic_extra__: dict[str, Setting]

    method: str = Field(
        max_length=64,
        description="margin {factor}, percentile {q}, sigma {k}, fpr {max_fpr}, pot {risk}, value {value}; "
        "with labels roc {cost_ratio}, f1, recall {min_recall}",
    )
    columns: Columns | None = Field(None, description="of the labelled rows")
    rows: Rows | None = Field(None, description="labelled rows, oldest first")
    context: Rows = Field(default_factory=list, description="rows just before, not labelled")
    labels: list[Annotated[StrictInt, Field(ge=0, le=1)]] | None = Field(None, description="0 normal, 1 anomalous")

    def rule(self) -> dict[str, JSON]:
        """Method and settings."""
        return {"method": self.method, **(self.__pydantic_extra__ or {})}

    def labelled(self) -> ScoreInput | None:
        """The labelled rows, where there are any."""
        return None if self.rows is None else ScoreInput(self.columns or [], self.rows, None, self.context)
