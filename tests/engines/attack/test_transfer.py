"""Images made on a surrogate, or saved before, handed to the network under `dlcli attack`."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from dlcli.core.attacks import load_attack
from dlcli.core.attacks.base import Attack
from dlcli.core.data import open_data
from dlcli.core.data.base import choose
from dlcli.core.model_io.run_dir import save_model
from dlcli.engines import attack
from dlcli.engines.attack.crafting import AttackRun
from dlcli.engines.attack.resume import PartialResult
from dlcli.engines.attack.surrogate import open_surrogate
from dlcli.specs.attack import AttackConfig
from dlcli.support.errors import InputError, UsageError
from dlcli.support.seeds import derive
from tests.engines.attack.test_networks import Fixed

CODE = """
from tests.engines.attack.test_networks import Fixed
def plain(classes): return Fixed(classes)
"""
TEN = tuple("0123456789")


@pytest.fixture
def code(tmp_path: Path) -> str:
    (tmp_path / "nets.py").write_text(CODE)
    return f"{tmp_path / 'nets.py'}:plain"


def other() -> Fixed:
    """Another linear network: every digit like the first of its class in the data."""
    net, data = Fixed(10), open_data("digits")
    first = torch.stack([data.x_train[data.y_train == k][0].flatten() for k in range(10)])
    net.net[1].weight.data, net.net[1].bias.data = 2 * first, -(first**2).sum(1)
    return net


@pytest.fixture
def surrogate(tmp_path: Path, code: str) -> Path:
    save_model(tmp_path / "s", model=other(), spec=code, surgery=(), data="digits", channels=1, size=(8, 8), classes=TEN)
    return tmp_path / "s"


def images(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    data = open_data("digits")
    picked = choose(data.y_test.numpy(), n)
    return data.x_test[picked], data.y_test[picked]


def test_the_images_are_those_of_pgd_on_the_surrogate_in_full(tmp_path: Path, code: str, surrogate: Path) -> None:
    config = AttackConfig(
        trust_code=True,
        model=code,
        method="transfer",
        surrogate=str(surrogate),
        steps=7,
        eps=(0.15,),
        limit=100,
        save=tmp_path / "a.npz",
        device="cpu",
    )
    result = attack.run(config)
    x, y = images(100)
    pgd = load_attack("pgd").with_options(steps=7)
    places = torch.from_numpy(choose(open_data("digits").y_test.numpy(), 100))
    wanted = pgd(other(), x, y, eps=0.15, full=True, seed=derive(0, "attack", "transfer"), first=places)
    with np.load(tmp_path / "a.npz") as saved:
        assert np.array_equal(saved["x_0.15"], wanted.numpy())
    with torch.no_grad():
        right = float((Fixed(10)(wanted).argmax(1) == y).float().mean())
    assert result.headline.adversarial.value == pytest.approx(right)
    assert (result.headline.threat, result.headline.upper_bound) == ("transfer", True)
    assert "transfer (made on " in result.threat_model and "pgd, steps 7, restarts 1" in result.threat_model
    assert "upper bound" in " ".join(result.notes) and "control" not in " ".join(result.notes)
    assert (
        result.headline.adversarial.value
        >= attack.run(replace(config, method="pgd", surrogate=None)).headline.adversarial.value
    )


def test_beside_an_attack_that_looks_the_worse_of_both_counts(code: str, surrogate: Path) -> None:
    config = AttackConfig(
        trust_code=True, model=code, method=("transfer", "fgsm"), surrogate=str(surrogate), limit=100, device="cpu"
    )
    result = attack.run(config)
    assert (result.headline.threat, result.headline.upper_bound) == ("white-box", False)
    assert {one.method for one in result.by_method} == {"transfer", "fgsm"}
    assert result.headline.adversarial.value <= min(one.adversarial.value for one in result.by_method)


def test_a_surrogate_that_knows_the_classes_in_another_order_makes_the_same_images(tmp_path: Path, code: str) -> None:
    net = other()
    found = []
    for name, classes in (("a", TEN), ("b", TEN[::-1])):
        save_model(tmp_path / name, model=net, spec=code, surgery=(), data="digits", channels=1, size=(8, 8), classes=classes)
        config = AttackConfig(
            trust_code=True, model=code, method="transfer", surrogate=str(tmp_path / name), limit=60, device="cpu"
        )
        found.append(attack.run(replace(config, save=tmp_path / f"{name}.npz")).headline.adversarial)
        net.net[1].weight.data, net.net[1].bias.data = net.net[1].weight.data.flip(0), net.net[1].bias.data.flip(0)
    with np.load(tmp_path / "a.npz") as a, np.load(tmp_path / "b.npz") as b:
        assert np.abs(a["x_0.2"] - b["x_0.2"]).max() < 0.2 and np.mean(a["x_0.2"] == b["x_0.2"]) > 0.99


@pytest.fixture
def saved(tmp_path: Path, surrogate: Path) -> Path:
    file = tmp_path / "images.npz"
    attack.run(AttackConfig(trust_code=True, model=str(surrogate), eps=(0.1, 0.2), limit=50, save=file, device="cpu"))
    return file


def test_saved_images_are_evaluated_as_they_are(code: str, saved: Path) -> None:
    config = AttackConfig(
        trust_code=True, model=code, method="transfer", surrogate=str(saved), eps=(0.2, 0, 0.1), limit=50, device="cpu"
    )
    result = attack.run(config)
    with np.load(saved) as file, torch.no_grad():
        for row in result.rows:
            said = Fixed(10)(torch.from_numpy(file[f"x_{row.eps:g}" if row.eps else "x_clean"])).argmax(1)
            assert row.adversarial.value == pytest.approx((said.numpy() == file["y"]).mean()), row.eps
    assert f"transfer (saved in {saved}, SHA-256 {hashlib.sha256(saved.read_bytes()).hexdigest()[:12]})" in result.threat_model
    assert any("first success" in note for note in result.notes)
    assert not any("transfer" in one.check for one in result.findings)


def test_an_eps_that_was_saved_as_a_fraction_is_found_by_its_value(tmp_path: Path, code: str, surrogate: Path) -> None:
    file, common = tmp_path / "images.npz", {"trust_code": True, "limit": 50, "device": "cpu"}
    attack.run(AttackConfig(model=str(surrogate), eps="8/255", save=file, **common))
    rows = [
        attack.run(AttackConfig(model=code, method="transfer", surrogate=str(file), eps=eps, **common)).rows
        for eps in ("8/255", 8 / 255)
    ]
    assert rows[0] == rows[1]


def test_saved_images_of_another_order_of_classes_fit(tmp_path: Path, saved: Path) -> None:
    with np.load(saved) as file:
        arrays = dict(file)
    np.savez(tmp_path / "turned.npz", **{**arrays, "y": 9 - arrays["y"]})
    (tmp_path / "nets.py").write_text(CODE)
    config = AttackConfig(
        trust_code=True, model=f"{tmp_path / 'nets.py'}:plain", method="transfer", surrogate=str(saved), eps=(0.1,), limit=50
    )
    assert attack.run(config).rows == attack.run(replace(config, surrogate=str(tmp_path / "turned.npz"))).rows


@pytest.mark.parametrize(
    ("change", "options", "said"),
    [
        ({}, {"limit": 40}, "holds 50x1x8x8 images, but 40x1x8x8 are under attack"),
        ({}, {"eps": (0.15,)}, "no images at eps 0.15"),
        ({}, {"steps": 3}, "`steps`: transfer has no steps"),
        ({"x_clean": lambda x: x[::-1]}, {}, "of 50 clean images in .* differ from the images under attack"),
        ({"y": lambda y: y[::-1]}, {}, "the labels in .* are not those"),
        ({"y": lambda y: 0 * y}, {}, "the labels in .* are not those"),
        ({"y": lambda y: y + 10 * (np.arange(len(y)) % 2)}, {}, "the labels in .* are not those"),
        ({"y": None}, {}, "has no x_clean and y"),
        ({"x_0.1": lambda x: x[:, :, :4]}, {}, "the saved images are 50x1x4x8"),
        ({"x_0.1": lambda x: 1 - x}, {}, "differ from the clean ones by more than eps 0.1"),
        ({"x_0.1": lambda x: (x * 255).astype(np.uint8)}, {}, "of uint8"),
    ],
)
def test_saved_images_that_do_not_fit_are_refused_in_one_line(
    tmp_path: Path, code: str, saved: Path, change: dict, options: dict, said: str
) -> None:
    with np.load(saved) as file:
        arrays = dict(file)
    arrays = {name: change[name](x) if change.get(name) else x for name, x in arrays.items() if change.get(name, 1) is not None}
    np.savez(tmp_path / "changed.npz", **arrays)
    values = {"model": code, "method": "transfer", "eps": (0.1,), "limit": 50, "device": "cpu"} | options
    with pytest.raises((InputError, UsageError), match=said) as caught:
        attack.run(AttackConfig(trust_code=True, surrogate=str(tmp_path / "changed.npz"), **values))
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 half", b"\x93NUMPY nothing"])
def test_a_file_that_is_not_an_archive_is_refused(tmp_path: Path, code: str, content: bytes) -> None:
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(InputError, match="x.npz"):
        attack.plan(
            AttackConfig(trust_code=True, model=code, method="transfer", surrogate=str(tmp_path / "x.npz"), device="cpu")
        )


def test_a_single_array_is_refused(tmp_path: Path, code: str) -> None:
    with (tmp_path / "x.npz").open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(InputError, match="x.npz"):
        attack.plan(
            AttackConfig(trust_code=True, model=code, method="transfer", surrogate=str(tmp_path / "x.npz"), device="cpu")
        )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"method": "pgd", "surrogate": "runs/none"}, "`surrogate` needs `method=transfer`"),
        ({"method": "transfer", "surrogate": "runs/none"}, "runs/none is not a trained network"),
        ({"method": "transfer", "surrogate": "none.npz"}, "none.npz: no such file"),
    ],
)
def test_a_surrogate_that_cannot_be_used_is_refused(code: str, options: dict[str, object], said: str) -> None:
    with pytest.raises((InputError, UsageError), match=said):
        attack.plan(AttackConfig(trust_code=True, model=code, device="cpu", **options))


def test_transfer_is_refused_with_an_ensemble() -> None:
    with pytest.raises(UsageError, match="every ensemble has transfer rows"):
        AttackConfig(trust_code=True, method="transfer", surrogate="x.npz", ensemble="max")


def test_a_surrogate_of_other_images_is_refused(tmp_path: Path, code: str) -> None:
    (tmp_path / "big.py").write_text(
        "from torch import nn\ndef big(classes): return nn.Sequential(nn.Flatten(), nn.Linear(9, classes))"
    )
    model = nn.Sequential(nn.Flatten(), nn.Linear(9, 10))
    save_model(
        tmp_path / "s",
        model=model,
        spec=f"{tmp_path / 'big.py'}:big",
        surgery=(),
        data="digits",
        channels=1,
        size=(3, 3),
        classes=TEN,
    )
    with pytest.raises(InputError, match="fails on images of shape 1x8x8"):
        attack.plan(AttackConfig(trust_code=True, model=code, method="transfer", surrogate=str(tmp_path / "s"), device="cpu"))


def _by_clean_image(file: Path) -> dict[bytes, bytes]:
    with np.load(file) as arrays:
        return {clean.tobytes(): changed.tobytes() for clean, changed in zip(arrays["x_clean"], arrays["x_0.1"], strict=True)}


def test_saved_images_are_taken_by_place_if_the_run_stops_early(tmp_path: Path, code: str, saved: Path) -> None:
    options = {"model": code, "method": "transfer", "surrogate": str(saved), "limit": 50, "device": "cpu", "eps": (0.1,)}
    result = attack.run(
        AttackConfig(trust_code=True, **options, fail_under="robust=0.01", stop_when_sure=True, save=tmp_path / "some.npz")
    )
    found, expected = _by_clean_image(tmp_path / "some.npz"), _by_clean_image(saved)
    assert len(found) == result.stopped.seen < len(expected) == 50
    assert found.items() <= expected.items()


def test_saved_images_are_the_same_in_two_processes_and_after_an_interruption(
    tmp_path: Path, code: str, saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = AttackConfig(
        trust_code=True,
        model=code,
        method=("transfer", "fgsm"),
        surrogate=str(saved),
        eps=(0.1,),
        limit=50,
        device="cpu",
        save=tmp_path / "one.npz",
    )
    one = attack.run(config)
    two = attack.run(replace(config, workers=2, save=tmp_path / "two.npz"))
    assert two.rows == one.rows
    assert _by_clean_image(tmp_path / "two.npz") == _by_clean_image(tmp_path / "one.npz")

    made = AttackRun.make_images

    def interrupted(self: AttackRun, method: Attack, *rest: object) -> PartialResult:
        if method.name == "fgsm":
            raise KeyboardInterrupt
        return made(self, method, *rest)

    third = replace(config, save=tmp_path / "three.npz")
    with monkeypatch.context() as patched:
        patched.setattr(AttackRun, "make_images", interrupted)
        with pytest.raises(KeyboardInterrupt):
            attack.run(third)
    with np.load(saved) as file:
        arrays = dict(file)
    np.savez(tmp_path / "others.npz", **{**arrays, "x_0.1": arrays["x_clean"]})
    content = saved.read_bytes()
    saved.write_bytes((tmp_path / "others.npz").read_bytes())
    with pytest.raises(UsageError, match=r"`resume`: .* was started with another origin of transferred images"):
        attack.run(replace(third, resume=True))
    saved.write_bytes(content)
    assert attack.run(replace(third, resume=True)).rows == one.rows
    assert _by_clean_image(tmp_path / "three.npz") == _by_clean_image(tmp_path / "one.npz")


def test_what_to_name_in_place_of_a_network(tmp_path: Path) -> None:
    """Hints name what exists and works: the directory of a file, the nearest name, else every kind of network."""
    folder, lone = tmp_path / "runs", tmp_path / "lone.safetensors"
    (folder / "baseline").mkdir(parents=True)
    (folder / "baseline" / "model.json").write_text("{}")
    for path in (lone, folder / "baseline" / "weights.safetensors"):
        save_file({"w": torch.zeros(1)}, path)
    every = ".onnx or .pt2 file, a published network such as torchvision:resnet18, or FILE.py:CALLABLE"
    hints = {
        f"{folder}/baseline/weights.safetensors": f"name the run directory, {folder}/baseline",
        f"{folder}/basline": f"did you mean {folder}/baseline?",
        f"{folder}/basline/": f"did you mean {folder}/baseline?",
        str(lone): every,
        "resnet18": every,
    }
    for spec, hint in hints.items():
        with pytest.raises(InputError, match="`against`: .* is not a trained network") as caught:
            open_surrogate(spec, open_data("digits"), torch.device("cpu"), "against")
        assert hint in caught.value.hint
