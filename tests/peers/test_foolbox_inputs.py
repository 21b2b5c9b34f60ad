"""`dlcli attack` on networks that want other images, beside foolbox on the same networks, wrapped by hand."""

import numpy as np
import pytest
import torch
from torch import nn

from dlcli.engines import attack
from dlcli.specs.attack import AttackConfig

pytestmark = pytest.mark.peers
foolbox = pytest.importorskip("foolbox")

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CODE = '''
import torch
from torch import nn


class Net(nn.Module):
    """Logits of a small network with weights of its own, which takes images that were multiplied by `scale`."""

    def __init__(self, outputs, scale):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(1)
            self.conv, self.head = nn.Conv2d(3, 8, 5, stride=2), nn.Linear(8 * 6 * 6, outputs)
        self.scale = scale

    def forward(self, x):
        return 4 * self.head(torch.tanh(self.conv(x / self.scale)).flatten(1)) - (self.head.out_features == 1) * 1.5


def normal():
    return Net(4, 1.0)


def to_255():
    return Net(4, 128.0)


def one_logit():
    return Net(1, 1.0)
'''
WRAPPED = {
    "normal": lambda net, x: net((x - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]),
    "to_255": lambda net, x: net(255 * x),
    "one_logit": lambda net, x: torch.cat([torch.zeros(len(x), 1), net(x)], 1),
}
NORMALISE = {"normal": "imagenet", "to_255": "0-255", "one_logit": "none"}


class ByHand(nn.Module):
    def __init__(self, name, net):
        super().__init__()
        self.name, self.net = name, net

    def forward(self, x):
        return WRAPPED[self.name](self.net, x)


@pytest.mark.parametrize(("method", "norm", "eps"), [("fgsm", "linf", 0.02), ("fgsm", "l2", 0.5), ("bim", "linf", 0.02)])
@pytest.mark.parametrize("name", WRAPPED)
def test_verdicts_equal_those_of_foolbox(tmp_path, name, method, norm, eps):
    (tmp_path / "nets.py").write_text(CODE)
    scope: dict[str, object] = {}
    exec(CODE, scope)  # noqa: S102 - the same code as the file's
    model = ByHand(name, scope[name]()).eval()
    x = torch.rand(120, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    y = model(x).argmax(1)
    assert len(y.unique()) == (2 if name == "one_logit" else 4)
    labels = np.array(["a", "b", "c", "d"])[y.numpy()]
    np.savez(tmp_path / "d.npz", x_train=x.numpy(), y_train=labels, x_test=x.numpy(), y_test=labels)
    config = AttackConfig(
        model=f"{tmp_path}/nets.py:{name}", data=str(tmp_path / "d.npz"), normalise=NORMALISE[name], method=method, norm=norm,
        eps=(eps,), steps=10 if method == "bim" else None, limit=120, save=tmp_path / "a.npz", device="cpu",
    )  # fmt: skip
    result = attack.run(config)
    saved = np.load(tmp_path / "a.npz")
    ours = model(torch.from_numpy(saved[f"x_{eps:g}"])).argmax(1) == torch.from_numpy(saved["y"])
    clean = torch.from_numpy(saved["x_clean"])
    kind = {"linf": "Linf", "l2": "L2"}[norm] + {"fgsm": "FastGradientAttack", "bim": "BasicIterativeAttack"}[method]
    peer = getattr(foolbox.attacks, kind)(**({"abs_stepsize": eps / 10, "steps": 10} if method == "bim" else {}))
    _, _, fooled = peer(foolbox.PyTorchModel(model, bounds=(0, 1), device="cpu"), clean, model(clean).argmax(1), epsilons=eps)
    assert 0 < float(fooled.float().mean()) < 1
    assert torch.equal(ours, ~fooled)
    assert [row.adversarial.value for row in result.rows if row.eps == eps][0] == pytest.approx(float((~fooled).float().mean()))
