"""Networks to grow: random stacks of blocks, and odd ones."""

import torch
import torch.nn.functional as F
from torch import nn

from dlcli.core.models.zoo.cifar_resnet import CifarResNet
from dlcli.core.surgery.base import WEIGHT_LAYERS

ACTIVATIONS = (nn.ReLU, nn.ELU, nn.GELU, nn.Tanh, lambda: nn.LeakyReLU(0.1), lambda: nn.PReLU(1), nn.Hardswish)


class Residual(nn.Module):
    def __init__(self, channels, act):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels + 1, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels + 1)
        self.conv2, self.act = nn.Conv2d(channels + 1, channels, 1), act()

    def forward(self, x):
        return self.act(x + self.conv2(self.act(self.bn1(self.conv1(x)))))


class Dense(nn.Module):
    """What it reads, and more channels beside it."""

    def __init__(self, channels, act):
        super().__init__()
        self.bn, self.conv, self.act = nn.BatchNorm2d(channels), nn.Conv2d(channels, 3, 3, padding=1), act()

    def forward(self, x):
        return torch.cat([self.conv(self.act(self.bn(x))), x], 1)


class Excited(nn.Module):
    """Channels weighted by what the whole map shows."""

    def __init__(self, channels, act):
        super().__init__()
        self.down, self.up, self.act = nn.Linear(channels, 2), nn.Linear(2, channels), act()

    def forward(self, x):
        return x * torch.sigmoid(self.up(self.act(self.down(x.mean((2, 3))))))[:, :, None, None]


class Masked(nn.Module):
    """Positions weighted by one channel."""

    def __init__(self, channels, act):
        super().__init__()
        self.conv = nn.Conv2d(channels, 1, 3, padding=1)

    def forward(self, x):
        return x * torch.sigmoid(self.conv(x))


class Gated(nn.Module):
    """One half of the channels gates the other."""

    def __init__(self, channels, act):
        super().__init__()
        self.conv, self.act = nn.Conv2d(channels, 2 * channels, 1), act()

    def forward(self, x):
        values, gates = self.conv(x).chunk(2, 1)
        return self.act(values) * gates.sigmoid()


def block(kind, channels, act):
    """A block of a kind, and how many channels it puts out."""
    if kind == "conv":
        return nn.Sequential(nn.Conv2d(channels, 5, 3, padding=1), act()), 5
    if kind == "norm":
        return nn.Sequential(nn.Conv2d(channels, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), act()), 4
    if kind == "depthwise":
        return nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1, groups=channels), act(), nn.Conv2d(channels, 6, 1)), 6
    if kind == "grouped":
        return nn.Sequential(nn.Conv2d(channels, 6, 1), act(), nn.Conv2d(6, 4, 3, padding=1, groups=2), act()), 4
    if kind == "transposed":
        return nn.Sequential(nn.ConvTranspose2d(channels, 4, 2, 2), act(), nn.AvgPool2d(2)), 4
    if kind == "pooled":
        return nn.Sequential(nn.MaxPool2d(3, 1, 1), nn.Dropout2d(0.0), nn.AvgPool2d(3, 1, 1)), channels
    made = {"residual": Residual, "dense": Dense, "excited": Excited, "masked": Masked, "gated": Gated}[kind](channels, act)
    return made, channels + 3 if kind == "dense" else channels


KINDS = ("conv", "norm", "depthwise", "grouped", "transposed", "pooled", "residual", "dense", "excited", "masked", "gated")
HEADS = ("mean", "flat", "convolution")


def stack(kinds, act, head):
    """Blocks in turn behind a convolution, for images (n, 2, 4, 4)."""
    first, channels = block("conv", 2, act)
    layers = [first]
    for kind in kinds:
        made, channels = block(kind, channels, act)
        layers.append(made)
    if head == "mean":
        layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 3)]
    elif head == "flat":
        layers += [nn.Flatten(), nn.Linear(16 * channels, 7), act(), nn.Linear(7, 3)]
    else:
        layers += [nn.Conv2d(channels, 3, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return lived_in(nn.Sequential(*layers))


def lived_in(model):
    """In float64, with statistics and slopes as after some training."""
    model = model.double()
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.running_mean.normal_(0, 0.3)
                module.running_var.uniform_(0.5, 2)
            if not isinstance(module, WEIGHT_LAYERS):
                for parameter in module.parameters(recurse=False):
                    parameter.uniform_(0.5, 1.5)
    return model.eval()


class OneForTwo(nn.Module):
    """One convolution used twice, between two that differ."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.shared = nn.Conv2d(2, 4, 1), nn.Conv2d(2, 4, 3, padding=1), nn.Conv2d(4, 5, 1)
        self.head = nn.Linear(5, 3)

    def forward(self, x):
        both = F.relu(self.shared(self.a(x).relu())) + F.elu(self.shared(self.b(x).tanh()))
        return self.head(both.mean((2, 3)))


class TwoPools(nn.Module):
    """The same channels twice in a concatenation, with different values."""

    def __init__(self):
        super().__init__()
        self.conv, self.head = nn.Conv2d(2, 4, 3), nn.Linear(24, 3)

    def forward(self, x):
        x = self.conv(x)
        pools = torch.cat([F.adaptive_max_pool2d(x, 1), F.adaptive_avg_pool2d(x, 1)], 1).flatten(1)
        return self.head(torch.cat([pools, F.relu(pools), F.relu(-pools)], 1))


class ChannelsLast(nn.Module):
    """Rows of positions with channels at the end, normalised there, and flattened in that order."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.mix = nn.Conv2d(2, 4, 3), nn.LayerNorm(4), nn.Linear(4, 6)
        self.groups, self.head = nn.GroupNorm(3, 6), nn.Linear(24, 3)

    def forward(self, x):
        x = F.gelu(self.mix(self.norm(self.conv(x).permute(0, 2, 3, 1))))
        return self.head(self.groups(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1).reshape(len(x), -1))


class Shuffled(nn.Module):
    """Channels dealt out between two grouped convolutions."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(2, 8, 1, groups=2), nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.third, self.head = nn.Conv2d(8, 6, 1), nn.Linear(6, 3)

    def forward(self, x):
        x = self.first(x).relu()
        n, c, h, w = x.shape
        x = x.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)
        return self.head(self.third(self.second(x)).relu().mean((2, 3)))


class Helped(nn.Module):
    """A head that runs in training only; it returns both then."""

    def __init__(self):
        super().__init__()
        self.body, self.norm, self.head = nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Linear(4, 3)
        self.aux = nn.Sequential(nn.Conv2d(4, 5, 1), nn.ReLU(), nn.Flatten(), nn.Linear(80, 3))

    def forward(self, x):
        x = F.relu(self.norm(self.body(x)))
        logits = self.head(x.mean((2, 3)))
        return (logits, self.aux(x)) if self.training else logits


class Volume(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.norm = nn.Conv3d(1, 4, 3, padding=1), nn.InstanceNorm3d(4, affine=True)
        self.b, self.head = nn.ConvTranspose3d(4, 4, 1, groups=2), nn.Linear(4, 3)

    def forward(self, x):
        return self.head(self.b(F.silu(self.norm(self.a(x[:, None])))).amax((2, 3, 4)))


class Series(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.norm, self.act = nn.Conv1d(8, 6, 3), nn.BatchNorm1d(6), nn.PReLU(6)
        self.b, self.head = nn.Conv1d(6, 4, 1), nn.Linear(8, 3)

    def forward(self, x):
        return self.head(self.b(self.act(self.norm(self.a(x.flatten(1, 2))))).flatten(1)).log_softmax(1)


ODD = {
    "one for two": OneForTwo,
    "two pools": TwoPools,
    "channels last": ChannelsLast,
    "shuffled": Shuffled,
    "helped": Helped,
    "volume": Volume,
    "series": Series,
    "filled up": lambda: CifarResNet(2, 3, 8),
    "one slope": lambda: stack(["residual"], lambda: nn.PReLU(1), "mean"),
}
