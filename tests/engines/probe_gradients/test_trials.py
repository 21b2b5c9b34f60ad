"""`try`: the suggested surgeries trained beside the network as it is, against separate comparisons of `dlcli train`."""

import pytest

from dlcli.core.evaluation.slices import holm
from dlcli.core.stats import p_value
from dlcli.engines import train
from dlcli.engines.probe_gradients.engine import run
from dlcli.specs.probe_gradients import ProbeGradientsConfig
from dlcli.specs.train import TrainConfig
from dlcli.support.errors import UsageError

NETS = """
import torch
from torch import nn

def deep():
    torch.manual_seed(0)
    layers = [layer for _ in range(12) for layer in (nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 64))]
    return nn.Sequential(nn.Flatten(), *layers, nn.Linear(64, 10))
def sound():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
"""
QUICK = {"points": 16, "walks": 2, "limit": 150, "device": "cpu", "data": "digits"}


@pytest.fixture
def nets(tmp_path):
    (tmp_path / "nets.py").write_text(NETS)
    return str(tmp_path / "nets.py")


def test_each_trial_is_the_comparison_that_train_makes(nets, tmp_path):
    config = ProbeGradientsConfig(**QUICK, model=f"{nets}:deep", try_suggested=True, seeds=2, output=tmp_path / "out")
    result = run(config)
    suggested = list(dict.fromkeys(name for cause in result.causes for name in cause.surgeries))
    assert len(suggested) > 1
    assert [one.surgery for one in result.trials] == suggested
    adjusted = holm([p_value(one.difference) for one in result.trials])
    for one, p in zip(result.trials, adjusted, strict=True):
        alone = train.run(
            TrainConfig(
                data="digits",
                limit=150,
                model=f"{nets}:deep",
                surgery=(one.surgery,),
                versus="baseline",
                seeds=2,
                device="cpu",
            )
        ).comparisons[0]
        assert (one.metric, one.difference, one.with_it, one.without) == (
            alone.metric,
            alone.difference,
            alone.first,
            alone.second,
        )
        assert one.p == p
        assert one.established == (p <= 0.05)
        assert one.n_test == 150
    page = (tmp_path / "out" / "report.html").read_text()
    assert "What was tried" in page
    lead = page.partition("<h1")[2].partition("</header>")[0] or page
    assert f"training may be hindered by {result.causes[0].name}" in lead and "Established to help: " in lead
    assert "healthy" not in lead.partition("training may be hindered")[0]


def test_a_sound_network_has_nothing_to_try(nets):
    result = run(ProbeGradientsConfig(**QUICK, model=f"{nets}:sound", try_suggested=True))
    assert result.trials == ()
    assert result.notes[0] == "No surgery is suggested, so there is none to try."  # a terminal shows the first two


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"try_suggested": True}, "`try_suggested`: needs a network"),
        ({"model": "mlp", "seeds": 3}, "`seeds` of a network needs `try_suggested`"),
        ({"model": "mlp", "try_suggested": True, "seeds": 1}, "`try_suggested` compares pairs"),
    ],
)
def test_what_is_refused(options, message):
    with pytest.raises(UsageError, match=message):
        ProbeGradientsConfig(**options)
