"""A hook of MkDocs: the README and its neighbours become pages of the site, and links lead to pages."""

import re
from pathlib import Path, PurePosixPath
from typing import Any

from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parent.parent
PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "CHANGELOG.md": "changelog.md",
}
"""Documents beside the folder docs, with the names of their pages."""
_LINK = re.compile(r"\[((?:[^\[\]]|\[[^\]]*\])*)\]\((?!https?:|mailto:|#)([^)#\s]+)(#[^)\s]*)?\)")

_SHORT_CODE = re.compile(r"(?<!<pre>)<code>([^<]{1,24})</code>")
_CELL = re.compile(r"<td.*?</td>", flags=re.DOTALL)
_INTERVAL = re.compile(r"\[[-+.\d]+, [-+.\d]+\]")


def on_files(files: Any, config: Any) -> Any:
    """Add the documents beside the folder docs."""
    for name, page in PAGES.items():
        files.append(File.generated(config, page, content=(ROOT / name).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Turn links between files of the repository into links between pages; a file that has none keeps only its name."""
    sources = {page: source for source, page in PAGES.items()}
    here = PurePosixPath(sources.get(page.file.src_uri, f"docs/{page.file.src_uri}"))

    def link(found: re.Match[str]) -> str:
        target = _normal(here.parent / found[2])
        name = PAGES.get(target, target.removeprefix("docs/"))
        if files.get_file_from_path(name) is None:
            return found[1]
        steps = len(PurePosixPath(page.file.src_uri).parents) - 1
        return f"[{found[1]}]({'../' * steps}{name}{found[3] or ''})"

    return _LINK.sub(link, markdown)


def on_page_content(html: str, page: Any, config: Any, files: Any) -> str:
    """Keep short code and intervals in tables on one line."""
    html = _SHORT_CODE.sub(r'<code class="whole">\1</code>', html)
    return _CELL.sub(lambda cell: _INTERVAL.sub(r'<span class="whole">\g<0></span>', cell[0]), html)


def _normal(path: PurePosixPath) -> str:
    """A path without `..`."""
    parts: list[str] = []
    for part in path.parts:
        if part == "..":
            parts.pop()
        else:
            parts.append(part)
    return "/".join(parts)
