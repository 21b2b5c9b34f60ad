"""How a job is pre-trained: the method, for how many epochs, on how many images, and how much of the network that takes."""

from dlcli.core.pretraining import PRETRAINING
from dlcli.core.pretraining.base import Pretraining, PretrainingSettings
from dlcli.core.training.views import VIEWS
from dlcli.engines.train.job import Job
from dlcli.specs.pretraining import DEFAULT_DISTANCE, DEFAULT_MARGIN


def method_of(job: Job) -> Pretraining:
    """The method of `job`, which pre-trains, with its settings."""
    config = job.config
    margin = DEFAULT_MARGIN if config.margin is None else config.margin
    settings = PretrainingSettings(config.distance or DEFAULT_DISTANCE, margin, config.patch, job.data.size)
    found: Pretraining = PRETRAINING.module(config.pretrain).pretraining(settings)
    return found


def pretraining_epochs(job: Job) -> int:
    """How many epochs pre-training takes."""
    return job.config.pretrain_epochs or job.recipe.epochs


def pretraining_images(job: Job) -> int:
    """How many images it takes, with and without labels."""
    without = 0 if job.unlabelled is None or method_of(job).views is None else len(job.unlabelled)
    return len(job.data.x_train) + without


def image_passes(job: Job) -> float:
    """How many images go forward and back in pre-training; each of two views counts by its share of the pixels."""
    method, (height, width) = method_of(job), job.data.size
    passes = float(pretraining_epochs(job) * pretraining_images(job))
    if method.views is None:
        return passes
    return passes * VIEWS * (1.0 if method.side is None else method.side**2 / (height * width))
