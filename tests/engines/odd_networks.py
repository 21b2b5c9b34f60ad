"""Networks as people bring them, each odd in its own way, for images of 1x8x8 and ten classes."""

import warnings

import torch
from torch import nn
from torch.nn.utils import parametrizations


class Plain(nn.Module):
    """The base of the others."""

    def __init__(self, channels=1, classes=10):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(channels, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
        self.fc = nn.Linear(144, classes)

    def forward(self, x):
        return self.fc(self.features(x).flatten(1))


class View(Plain):
    def forward(self, x):
        found = self.features(x)
        return self.fc(found.view(found.size(0), -1))


class Auxiliary(Plain):
    def forward(self, x):
        found = super().forward(x)
        return (found, found / 2) if self.training else found


class Text(Plain):
    def forward(self, x):
        return "loss" if self.training else super().forward(x)


class Frozen(Plain):
    def __init__(self, classes=10):
        super().__init__(classes=classes)
        self.requires_grad_(False)


class Detached(Plain):
    def forward(self, x):
        return super().forward(x).detach()


class DetachedImages(Plain):
    def forward(self, x):
        return super().forward(x.detach())


class Nothing(nn.Module):
    def forward(self, x):
        return x.flatten(1)[:, 10:20] * 10


class Lazy(nn.Sequential):
    def __init__(self, classes=10):
        super().__init__(nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d(), nn.Flatten(), nn.LazyLinear(8), nn.Linear(8, classes))


class Normalised(nn.Sequential):
    def __init__(self, classes=10):
        super().__init__(nn.Flatten(), nn.Linear(64, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, classes))


class FailsInTraining(Plain):
    def forward(self, x):
        if self.training:
            raise NotADirectoryError("no such mode")
        return super().forward(x)


class _Broken(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        raise ZeroDivisionError("no way back")


class FailsBackwards(Plain):
    def forward(self, x):
        return _Broken.apply(super().forward(x))


class OneAtATime(Plain):
    def forward(self, x):
        assert len(x) == 1, "one at a time"
        return super().forward(x)


class Double(Plain):
    def __init__(self, classes=10):
        super().__init__(classes=classes)
        self.double()


class Spatial(nn.Module):
    """Weights of five axes, which know no channels last."""

    def __init__(self, classes=10):
        super().__init__()
        self.conv, self.fc = nn.Conv3d(1, 4, (1, 3, 3)), nn.Linear(144, classes)

    def forward(self, x):
        return self.fc(self.conv(x.unsqueeze(2)).flatten(1))


class Attention(nn.Module):
    def __init__(self, classes=10):
        super().__init__()
        self.attention, self.fc = nn.MultiheadAttention(8, 2, batch_first=True), nn.Linear(8, classes)

    def forward(self, x):
        rows = x.squeeze(1)
        return self.fc(self.attention(rows, rows, rows)[0].mean(1))


class Recurrent(nn.Module):
    def __init__(self, classes=10):
        super().__init__()
        self.rows, self.fc = nn.LSTM(8, 8, batch_first=True), nn.Linear(8, classes)

    def forward(self, x):
        return self.fc(self.rows(x.squeeze(1))[0][:, -1])


class Parametrised(Plain):
    def __init__(self, classes=10):
        super().__init__(classes=classes)
        self.features[0] = parametrizations.spectral_norm(self.features[0])
        self.fc = parametrizations.weight_norm(self.fc)


class Complex(nn.Module):
    def __init__(self, classes=10):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(64, classes, dtype=torch.cfloat))

    def forward(self, x):
        return (x.flatten(1).to(torch.cfloat) @ self.weight).abs()


def traced(classes=10):
    """A network that is TorchScript."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch deprecates it, and people bring it all the same
        return torch.jit.trace(Plain(classes=classes).eval(), torch.zeros(1, 1, 8, 8))


NETWORKS = (
    "Plain View Auxiliary Text Frozen Detached DetachedImages Nothing Lazy Normalised FailsInTraining FailsBackwards "
    "OneAtATime Double Spatial Attention Recurrent Parametrised Complex traced"
).split()
