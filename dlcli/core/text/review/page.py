"""The page on which a person judges pairs of texts: `dlcli dedupe --review`.

It groups the texts anew, in the browser, wherever its threshold is put: `review_groups.js` does what `clusters.stars` does,
`review.js` draws it, and `review_memory.js` keeps what was judged. The page carries the texts, the pairs and those scripts,
fetches nothing and runs nothing else.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlcli.core.html_report.page import frame
from dlcli.core.text.review.text_diff import DiffTokenizer
from dlcli.core.text.review.uncertainty import most_uncertain_components
from dlcli.support.plural import count

MOST = 50_000
"""More pairs than this make a page slow, and nobody judges as many."""


@dataclass(frozen=True)
class Review:
    """What is to be judged. `texts`, `rows` and `copies` are parallel, in the order in which texts may become canonical.

    `rows` are row numbers as people count, `copies` says how many rows have that text. Pairs are parallel arrays (pairs,) with
    first < second, numbers of texts; `probability` is in [0, 1], and every pair at or above `lowest` is among them.
    `threshold` is where the page begins, in [lowest, 1]. With `central` the texts with the most pairs at or above the threshold
    become canonical first, which is another order at another threshold; `texts` then only decides between equals.
    """

    source: str
    column: str
    texts: Sequence[str]
    rows: Sequence[int]
    copies: Sequence[int]
    first: NDArray[np.integer]
    second: NDArray[np.integer]
    probability: NDArray[np.floating]
    threshold: float
    lowest: float
    central: bool = False

    def html(self, most: int = MOST) -> str:
        """The page. Of more than `most` pairs those parts of the pairs' graph are on it that are most in doubt."""
        kept = most_uncertain_components(len(self.texts), self.first, self.second, self.probability, self.threshold, most)
        body = _part("review.html").replace(_LEAD, escape(self._lead(len(self.first) - len(kept))))
        script = "".join(map(_part, ("review_groups.js", "review_memory.js", "review.js")))
        data = f'<script type="application/json" id="data">{_harmless(self._data(kept))}</script>'
        return frame(f"Duplicates in {self.source}", body + data, style=_part("review.css"), script=script)

    def _lead(self, left_out: int) -> str:
        lead = f"Pairs from column '{self.column}' of {self.source}, those nearest the threshold first."
        if not left_out:
            return lead
        return f"{lead} {count(left_out, 'pair')} less in doubt {'is' if left_out == 1 else 'are'} not on this page."

    def _data(self, kept: NDArray[np.intp]) -> dict[str, Any]:
        """Texts that are in a pair, in their order, and the pairs as `stars` takes them: by second, then the likest first."""
        first, second, probability = self.first[kept], self.second[kept], self.probability[kept]
        order = np.lexsort((first, -probability, second))
        used = np.unique(np.concatenate([first, second]))
        cutter = DiffTokenizer()
        return {
            "source": self.source,
            "threshold": self.threshold,
            "lowest": self.lowest,
            "central": self.central,
            "texts": [cutter.cut(self.texts[k]) for k in used],
            "rows": [int(self.rows[k]) for k in used],
            "copies": [int(self.copies[k]) for k in used],
            "first": np.searchsorted(used, first[order]).tolist(),
            "second": np.searchsorted(used, second[order]).tolist(),
            "probability": probability[order].tolist(),
        }


_LEAD = "<!-- lead -->"


def _part(name: str) -> str:
    return (files("dlcli.core.text.review") / name).read_text(encoding="utf-8")


def _harmless(data: Any) -> str:
    """JSON that can stand in a page: ASCII, so that no character ends a line, and without what begins a tag or an entity."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
