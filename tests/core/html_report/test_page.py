"""The HTML page: everything on it, nothing fetched, nothing run."""

from dataclasses import dataclass
from html.parser import HTMLParser

from dlcli.core.html_report.page import Page

VOID = {"meta", "img"}


class Reader(HTMLParser):
    """Collects text, tags and attributes, and checks that tags close in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open and data.strip():
            self.text.append(data.strip())


def read(page: Page) -> Reader:
    reader = Reader()
    reader.feed(page.html())
    reader.close()
    assert reader.open == []
    return reader


@dataclass(frozen=True)
class Words:
    text: str

    def html(self) -> str:
        return f"<p>{self.text}</p>"


FULL = Page(
    title="<b>net</b> & data",
    number="<9%",
    interval="[8, 10] &amp;",
    lead='it says "{x}" (95%)',
    parts=[Words("first"), Words("second")],
    facts=[("seed", "<script>alert(1)</script>")],
    notes=["note & more"],
)


def test_every_text_is_on_the_page_as_written_and_in_its_order() -> None:
    text = read(FULL).text
    wanted = [FULL.title, FULL.number, FULL.interval, FULL.lead, "first", "second", "note & more", "seed"]
    wanted += ["<script>alert(1)</script>"]
    assert [text.index(item) for item in wanted] == sorted(text.index(item) for item in wanted)
    assert any("95% intervals" in item for item in text)


def test_nothing_is_run_or_fetched() -> None:
    seen = read(FULL).seen
    assert not {"script", "link", "iframe", "a", "b", "i"} & {tag for tag, _ in seen}
    assert not any(name.startswith("on") or name in ("href", "src") for _, attributes in seen for name in attributes)
    policies = [attributes["content"] for _, attributes in seen if attributes.get("http-equiv") == "Content-Security-Policy"]
    assert policies == ["default-src 'none'; img-src data:; style-src 'unsafe-inline'"]


def test_empty_parts_leave_nothing_behind() -> None:
    tags = {tag for tag, _ in read(Page(title="t", number="1", lead="l")).seen}
    assert not tags & {"dl", "table", "figure", "h2", "ul", "footer", "small"}


def test_text_in_backticks_is_code():
    page = Page("title", "1", "set `resume`", notes=["`a<b` and ` alone"]).html()
    assert "set <code>resume</code>" in page and "<li><code>a&lt;b</code> and ` alone</li>" in page
