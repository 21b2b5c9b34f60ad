"""How often the printed intervals hold the truth: the table of docs/statistics.md.

    OMP_NUM_THREADS=1 python -m benchmarks.coverage [--runs 4] [--write]
    OMP_NUM_THREADS=1 python -m benchmarks.coverage --only masks

Every figure of `benchmarks/_coverage.py` with `--runs` times as many samples as in the tests. `--write` puts the table between
the marks in docs/statistics.md. `--only` prints the rows of the figures whose name begins so.
"""

import argparse
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

from benchmarks._coverage import FIGURES, Figure

SEED = 1
PAGE = Path(__file__).resolve().parent.parent / "docs" / "statistics.md"


def main() -> None:
    """Simulate, print, and write the table if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=4, help="how many times as many samples as in the tests")
    parser.add_argument("--write", action="store_true", help="put the table into docs/statistics.md")
    parser.add_argument("--only", default="", help="the beginning of the names of the figures to print")
    given = parser.parse_args()
    if given.only and given.write:
        parser.error("--write needs every figure")
    lines = list(table(given.runs, given.only))
    if given.write:
        text = PAGE.read_text(encoding="utf-8")
        made = "<!-- coverage -->\n" + "\n".join(lines) + "\n<!-- end -->"
        PAGE.write_text(re.sub("<!-- coverage -->.*<!-- end -->", lambda found: made, text, flags=re.DOTALL), encoding="utf-8")


def table(runs: int, only: str = "") -> Iterator[str]:
    """The lines of the table, each printed as soon as it is known."""
    head = f"{datetime.now(UTC).date()}, seed {SEED}. Lowest and highest coverage in % over the settings, each of n samples."
    for line in chain((head, "", "| figure | settings | n | coverage, % |", "|---|---|---|---|"), rows(runs, only)):
        print(line, flush=True)
        yield line


def rows(runs: int, only: str = "") -> Iterator[str]:
    """A row for each figure whose name begins with `only`, and for each part of one that has several."""
    for figure in FIGURES:
        if not figure.name.startswith(only):
            continue
        parts = {figure.name: list(figure.settings)}
        if figure.parts:
            parts = {name: [s for s in figure.settings if s[0] == k] for k, name in enumerate(figure.parts)}
        for name, settings in parts.items():
            yield row(figure, name, settings, runs)


def row(figure: Figure, name: str, settings: list[tuple[float, ...]], runs: int) -> str:
    """The range of the rates over some settings."""
    found = [figure.simulate(setting, max(runs * figure.runs, figure.longer), SEED) for setting in settings]
    low, high = min(one.rate for one in found), max(one.rate for one in found)
    n = f"{min(one.n for one in found):,}" + (f" to {most:,}" if (most := max(one.n for one in found)) > found[0].n else "")
    return f"| {name} | {len(settings)} | {n} | {100 * low:.1f} to {100 * high:.1f} |"


if __name__ == "__main__":
    main()
