"""Agreement of whole commands: each engine on the device, and the same on the CPU with the same trained network."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dlcli.engines import attack, ensemble, predict, train
from dlcli.engines import eval as evaluation
from dlcli.specs.attack import AttackConfig
from dlcli.specs.ensemble import EnsembleConfig
from dlcli.specs.eval import EvalConfig
from dlcli.specs.predict import PredictConfig
from dlcli.specs.train import TrainConfig

from .rows import ITSELF, Row, at_least, at_most, holds, not_on_cpu
from .setup import Setup

EPOCHS = 2
LIMIT = 200
EPS = 0.1


@contextmanager
def _trained(setup: Setup) -> Iterator[tuple[str, float]]:
    """A run directory of a network trained on the device, and its accuracy; the cache of the user stays as it is."""
    before = os.environ.get("XDG_CACHE_HOME")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = folder
        try:
            run = Path(folder) / "run"
            found = train.run(TrainConfig(data="digits", epochs=EPOCHS, device=str(setup.device), output=run))
            yield str(run), found.rows[0].accuracy.value
        finally:
            os.environ.pop("XDG_CACHE_HOME")
            os.environ.update({} if before is None else {"XDG_CACHE_HOME": before})


def commands_agree(setup: Setup) -> Iterator[Row]:
    """Evaluate, predict and attack a network that `train` wrote, on the device and on the CPU."""
    device, cpu = str(setup.device), "cpu"
    with _trained(setup) as (run, accuracy):
        ours, theirs = (
            evaluation.run(EvalConfig(model=run, data="digits", device=where)).metrics[0].estimate for where in (device, cpu)
        )
        yield holds("eval reports the accuracy of train", ours.value == accuracy > 0.5, f"{accuracy:.4f}", f"{ours.value:.4f}")
        # One image may lie so near the boundary that rounding decides.
        yield _difference(setup, "accuracy by eval", ours.value, theirs.value, 1.5 / ours.n)
        labels = [predict.run(PredictConfig(model=run, data="digits", device=where)).table.rows for where in (device, cpu)]
        same = sum(one[1] == other[1] for one, other in zip(*labels, strict=True)) / len(labels[0])
        yield not_on_cpu("labels by predict", ITSELF, same) if setup.on_cpu else at_least("labels by predict", same, 0.995)
        robust = [
            attack.run(
                AttackConfig(model=run, method="pgd", steps=5, eps=(EPS,), limit=LIMIT, device=where)
            ).headline.adversarial
            for where in (device, cpu)
        ]
        yield _difference(setup, "robust accuracy by attack", robust[0].value, robust[1].value, 0.01)


def _difference(setup: Setup, name: str, ours: float, theirs: float, limit: float) -> Row:
    error = abs(ours - theirs)
    return not_on_cpu(name, ITSELF, error) if setup.on_cpu else at_most(name, error, limit, f"{ours:.4f}, CPU {theirs:.4f}")


def ensembles_train(setup: Setup) -> Iterator[Row]:
    """Members trained as `ensemble` chooses to on the device are better together than one is on average."""
    found = ensemble.run(EnsembleConfig(data="digits", members=3, epochs=EPOCHS, device=str(setup.device)))
    last = {row.classifier: row.accuracy.value for row in found.rows if row.members == 3}
    note = f"strategy {found.strategy}; " + ", ".join(f"{name} {value:.3f}" for name, value in last.items())
    yield holds("ensemble trains", last["mean rule"] >= last["mean of members"] > 0.5, "the mean rule is better", note)


PARTS = (commands_agree, ensembles_train)
