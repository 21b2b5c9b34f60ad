"""Grows a network, layer by layer as it runs."""

import torch
from torch import Tensor, nn

from dlcli.core.surgery.base import WEIGHT_LAYERS, display_name
from dlcli.core.surgery.growth.follow import Follower
from dlcli.core.surgery.growth.labels import Keys, Labels, Match, labels_of_channels, match
from dlcli.core.surgery.growth.layers import add_noise, grow_by_channel, grow_weights, read_axis, written_axis
from dlcli.core.surgery.growth.proof import layer_outputs
from dlcli.core.surgery.growth.survey import Survey, read_keys
from dlcli.core.surgery.growth.units import CopyPlan
from dlcli.support.errors import DlcliError, InputError


class Widening(Follower):
    """Grows each layer of `model`, a copy of the surveyed network, when it is first called, by what it then reads.

    `copied` tells, for the units of each layer with weights, which ones are copies.
    """

    def __init__(self, model: nn.Module, survey: Survey, factor: float) -> None:
        super().__init__(model)
        self.copied: dict[str, Tensor] = {}
        self._survey, self._sets = survey, survey.sets
        units = {path: layer.outputs for path, layer in survey.layers.items() if layer.outputs is not None}
        self._outputs = {path: self._sets.roots(own) for path, own in units.items()}
        self._plan = CopyPlan(self._sets, [own.tolist() for own in self._outputs.values()], factor)
        self._inputs: dict[str, Match] = {}
        self._rows: dict[str, Tensor] = {}
        self._axes: dict[str, int] = {}

    def failure(self, module: str, sample: Tensor, reason: str) -> DlcliError:
        """The error for a network that fails in `module`."""
        return InputError(f"{module} does not run on more units, whose number its code may fix: {reason}")

    def enter_layer(self, path: str, layer: nn.Module, labels: Labels) -> None:
        """Grow a layer; if it is called again, check that it reads units that stand alike."""
        if path not in self._survey.layers:
            raise InputError(f"{display_name(path)} runs now and did not before")
        before = self._survey.layers[path].inputs
        found = match(Keys(self._sets.roots(before.unit), before.tag), read_keys(path, layer, labels))
        if found is None:
            raise InputError(f"{display_name(path)} reads units in an order or number that widening does not keep")
        if path not in self._inputs:
            self._inputs[path] = found
            self._grow(path, layer, found)
        elif not torch.equal(found.places, self._inputs[path].places):
            raise InputError(f"{display_name(path)} is used several times, on units that do not stand alike")

    def leave_layer(self, path: str, layer: nn.Module, labels: Labels, output: Tensor) -> Labels:
        """Label the output with copies of the units that the layer had.

        Args:
            path: Where it is in the network.
            layer: The layer.
            labels: Those of what it read.
            output: What it put out.

        Returns:
            Labels in the shape of `output`.
        """
        if not isinstance(layer, WEIGHT_LAYERS):
            self._axes[path] = read_axis(layer, labels)
            return labels
        self._axes[path] = axis = written_axis(layer, output)
        if path not in self._outputs:
            return labels_of_channels(output, axis, read_keys(path, layer, labels))
        rows = self._rows[path]
        return labels_of_channels(output, axis, Keys(self._outputs[path][rows], rows))

    def add_noise(self, noise: float) -> None:
        """Add noise to the weights of the copies, `noise` times the deviation of the layer's weights."""
        for path, copied in self.copied.items():
            add_noise(self.model.get_submodule(path), copied, noise)

    def first_difference(self, before: nn.Module, x: Tensor) -> str:
        """The first layer whose units differ from those of the network `before` on `x` (1, ...), in words."""
        for (path, one), (_, other) in zip(layer_outputs(before, x), layer_outputs(self.model, x), strict=False):
            if not torch.allclose(one.index_select(self._axes[path], self._rows[path]), other, rtol=1e-8, atol=1e-10):
                return display_name(path)
        return "what follows the last layer"

    def _grow(self, path: str, layer: nn.Module, inputs: Match) -> None:
        outputs = self._outputs.get(path)
        rows = inputs.places if outputs is None else torch.tensor(self._plan.rows(outputs.tolist()), device=outputs.device)
        self._rows[path] = rows
        if not isinstance(layer, WEIGHT_LAYERS):
            grow_by_channel(path, layer, inputs)
            return
        grow_weights(path, layer, inputs, rows)
        firsts = {row: place for place, row in reversed(list(enumerate(rows.tolist())))}
        copied = [firsts[row] != place for place, row in enumerate(rows.tolist())]
        self.copied[path] = torch.tensor(copied, device=rows.device)
