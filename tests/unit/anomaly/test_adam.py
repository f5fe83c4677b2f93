import subprocess
import sys

import pytest
import torch

from services.anomaly.training.adam import Adam, descend


@pytest.mark.parametrize("betas", [(0.9, 0.999), (0.5, 0.9)])
def test_steps_are_those_of_torch_to_the_last_digit(betas: tuple[float, float]):
    torch.manual_seed(0)
    own, reference = torch.nn.Linear(5, 3), torch.nn.Linear(5, 3)
    reference.load_state_dict(own.state_dict())
    adams = (Adam(own.parameters(), 0.01, betas), torch.optim.Adam(reference.parameters(), lr=0.01, betas=betas))
    for given in torch.randn(20, 8, 5):
        for network, adam in zip((own, reference), adams, strict=True):
            adam.zero_grad()
            (network(given) ** 2).mean().backward()
            adam.step()
    assert torch.equal(own.weight, reference.weight)
    assert torch.equal(own.bias, reference.bias)


def test_what_has_no_gradient_stays_where_it_is():
    moved, other = (torch.nn.Parameter(torch.ones(2)) for _ in range(2))
    loss = descend((moved**2).sum(), Adam([moved, other], 0.1))
    assert loss == 2.0
    assert other.tolist() == [1.0, 1.0]
    assert moved.tolist() == pytest.approx([0.9, 0.9])


def test_no_network_loads_the_compiler_before_it_is_trained_nor_after():
    code = (
        "import sys; import numpy as np; from services.anomaly.library import Detector\n"
        "from services.anomaly.domain.options.reading import parse_options\n"
        "from services.anomaly.training.families import _FAMILIES, build_network\n"
        "for kind in _FAMILIES: build_network(4, parse_options(kind, {}))\n"
        "rows = np.random.default_rng(0).normal(size=(300, 2))\n"
        "Detector('autoencoder', epochs=1, smoothing_rows=1).fit(rows); print('torch._dynamo' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["False"]
