"""Which units a network has, and which of them must be copied together."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dlcli.core.surgery.base import WEIGHT_LAYERS, display_name
from dlcli.core.surgery.growth.follow import Follower
from dlcli.core.surgery.growth.labels import FIXED, Keys, Labels, keys_along, labels_of_channels
from dlcli.core.surgery.growth.layers import check_layer, groups_of, is_depthwise, read_axis, written_axis
from dlcli.core.surgery.growth.units import UnitSets
from dlcli.support.errors import DlcliError, InputError


@dataclass
class LayerUnits:
    """The keys of what a layer reads, and the units that it puts out; None if these are those that it reads."""

    inputs: Keys
    outputs: Tensor | None = None


class Survey(Follower):
    """Gives numbers to the units of a network, and notes in `sets` where they meet."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__(model)
        self.sets = UnitSets()
        self.layers: dict[str, LayerUnits] = {}
        self._owners: dict[int, str] = {}

    def modes(self, sample: Tensor) -> tuple[bool, ...]:
        """Follow the network as in evaluation, and as in training if it can, where auxiliary heads may run.

        Args:
            sample: An example of its input, (1, ...).

        Returns:
            For each pass whether it was as in training.

        Raises:
            InputError: For what cannot be followed in evaluation.
        """
        self.follow(sample)
        try:
            self.follow(sample, training=True)
        except DlcliError:
            return (False,)
        return False, True

    def unite(self, units: Sequence[tuple[int, int]]) -> None:
        """Note pairs of units with the same copies."""
        self.sets.unite(units)

    def fix(self, units: Sequence[int]) -> None:
        """Note units that are never copied."""
        self.sets.fix(units)

    def part(self, units: Sequence[int]) -> None:
        """Note units that stand together."""
        self.sets.part(units)

    def enter_layer(self, path: str, layer: nn.Module, labels: Labels) -> None:
        """Note what a layer reads; if it is called again, that both have the same copies."""
        keys = read_keys(path, layer, labels)
        if path not in self.layers:
            check_layer(path, layer, self._owners)
            self.layers[path] = LayerUnits(keys)
            if not _copies_pairs(layer, keys):
                self._divide(keys.unit, groups_of(layer))
        known = self.layers[path].inputs.unit
        if len(known) != len(keys.unit):
            raise InputError(f"{display_name(path)} is used several times, on different numbers of units")
        self.sets.unite(list(zip(known.tolist(), keys.unit.tolist(), strict=True)))

    def leave_layer(self, path: str, layer: nn.Module, labels: Labels, output: Tensor) -> Labels:
        """Label the output with new units for a layer with weights, else with those that it read.

        Args:
            path: Where it is in the network.
            layer: The layer.
            labels: Those of what it read.
            output: What it put out.

        Returns:
            Labels in the shape of `output`.
        """
        found = self.layers[path]
        if not isinstance(layer, WEIGHT_LAYERS):
            return labels
        axis = written_axis(layer, output)
        if _copies_pairs(layer, found.inputs):
            return labels_of_channels(output, axis, read_keys(path, layer, labels))
        if found.outputs is None:
            found.outputs = self.sets.new(output.shape[axis]).to(output.device)
            self._divide(found.outputs, groups_of(layer))
        rows = torch.arange(len(found.outputs), device=output.device)
        return labels_of_channels(output, axis, Keys(found.outputs, rows))

    def _divide(self, units: Tensor, groups: int) -> None:
        for part in units.chunk(groups) if groups > 1 else ():
            self.sets.part(part.tolist())


def read_keys(path: str, layer: nn.Module, labels: Labels) -> Keys:
    """The labels along the channels of what a layer reads; raises InputError if units differ along other axes."""
    keys = keys_along(labels, read_axis(layer, labels))
    if keys is None:
        raise InputError(f"{display_name(path)} reads units along another axis than that of its channels")
    return keys


def _copies_pairs(layer: nn.Module, inputs: Keys) -> bool:
    """Whether the layer gets a group for each copy of what it reads; of the input, of which there are no copies, it cannot."""
    return is_depthwise(layer) and bool((inputs.unit != FIXED).any())
