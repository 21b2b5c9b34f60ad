"""An ensemble on disk: restored as one network that predicts by a rule; errors name damaged files."""

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from dlcli.core.data.base import ImageData
from dlcli.core.ensembles.combine import RULES
from dlcli.core.model_io.checkpoint import weights_sha256
from dlcli.core.model_io.ensemble_dir import METADATA, is_ensemble, load_ensemble, member_folder, save_ensemble_metadata
from dlcli.core.model_io.run_dir import save_model
from dlcli.core.model_io.trained import open_trained
from dlcli.core.models.zoo import digits_net
from dlcli.support.errors import InputError, UsageError

CPU = torch.device("cpu")
X = torch.rand(6, 1, 8, 8, generator=torch.Generator().manual_seed(0))
Y = torch.arange(6) % 3
DATA = ImageData(X, Y, X, Y, ("ant", "bee", "cat"), "insects.npz")


def save(folder: Path, number: int, model: nn.Module, classes: tuple[str, ...] = DATA.classes) -> None:
    place = member_folder(folder, number)
    save_model(place, model=model, spec="digits-net", surgery=[], channels=1, size=(8, 8), classes=classes)


@pytest.fixture
def models(tmp_path: Path) -> list[nn.Module]:
    found = []
    for number in range(3):
        torch.manual_seed(number)
        found.append(digits_net.build(1, (8, 8), 3).eval())
        save(tmp_path, number, found[-1])
    assert not is_ensemble(tmp_path)
    save_ensemble_metadata(tmp_path, 3, "max")
    return found


def test_members_and_rule_are_restored_in_order(tmp_path: Path, models: list[nn.Module]):
    found = load_ensemble(tmp_path, CPU)
    assert is_ensemble(tmp_path) and (found.rule, found.spec) == ("max", "3 x digits-net")
    assert [one.sha256 for one in found.members] == [weights_sha256(model) for model in models]


@pytest.mark.parametrize("rule", [None, *RULES])
def test_the_ensemble_as_a_model_predicts_by_its_rule(tmp_path: Path, models: list[nn.Module], rule: str | None):
    found = open_trained(str(tmp_path), DATA, rule=rule, device=CPU)
    with torch.no_grad():
        each = torch.stack([model(X) for model in models])
        assert torch.equal(found.model(X).argmax(1), RULES[rule or "max"](each))
    assert found.name == f"3 x digits-net ({rule or 'max'} rule)" and found.classes == DATA.classes
    assert len(found.members) == 3 and (found.rule, found.member_spec) == (rule or "max", "digits-net")


def test_the_hash_covers_all_members(tmp_path: Path, models: list[nn.Module]):
    before = load_ensemble(tmp_path, CPU).sha256
    save(tmp_path, 2, models[0])
    assert load_ensemble(tmp_path, CPU).sha256 != before


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ("{", "not JSON"),
        ("[]", "rule is missing"),
        ('{"members": [], "rule": "max"}', "members must be a list of at least 1"),
        ('{"members": ["../elsewhere"], "rule": "max"}', "members must be a list in which each is a path in this folder"),
        ('{"members": ["/etc"], "rule": "max"}', "members must be a list in which each is a path in this folder"),
        ('{"members": ["members/000"], "rule": "mode"}', "rule must be one of mean, max"),
        ('{"members": ["members/009"], "rule": "max"}', "not a run directory"),
    ],
)
def test_the_error_names_a_damaged_metadata_file(tmp_path: Path, models: list[nn.Module], metadata: str, message: str):
    (tmp_path / METADATA).write_text(metadata)
    with pytest.raises(InputError, match=message):
        load_ensemble(tmp_path, CPU)


def test_members_with_different_classes_are_an_error(tmp_path: Path, models: list[nn.Module]):
    save(tmp_path, 1, models[1], ("ant", "bee", "dog"))
    with pytest.raises(InputError, match="members/001: was made for other classes than members/000"):
        load_ensemble(tmp_path, CPU)


def test_a_rule_for_a_single_network_is_a_usage_error(tmp_path: Path, models: list[nn.Module]):
    with pytest.raises(UsageError, match="is not an ensemble"):
        open_trained(str(member_folder(tmp_path, 0)), DATA, rule="max", device=CPU)
    with pytest.raises(UsageError, match="`arch`"):
        open_trained(str(tmp_path), DATA, arch="lenet", device=CPU)


def test_the_metadata_file_is_plain_json(tmp_path: Path):
    save_ensemble_metadata(tmp_path, 2, "vote")
    assert json.loads((tmp_path / METADATA).read_text()) == {"rule": "vote", "members": ["members/000", "members/001"]}


def test_a_member_is_named_once(models: list[nn.Module], tmp_path: Path):
    (tmp_path / METADATA).write_text(json.dumps({"rule": "max", "members": ["members/000", "members/001", "members/000"]}))
    with pytest.raises(InputError, match="'members/000' is named 2 times"):
        load_ensemble(tmp_path, CPU)
