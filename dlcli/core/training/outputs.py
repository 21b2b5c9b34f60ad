"""What a network returns in training mode: logits, and maybe those of auxiliary classifiers."""

from collections.abc import Mapping
from typing import NamedTuple

from torch import Tensor

from dlcli.core.compute.foreign import main_output
from dlcli.support.errors import InputError


class TrainingOutputs(NamedTuple):
    """The logits (n, classes), those of auxiliary classifiers, and the weight of the loss of each of these."""

    logits: Tensor
    auxiliary: tuple[Tensor, ...] = ()

    @property
    def weight(self) -> float:
        """0.4 for a single auxiliary classifier, as for Inception v3, else 0.3, as for GoogLeNet.

        See PyTorch's tutorial on fine-tuning torchvision's models, and Szegedy et al. 2015 (arXiv 1409.4842), section 5.
        """
        return 0.4 if len(self.auxiliary) == 1 else 0.3


def training_outputs(found: object) -> TrainingOutputs:
    """The tensors in what a network returned: the first, or the one called `logits`, and others of the same shape.

    Raises InputError if there is no tensor of logits.
    """
    if isinstance(found, Tensor):
        return TrainingOutputs(found)
    values = list(found.values()) if isinstance(found, Mapping) else list(found) if isinstance(found, tuple | list) else []
    main, _ = main_output(found)
    if not isinstance(main, Tensor) and values:
        main = values[0]
    if not isinstance(main, Tensor):
        hint = "return one tensor of logits (n, classes), or a tuple that begins with it"
        raise InputError(f"in training mode the model returns a {type(found).__name__} without logits", hint=hint)
    others = [value for value in values if isinstance(value, Tensor) and value is not main and value.shape == main.shape]
    return TrainingOutputs(main, tuple(others))
