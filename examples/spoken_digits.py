"""A network of your own for sounds of different lengths, for `dlcli train DIR --task sequence --model spoken_digits.py:Net`."""

import torch
from torch import Tensor, nn
from torch.nn.functional import pad


class Net(nn.Module):
    """Strided causal convolutions, then the mean over the steps of each sound, by its length."""

    def __init__(self, channels: int, classes: int, width: int = 64) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            [
                nn.Conv1d(channels, width, 160, stride=40),
                *(nn.Conv1d(width, width, 5, stride=2) for _ in range(3)),
            ]
        )
        self.dropout, self.head = nn.Dropout(0.3), nn.Linear(width, classes)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """Takes (n, channels, t), with 0 after the end of each, and lengths (n,); gives (n, classes)."""
        for layer in self.layers:
            x = torch.relu(layer(pad(x, (layer.kernel_size[0] - 1, 0))))
            lengths = -(-lengths // layer.stride[0])
        inside = torch.arange(x.shape[2], device=x.device) < lengths[:, None]
        return self.head(self.dropout((x * inside[:, None]).sum(2) / lengths[:, None]))
