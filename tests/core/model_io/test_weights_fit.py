"""The weights of a network are found in a file by what fits, at any nesting and behind any prefix."""

from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from dlcli.core.model_io.checkpoint import load_state_into
from dlcli.core.model_io.weights_file import StoredTensor, WeightsFile, read_weights_file
from dlcli.core.model_io.weights_fit import FittedWeights, fit_weights
from dlcli.support.errors import InputError, UsageError


class Net(nn.Module):
    """Convolution, batch normalisation and a linear layer, two of them in a child."""

    def __init__(self, outputs: int = 3) -> None:
        super().__init__()
        self.f = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
        self.fc = nn.Linear(2, outputs)


def state(seed: int = 0, outputs: int = 3) -> dict[str, Tensor]:
    torch.manual_seed(seed)
    return {
        name: torch.rand(value.shape) if value.is_floating_point() else value
        for name, value in Net(outputs).state_dict().items()
    }


STATE = state()
OTHER = state(1)


def under(prefix: str, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {prefix + name: tensor for name, tensor in weights.items()}


def fitted(tmp_path: Path, held: Any, own: dict[str, Tensor] = STATE, **options: Any) -> FittedWeights:
    torch.save(held, tmp_path / "w.pt")
    return fit_weights(read_weights_file(tmp_path / "w.pt"), own, network="Net", **options)


def is_state(found: FittedWeights, expected: dict[str, Tensor] = STATE) -> bool:
    return found.state.keys() == expected.keys() and all(torch.equal(found.state[name], expected[name]) for name in expected)


# Python words that can be parts of names; not those of the network itself, nor of optimizers.
PARTS = st.text("abcdefghijklmnopqrstuvwxyz_", min_size=1, max_size=6).filter(lambda part: part not in ("f", "fc", "beside"))
BOOKKEEPING = st.dictionaries(
    st.sampled_from(["total_ops", "f.total_params", "f.0.total_ops", "val_acc.tp", "train_metrics.f1.fn", "criterion.weight"]),
    st.integers(1, 3).map(torch.zeros),
)


@given(
    keys=st.lists(PARTS, max_size=3),
    prefix=st.lists(PARTS, max_size=3),
    beside=BOOKKEEPING,
    split=st.booleans(),
    data=st.data(),
)
def test_weights_are_found_behind_any_keys_and_prefix(
    keys: list[str], prefix: list[str], beside: dict[str, Tensor], split: bool, data: st.DataObject
):
    """What is put around the weights is taken off again, whatever lies beside them."""
    start = "".join(f"{part}." for part in prefix)
    held: Any = under(start, STATE)
    if split:  # one mapping per child of the network
        held = {name: {key: value for key, value in held.items() if key.startswith(start + name)} for name in ("f.", "fc.")}
        held = {
            start + name[:-1]: under("", {k.removeprefix(start + name): v for k, v in part.items()})
            for name, part in held.items()
        }
    else:
        inner = data.draw(st.booleans())
        held = held | under(start if inner else "", beside)
    for key in keys:
        held = {"beside": {"epoch": 3, "state": {0: {"exp_avg": torch.ones(2)}}}, "best": torch.tensor(1.0), key: held}
    flat = WeightsFile(Path("w.pt"), dict(_flat(held, ())))
    found = fit_weights(flat, STATE, network="Net")
    assert is_state(found) and not found.warnings
    place = ".".join([*reversed(keys), *prefix])
    assert bool(found.notes) == bool(place or (beside and not split))
    if place:
        assert found.notes[0] == f"w.pt: the weights are those under '{place}'"


def _flat(held: Any, place: tuple[str, ...]) -> Any:
    for key, value in held.items():
        if isinstance(value, Tensor):
            yield ".".join((*place, str(key))), StoredTensor(value, ".".join(place))
        elif isinstance(value, dict):
            yield from _flat(value, (*place, str(key)))


@pytest.mark.parametrize(
    "wrapped",
    [
        nn.DataParallel(Net()),
        torch.compile(Net()),
        nn.ModuleDict({"model": torch.compile(Net())}),
        nn.DataParallel(torch.compile(Net())),
        torch.optim.swa_utils.AveragedModel(Net()),
    ],
    ids=["DataParallel", "compile", "within", "both", "AveragedModel"],
)
def test_the_names_of_torch_s_own_wrappers_are_taken_off(tmp_path: Path, wrapped: nn.Module):
    expected = [value for value in wrapped.state_dict().values() if value.shape or value == 0][-len(STATE) :]
    found = fitted(tmp_path, {"state_dict": wrapped.state_dict()})
    assert all(torch.equal(a, b) for a, b in zip(found.state.values(), expected, strict=True))
    assert list(found.state) == list(STATE) and "state_dict" in found.notes[0]


def test_wrappers_of_parts_of_the_network_are_taken_off(tmp_path: Path):
    model = Net()
    model.f = torch.compile(model.f)  # type: ignore[assignment]
    model.fc = nn.DataParallel(model.fc)  # type: ignore[assignment]
    found = fitted(tmp_path, model.state_dict())
    assert list(found.state) == list(STATE) and torch.equal(found.state["fc.bias"], model.fc.module.bias)  # type: ignore[union-attr]
    assert "without the parts of wrappers" in found.notes[0]
    assert is_state(fitted(tmp_path, STATE, own=dict(nn.DataParallel(Net()).state_dict())), under("module.", STATE))


def test_the_network_may_be_a_wrapper_of_the_one_in_the_file(tmp_path: Path):
    found = fitted(tmp_path, {"net": STATE}, own=under("backbone.", STATE))
    assert is_state(found, under("backbone.", STATE)) and "lack the 'backbone.'" in found.notes[1]


@pytest.mark.parametrize(
    ("held", "used", "other"),
    [
        ({"state_dict": STATE, "state_dict_ema": OTHER}, "state_dict", "state_dict_ema"),
        ({"model_ema": under("module.", OTHER) | {"n_averaged": torch.tensor(3)}, "model": STATE}, "model", "model_ema.module"),
        ({"state_dict": under("model.", STATE) | under("ema_model.", OTHER)}, "state_dict.model", "state_dict.ema_model"),
        (under("ema.", OTHER) | STATE, "those at the top", "ema"),
    ],
)
def test_of_two_sets_that_of_a_usual_name_is_taken_with_a_warning(tmp_path: Path, held: Any, used: str, other: str):
    found = fitted(tmp_path, held)
    assert is_state(found)
    assert len(found.warnings) == 1 and found.warnings[0] in found.notes
    assert f"{used} is used" in found.warnings[0] and f"`weights_key={other}` takes another" in found.warnings[0]
    asked = fitted(tmp_path, held, key=other)
    assert is_state(asked, OTHER) and not asked.warnings and asked.notes[0].endswith(f"under '{other}'")


def test_two_sets_of_unusual_names_are_refused(tmp_path: Path):
    held = {"generator": STATE, "discriminator": OTHER, "epoch": 3}
    with pytest.raises(UsageError, match="2 sets of weights that fit Net: generator, discriminator") as caught:
        fitted(tmp_path, held)
    assert caught.value.hint == "choose one, such as `weights_key=generator`"
    assert is_state(fitted(tmp_path, held, key="discriminator"), OTHER)


def test_equal_sets_and_sets_of_another_shape_are_no_choice(tmp_path: Path):
    equal = fitted(tmp_path, {"best": STATE, "last": {name: tensor.clone() for name, tensor in STATE.items()}})
    wide = {
        name: tensor if tensor.dim() < 2 else torch.rand(*tensor.shape[:1], 9, *tensor.shape[2:])
        for name, tensor in OTHER.items()
    }
    for found in (equal, fitted(tmp_path, {"big": wide, "small": STATE})):
        assert is_state(found) and not found.warnings


def test_a_set_for_another_number_of_classes_is_a_choice(tmp_path: Path):
    held = {"state_dict": state(0, outputs=7), "state_dict_ema": OTHER}
    found = fitted(tmp_path, held)
    assert found.state["fc.weight"].shape == (7, 2) and found.warnings


def test_a_key_that_is_not_there_names_those_that_are(tmp_path: Path):
    with pytest.raises(UsageError, match="nothing is called ema") as caught:
        fitted(tmp_path, {"state_dict": STATE, "teacher": OTHER}, key="ema")
    assert caught.value.hint == "choose from state_dict, teacher"
    nested = {"a": {"x": STATE}, "b": {"x": OTHER}}
    with pytest.raises(UsageError, match="x is in several places") as caught:
        fitted(tmp_path, nested, key="x")
    assert caught.value.hint == "choose from a.x, b.x"
    assert is_state(fitted(tmp_path, nested, key="b.x"), OTHER)


@pytest.mark.parametrize(
    ("beside", "known"),
    [
        ({"total_ops": torch.zeros(1)}, True),
        ({"f.0.total_params": torch.zeros(1)}, True),
        ({"val_acc.tp": torch.zeros(3)}, True),
        ({"val_confmat.confmat": torch.zeros(3, 3)}, True),
        ({"loss_fn.net.0.weight": torch.zeros(3, 3)}, True),
        ({"position_ids": torch.arange(4)}, True),
        ({"extra.weight": torch.zeros(3, 3)}, False),
        ({"accent.weight": torch.zeros(3, 3)}, False),
        ({"f.2.weight": torch.zeros(2), "f.2.bias": torch.zeros(2)}, False),
        ({"temperature": torch.ones(1)}, False),
        ({"metric_head.weight": torch.zeros(3, 3)}, False),
    ],
)
def test_only_bookkeeping_is_ignored(tmp_path: Path, beside: dict[str, Tensor], known: bool):
    found = fitted(tmp_path, {"state_dict": STATE | beside})
    if known:
        assert is_state(found) and next(iter(beside)) in found.notes[1]
        load_state_into(Net(), found.state, source="w.pt", network="Net")
    else:
        with pytest.raises(InputError, match=f"unknown {next(iter(beside))}"):
            load_state_into(Net(), found.state, source="w.pt", network="Net")


@pytest.mark.parametrize("held", [{"state_dict": under("module.", STATE)}, under("model.", STATE), OrderedDict(STATE)])
def test_weights_of_another_network_are_refused_by_the_names_that_differ(tmp_path: Path, held: Any):
    class Deeper(Net):
        def __init__(self) -> None:
            super().__init__()
            self.more = nn.Linear(3, 3)

    found = fitted(tmp_path, held, own=dict(Deeper().state_dict()))
    with pytest.raises(InputError, match=r"w\.pt: the weights do not fit Deeper: missing more\.weight, more\.bias$"):
        load_state_into(Deeper(), found.state, source="w.pt", network="Deeper")
    nothing_alike = fitted(tmp_path, {"state_dict": {"a.weight": torch.zeros(2, 2)}, "optimizer": {"x": torch.zeros(1)}})
    with pytest.raises(InputError, match=r"missing f\.0\.weight, f\.0\.bias, f\.1\.weight and 5 more; unknown a\.weight$"):
        load_state_into(Net(), nothing_alike.state, source="w.pt", network="Net")


def test_batch_counts_may_be_missing(tmp_path: Path):
    older = {name: tensor for name, tensor in STATE.items() if not name.endswith("num_batches_tracked")}
    assert is_state(fitted(tmp_path, {"net": older}), older)
