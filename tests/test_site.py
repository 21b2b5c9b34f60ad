"""The documentation site: it builds without a warning, and nothing in it comes from another host."""

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from dlcli.cli.exit_codes import MEANINGS, ExitCode
from tests.conftest import ROOT


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("mkdocs")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-d", str(folder)]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


class _Sources(HTMLParser):
    """The addresses that a browser loads by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        loads = tag in ("script", "img", "iframe", "source") or (tag == "link" and given.get("rel") == "stylesheet")
        self.found += [value for name in ("src", "href") if loads and (value := given.get(name))]


def test_every_document_is_a_page_and_loads_nothing_from_another_host(site: Path) -> None:
    pages = [path for path in ROOT.glob("docs/**/*.md")]
    assert len(pages) > 10
    for path in pages:
        page = site / path.relative_to(ROOT / "docs").with_suffix("") / "index.html"
        sources = _Sources()
        sources.feed(page.read_text(encoding="utf-8"))
        assert sources.found and not [address for address in sources.found if re.match(r"(https?:)?//", address)], path


def test_links_of_the_readme_lead_to_pages(site: Path) -> None:
    text = (site / "index.html").read_text(encoding="utf-8")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    linked = re.findall(r"\]\(docs/([\w/-]+)\.md", readme)
    assert len(set(linked)) > 5
    assert all(f'href="{name}/' in text for name in linked)
    assert 'href="docs/' not in text


def test_flags_and_intervals_are_not_broken_and_pictures_are_there(site: Path) -> None:
    for path in site.rglob("index.html"):
        page = path.read_text(encoding="utf-8")
        cells = "".join(re.findall(r"<td.*?</td>", page, flags=re.DOTALL))
        assert not re.search(r'(?<!class="whole">)\[[-+.\d]+, [-+.\d]+\]', cells), path
        assert not re.search(r"(?<!<pre>)<code>--[\w-]{1,20}</code>", page), path
        pictures = re.findall(r'<img [^>]*src="([^"]+)"', page)
        assert all((path.parent / picture).is_file() for picture in pictures), path
    assert 'class="whole"' in (site / "statistics" / "index.html").read_text(encoding="utf-8")


def test_the_manual_pages_are_sound(tmp_path: Path) -> None:
    """No request that groff does not know, and each option once."""
    for path in sorted((ROOT / "docs" / "man").glob("*.1")):
        options = re.findall(r"^\\fB(?:\\-\w, )?\\-\\-([\w\\-]+)", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        assert len(options) == len(set(options)) > 1, path.name
        if Path("/usr/bin/groff").exists():
            done = subprocess.run(["groff", "-man", "-Tutf8", "-ww", path], capture_output=True, text=True, check=False)
            assert (done.returncode, done.stderr) == (0, ""), path.name


def test_the_readme_has_the_exit_statuses_of_the_program() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert all(f"| {status} | {meaning} |" in text for status, meaning in MEANINGS.items())
    assert {int(number) for status in MEANINGS for number in status.split(", ")} == set(ExitCode)
