"""How often the printed intervals hold the truth: the tables of docs/statistics.md.

    OMP_NUM_THREADS=1 python -m benchmarks.coverage [--runs 4] [--write]
    OMP_NUM_THREADS=1 python -m benchmarks.coverage --only masks

Every figure of `benchmarks/_coverage.py` with `--runs` times as many samples as in the tests. `--write` puts the tables between
the marks in docs/statistics.md. `--only` prints the rows of the figures whose name begins so.
"""

import argparse
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from math import inf
from pathlib import Path

from benchmarks._coverage import FIGURES, Figure, Rate

SEED = 1
BANDS = (1, 5, 20)
"""Expected mistakes at which the second table begins another column."""
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
    """The lines of both tables, each printed as soon as it is known."""
    head = f"{datetime.now(UTC).date()}, seed {SEED}. Lowest and highest coverage in % over the settings, each of n samples."
    found = []
    for line in (head, "", "| figure | settings | n | coverage, % |", "|---|---|---|---|"):
        yield printed(line)
    for one in measured(runs, only):
        found.append(one)
        yield printed(f"| {one.name} | {len(one.rates)} | {one.samples()} | {span(one.rates.values())} |")
    counted = [one for one in found if one.figure.mistakes is not None]
    if counted:
        for line in ("", *by_mistakes(counted)):
            yield printed(line)


def printed(line: str) -> str:
    """The line."""
    print(line, flush=True)
    return line


@dataclass(frozen=True)
class Measured:
    """The rates of a figure, or of a part of one that has several, by setting."""

    name: str
    figure: Figure
    rates: dict[tuple[float, ...], Rate]

    def samples(self) -> str:
        """How many samples a setting has."""
        least, most = (of(one.n for one in self.rates.values()) for of in (min, max))
        return f"{least:,}" if least == most else f"{least:,} to {most:,}"

    def between(self, low: float, high: float) -> list[Rate]:
        """The rates of settings with at least `low` and fewer than `high` expected mistakes."""
        if self.figure.mistakes is None:
            return []
        return [rate for setting, rate in self.rates.items() if low <= self.figure.mistakes(setting) < high]


def measured(runs: int, only: str = "") -> Iterator[Measured]:
    """The figures whose names begin with `only`."""
    for figure in FIGURES:
        if not figure.name.startswith(only):
            continue
        parts = {figure.name: list(figure.settings)}
        if figure.parts:
            parts = {name: [s for s in figure.settings if s[0] == k] for k, name in enumerate(figure.parts)}
        samples = max(runs * figure.runs, figure.longer)
        for name, settings in parts.items():
            yield Measured(name, figure, {one: figure.simulate(one, samples, SEED) for one in settings})


def by_mistakes(figures: list[Measured]) -> Iterator[str]:
    """A table of the same rates by expected mistakes."""
    names = ["fewer than 1", *(f"{low} to {high}" for low, high in pairwise(BANDS)), f"{BANDS[-1]} and more"]
    yield "The same by the number of mistakes that are expected; in parentheses the number of settings."
    yield ""
    yield f"| figure | {' | '.join(names)} |"
    yield f"|{'---|' * (len(names) + 1)}"
    for one in figures:
        cells = []
        for low, high in pairwise((0, *BANDS, inf)):
            rates = one.between(low, high)
            cells.append(f"{span(rates)} ({len(rates)})" if rates else "")
        yield f"| {one.name} | {' | '.join(cells)} |"


def span(rates: Collection[Rate]) -> str:
    """The lowest and the highest rate in %."""
    return f"{100 * min(one.rate for one in rates):.1f} to {100 * max(one.rate for one in rates):.1f}"


if __name__ == "__main__":
    main()
