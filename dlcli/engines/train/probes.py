"""What frozen features tell of classes before and after pre-training, by a linear probe and by nearest neighbours."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import nn

from dlcli.core.compute.loader import to_float
from dlcli.core.data.base import CLASS, choose
from dlcli.core.graph.last_hidden import NEIGHBOURS, hidden_features
from dlcli.core.stats import wilson
from dlcli.engines.train.job import Job, build
from dlcli.specs.figures import percent
from dlcli.support.atomic import write_text
from dlcli.support.json_metadata import check_metadata, read_json_metadata
from dlcli.support.schema import record, whole

_FILE = "probes.json"
_MOST = 5000
"""How many labelled examples are used at most."""
_COUNT = whole(0, 10**9)


@dataclass(frozen=True)
class Probe:
    """How many test images are right by features of the labelled training images.

    Attributes:
        linear: By logistic regression.
        neighbours: By the 5 nearest neighbours.
    """

    linear: int
    neighbours: int


@dataclass(frozen=True)
class Probes:
    """The figures before and after pre-training, of `n` test images."""

    before: Probe
    after: Probe
    n: int

    def notes(self, job: Job) -> tuple[str, ...]:
        """The figures in words, with the method and the seed of `job`."""
        of = f"{job.config.pretrain}, seed {job.seed}"
        return (
            self._note(f"{of}, linear probe", self.before.linear, self.after.linear),
            self._note(f"{of}, {NEIGHBOURS} nearest neighbours", self.before.neighbours, self.after.neighbours),
        )

    def _note(self, how: str, before: int, after: int) -> str:
        shares = f"{self._share(before)} of {self.n:,} test images right before pre-training, {self._share(after)} after it"
        return f"{how} on frozen features: {shares}"

    def _share(self, right: int) -> str:
        return percent(wilson(right, self.n))

    def save(self, folder: Path) -> None:
        """Write the figures into a run directory, from which `read_probes` takes them when the run is resumed."""
        write_text(folder / _FILE, json.dumps(asdict(self)) + "\n")


def read_probes(folder: Path) -> Probes | None:
    """The figures in a run directory; None if there are none. Raises InputError for a damaged file."""
    file = folder / _FILE
    if not file.exists():
        return None
    found = read_json_metadata(file)
    each = record({"linear": _COUNT, "neighbours": _COUNT})
    check_metadata(found, file, {"before": each, "after": each, "n": whole(1, 10**9)})
    return Probes(Probe(**found["before"]), Probe(**found["after"]), found["n"])


def probe(job: Job, net: nn.Module) -> Probes | None:
    """Compare the features of `net` with those of the untrained network of `job`; None for scores."""
    if job.data.target != CLASS:
        return None
    before, after = (_probe(job, one) for one in (build(job).model.to(job.device), net))
    return None if before is None or after is None else Probes(before, after, len(job.data.y_test))


def _probe(job: Job, net: nn.Module) -> Probe | None:
    from sklearn.linear_model import LogisticRegression  # here, because these take a second to import
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    data = job.data
    picked = torch.from_numpy(choose(data.y_train.numpy(), _MOST))
    x, y = to_float(data.x_train[picked]), data.y_train[picked].numpy()
    train, test = (hidden_features(net, images, device=job.device) for images in (x, data.x_test))
    if train is None or test is None:
        return None
    linear = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    nearest = KNeighborsClassifier(min(NEIGHBOURS, len(y)))
    right = [int((model.fit(train, y).predict(test) == data.y_test.numpy()).sum()) for model in (linear, nearest)]
    return Probe(*right)
