"""The hidden layer in what `dlcli attack -o DIR` leaves: the picture, the table beside it, and reasons where they are not."""

import re
from dataclasses import replace
from html import unescape
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from dlcli.core.ensembles.combine import RuleModel
from dlcli.core.html_report.figures import png
from dlcli.core.proportion import proportion
from dlcli.engines import attack
from dlcli.engines.attack import hidden_layer as module
from dlcli.engines.attack.hidden_layer import add_hidden_features, hidden_layer_figures
from dlcli.engines.attack.images import AttackedImages
from dlcli.engines.attack.report import write_report
from dlcli.specs.attack import AttackConfig, AttackResult
from dlcli.specs.figures import percent

CPU = torch.device("cpu")
EPS = 0.1
N = 40


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> AttackResult:
    """The figures of a short run, to stand on the page beside the hidden layer."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("home")))
        return attack.run(AttackConfig(epochs=1, limit=N, eps=(EPS,), device="cpu"))


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 12), nn.ReLU(), nn.Linear(12, 3))


def pictured(n: int = N, hidden: bool = True) -> AttackedImages:
    """Four blobs of features, two of class 0; adversarial images of class 1 lie in class 2, those of class 2 far from all."""
    draw = np.random.default_rng(0)
    labels = np.arange(n) % 4 % 3
    places = 10.0 * np.eye(4, 6)[np.arange(n) % 4]
    moved = np.where(labels[:, None] == 1, 10.0 * np.eye(4, 6)[2], places) + 100.0 * (labels[:, None] == 2) * np.eye(6)[5]
    predicted = np.array([0, 2, 0])[labels]
    clean, adversarial = (x + draw.normal(scale=0.1, size=x.shape) for x in (places, moved))
    images = draw.random((n, 1, 8, 8)).astype(np.float32)
    return AttackedImages(
        clean=images,
        labels=labels,
        predicted_clean=labels,
        adversarial={EPS: np.clip(images + 0.1, 0, 1)},
        predicted={EPS: predicted},
        classes=("ant", "bee", "cat"),
        hidden_clean=clean.astype(np.float32) if hidden else None,
        hidden={EPS: adversarial.astype(np.float32)} if hidden else {},
    )


def cells(page: str, name: str) -> list[str]:
    """The row called `name` of a table, as text."""
    (found,) = re.findall(rf"<tr[^>]*><th[^>]*>{name}</th>(.*?)</tr>", page)
    return [re.sub("<[^>]+>", "", cell) for cell in re.findall("<td>(.*?)</td>", found)]


def test_the_picture_and_the_figures_it_cannot_give(result: AttackResult, tmp_path: Path):
    write_report(tmp_path, result, pictured())
    picture = np.asarray(Image.open(tmp_path / "tsne.png").convert("L"))
    assert picture.shape[1] > 1000 and picture.std() > 10
    page = unescape((tmp_path / "report.html").read_text())
    assert "t-SNE distorts distances" in page and "No number on this page is computed from it" in page
    assert "Two clouds of points" in page and "No picture of the last hidden layer" not in page
    # Clean, all agree. Adversarial images of class 0 stay, and those of class 1 lie among class 2, as predicted. Those of
    # class 2, predicted as 0, lie away from all, and nearest to the blob of class 2 that they left.
    assert cells(page, "clean images")[:2] == [percent(proportion(40, 40)), "40"]
    assert cells(page, "adversarial images")[:2] == [percent(proportion(30, 40)), "40"]
    assert cells(page, "of these, turned from right to wrong")[:2] == [percent(proportion(10, 20)), "20"]


def test_without_features_the_page_has_a_note_and_an_old_picture_is_removed(result: AttackResult, tmp_path: Path):
    write_report(tmp_path, result, pictured())
    write_report(tmp_path, result, pictured(hidden=False))
    assert sorted(one.name for one in tmp_path.iterdir()) == ["adversarial.npz", "examples.png", "report.html"]
    page = (tmp_path / "report.html").read_text()
    assert "No picture of the last hidden layer: the network does not end in one linear layer." in page
    assert "neighbours agree" not in page


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_a_few_images_have_no_picture_and_a_reason(result: AttackResult, tmp_path: Path, n: int):
    write_report(tmp_path, result, pictured(n))
    assert not (tmp_path / "tsne.png").exists()
    page = (tmp_path / "report.html").read_text()
    few = "1 image is too few" if n == 1 else f"{n} images are too few"
    assert f"No picture of the last hidden layer: {few}" in page and "neighbours agree" not in page


def test_values_that_are_not_finite_are_a_reason_too(result: AttackResult):
    images = pictured()
    broken = np.full_like(images.hidden[EPS], np.inf)
    found = hidden_layer_figures(replace(images, hidden={EPS: broken}), result)
    assert found.picture is None and not found.parts and "not finite" in found.notes[0]


def test_images_that_changed_are_listed_only_where_some_did(result: AttackResult):
    images = pictured()
    withstood = replace(images, predicted={EPS: images.labels})
    wrong_before = replace(images, predicted_clean=images.predicted[EPS])
    for one in (withstood, wrong_before):
        *_, table = hidden_layer_figures(one, result).parts
        assert [row[0] for row in table.rows] == ["clean images", "adversarial images"]


def test_the_picture_is_the_same_each_time(result: AttackResult):
    first, second = (hidden_layer_figures(pictured(), result) for _ in range(2))
    assert png(first.picture) == png(second.picture) and first.parts[0].html() == second.parts[0].html()


def test_of_many_images_a_part_is_drawn_and_all_are_counted(result: AttackResult, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "MOST_POINTS", 12)
    calls = []
    draw = module.embedding_plot

    def recorded(clouds, labels, names, *, title):
        calls.append((len(labels), clouds, title))
        return draw(clouds, labels, names, title=title)

    monkeypatch.setattr(module, "embedding_plot", recorded)
    *_, table = hidden_layer_figures(pictured(), result).parts
    ((n, clouds, title),) = calls
    assert n == 12 and all(len(cloud.points) == 12 for cloud in clouds)
    assert "eps 0.1" in title and "n = 12 of 40 images" in title and result.method in title
    assert [row[2] for row in table.rows] == ["40", "40", "20"]


def test_features_are_those_of_the_network_at_that_eps(result: AttackResult):
    model, bare = network(), pictured(hidden=False)
    found = add_hidden_features(bare, EPS, model, CPU)
    with torch.no_grad():
        read = [model[:3](torch.from_numpy(x)).numpy() for x in (bare.clean, bare.adversarial[EPS])]
    assert np.allclose(found.hidden_clean, read[0], atol=1e-6) and np.allclose(found.hidden[EPS], read[1], atol=1e-6)
    assert replace(found, hidden_clean=None, hidden={}) == bare


def test_an_ensemble_adds_nothing():
    bare = pictured(hidden=False)
    assert add_hidden_features(bare, EPS, RuleModel([network(), network()], "mean"), CPU) is bare
