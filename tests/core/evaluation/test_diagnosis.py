"""The ladder of errors: the textbook cases, and what holds for any figures."""

import shlex
import tomllib
from itertools import product

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dlcli.cli.app import _invoke
from dlcli.core.data.base import ImageData
from dlcli.core.evaluation.diagnosis import _BIGGER, CommandContext, bigger, diagnose
from dlcli.core.model_io.untrained import find_model
from dlcli.core.models import MODELS
from dlcli.core.proportion import proportion
from dlcli.core.surgery import check_surgery
from dlcli.core.training.augment import augmentation
from dlcli.specs.diagnosis import GAPS, SPLITS
from dlcli.specs.estimates import Estimate

MANY = 1_000_000


def ladder(human: float, *percents: float | None, n: int = MANY):
    """The diagnosis of errors in percent on train, train-dev, dev, test; None where there is none."""
    pairs = zip(SPLITS, percents, strict=False)
    return diagnose(human / 100, {split: proportion(error / 100 * n, n) for split, error in pairs if error is not None})


@pytest.mark.parametrize(
    ("human", "percents", "largest", "named"),
    [
        (0, (1, 5, 5), "variance", ("variance",)),
        (0, (10, 11, 12), "avoidable bias", ("avoidable bias",)),
        (0, (10, 11, 20), "avoidable bias", ("avoidable bias", "data mismatch")),
        (0, (1, 1.5, 10), "data mismatch", ("data mismatch",)),
        (1, (8, None, 10), "avoidable bias", ("avoidable bias",)),
        (7.5, (8, None, 10), "variance", ("variance",)),
        (0, (1, 1, 1, 6), "overfitting to dev", ("overfitting to dev",)),
    ],
)
def test_textbook_cases(human, percents, largest, named):
    """A. Ng, Structuring Machine Learning Projects, weeks 1 and 2."""
    found = ladder(human, *percents)
    assert (found.largest, found.named) == (largest, named)
    assert {one.gap for one in found.suggestions} == set(named)
    assert [one.gap for one in found.suggestions] == sorted((one.gap for one in found.suggestions), key=GAPS.index)


def test_few_images_establish_nothing():
    found = ladder(0, 0, 5, 5, 5, n=20)
    assert (found.largest, found.named, found.suggestions) == ("", (), ())
    assert [gap.status for gap in found.gaps] == ["not established"] * 4


def test_a_gap_across_a_missing_split_names_all_it_may_be():
    found = ladder(0, 1, None, None, 9)
    variance = found.gaps[1]
    assert (variance.upper, variance.lower) == ("train", "test")
    assert variance.causes == ("variance", "data mismatch", "overfitting to dev")
    assert [gap.status for gap in found.gaps] == ["established", "established", "missing", "missing"]
    assert found.missing == ("train-dev", "dev")
    assert [one.what for one in found.suggestions][:2] == [
        "measure train-dev, to tell variance from data mismatch",
        "measure dev, to tell variance from overfitting to dev",
    ]


def test_an_easier_lower_split_is_reversed_and_not_named():
    found = ladder(0, 5, 2)
    assert (found.gaps[1].status, found.named) == ("reversed", ("avoidable bias",))


@given(
    st.floats(0, 1),
    st.dictionaries(st.sampled_from(SPLITS), st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))),
)
def test_the_gaps_add_up_whatever_is_missing(human, counts):
    errors = {split: proportion(*pair) for split, pair in counts.items()}
    if not errors:
        with pytest.raises(ValueError, match="no split"):
            diagnose(human, errors)
        return
    found = diagnose(human, errors)
    assert tuple(gap.name for gap in found.gaps) == GAPS
    assert set(found.missing) == set(SPLITS) - set(errors) and list(found.errors) == [s for s in SPLITS if s in errors]
    gaps = [gap.difference for gap in found.gaps if gap.difference is not None]
    assert len(gaps) == len(errors)
    assert sum(gap.value for gap in gaps) == pytest.approx(list(found.errors.values())[-1].value - human)
    for gap in found.gaps:
        assert (gap.difference is None) == (gap.status == "missing")
        if gap.difference is not None:
            assert (gap.status == "established") == (gap.p <= 0.05 and gap.difference.value > 0)
    assert (found.largest in found.named) if found.named else found.largest == ""


@pytest.mark.parametrize(("human", "errors"), [(1.5, {"test": proportion(1, 2)}), (0, {"validation": proportion(1, 2)})])
def test_impossible_input_is_refused(human, errors):
    with pytest.raises(ValueError, match="under a human error"):
        diagnose(human, errors)


def commands(setting: CommandContext) -> set[str]:
    """Every command that any ladder leads to, with each gap in turn and splits missing."""
    found = set()
    for there in product([True, False], repeat=3):
        for wide in range(4):
            known = [split for split, kept in zip(SPLITS, (*there, True), strict=True) if kept]
            errors = {s: Estimate(*[0.4 if SPLITS.index(s) >= wide else 0.0] * 3, MANY) for s in known}
            found |= {one.command for one in diagnose(0, errors, setting).suggestions}
    return found


@pytest.mark.parametrize(
    "setting",
    [
        CommandContext(),
        CommandContext(data="my pictures.npz", model="lenet", run="runs/a b", epochs=5, optimizer="adamw", channels=1),
        CommandContext(data="$HOME/x", model="nets.py:Net", run="runs/a", channels=4),
        CommandContext(model="cifar-resnet-20", epochs=30, optimizer="sgd"),
        CommandContext(data="films", model="besnet18", run="runs/films", clips=True),
    ],
)
def test_every_move_is_a_command_that_runs(setting: CommandContext, capsys: pytest.CaptureFixture[str]):
    """Each is read by the command line's own declarations, and the names in it are of what there is."""
    found = commands(setting)
    assert len(found) > 15
    for command in found:
        program, name, *rest = shlex.split(command)
        assert program == "dlcli" and "{" not in command
        assert _invoke([name, *rest, "--print-config"]) == 0
        values = tomllib.loads(capsys.readouterr().out)[name]
        if name == "eval":
            continue
        assert values["data"] == setting.data or values["data"].endswith("/" if setting.clips else ".npz")
        size, x = (16, 16), torch.rand(2, setting.channels, *(3,) * setting.clips, 16, 16)
        augment = augmentation(values.get("augment", []), size)
        assert augment is None or augment(x, torch.Generator().manual_seed(0)).shape == x.shape
        for surgery in values.get("with", []):
            check_surgery(surgery)
        if values["model"] != setting.model:
            data = ImageData(x, torch.tensor([0, 1]), x, torch.tensor([0, 1]), ("a", "b"), "made up")
            assert find_model(values["model"], data).build()(x).shape == (2, 2)


def test_moves_follow_the_setting():
    """Photographs may be mirrored and figures may not; longer is twice the recipe; the optimiser is another one."""
    photographs = " ".join(commands(CommandContext(model="cifar-resnet-20", epochs=30, optimizer="adamw", channels=3)))
    assert "--augment crop --augment horizontal-flip" in photographs and "--epochs 60" in photographs
    assert "--optimizer sgd" in photographs and "--model cifar-resnet-44" in photographs
    grey = " ".join(commands(CommandContext(channels=1)))
    assert "flip" not in grey and "--augment shift" in grey and "--augment color-jitter" in grey and "--optimizer adamw" in grey
    assert "color-jitter" not in " ".join(commands(CommandContext(channels=4)))
    assert not any(
        "--model" in line and "besnet50" not in line for line in commands(CommandContext(model="besnet50", clips=True))
    )


def _is_other(name: str) -> bool:
    """Whether a network is of sequences or of masks."""
    module = MODELS.module(name)
    return getattr(module, "TAKES", "images") != "images" or getattr(module, "MASKS", False)


@pytest.mark.parametrize("name", [name for name in MODELS.names() if not _is_other(name)])
def test_a_bigger_network_is_larger(name: str):
    """Of the same family where there is one, and it has more weights than the network itself."""
    x = torch.rand(2, 3, 32, 32)
    data = ImageData(x, torch.tensor([0, 1]), x, torch.tensor([0, 1]), ("a", "b"), "made up")
    family = hasattr(MODELS.module(name), "DEPTH")
    larger = bigger(name)
    assert larger.startswith(f"{name}-") if family else larger == "cifar-resnet-56"
    small, large = (sum(p.numel() for p in find_model(spec, data).build().parameters()) for spec in (name, larger))
    assert large > small or not family
    if family:
        assert bigger(larger).startswith(f"{name}-") and bigger(larger) != larger


@pytest.mark.slow
def test_the_families_of_torchvision_grow():
    """Each step up is a network of torchvision's, with more weights, or for DenseNet and the like more depth."""
    models = pytest.importorskip("torchvision.models")
    for names in (line.split() for line in _BIGGER):
        assert [bigger(name) for name in names] == [*names[1:], "cifar-resnet-56"]
        with torch.device("meta"):
            sizes = [sum(p.numel() for p in models.get_model(name, weights=None).parameters()) for name in names]
        assert sizes == sorted(set(sizes)), names
