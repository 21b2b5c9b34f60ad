"""`eval --export`, and what every command makes of the file: the same figures as of the network, or a refusal."""

import numpy as np
import pytest
import torch
from torch import nn

from dlcli.core.data import open_data
from dlcli.core.model_io.run_dir import load_model
from dlcli.engines import attack, eval, predict, probe_gradients, train
from dlcli.specs.attack import AttackConfig
from dlcli.specs.eval import EvalConfig
from dlcli.specs.predict import PredictConfig
from dlcli.specs.probe_gradients import ProbeGradientsConfig
from dlcli.specs.train import TrainConfig
from dlcli.support.errors import InputError, UsageError

FORMATS = ("onnx", "pt2")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A network that was trained for an epoch behind a normalisation, and its two programs."""
    folder = tmp_path_factory.mktemp("programs") / "r"
    train.run(TrainConfig(data="digits", model="digits-net", epochs=1, normalise=".2/.4", output=folder, device="cpu"))
    for ending in FORMATS:
        found = eval.run(EvalConfig(model=str(folder), data="digits", export=folder.parent / f"n.{ending}", device="cpu"))
        assert any(note.startswith("Exported to") for note in found.notes)
    return folder


def figures(result):
    return {one.name: (one.estimate.low, one.estimate.value, one.estimate.high) for one in result.metrics}


@pytest.mark.parametrize("ending", FORMATS)
def test_eval_and_predict_give_the_figures_of_the_network(run, ending):
    program = str(run.parent / f"n.{ending}")
    ours, theirs = (eval.run(EvalConfig(model=one, data="digits", device="cpu")) for one in (program, str(run)))
    for name, expected in figures(theirs).items():
        assert figures(ours)[name] == pytest.approx(expected, abs=1e-5)
    assert [row.name for row in ours.per_class] == [row.name for row in theirs.per_class]
    assert "normalise" not in " ".join(ours.notes)
    rows = [predict.run(PredictConfig(model=one, data="digits", limit=20, device="cpu")).table for one in (program, str(run))]
    assert rows[0].columns == rows[1].columns
    for one, other in zip(rows[0].rows, rows[1].rows, strict=True):
        numbers = [[cell for cell in row if isinstance(cell, float)] for row in (one, other)]
        assert one[:2] == other[:2] and numbers[0] == pytest.approx(numbers[1], abs=2e-5)


@pytest.mark.parametrize(
    ("ending", "method", "norm"),
    [
        ("pt2", "pgd", "linf"),
        ("pt2", "deepfool", "l2"),
        ("onnx", "square", "linf"),
        ("onnx", "noise", "l2"),
    ],
)
def test_an_attack_on_the_program_is_that_on_the_network(run, ending, method, norm):
    config = {"data": "digits", "method": method, "norm": norm, "eps": (0.05, 0.1), "limit": 12, "device": "cpu"}
    ours, theirs = (attack.run(AttackConfig(model=one, **config)) for one in (str(run.parent / f"n.{ending}"), str(run)))
    robust = [[(row.eps, row.adversarial.value) for row in one.rows] for one in (ours, theirs)]
    assert robust[0] == robust[1]


def test_attacks_that_need_gradients_are_refused_on_onnx_with_those_that_do_not(run):
    with pytest.raises(UsageError, match="n.onnx has no gradients, without which fgsm and pgd cannot be run") as error:
        attack.run(AttackConfig(model=str(run.parent / "n.onnx"), data="digits", method=("noise", "fgsm", "pgd"), device="cpu"))
    assert "square" in error.value.hint and "hopskipjump" in error.value.hint


def test_images_transfer_from_a_program_of_torch_export_to_onnx(run):
    made = {
        one: attack.run(
            AttackConfig(
                model=str(run.parent / "n.onnx"),
                data="digits",
                method="transfer",
                surrogate=one,
                eps=(0.02, 0.1),
                limit=40,
                device="cpu",
            )
        )
        for one in (str(run.parent / "n.pt2"), str(run))
    }
    ours, theirs = ([(row.eps, row.adversarial.value) for row in one.rows] for one in made.values())
    assert ours == theirs and min(value for _, value in ours) < max(value for _, value in ours)


@pytest.mark.parametrize("ending", FORMATS)
def test_what_needs_layers_or_weights_refuses_a_program(run, ending, tmp_path):
    program = str(run.parent / f"n.{ending}")
    with pytest.raises(InputError, match="whose layers cannot be looked at"):
        eval.run(EvalConfig(model=program, data="digits", summary=True, device="cpu"))
    with pytest.raises(UsageError, match="no layers to train or look at"):
        train.run(TrainConfig(data="digits", model=program, output=tmp_path / "r", device="cpu"))
    with pytest.raises(UsageError, match="is a program and names its own network"):
        eval.run(EvalConfig(model=program, arch="digits-net", data="digits", device="cpu"))
    with pytest.raises(UsageError, match="`export` and `summary` cannot be combined"):
        EvalConfig(model=program, data="digits", summary=True, export=tmp_path / "n.onnx")
    with pytest.raises((InputError, UsageError)):
        probe_gradients.run(ProbeGradientsConfig(model=program, data="digits", limit=20, surgery=("erase-relu",), device="cpu"))


class Ending(nn.Module):
    """The network of a run with another end, or one output: the log-odds of the digit being 5 or more."""

    def __init__(self, run, end):
        super().__init__()
        self.network, self.end = load_model(run, torch.device("cpu")).model, end

    def forward(self, x):
        z = self.network(x)
        if self.end == "softmax":
            return z.softmax(1)
        odds = z[:, 5:].logsumexp(1) - z[:, :5].logsumexp(1)
        return (odds.sigmoid() if self.end == "sigmoid" else odds)[:, None]


@pytest.fixture
def halves(tmp_path):
    """Digits as two classes, below 5 and from 5 on."""
    data = open_data("digits")
    sets = {f"{kind}_{part}": getattr(data, f"{kind}_{part}").numpy() for kind in "xy" for part in ("train", "test")}
    np.savez(tmp_path / "d.npz", **{name: found >= 5 if name[0] == "y" else found for name, found in sets.items()})
    return str(tmp_path / "d.npz")


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("end", ["softmax", "sigmoid", "one logit"])
def test_probabilities_of_programs_are_warned_of_and_one_logit_is_two_classes(run, halves, tmp_path, end, ending):
    path, network = tmp_path / f"n.{ending}", Ending(run, end).eval()
    x = torch.rand(3, 1, 8, 8)
    if ending == "onnx":
        torch.onnx.export(network, (x,), path, dynamo=True, dynamic_shapes=({0: "n"},), verbose=False)
    else:
        torch.export.save(torch.export.export(network, (x,), dynamic_shapes=({0: torch.export.Dim("n")},)), path)
    result = eval.run(EvalConfig(model=str(path), data="digits" if end == "softmax" else halves, device="cpu"))
    warned = [note for note in result.notes if "returns probabilities" in note]
    assert [note.rpartition(" ")[2] for note in warned] == ([] if end == "one logit" else [end])
    if end == "one logit":
        data = open_data(halves)
        with torch.no_grad():
            right = ((network(data.x_test)[:, 0] > 0).long() == data.y_test).float().mean()
        assert figures(result)["top-1"][1] == pytest.approx(float(right)) and right > 0.8


def test_an_exported_normalisation_is_not_put_before_the_network_again(run):
    with pytest.raises(UsageError, match="has its normalisation in it"):
        eval.run(EvalConfig(model=str(run.parent / "n.pt2"), data="digits", normalise=".2/.4", device="cpu"))
