"""Which network `dlcli attack` attacks, by which methods, in which norm, and what it leaves."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from dlcli.core.data import open_data
from dlcli.core.data.base import choose
from dlcli.core.model_io.checkpoint import save_weights
from dlcli.core.model_io.run_dir import save_model
from dlcli.core.model_io.untrained import open_model
from dlcli.engines import attack
from dlcli.specs.attack import AttackConfig
from dlcli.support.errors import InputError, UsageError

SHORT = AttackConfig(trust_code=True, epochs=3, limit=60, device="cpu")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that the tests of this file share."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(autouse=True)
def cached(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(home))


class Fixed(nn.Module):
    """A linear network by hand: each class's logit is how alike the image is to the mean digit of the class."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        data = open_data("digits")
        means = torch.stack([data.x_train[data.y_train == k].mean(0).flatten() for k in range(classes)])
        self.net = nn.Sequential(nn.Flatten(), nn.Linear(64, classes))
        self.net[1].weight.data, self.net[1].bias.data = 2 * means, -(means**2).sum(1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(x)


CODE = """
import torch
from torch import nn
from tests.engines.attack.test_networks import Fixed

def plain(classes): return Fixed(classes)
def softmaxed(classes): return nn.Sequential(Fixed(classes), nn.Softmax(-1))
def untrained(classes): return nn.Sequential(nn.Flatten(), nn.Linear(64, classes))

class Noisy(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net
    def forward(self, x):
        return self.net(x) + torch.rand(len(x), 1)

class Stepped(Noisy):
    def forward(self, x):
        return self.net(x.detach().round() + 0 * x)

class Gridded(Noisy):
    def forward(self, x):
        off = (x * 255 - (x * 255).round()).abs().flatten(1).amax(1, keepdim=True) > 1e-3
        return torch.where(off, -1, 1) * self.net(x)

def gridded(classes): return Gridded(Fixed(classes))
def noisy(classes): return Noisy(Fixed(classes))
def stepped(classes): return Stepped(Fixed(classes))
"""


@pytest.fixture
def code(tmp_path: Path) -> Path:
    file = tmp_path / "nets.py"
    file.write_text(CODE)
    return file


def trained(folder: Path) -> tuple[Path, nn.Module]:
    data = open_data("digits")
    torch.manual_seed(0)
    model = open_model("digits-net", data).build()
    save_model(
        folder,
        model=model,
        spec="digits-net",
        surgery=(),
        data="digits",
        channels=1,
        size=(8, 8),
        classes=tuple(reversed(data.classes)),
    )
    return folder, model.eval()


def test_a_run_directory_is_attacked_as_it_is_with_its_own_order_of_classes(tmp_path: Path, code: Path) -> None:
    model, folder, names = Fixed(10), tmp_path / "run", open_data("digits").classes[::-1]
    model.net[1].weight.data, model.net[1].bias.data = model.net[1].weight.data.flip(0), model.net[1].bias.data.flip(0)
    save_model(folder, model=model, spec=f"{code}:plain", surgery=(), data="digits", channels=1, size=(8, 8), classes=names)
    result = attack.run(AttackConfig(trust_code=True, model=str(folder), eps=(0.05,), limit=100, device="cpu"))
    plain = attack.run(AttackConfig(trust_code=True, model=f"{code}:plain", eps=(0.05,), limit=100, device="cpu"))
    assert result.headline.clean == plain.headline.clean and result.headline.clean.value > 0.8
    assert {one.name: one.clean for one in result.per_class} == {one.name: one.clean for one in plain.per_class}
    assert (result.trained, result.reused, result.members) == (0, 0, 0)
    assert [one.classifier for one in result.rows] == ["baseline"]


def test_rounding_to_8_bits_is_evaluated_separately(code: Path) -> None:
    """A network that errs wherever a value is not a multiple of 1/255, as sixteenths are not."""
    result = attack.run(
        AttackConfig(trust_code=True, model=f"{code}:gridded", method="noise", eps=(0.01,), limit=100, device="cpu")
    )
    assert result.headline.adversarial.value < 0.1 and result.headline.eight_bit.value > 0.7


def test_a_file_of_weights_needs_its_network(tmp_path: Path) -> None:
    _, model = trained(tmp_path / "run")
    save_weights(tmp_path / "w.safetensors", model, {})
    config = AttackConfig(trust_code=True, model=str(tmp_path / "w.safetensors"), limit=20, device="cpu")
    assert attack.run(replace(config, arch="digits-net")).trained == 0
    with pytest.raises(UsageError, match="`arch`: which network"):
        attack.plan(config)


@pytest.mark.parametrize("option", [{"ensemble": "max"}, {"epochs": 3}])
def test_what_is_trained_is_not_trained_again(tmp_path: Path, option: dict[str, object]) -> None:
    folder, _ = trained(tmp_path / "run")
    with pytest.raises(UsageError, match="is trained already"):
        attack.plan(AttackConfig(trust_code=True, model=str(folder), device="cpu", **option))


def test_a_folder_that_is_not_there_is_named() -> None:
    with pytest.raises(InputError, match="runs/none"):
        attack.plan(AttackConfig(trust_code=True, model="runs/none", device="cpu"))


def test_code_is_taken_as_trained_unless_training_is_asked_for(code: Path) -> None:
    spec = f"{code}:plain"
    result = attack.run(AttackConfig(trust_code=True, model=spec, eps=(0.05,), limit=100, device="cpu"))
    assert result.headline.clean.value > 0.8 and result.trained == 0 and "as trained" in result.notes[0]
    assert "as trained" in attack.plan(AttackConfig(trust_code=True, model=spec, device="cpu"))[1]
    assert "train " in attack.plan(AttackConfig(trust_code=True, model=spec, epochs=2, device="cpu"))[1]
    assert "members" in attack.plan(AttackConfig(trust_code=True, model=spec, ensemble="max", device="cpu"))[1]


def test_a_linear_network_leaves_what_the_margin_says(code: Path) -> None:
    """In linf, FGSM on two classes is the best attack on a linear network: an image is robust if its margin > eps * ||w||_1."""
    data = open_data("digits")
    picked = choose(data.y_test.numpy(), 200)
    x, y = data.x_test[picked], data.y_test[picked]
    net = Fixed(10)
    with torch.no_grad():
        margins = net(x)[torch.arange(200), y][:, None] - net(x)
        weights = net.net[1].weight
        norms = (weights[y][:, None] - weights[None]).norm(dim=2)
    others = ~nn.functional.one_hot(y, 10).bool()
    for eps in (0.2, 0.4):
        # Without bounds the exact share; with them images may only be more robust.
        robust = ((margins > eps * norms) | ~others).all(1).float().mean()
        config = AttackConfig(
            trust_code=True, model=f"{code}:plain", method="pgd", norm="l2", eps=(eps,), limit=200, device="cpu"
        )
        found = attack.run(config).headline.adversarial
        assert float(robust) <= found.value <= float(robust) + 0.1


def test_l2_is_held_and_saved(tmp_path: Path, code: Path) -> None:
    config = AttackConfig(
        trust_code=True,
        model=f"{code}:plain",
        method="pgd",
        norm="l2",
        eps=(1.5,),
        limit=60,
        save=tmp_path / "a.npz",
        device="cpu",
    )
    result = attack.run(config)
    assert result.norm == "l2" and "L2" in result.threat_model and "eps 1.5" in result.threat_model
    with np.load(tmp_path / "a.npz") as saved:
        change = (saved["x_1.5"] - saved["x_clean"]).reshape(60, -1)
        assert 1 < np.linalg.norm(change, axis=1).max() <= 1.5 + 1e-5
        assert (saved["predicted_1.5"] == saved["y"]).mean() == pytest.approx(result.headline.adversarial.value)


def test_of_several_methods_the_worst_counts_image_by_image(tmp_path: Path) -> None:
    config = replace(SHORT, method=("fgsm", "noise", "pgd"), eps=(0.15,), save=tmp_path / "a.npz")
    result = attack.run(config)
    alone = {name: attack.run(replace(config, method=name, save=None)) for name in config.methods}
    for one in result.by_method:
        assert one.adversarial == alone[one.method].headline.adversarial
    assert result.headline.adversarial.value <= min(one.adversarial.value for one in result.by_method)
    assert result.method == "fgsm,noise,pgd" and result.headline.threat == "white-box"
    with np.load(tmp_path / "a.npz") as saved:
        assert (saved["predicted_0.15"] == saved["y"]).mean() == pytest.approx(result.headline.adversarial.value)


def test_an_ensemble_is_attacked_by_steps_too() -> None:
    config = replace(SHORT, method="pgd", steps=5, ensemble="mean", members=2, eps=(0.1,), limit=40)
    result = attack.run(config)
    assert "pgd (steps 5, restarts 1)" in result.threat_model
    worst = {one.classifier: one.adversarial.value for one in result.rows if one.threat == "worst-case"}
    assert worst["mean rule"] < result.headline.clean.value
    assert result.headline.adversarial.value == worst["mean rule"]


def test_a_black_box_method_has_black_box_rows() -> None:
    result = attack.run(replace(SHORT, method="square", ensemble="max", members=2, eps=(0.3,), limit=10))
    threats = {one.threat for one in result.rows}
    assert threats == {"black-box", "transfer", "transfer-inside", "worst-case"}


def test_weights_and_modes_are_left_as_they_were(code: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    net = Fixed(10)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    net.train()
    monkeypatch.setattr("dlcli.core.model_io.trained.build_model", lambda *args, **more: net)
    attack.run(AttackConfig(trust_code=True, model=f"{code}:plain", method="pgd", steps=3, limit=20, device="cpu"))
    assert all(torch.equal(value, net.state_dict()[name]) for name, value in before.items())
    assert all(one.requires_grad and one.grad is None for one in net.parameters())


def checks(code: Path, name: str, **options: object) -> list[str]:
    config = AttackConfig(trust_code=True, model=f"{code}:{name}", eps=(0.1,), limit=100, device="cpu", **options)
    return [one.check for one in attack.run(config).findings]


def test_an_honest_network_passes_every_check(code: Path) -> None:
    assert checks(code, "plain", method=("fgsm", "pgd")) == []


@pytest.mark.parametrize(
    ("name", "check"),
    [
        ("softmaxed", "probabilities for logits"),
        ("noisy", "two calls differ"),
        ("untrained", "clean accuracy at chance"),
        ("stepped", "zero gradients"),
    ],
)
def test_a_network_that_hides_something_is_reported(code: Path, name: str, check: str) -> None:
    assert check in checks(code, name)


def test_too_few_steps_are_reported(code: Path) -> None:
    assert "not converged" in checks(code, "plain", method="cw", steps=1)


def test_a_figure_that_cannot_be_trusted_fails_the_bound(code: Path) -> None:
    config = AttackConfig(
        trust_code=True, model=f"{code}:stepped", eps=(0.1,), limit=60, fail_under=("robust", 0.0), device="cpu"
    )
    failed = attack.run(config).failed
    assert "cannot be trusted: zero gradients" in failed and "\n" not in failed
    assert attack.run(replace(config, fail_under=("clean", 0.0))).failed == ""


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"method": "fgsm", "steps": 5}, "`steps`: fgsm has no steps"),
        ({"method": "bim", "restarts": 5}, "`restarts`: bim has no restarts"),
        ({"method": "cw", "norm": "linf"}, "`norm`: cw does not support linf"),
        ({"method": "pgd", "norm": "l2", "eps": (8.5,)}, "`eps`: 8.5 is above 8"),
        ({"method": "transfer"}, "no images to transfer"),
        ({"arch": "digits-net", "model": "digits-net"}, "`arch` needs a file of weights"),
    ],
)
def test_options_that_do_not_go_together_are_refused_before_training(options: dict[str, object], said: str) -> None:
    with pytest.raises((UsageError, InputError), match=said):
        attack.plan(AttackConfig(trust_code=True, device="cpu", **options))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"method": ("fgsm", "pdg")}, "`method`: 'pdg' is not one of"),
        ({"method": ()}, "`method`: at least one"),
        ({"save": Path("x.png")}, "`save`: x.png does not end in .npz"),
        ({"eps": (1.5,)}, "`eps`: 1.5 is above 1"),
        ({"arch": "lenet"}, "`arch` needs"),
    ],
)
def test_options_that_cannot_be_are_refused_at_once(options: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        AttackConfig(trust_code=True, **options)


def test_settings_go_to_the_methods_that_have_them() -> None:
    result = attack.run(replace(SHORT, method=("fgsm", "pgd"), steps=3, limit=10))
    assert "by fgsm, pgd (steps 3, restarts 1);" in result.threat_model
