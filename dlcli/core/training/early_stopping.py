"""Early stopping: when a watched figure has not become better for some epochs, and with the weights of its best epoch.

Source: L. Prechelt, Early Stopping - But When?, 1998, class UP with strips of one epoch.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor

METRICS: Mapping[str, int] = {"accuracy": 1, "spearman": 1, "miou": 1, "loss": -1}
"""What can be watched, and whether more (1) or less (-1) of it is better."""


@dataclass
class EarlyStopping:
    """Watches `metric`, a key of METRICS; `due` once `patience` epochs on end, at least 1, were no better than the best.

    `epoch` is the number of the best epoch so far, from 1 (0: none yet), `value` its figure and `weights` its weights.
    A figure that only equals the best is not better, nor is NaN.
    """

    metric: str
    patience: int
    epoch: int = 0
    value: float = float("nan")
    waited: int = 0
    weights: dict[str, Tensor] = field(default_factory=dict, repr=False)

    def see(self, epoch: int, value: float, weights: Mapping[str, Tensor]) -> None:
        """Take note of an epoch that has ended; `weights` are copied if it is the best."""
        sign = METRICS[self.metric]
        if self.epoch == 0 or sign * value > sign * self.value:
            self.epoch, self.value, self.waited = epoch, value, 0
            self.weights = {name: weight.detach().clone() for name, weight in weights.items()}
        else:
            self.waited += 1

    @property
    def due(self) -> bool:
        """Whether to stop."""
        return self.waited >= self.patience
