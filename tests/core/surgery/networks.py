"""Small networks of many styles, the user's own as it were."""

import torch
import torch.nn.functional as F
from torch import nn

from dlcli.core.inflate.convert import Inflation, inflate


class Shared(nn.Module):
    """A residual block whose one in-place ReLU serves two calls, and which adds in place."""

    def __init__(self, channels=4, out=4, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, out, 3, stride=stride, padding=1)
        self.bn1 = nn.BatchNorm2d(out)
        self.conv2 = nn.Conv2d(out, out, 3, padding=1)
        self.conv3 = nn.Conv2d(out, out, 1)
        self.relu = nn.ReLU(inplace=True)
        self.down = nn.Conv2d(channels, out, 1, stride=stride) if (channels, stride) != (out, 1) else None

    def forward(self, x):
        out = self.conv3(self.relu(self.conv2(self.relu(self.bn1(self.conv1(x))))))
        out += x if self.down is None else self.down(x)
        return self.relu(out)


class Functional(Shared):
    """The same by functions."""

    def forward(self, x):
        out = self.conv3(F.relu(self.conv2(torch.relu(self.bn1(self.conv1(x))))))
        return (out + (x if self.down is None else self.down(x))).relu()


def residual(block=Shared):
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.ReLU(),
        block(),
        block(4, 6, 2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Dropout(0.5),
        nn.Linear(6, 5),
    )


class Flat(nn.Module):
    """Two residual sums in the code of the network itself."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.head = nn.Linear(64, 64), nn.Linear(64, 64), nn.Linear(64, 5)

    def forward(self, x):
        x = x.flatten(1)
        x = F.relu(x + self.a(x))
        x = F.relu(self.b(x) + x)
        return self.head(x)


class Auxiliary(nn.Module):
    """A head that runs in training only, and uses a functional ReLU; its answer is kept aside."""

    def __init__(self):
        super().__init__()
        self.body = residual()
        self.aux = Aux()
        self.seen = None

    def forward(self, x):
        if self.training:
            self.seen = self.aux(x).detach()
        return self.body(x)


class Aux(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(64, 5)

    def forward(self, x):
        return F.relu(self.linear(x.flatten(1)))


def plain(pool=nn.AvgPool2d):
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), pool(2), nn.Conv2d(4, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(24, 5)
    )


NETWORKS = {
    "shared": residual,
    "functional": lambda: residual(Functional),
    "flat": Flat,
    "auxiliary": Auxiliary,
    "plain": plain,
    "video": lambda: inflate(residual(), torch.zeros(1, 1, 8, 8), Inflation()).model,
}
