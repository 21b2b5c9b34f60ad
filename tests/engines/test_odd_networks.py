"""Every command on networks of every odd kind: it works, or an error says in one line what does not fit; never status 70."""

from functools import partial

import numpy as np
import pytest

from dlcli.engines import attack, ensemble, predict, probe_gradients, train
from dlcli.engines import eval as evaluate
from dlcli.specs.attack import AttackConfig
from dlcli.specs.ensemble import EnsembleConfig
from dlcli.specs.eval import EvalConfig
from dlcli.specs.predict import PredictConfig
from dlcli.specs.probe_gradients import ProbeGradientsConfig
from dlcli.specs.train import TrainConfig
from dlcli.support.errors import DlcliError
from tests.engines import odd_networks

FILE = odd_networks.__file__
REFUSED = ("Double", "OneAtATime")
"""Weights of another type than the images, and a network that takes no batches."""

WORKING = ("View", "Auxiliary", "Lazy", "Spatial", "Attention", "Recurrent", "Parametrised")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    draws = np.random.default_rng(0)
    x = draws.random((50, 8, 8), dtype=np.float32)
    path = tmp_path_factory.mktemp("odd") / "data.npz"
    np.savez(path, x_train=x[:40], y_train=np.arange(40) % 10, x_test=x[40:], y_test=np.arange(10))
    return str(path)


def commands(model, data, folder):
    """Every command on a network, by a name for messages."""
    there = {"data": data, "device": "cpu"}
    fit = partial(TrainConfig, model=model, epochs=1, **there)
    yield "train", lambda: train.run(fit(output=folder / "a"))
    yield "train by ones", lambda: train.run(fit(batch_size=1, ema=0.9, limit=12, output=folder / "b"))
    yield "adversarial training", lambda: train.run(fit(adversarial=("pgd", 0.1, 0.5), output=folder / "c"))
    yield "eval", lambda: evaluate.run(EvalConfig(model=model, **there))
    yield "summary", lambda: evaluate.run(EvalConfig(arch=model, summary=True, **there))
    yield "predict", lambda: predict.run(PredictConfig(model=model, **there))
    probe = ProbeGradientsConfig(model=model, limit=4, walks=2, points=8, lesion=True, **there)
    yield "probe", lambda: probe_gradients.run(probe)
    for method in ("fgsm", "pgd", "deepfool", "fmn"):
        found = AttackConfig(model=model, method=(method,), eps=(0.1,), limit=4, **there)
        yield f"attack by {method}", lambda found=found: attack.run(found)
    for surgery in ("elu", "residual-scale=0.1"):
        changed = fit(surgery=(surgery,), output=folder / surgery)
        yield f"surgery {surgery}", lambda changed=changed: train.run(changed)


@pytest.mark.parametrize("name", odd_networks.NETWORKS)
def test_no_command_fails_as_if_dlcli_had_a_bug(name, data, tmp_path):
    refused = []
    for command, run in commands(f"{FILE}:{name}", data, tmp_path):
        try:
            run()
        except DlcliError as error:
            assert "\n" not in error.message + error.hint, command
            refused.append(command)
    if name in WORKING:  # surgery and lesions may have nothing to change
        assert not [command for command in refused if not command.startswith(("surgery", "probe"))]
    assert ("eval" in refused) == (name in REFUSED)


def test_an_ensemble_of_networks_that_take_views(data, tmp_path):
    config = EnsembleConfig(
        model=(f"{FILE}:View",), members=2, workers=1, epochs=1, data=data, device="cpu", output=tmp_path / "ensemble"
    )
    assert len(ensemble.run(config).rows) > 2
