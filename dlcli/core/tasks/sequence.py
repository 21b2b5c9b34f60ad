"""`sequence`: a network learns which class a time series, a sound or a text is of."""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from numpy.typing import NDArray
from torch import Tensor

from dlcli.core.data.base import ImageData
from dlcli.core.model_io.sequence_metadata import SavedSequences
from dlcli.core.objectives.base import TaskObjective
from dlcli.core.tasks.images import ImageClasses
from dlcli.specs.normalise import AUTO, NONE, standardisation
from dlcli.specs.train import TrainConfig

DESCRIPTION = "classify time series, sounds, texts by character, or images pixel by pixel"


class SequenceClasses(ImageClasses):
    """See the module."""

    name: ClassVar[str] = "sequence"

    def normalise(self, data: ImageData, name: str) -> str:
        """By auto, sequences are standardised by the training set; what is 0 and 1 only stays so."""
        return standardised(data.x_train) if name == AUTO else name

    def facts(self, data: ImageData, objective: TaskObjective | None, config: TrainConfig) -> Mapping[str, Any]:
        """See `ImageTask`."""
        return {"task": self.name}

    def learned(
        self, data: ImageData, objective: TaskObjective | None, predicted: NDArray[Any], config: TrainConfig
    ) -> Mapping[str, Any]:
        """How sequences are read for the network.

        Args:
            data: What was trained and tested on.
            objective: None.
            predicted: What the network predicts for the test set.
            config: The options.
        """
        return {"task": self.name, "sequences": SavedSequences.of(data, config.label_column).to_json()}


def standardised(x: Tensor) -> str:
    """The normalisation by the mean and the standard deviation of each channel of padded sequences (n, channels, t)."""
    means, deviations = [], []
    binary = True
    for channel in range(x.shape[1]):
        values = x[:, channel]
        values = values[~values.isnan()]
        binary = binary and bool(((values == 0) | (values == 1)).all())
        means.append(float(values.mean(dtype=torch.float64)))
        deviations.append(float((values.double() - means[-1]).square().mean().sqrt()) or 1.0)
    return NONE if binary else standardisation(tuple(means), tuple(deviations))


TASK = SequenceClasses()
