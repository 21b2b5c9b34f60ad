"""A network that predicts scores, and what is differentiated of it in place of a logit or the cross-entropy."""

import torch
from torch import Tensor

from dlcli.core.data.base import ImageData, choose
from dlcli.core.data.scores import score_levels
from dlcli.core.gradients.input_gradients import Derivative
from dlcli.core.model_io.score_metadata import SavedScores
from dlcli.core.model_io.trained import TrainedNetwork
from dlcli.core.objectives.base import ScoreObjective
from dlcli.engines.model_and_data import open_model_and_data
from dlcli.specs.eval import EvalConfig
from dlcli.specs.probe_gradients import ProbeGradientsConfig
from dlcli.support.errors import UsageError
from dlcli.support.reporter import Reporter

_LOSS, _SCORE = "loss", "predicted score"
_NOT_OF_SCORES = ("weights", "lesion")


def open_scored(config: ProbeGradientsConfig, scores: SavedScores, report: Reporter) -> tuple[TrainedNetwork, ImageData]:
    """Open a run that predicts scores.

    Args:
        config: Names the run and the data.
        scores: What the run records of its scores.
        report: Receives progress and notes.

    Returns:
        The network, and the data with as many test images as are asked for.

    Raises:
        UsageError: For what scores do not have.
    """
    for name in _NOT_OF_SCORES:
        if getattr(config, name):
            raise UsageError(f"`{name}` does not apply to a network that predicts scores", hint=f"omit `{name}`")
    if config.target == _LOSS and scores.objective.joint:
        message = f"`target=loss`: `loss={scores.objective.name}` compares images, so that a single one has no loss"
        raise UsageError(message, hint="`target=logit` takes the predicted score")
    shared = ("model", "data", "weights_key", "normalise", "size", "label_column", "strict", "trust_code", "seed", "device")
    loaded = open_model_and_data(EvalConfig(**{name: getattr(config, name) for name in shared}), report, look=False)
    test = loaded.split("test")
    picked = choose(score_levels(test.y.numpy()), config.limit)
    return loaded.trained, loaded.data.with_splits({**loaded.data.splits, "test": test.take(picked)})


def score_target(config: ProbeGradientsConfig) -> str:
    """What is differentiated, in words."""
    return _LOSS if config.target == _LOSS else _SCORE


def score_derivative(config: ProbeGradientsConfig, objective: ScoreObjective, truth: Tensor) -> Derivative:
    """The derivative of the predicted score, or of the loss of a true one.

    Args:
        config: Names the target, the layer and the treatment of batch normalisation.
        objective: The loss, which reads scores from outputs.
        truth: The true score of the image at which a path begins, ().

    Returns:
        The derivative.
    """

    def score(outputs: Tensor) -> Tensor:
        return objective.value(outputs).sum()

    def loss(outputs: Tensor) -> Tensor:
        # One by one, since the loss of a batch is a mean.
        same = truth.to(device=outputs.device, dtype=outputs.dtype).expand(1)
        return torch.stack([objective.loss(one[None], same) for one in outputs]).sum()

    return Derivative(config.target, 0, config.layer, config.bn, loss if config.target == _LOSS else score)
