"""The network and the images that `dlcli probe-gradients` looks at."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from dlcli.core.compute.loader import to_float
from dlcli.core.compute.rng import preserved
from dlcli.core.data import open_data
from dlcli.core.data.base import ImageData
from dlcli.core.data.groups import load_by_group
from dlcli.core.gradients.input_gradients import Derivative
from dlcli.core.gradients.scalar_nets import set_batchnorm_statistics
from dlcli.core.model_io.class_map import map_classes
from dlcli.core.model_io.converted import is_video_network
from dlcli.core.model_io.input_shape import preparation_for
from dlcli.core.model_io.published_inputs import preparation_of_mixed
from dlcli.core.model_io.score_metadata import refuse_places, task_of
from dlcli.core.model_io.trained import TrainedNetwork, open_trained
from dlcli.core.model_io.untrained import open_model
from dlcli.core.models.base import normalised_architecture
from dlcli.core.models.hubs import hub_name, resolve_weights
from dlcli.core.objectives.base import ScoreObjective
from dlcli.core.surgery import apply_surgery
from dlcli.engines.model_and_data import column_of_labels
from dlcli.engines.probe_gradients.path_gradients import derivative_at
from dlcli.engines.probe_gradients.scored import open_scored, score_derivative
from dlcli.engines.run_groups import RunGroups, groups_of_run
from dlcli.specs.probe_gradients import ProbeGradientsConfig
from dlcli.support.in_memory import InMemory
from dlcli.support.plural import count
from dlcli.support.reporter import Reporter
from dlcli.support.seeds import derive

_SETTLED = 256
"""By how many images batch normalisation of an untrained network is set."""


@dataclass(frozen=True)
class ProbeSetup:
    """A network on its device, with the images `x` (n, c, h, w) of floats and the outputs `y` (n,) that are right.

    `name` is for display; `spec` is what `dlcli train --model` takes for one of its kind. `objective` is the loss of scores,
    which `y` are then. `groups` are those of the images by which the network was trained.
    """

    model: nn.Module
    name: str
    spec: str
    data: ImageData
    x: Tensor
    y: Tensor
    notes: tuple[str, ...]
    objective: ScoreObjective | None = None
    groups: RunGroups | None = None

    @property
    def column(self) -> str | None:
        """The column of the groups."""
        return None if self.groups is None else self.groups.column

    def derivative(self, config: ProbeGradientsConfig, start: int) -> Derivative | None:
        """What is differentiated along a path that begins at an image of this index, of a network that predicts scores."""
        return None if self.objective is None else score_derivative(config, self.objective, self.y[start])

    def derivative_at(self, config: ProbeGradientsConfig, few: Tensor, device: torch.device) -> Derivative:
        """What is differentiated at the first images, `few` (n, ...)."""
        return self.derivative(config, 0) or derivative_at(self.model, few, config, device)


def open_probe(config: ProbeGradientsConfig, device: torch.device, report: Reporter) -> ProbeSetup:
    """Open the network and the data, whose sets are formed as in its training.

    Raises the kinds of `dlcli.support.errors`.
    """
    chosen, weights, pretrained = resolve_weights(config.model, config.weights)
    spec = chosen or ""
    refuse_places(spec, "probe-gradients")
    task = task_of(spec)
    if (scores := task.scores) is not None:
        trained, data = open_scored(config, scores, report)
        return _probe_setup(config, trained, data, device, untrained=False, spec=spec, objective=scores.objective)
    load = partial(
        open_data,
        config.data,
        strict=config.strict,
        report=report,
        size=config.size,
        preparation=preparation_for(spec, config.size, report),
        mixed_sizes=None if config.size is not None else preparation_of_mixed(spec, None, weights),
        limit=config.limit,
        label_column=column_of_labels(config, task, report),
    )
    data = load_by_group(lambda group: load(group=group), task.group, report)
    known = pretrained or weights is not None or Path(spec).is_dir() or is_video_network(Path(spec))
    known = known or isinstance(spec, InMemory)
    untrained = not known and (":" not in spec or hub_name(spec) is not None)
    if untrained:
        with preserved():
            torch.manual_seed(derive(config.seed, "init"))
            arch = normalised_architecture(open_model(spec, data), config.normalise, data.channels)
            trained = TrainedNetwork(arch.build().to(device), spec, "", notes=arch.notes)
    else:
        trained = open_trained(
            spec,
            data,
            weights=weights,
            weights_key=config.weights_key,
            normalise=config.normalise,
            device=device,
            report=report,
        )
    for warning in trained.warnings:
        report.warn(warning)
    return _probe_setup(config, trained, data, device, untrained=untrained, spec=spec)


def _probe_setup(
    config: ProbeGradientsConfig,
    trained: TrainedNetwork,
    data: ImageData,
    device: torch.device,
    *,
    untrained: bool,
    spec: str,
    objective: ScoreObjective | None = None,
) -> ProbeSetup:
    """The network after surgery with its images.

    Args:
        config: The options.
        trained: The network.
        data: The images.
        device: Where the network is.
        untrained: Whether it has random weights, so that batch normalisation needs statistics.
        spec: Its name as typed.
        objective: The loss of scores; None for classes.
    """
    model, notes = trained.model, trained.notes
    if config.surgery:
        model, done = apply_surgery(model, config.surgery, data.sample(2).to(device))
        notes = (*notes, *done)
    if untrained:
        few = to_float(data.x_train[:_SETTLED]).to(device)
        model = set_batchnorm_statistics(model, few)
        notes = (*notes, f"{spec} is untrained; batch normalisation has the statistics of {count(len(few), 'image')}.")
    trainable = (trained.member_spec or trained.name) if Path(spec).is_dir() else spec
    y = map_classes(trained, data)[0][data.y_test] if objective is None else data.y_test
    groups = groups_of_run(spec, data, np.arange(len(data.x_test)))
    return ProbeSetup(model.eval(), trained.name, trainable, data, to_float(data.x_test), y, notes, objective, groups)
