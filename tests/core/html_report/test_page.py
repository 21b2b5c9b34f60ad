"""The HTML page: everything on it, nothing fetched, nothing run."""

import base64
from html.parser import HTMLParser

from dlcli.core.html_report.page import Page, PageTable, Picture

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


FULL = Page(
    title="<b>net</b> & data",
    lead='it says "{x}"',
    facts=[("seed", "<script>alert(1)</script>")],
    tables=[PageTable("the <i>caption", ["who", "clean"], [["<one>", ("<0.9", "[0.8, 1.0] &amp;")], ["two", "–"]], strong=1)],
    pictures=[Picture(b"\x89PNG bytes", alt='a "picture"', caption="below")],
    details=[PageTable("all of it", ["who"], [["three"]])],
    notes=["note & more"],
)


def test_every_text_is_on_the_page_as_written() -> None:
    text = read(FULL).text
    wanted = [FULL.title, FULL.lead, "seed", "<script>alert(1)</script>", "the <i>caption", "who", "clean", "<one>", "<0.9"]
    wanted += ["[0.8, 1.0] &amp;", "two", "–", "below", "all of it", "three", "note & more"]
    assert text.index("below") < text.index("all of it") < text.index("note & more")
    assert [item for item in wanted if item not in text] == []


def test_nothing_is_run_or_fetched() -> None:
    seen = read(FULL).seen
    assert not {"script", "link", "iframe", "a", "b", "i"} & {tag for tag, _ in seen}
    assert not any(name.startswith("on") or name == "href" for _, attributes in seen for name in attributes)
    sources = [attributes["src"] or "" for _, attributes in seen if "src" in attributes]
    assert len(sources) == 1 and sources[0].startswith("data:image/png;base64,")
    assert base64.b64decode(sources[0].partition(",")[2]) == b"\x89PNG bytes"


def test_one_row_is_set_off() -> None:
    rows = [attributes for tag, attributes in read(FULL).seen if tag == "tr"]
    assert [row.get("class") for row in rows] == [None, None, "strong", None, None]


def test_empty_parts_leave_nothing_behind() -> None:
    tags = {tag for tag, _ in read(Page(title="t", lead="l")).seen}
    assert not tags & {"dl", "table", "figure", "h2", "ul"}


def test_words_stand_on_the_left() -> None:
    rows = [["cause", "evidence", "command", "0.5"]]
    seen = read(Page(title="t", lead="l", tables=[PageTable("c", ["a", "b", "c", "d"], rows, words=3)])).seen
    columns = [attrs.get("class") for tag, attrs in seen if tag in ("th", "td")]
    assert columns == [None, "words", "words", None] * 2


def test_text_in_backticks_is_code():
    page = Page("title", "set `resume`", notes=["`a<b` and ` alone"]).html()
    assert "set <code>resume</code>" in page and "<li><code>a&lt;b</code> and ` alone</li>" in page
