import json
import shlex

import numpy as np
import pytest

from dlcli.engines import train
from dlcli.engines.probe_gradients.engine import plan, run
from dlcli.specs.probe_gradients import KINDS, ProbeGradientsConfig
from dlcli.specs.train import TrainConfig
from dlcli.support.errors import InputError, NumericError, UsageError

QUICK = {"points": 32, "walks": 2, "limit": 60, "device": "cpu"}
NETS = """
import torch
from torch import nn

class Broken(nn.Module):
    def __init__(self, how):
        super().__init__()
        self.how, self.layer = how, nn.Linear(64, 10)

    def forward(self, x):
        out = self.layer(x.flatten(1))
        return {"text": "out", "nan": out / 0 * 0, "detached": out.detach(), "size": out}[self.how]

def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(144, 10))

def text(): return Broken("text")
def double(): return net().double()
def deep():
    torch.manual_seed(0)
    layers = [layer for _ in range(12) for layer in (nn.Linear(64, 64), nn.ReLU())]
    return nn.Sequential(nn.Flatten(), *layers, nn.Linear(64, 10))
def maxed():
    torch.manual_seed(0)
    return nn.Sequential(*list(deep())[:-1], nn.Unflatten(1, (1, 64)), nn.MaxPool1d(2), nn.Flatten(), nn.Linear(32, 10))

class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.branch = nn.Linear(64, 64)

    def forward(self, x): return x + self.branch(x)

def zero():
    head = nn.Linear(64, 10)
    nn.init.zeros_(head.weight)
    return nn.Sequential(nn.Flatten(), Block(), Block(), head)
def nan(): return Broken("nan")
def detached(): return Broken("detached")
"""


@pytest.fixture
def nets(tmp_path):
    path = tmp_path / "outside" / "nets.py"
    path.parent.mkdir()
    path.write_text(NETS)
    return str(path)


def probed(**options):
    return run(ProbeGradientsConfig(**{**QUICK, **options}))


def test_the_default_puts_four_kinds_side_by_side(tmp_path):
    result = run(ProbeGradientsConfig(seeds=3, points=64, device="cpu", output=tmp_path / "out"))
    rows = {row.network: row for row in result.rows}
    assert list(rows) == [f"{kind}-24" for kind in KINDS]
    assert all(row.n == 3 and row.points == 64 for row in result.rows)
    assert rows["plain-24"].acf1.value < rows["resnet-24"].acf1.value
    linear = rows["looks-linear-24"]
    assert (linear.verdict, linear.acf1, linear.slope, linear.length) == ("linear", None, None, None)
    assert linear.cosine == pytest.approx(1, abs=1e-6)
    assert {layer.network for layer in result.layers} == set(rows)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["autocorrelation.png", "layers.png", "report.html"]
    assert all(name in (tmp_path / "out" / "report.html").read_text() for name in rows)


def test_two_runs_are_the_same_and_another_seed_is_not():
    def figures(seed):
        result = run(ProbeGradientsConfig(synthetic="resnet", depth=4, seeds=2, points=32, device="cpu", seed=seed))
        return result.rows, result.layers

    assert figures(0) == figures(0) != figures(1)


def test_a_users_network_with_blocks_and_paths(tmp_path):
    result = probed(model="resnet-4", lesion=True, paths=True, output=tmp_path / "out")
    (row,) = result.rows
    assert (row.network, row.n, result.data, result.path) == ("resnet-4", 2, "digits", "nearest")
    whole, *others = result.lesions
    assert whole.change is None and len(others) == 4
    assert [one.accuracy.value for one in others] == sorted(one.accuracy.value for one in others)
    assert sum(one.share_of_gradient for one in result.path_lengths) == pytest.approx(1)
    assert result.path_summary.mean_by_count == pytest.approx(2)
    assert (tmp_path / "out" / "lesion.png").exists() and (tmp_path / "out" / "paths.png").exists()


def test_a_gradient_of_zero_is_said_and_the_rest_goes_on(nets, tmp_path):
    result = probed(model=f"{nets}:zero", lesion=True, paths=True, output=tmp_path)
    assert result.rows[0].verdict == "linear" and result.path_summary is None
    assert [row.share_of_gradient for row in result.path_lengths] == [0, 0, 0]
    for said in ("zero along every line", "zero by paths of every length"):
        assert any(said in note for note in result.notes)


def test_pictures_of_an_earlier_run_go(tmp_path):
    out = tmp_path / "out"
    run(ProbeGradientsConfig(seeds=1, depth=3, points=16, device="cpu", output=out))
    (out / "mine.png").write_bytes(b"")
    probed(model="resnet-4", output=out)
    assert {path.name for path in out.glob("*.png")} == {"autocorrelation.png", "layers.png", "mine.png"}


def test_surgery_is_done_before_it_is_probed():
    plain, changed = (probed(model="resnet-8", surgery=surgery) for surgery in ((), ("residual-scale=0.1",)))
    assert "8 residual branches scaled by 0.1" in " ".join(changed.notes)
    # With weaker branches the network is nearer to a linear one, whose gradients are the same everywhere.
    assert plain.rows[0].cosine < changed.rows[0].cosine


def test_a_module_from_outside_is_probed_and_a_layer_of_it(nets):
    result = probed(model=f"{nets}:net", wrt="layer:1", target="loss", bn="batch", path="random")
    assert (result.wrt, result.target, result.bn, result.path) == ("layer:1", "loss", "batch", "random")
    assert [layer.layer for layer in result.layers] == ["2"]


@pytest.mark.parametrize(
    ("options", "kind", "said"),
    [
        ({"model": "{nets}:text"}, InputError, "returns a str"),
        ({"model": "{nets}:nan"}, NumericError, "NaN"),
        ({"model": "{nets}:detached"}, InputError, "no gradient by its input"),
        ({"model": "{nets}:net", "size": 9}, InputError, "fails on images of shape 1x9x9"),
        ({"model": "{nets}:double"}, InputError, "images of shape 1x8x8 (float32)"),
        ({"model": "{nets}:net", "wrt": "layer:head"}, UsageError, "no layer 'head'"),
        ({"model": "{nets}:net", "path": "straight"}, UsageError, "`path`: 'straight'"),
        ({"model": "{nets}:net", "lesion": True}, InputError, "no block to remove"),
        ({"model": "{nets}:net", "paths": True}, InputError, "no residual block"),
        ({"model": "no-such-net"}, UsageError, "no-such-net"),
    ],
)
def test_what_cannot_be_probed_is_named(nets, options, kind, said):
    options = {key: value.format(nets=nets) if key == "model" else value for key, value in options.items()}
    with pytest.raises(kind) as caught:
        probed(**options)
    assert said in caught.value.message


def test_a_network_without_residual_blocks_is_probed_without_each_block_all_the_same():
    both, one = probed(model="digits-net", lesion=True, paths=True), probed(model="digits-net", lesion=True)
    assert len(one.lesions) > 1 and both.lesions == one.lesions and not both.path_lengths
    assert [note for note in both.notes if note not in one.notes] == [
        "`paths`: the network has no residual block: nothing is added to what it was made from."
    ]


def test_what_helps_is_named_with_what_fails(nets):
    with pytest.raises(InputError) as caught:
        probed(model=f"{nets}:net", size=9)
    assert "`size=8`" in caught.value.hint
    with pytest.raises(InputError) as caught:
        probed(model=f"{nets}:double")
    assert "float64" in caught.value.hint and ".to(torch.float32)" in caught.value.hint


def test_moves_are_commands_that_run(nets, tmp_path, dlcli):
    """Each is planned by the real program, of a network from a file, of one that was trained, and with odd names."""
    random = np.random.default_rng(0)
    data = tmp_path / "my data.npz"
    np.savez(data, x=random.random((60, 8, 8), dtype=np.float32), y=np.arange(60) % 10)
    run_dir = tmp_path / "run"
    train.run(TrainConfig(data=str(data), model=f"{nets}:deep", epochs=1, output=run_dir, device="cpu"))
    for model, size in ((f"{nets}:deep", None), (str(run_dir), 8)):
        result = run(
            ProbeGradientsConfig(
                trust_code=True, model=model, data=str(data), size=size, points=16, walks=2, path="random", device="cpu"
            )
        )
        suggestions = [move for cause in result.causes for move in cause.suggestions]
        assert suggestions
        for move in suggestions:
            program, *arguments = shlex.split(move)
            assert (
                program == "dlcli"
                and str(data) in arguments
                and f"{nets}:deep" in arguments
                and ("--size" in arguments) == bool(size)
            )
            done = dlcli(*arguments, "--dry-run")
            assert done.returncode == 0, done.stderr


def test_moves_that_would_be_refused_are_left_out(nets):
    suggestions = {
        name: [move for one in probed(model=f"{nets}:{name}").causes for move in one.suggestions] for name in ("deep", "maxed")
    }
    assert any("looks-linear" in move for move in suggestions["deep"])
    # Max pooling does not fit mirrored weights.
    assert suggestions["maxed"] and not any("looks-linear" in move for move in suggestions["maxed"])


def test_a_trained_network_takes_no_other_weights(tmp_path):
    with pytest.raises(UsageError, match="`weights`: .* is a run directory and has its own weights"):
        probed(model=str(tmp_path), weights=tmp_path / "w.safetensors")


def test_weights_that_do_not_fit_name_their_keys(nets, tmp_path):
    from safetensors.torch import save_file
    from torch import zeros

    save_file({"0.weight": zeros(4, 1, 3, 3), "extra": zeros(1)}, tmp_path / "w.safetensors")
    with pytest.raises(InputError, match="missing 0.bias.*unknown extra"):
        probed(model=f"{nets}:net", weights=tmp_path / "w.safetensors")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"weights": "w.pth"}, "`weights`: needs a network"),
        ({"lesion": True}, "`lesion`: needs a network"),
        ({"surgery": ("selu",)}, "`surgery`: needs a network"),
        ({"wrt": "layer:3"}, "`wrt`: needs a network"),
        ({"data": "images"}, "`data`: needs a network"),
        ({"path": "random"}, "`path`: needs a network"),
        ({"walks": 3}, "`walks`: needs a network"),
        ({"limit": 3}, "`limit`: needs a network"),
        ({"size": 3}, "`size`: needs a network"),
        ({"model": "mlp", "synthetic": "bn"}, "`synthetic`: applies to scalar"),
        ({"model": "mlp", "depth": 3}, "`depth`: applies to scalar"),
        ({"model": "mlp", "beta": 0.1}, "`beta`: applies to scalar"),
        ({"model": "mlp", "seeds": 3}, "`seeds` of a network needs `try_suggested`"),
        ({"model": "mlp", "wrt": "3"}, "`wrt`: '3' is neither"),
        ({"points": 7}, "`points`: 7 is below 8"),
    ],
)
def test_options_that_do_not_go_together(options, said):
    with pytest.raises(UsageError) as caught:
        ProbeGradientsConfig(**options)
    assert said in caught.value.message


@pytest.mark.parametrize("name", ["relu", "a", "layer1.0"])
def test_layers_of_any_name_can_be_asked_for(name):
    assert ProbeGradientsConfig(model="mlp", wrt=f"layer:{name}").layer == name


def test_the_plan_says_what_is_walked():
    assert "20 networks of 24 layers" in plan(ProbeGradientsConfig())[0]
    lines = plan(ProbeGradientsConfig(model="mlp", **QUICK))
    assert len(lines) == 2 and "60 images of digits" in lines[0] and "32 points" in lines[1]
    lines = plan(ProbeGradientsConfig(model="resnet-4", lesion=True, paths=True, **QUICK))
    assert "without each block" in lines[2] and "paths of each length" in lines[3]


def test_json_has_null_and_never_nan(dlcli):
    done = dlcli("probe-gradients", "--synthetic", "looks-linear", "--seeds", "2", "--points", "16")
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(done.stdout, parse_constant=lambda name: pytest.fail(name))["rows"]
    assert row["acf1"] is None and row["verdict"] == "linear"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet18", "resnet50", "squeezenet1_1", "densenet121"])
def test_torchvisions_networks(name, tmp_path):
    random = np.random.default_rng(0)
    path = tmp_path / "colours.npz"
    np.savez(path, x=random.random((12, 64, 64, 3), dtype=np.float32), y=np.arange(12) % 3)
    result = probed(model=name, data=str(path), points=8, walks=1)
    assert result.rows[0].n == 1 and len(result.layers) >= 10
