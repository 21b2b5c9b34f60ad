"""Real results of every command, from short runs of the engines on bundled data, drawn as the terminal draws them."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from dlcli.cli.command import Command, TerminalTable
from dlcli.cli.commands import attack, convert_2d_to_3d, dedupe, ensemble, predict, probe_gradients, train
from dlcli.cli.commands import eval as evaluation
from dlcli.specs.attack import AttackConfig
from dlcli.specs.convert_2d_to_3d import Convert2DTo3DConfig
from dlcli.specs.dedupe import DedupeConfig
from dlcli.specs.ensemble import EnsembleConfig
from dlcli.specs.eval import EvalConfig
from dlcli.specs.predict import PredictConfig
from dlcli.specs.probe_gradients import ProbeGradientsConfig
from dlcli.specs.train import TrainConfig

_SHORT = {"epochs": 1, "device": "cpu", "limit": 200}
_CPU = {"device": "cpu"}


class Place:
    """A folder with what some commands need, made when it is first asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    @cache  # noqa: B019 - one for the whole session
    def run(self) -> str:
        """A run directory."""
        from dlcli.engines import train as engine

        engine.run(TrainConfig(**{**_SHORT, "limit": None}, output=self.folder / "run"))
        return str(self.folder / "run")

    @property
    @cache  # noqa: B019
    def photos(self) -> str:
        """Pictures, half of them twice, with long names."""
        from tests.core.image_matching.scenes import scene

        folder = self.folder / "photos"
        folder.mkdir()
        for k in range(4):
            scene(k).save(folder / f"a holiday in the mountains, number {k}.png")
            scene(k).resize((100, 80)).save(folder / f"copy-of-a-picture-with-a-rather-long-name-{k}.png")
        return str(folder)

    @property
    @cache  # noqa: B019
    def faq(self) -> str:
        """A table to compare with."""
        rows = ["question", "How do I reset my password?", "How deep is a network?"]
        (self.folder / "faq.csv").write_text("\n".join(rows) + "\n")
        return str(self.folder / "faq.csv")

    @property
    @cache  # noqa: B019
    def pairs(self) -> str:
        """A table of pairs."""
        from tests.core.pairs.synthetic_pairs import synthetic_pairs, write

        write(synthetic_pairs(60), self.folder / "pairs.csv")
        return str(self.folder / "pairs.csv")

    @property
    @cache  # noqa: B019
    def sliced(self) -> str:
        """Images with a column to slice by."""
        import numpy as np
        from sklearn.datasets import load_digits

        digits = load_digits()
        camera = np.array(["indoors", "outdoors", "unknown"])[np.arange(300) % 3]
        images = (digits.images[:300] / 16).astype("float32")
        np.savez(self.folder / "sliced.npz", x=images, y=digits.target[:300], camera=camera)
        return str(self.folder / "sliced.npz")


_Case = tuple[Command, Callable[[Place], Any]]
_VERSUS = {"versus": "--lr 0.001", "seeds": 5, "workers": 1, "lr": 0.005}
CASES: dict[str, _Case] = {
    "train": (train.COMMAND, lambda at: TrainConfig(**_SHORT)),
    "train, versus": (train.COMMAND, lambda at: TrainConfig(**_SHORT, **_VERSUS)),
    "train, arms": (train.COMMAND, lambda at: TrainConfig(**_SHORT, lr=(0.001, 0.01, 0.1), seeds=2, workers=1)),
    "train, pairs": (train.COMMAND, lambda at: TrainConfig(data=at.pairs, task="pairs", model="lexical")),
    "eval": (evaluation.COMMAND, lambda at: EvalConfig(model=at.run, **_CPU)),
    "eval, diagnose": (evaluation.COMMAND, lambda at: EvalConfig(model=at.run, diagnose=True, **_CPU)),
    "eval, input": (evaluation.COMMAND, lambda at: EvalConfig(model=at.run, diagnose_input=True, **_CPU)),
    "eval, slices": (evaluation.COMMAND, lambda at: EvalConfig(model=at.run, data=at.sliced, slices=("camera",), **_CPU)),
    "eval, summary": (evaluation.COMMAND, lambda at: EvalConfig(arch="cifar-resnet-20", summary=True, **_CPU)),
    "predict": (predict.COMMAND, lambda at: PredictConfig(model=at.run, limit=50, **_CPU)),
    "predict, folder": (predict.COMMAND, lambda at: PredictConfig(model=at.run, data=at.photos, **_CPU)),
    "attack": (attack.COMMAND, lambda at: AttackConfig(limit=50, epochs=1, members=2, ensemble="max", **_CPU)),
    "attack, range": (attack.COMMAND, lambda at: AttackConfig(model=at.run, limit=50, eps="0:16/255:4/255", **_CPU)),
    "attack, methods": (
        attack.COMMAND,
        lambda at: AttackConfig(model=at.run, limit=20, eps="8/255", method="fgsm,bim,noise", **_CPU),
    ),
    "ensemble": (ensemble.COMMAND, lambda at: EnsembleConfig(**_SHORT, members=2, workers=1)),
    "probe-gradients": (probe_gradients.COMMAND, lambda at: ProbeGradientsConfig(seeds=2, points=64, **_CPU)),
    "probe-gradients, network": (
        probe_gradients.COMMAND,
        lambda at: ProbeGradientsConfig(model="cifar-resnet-8", walks=2, points=16, limit=8, lesion=True, paths=True, **_CPU),
    ),
    "convert-2d-to-3d": (
        convert_2d_to_3d.COMMAND,
        lambda at: Convert2DTo3DConfig(model="cifar-resnet-8", size=16, frames=2),
    ),
    "dedupe": (dedupe.COMMAND, lambda at: DedupeConfig()),
    "dedupe, keep": (dedupe.COMMAND, lambda at: DedupeConfig(keep=True)),
    "dedupe, pairs found": (dedupe.COMMAND, lambda at: DedupeConfig(pairs=True)),
    "dedupe, against": (dedupe.COMMAND, lambda at: DedupeConfig(against=at.faq)),
    "dedupe, index": (dedupe.COMMAND, lambda at: DedupeConfig(index=at.folder / "index")),
    "dedupe, images": (dedupe.COMMAND, lambda at: DedupeConfig(table=at.photos)),
    "dedupe, pairs": (
        dedupe.COMMAND,
        lambda at: DedupeConfig(table=at.pairs, pair_columns=("question1", "question2")),
    ),
}
"""The command and its configuration, by what it shows."""


def table_of(name: str, place: Place) -> TerminalTable:
    """The table of a case, with flags as the command has them."""
    from importlib import import_module

    from dlcli.cli.output import with_flags_of

    command, make = CASES[name]
    config = make(place)
    result = import_module(command.engine).run(config)
    return with_flags_of(command.table(command.named(result, config)), command.name)
