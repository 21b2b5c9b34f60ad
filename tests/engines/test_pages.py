"""The pages that commands leave, from small real runs: what stands where, and how they look in a browser."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from dlcli.core.html_report.page import Page
from dlcli.core.html_report.parts import PageTable
from dlcli.engines import attack, convert_2d_to_3d, ensemble, eval, probe_gradients, train
from dlcli.specs.attack import AttackConfig
from dlcli.specs.convert_2d_to_3d import Convert2DTo3DConfig
from dlcli.specs.ensemble import EnsembleConfig
from dlcli.specs.eval import EvalConfig
from dlcli.specs.probe_gradients import ProbeGradientsConfig
from dlcli.specs.train import TrainConfig
from tests.browser import browser, needs_browser

VOID = {"meta", "img", "br"}
PAGES = ("attack", "attack-methods", "train", "train-versus", "ensemble", "eval", "probe-gradients", "probe-network", "convert")
QUICK = {"epochs": 1, "limit": 40, "device": "cpu"}
PROBE = {"seeds": 2, "depth": 6, "points": 32, "device": "cpu"}


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Each page by its name."""
    base = tmp_path_factory.mktemp("pages")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(base / "cache"))
        found = {name: base / name / "report.html" for name in PAGES} | {"convert": base / "video.html"}
        folder = {name: path.parent for name, path in found.items()}
        attack.run(AttackConfig(**QUICK, members=2, ensemble="max", eps=(0.05, 0.1), output=folder["attack"]))
        attack.run(AttackConfig(**QUICK, method=("fgsm", "deepfool"), eps=(0.05, 0.1), output=folder["attack-methods"]))
        train.run(TrainConfig(**QUICK, output=folder["train"]))
        train.run(TrainConfig(**QUICK | {"epochs": 2}, versus="--lr 0.1", seeds=2, output=folder["train-versus"]))
        ensemble.run(EnsembleConfig(**QUICK, members=3, workers=1, output=folder["ensemble"]))
        judged = {"model": str(folder["train"]), "device": "cpu", "limit": 60}
        eval.run(EvalConfig(**judged, output=folder["eval"], slices=("class",)))
        probe_gradients.run(ProbeGradientsConfig(**PROBE, output=folder["probe-gradients"]))
        network = {"model": "resnet-4", "limit": 20, "walks": 2, "points": 16, "lesion": True, "paths": True}
        probe_gradients.run(ProbeGradientsConfig(**network, device="cpu", output=folder["probe-network"]))
        convert_2d_to_3d.run(Convert2DTo3DConfig(model="cifar-resnet-8", size=16, frames=3, output=base / "video.safetensors"))
    return found


class Reader(HTMLParser):
    """The tags of a page in order, each with its attributes and the tags around it; refuses those that are not closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None], tuple[str, ...]]] = []
        self.text: list[tuple[str, tuple[str, ...]]] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs), tuple(self.open)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append((data, tuple(self.open)))


@pytest.fixture(params=PAGES)
def path(request: pytest.FixtureRequest, pages: dict[str, Path]) -> Path:
    return pages[request.param]


def test_the_result_and_a_picture_come_first(path: Path):
    read = Reader(path.read_text())
    tags = [tag for tag, *_ in read.seen]
    body = [(tag, attributes.get("class")) for tag, attributes, around in read.seen if around == ("html", "body")]
    assert body[:3] == [("h1", None), ("p", "headline"), ("p", "lead")]
    number = "".join(text for text, around in read.text if around[-1:] == ("strong",))
    assert re.search(r"\w", number)
    assert tags.index("svg" if "svg" in tags else "img") < tags.index("table") if "table" in tags else "svg" in tags


def test_open_tables_have_six_columns_at_most(path: Path):
    shown = [0]
    for tag, attributes, around in Reader(path.read_text()).seen:
        if "details" in around:
            continue
        if tag == "table":
            shown.append(0)
        shown[-1] += tag == "th" and attributes.get("scope") == "col"
    assert max(shown) <= 6


def test_every_picture_is_described_and_nothing_is_fetched(path: Path):
    page = path.read_text()
    read = Reader(page)
    for tag, attributes, _ in read.seen:
        if tag == "img":
            assert attributes["alt"] and attributes["src"].startswith("data:image/png;base64,")
        if tag == "svg":
            assert attributes["aria-label"] and attributes["role"] == "img"
        assert (attributes.get("href") or "#").startswith(("#", "data:image/png;base64,"))
    assert not {"script", "link", "iframe"} & {tag for tag, *_ in read.seen}
    assert not re.search(r"https?://|@import|url\((?!#)", page)
    names = [attributes["id"] for _, attributes, _ in read.seen if "id" in attributes]
    assert len(set(names)) == len(names) and len(page) < 1_000_000


def test_hashes_are_at_the_foot_or_in_a_fold(path: Path):
    around = [around for text, around in Reader(path.read_text()).text if re.search(r"\b[0-9a-f]{64}\b", text)]
    assert all({"footer", "details"} & set(tags) for tags in around)


def test_two_runs_leave_the_same_page(pages: dict[str, Path], tmp_path: Path):
    probe_gradients.run(ProbeGradientsConfig(**PROBE, output=tmp_path))
    convert_2d_to_3d.run(Convert2DTo3DConfig(model="cifar-resnet-8", size=16, frames=3, output=tmp_path / "video.safetensors"))
    assert (tmp_path / "report.html").read_bytes() == pages["probe-gradients"].read_bytes()
    assert (tmp_path / "video.html").read_bytes() == pages["convert"].read_bytes()


def test_metrics_are_spelled_out(pages: dict[str, Path]):
    page = pages["eval"].read_text()
    for name in ("negative log-likelihood (nll)", "Brier score (brier)", "expected calibration error (ece)"):
        assert re.search(rf"{re.escape(name)}[^<]*; lower is better", page)


WIDE = """return [...document.querySelectorAll('body *')].filter((one) => !one.closest('svg *, .wide > *') &&
  one.getBoundingClientRect().right > innerWidth + 1).map((one) => one.outerHTML.slice(0, 80))"""
ANSWERS = """return [...document.querySelectorAll('.wide')].filter((one) => !one.closest('details')).map((one) =>
  Math.max(...[...one.querySelectorAll('tr > :nth-child(2)')].map((cell) => cell.getBoundingClientRect().right)))"""
INK = """return [...document.querySelectorAll('p, td, svg text')].map((one) => [one.tagName, getComputedStyle(one)])
  .map(([tag, style]) => (tag === 'text' ? style.fill : style.color).match(/[0-9]+/g).slice(0, 3).map(Number))"""


@pytest.mark.slow
@needs_browser
def test_pages_fit_narrow_and_wide_windows_light_and_dark(pages: dict[str, Path], tmp_path: Path):
    with browser(tmp_path) as window:
        for path in pages.values():
            for width in (1280, 500):
                for look, paper in (("light", [255, 255, 255]), ("dark", [23, 24, 28])):
                    window.emulate(width, look)
                    window.open(path)
                    assert window.run(WIDE) == [] and window.log() == []
                    assert all(right <= width for right in window.run(ANSWERS))
                    colour = "return getComputedStyle(document.body).backgroundColor.match(/[0-9]+/g).map(Number)"
                    assert window.run(colour) == paper
                    # Text contrasts with the background, except for counts on the dark cells of a matrix.
                    inks = [ink for ink in window.run(INK) if ink != [254, 254, 254]]
                    assert inks and all(abs(sum(ink) - sum(paper)) > 200 for ink in inks)


BOX = """const box = document.querySelector('.wide'), caption = box.querySelector('caption').getBoundingClientRect();
  box.scrollLeft = arguments[0] ? box.scrollWidth : 0;
  const {left, right, bottom} = box.getBoundingClientRect();
  return [left, right, box.querySelector('thead').getBoundingClientRect().bottom - 3, caption.left, caption.right]"""


@pytest.mark.slow
@needs_browser
def test_a_table_that_is_wider_than_the_window_shows_at_which_edge_it_goes_on(tmp_path: Path):
    heads = ["name", *(f"column {k}" for k in range(5))]
    table = PageTable("A caption that is long, so that it needs more than one line in a narrow window", heads, [["-"] * 6])
    (tmp_path / "page.html").write_text(Page("title", "1", "", "lead", [table]).html())
    with browser(tmp_path) as window:
        for look, paper in (("light", (255, 255, 255)), ("dark", (23, 24, 28))):
            window.emulate(300, look)
            window.open(tmp_path / "page.html")
            for at_end in (False, True):
                left, right, height, *caption = window.run(BOX, at_end)
                assert left <= caption[0] and caption[1] <= right
                window.screenshot(tmp_path / "seen.png")
                with Image.open(tmp_path / "seen.png") as seen:
                    edges = [seen.convert("RGB").getpixel((x, int(height))) for x in (int(left) + 1, int(right) - 2)]
                assert [edge == paper for edge in edges] == [not at_end, at_end]
