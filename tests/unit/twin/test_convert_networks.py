"""PyTorch modules: exported with their weights, in evaluation mode, in their own precision."""

import numpy as np
import pytest
import torch
from sklearn.preprocessing import StandardScaler
from torch import nn

from services.twin.packaging.convert import convert
from services.twin.packaging.errors import EstimatorUnsupported, NotExact
from services.twin.packaging.reference import Reference
from tests.unit.twin.through_the_gate import ROWS, UNSEEN, gate, passes, predict

SCALER = StandardScaler().fit(ROWS)


class Residual(nn.Module):
    """Normalisation, dropout and a way around: what behaves in training as it does not when served."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.last = nn.Linear(3, 16), nn.Linear(16, 16), nn.Linear(16, 1)
        self.norm, self.dropout = nn.BatchNorm1d(16), nn.Dropout(0.5)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        hidden = nn.functional.gelu(self.first(rows))
        hidden = hidden + self.dropout(self.norm(torch.tanh(self.second(hidden))))
        return self.last(hidden).squeeze(-1) * 17.0 + 454.0


class TwoColumns(nn.Module):
    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return rows[:, :2]


class ByValue(nn.Module):
    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return rows[:, 0] if rows.mean() > 0 else -rows[:, 0]


class Sum(nn.Module):
    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return rows.sum(dim=1)


@pytest.fixture(autouse=True)
def same_weights():
    torch.manual_seed(0)


@pytest.mark.parametrize(
    ("module", "scaler"),
    [
        (nn.Linear(3, 1), None),
        (nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 1)), SCALER),
        (nn.Sequential(nn.Linear(3, 8), nn.Sigmoid(), nn.Linear(8, 1)).double(), SCALER),
        (nn.Sequential(nn.Linear(3, 64), nn.SiLU(), nn.LayerNorm(64), nn.Linear(64, 1), nn.Flatten(0)), SCALER),
    ],
    ids=["linear", "relu", "double", "layer norm"],
)
def test_modules_pass_the_gate_with_and_without_a_scaler(module: nn.Module, scaler: StandardScaler | None):
    passes(module, scaler)


def test_a_module_is_served_in_evaluation_mode_and_stays_in_its_own():
    module = Residual()
    module(torch.from_numpy(SCALER.transform(ROWS)).float())  # the running mean of its normalisation
    assert module.training
    converted = convert(module, SCALER)
    gate(converted, module, SCALER)
    assert module.training
    module.eval()
    with torch.no_grad():
        expected = module(torch.from_numpy(SCALER.transform(UNSEEN)).float()).numpy()
    np.testing.assert_allclose(predict(converted, UNSEEN), expected, rtol=1e-6)


def test_the_number_of_features_is_told_where_the_module_does_not():
    with pytest.raises(EstimatorUnsupported, match="features"):
        convert(Sum())
    assert predict(convert(Sum(), features=3), np.array([[1.0, 2.0, 3.0]])) == 6.0


def test_a_module_with_other_weights_than_the_graph_is_refused():
    module = nn.Linear(3, 1)
    converted = convert(module)
    with torch.no_grad():
        module.bias += 0.01 * float(np.abs(ROWS).max())
    with pytest.raises(NotExact):
        gate(converted, module)


@pytest.mark.parametrize(
    ("module", "reason"),
    [(TwoColumns(), "one number a row"), (ByValue(), "decides"), (Residual().double(), "Residual")],
)
def test_what_no_graph_can_serve_is_refused_with_the_reason(module: nn.Module, reason: str):
    with pytest.raises(EstimatorUnsupported, match=reason):
        convert(module, SCALER, features=3)


def test_a_module_does_not_know_how_it_was_trained():
    reference = Reference(Residual(), SCALER)
    assert not reference.can_refit
    assert reference.describe()["type"] == "Residual"
    assert reference.describe()["library"].startswith("torch ")
