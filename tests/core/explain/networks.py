"""Small networks whose maps are known."""

import torch
from torch import Tensor, nn


class Quadrant(nn.Module):
    """Reads the upper left quadrant alone, where it is a small convolutional network with random weights."""

    def __init__(self, seed: int = 0, side: int = 6) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.side = side
        self.net = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(8 * side * side, 3))

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x[..., : self.side, : self.side])


class Cam(nn.Module):
    """A convolution, a ReLU, the mean over positions and a linear layer, for which Grad-CAM is CAM."""

    def __init__(self, channels: int = 3) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.conv, self.fc = nn.Conv2d(channels, 5, 3, stride=2), nn.Linear(5, 4)

    def features(self, x: Tensor) -> Tensor:
        return torch.relu(self.conv(x))

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.features(x).mean((2, 3)))


def smooth(channels: int = 1, side: int = 8) -> nn.Module:
    """A network with smooth gradients."""
    torch.manual_seed(2)
    return nn.Sequential(
        *(nn.Conv2d(channels, 6, 3, padding=1), nn.Tanh(), nn.Conv2d(6, 6, 3, padding=1), nn.Softplus(), nn.Flatten()),
        nn.Linear(6 * side * side, 5),
    )


def images(n: int, channels: int = 1, side: int = 12, seed: int = 0) -> Tensor:
    """Random images (n, channels, side, side)."""
    return torch.rand(n, channels, side, side, generator=torch.Generator().manual_seed(seed))
