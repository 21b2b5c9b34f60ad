"""Shared by the scripts that measure: options, tables in Markdown, writing the page, and reporting errors."""

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from dlcli.support.atomic import write_text
from dlcli.support.errors import DlcliError


def page_options(doc: str | None, *, seed: bool = True) -> argparse.ArgumentParser:
    """A parser with the script's docstring as description, --output and, if wanted, --seed."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    if seed:
        parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("-o", "--output", type=Path, metavar="FILE.md", help="the page; default: standard output")
    return parser


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows))


def today() -> str:
    """The date in UTC."""
    return f"{datetime.now(UTC):%Y-%m-%d}"


def write_page(text: str, output: Path | None) -> None:
    """Write the page to `output`, or print it."""
    if output:
        write_text(output, text)
    else:
        print(text, end="")


def run_script(main: Callable[[], None]) -> None:
    """Run a script; an error that the user can fix is one line on standard error and exit status 1."""
    try:
        main()
    except DlcliError as error:
        sys.exit(f"{error.message}{': ' if error.hint else ''}{error.hint}")
