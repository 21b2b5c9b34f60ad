"""The page for labelling pairs of texts: `dlcli dedupe --review`.

The browser groups the texts again whenever the threshold is moved: `review_groups.js` implements `clusters.group_texts`,
`review.js` draws the groups, and `review_memory.js` stores the labels. The page contains texts, pairs and scripts;
it loads nothing and runs nothing else.
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

MAX_PAIRS = 50_000
"""More pairs make a page slow, and are more than anyone labels."""


@dataclass(frozen=True)
class ReviewPage:
    """Texts, and pairs of them to label.

    Attributes:
        source: Name of the table.
        column: Name of the text column.
        texts: The texts, in the order in which they become canonical.
        rows: Row number of each text, from 1.
        copies: Number of rows with each text.
        first: Number of one text of each pair, (pairs,); less than `second`.
        second: Number of the other text, (pairs,).
        probability: Of each pair, in [0, 1]; all pairs at or above `lowest` are included.
        threshold: Initial threshold, in [lowest, 1].
        lowest: Lowest threshold that can be chosen.
        masked: Whether texts are shown masked, so that equal ones may be of rows that differ.
        central: Whether the texts with the most pairs at or above the threshold become canonical first. That order depends on
            the threshold, so the browser computes it; the order of `texts` then only breaks ties.
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
    masked: bool = False

    def html(self, most: int = MAX_PAIRS) -> str:
        """The page as HTML; with more than `most` pairs, only the least certain connected components of their graph."""
        kept = most_uncertain_components(len(self.texts), self.first, self.second, self.probability, self.threshold, most)
        body = _part("review.html").replace(_LEAD, escape(self._lead(len(self.first) - len(kept))))
        script = "".join(map(_part, ("review_groups.js", "review_memory.js", "review.js")))
        whole = len(kept) == len(self.first)
        counts = {"alone": self._alone() if whole else {"groups": 0, "rows": 0}, "counted": "" if whole else " on this page"}
        data = f'<script type="application/json" id="data">{_embeddable(self._data(kept) | counts)}</script>'
        return frame(f"Duplicates in {self.source}", body + data, style=_part("review.css"), script=script)

    def _lead(self, dropped: int) -> str:
        lead = f"Pairs from column '{self.column}' of {self.source}, those nearest the threshold first."
        if not dropped:
            return lead
        verb = "is" if dropped == 1 else "are"
        return f"{lead} {count(dropped, 'pair')} further from the threshold {verb} not on this page."

    def _alone(self) -> dict[str, int]:
        """Groups of equal texts that are in no pair, and the rows in them that are duplicates."""
        copies = np.delete(np.asarray(self.copies), np.concatenate([self.first, self.second]).astype(np.int64))
        return {"groups": int((copies > 1).sum()), "rows": int((copies - 1).sum())}

    def _data(self, kept: NDArray[np.intp]) -> dict[str, Any]:
        """The texts that are in a pair, and the pairs sorted as the grouping needs them: by second text, best pair first."""
        first, second, probability = self.first[kept], self.second[kept], self.probability[kept]
        order = np.lexsort((first, -probability, second))
        used = np.unique(np.concatenate([first, second]))
        tokenizer = DiffTokenizer()
        return {
            "source": self.source,
            "threshold": self.threshold,
            "lowest": self.lowest,
            "central": self.central,
            "equal": "exact or masked" if self.masked else "exact",
            "texts": [tokenizer.tokenize(self.texts[k]) for k in used],
            "rows": [int(self.rows[k]) for k in used],
            "copies": [int(self.copies[k]) for k in used],
            "first": np.searchsorted(used, first[order]).tolist(),
            "second": np.searchsorted(used, second[order]).tolist(),
            "probability": probability[order].tolist(),
        }


_LEAD = "<!-- lead -->"


def _part(name: str) -> str:
    return (files("dlcli.core.text.review") / name).read_text(encoding="utf-8")


def _embeddable(data: Any) -> str:
    """JSON that is safe inside a script element: ASCII, and without the characters that start tags and entities."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
