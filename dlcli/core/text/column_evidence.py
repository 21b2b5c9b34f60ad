"""How much a column of a table looks like the texts to compare: by its name, and by what its cells hold.

How often a cell is repeated does not count, since a table is deduplicated because it has duplicates.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any
from zlib import crc32

from dlcli.support.blanks import is_blank
from dlcli.support.tables import Table

NAMES = (
    *("question", "text", "title", "sentence", "content", "body", "query", "prompt", "message", "utterance"),
    *("subject", "description", "comment", "review", "summary", "headline", "document"),
)
_ALSO_TEXT = frozenset(
    "abstract answer caption company feedback issue item label memo name note observation organisation organization phrase "
    "post problem product remark request sentences service supplier symptom term texts ticket topic tweet variant vendor "
    "frage titel nachricht betreff beschreibung bezeichnung firma produkt kommentar titre texte sujet nom produit societe "
    "pregunta texto titulo título nombre asunto descripcion descripción empresa producto domanda testo titolo "
    "вопрос текст название описание 问题 文本 标题 内容 名称 質問 本文 件名 名前".split()
)
_NO_TEXT = frozenset(
    "id ids uid uuid guid key code sku ean isbn issn doi hash sha md5 checksum ref reference number num no nr index row line "
    "url urls uri link links href website site domain image img photo path file filename folder email mail phone fax tel ip "
    "date day month year time timestamp datetime created updated modified at on price cost amount total sum qty quantity "
    "count size weight score rating rank votes lat lon lng latitude longitude zip postcode plz city town country state region "
    "county address addr street location status type category kind class group tag tags level priority severity lang language "
    "locale currency unit author user username owner assignee assigned reporter editor agent customer first last person staff "
    "source origin channel platform device browser version truth gold cluster flag gender sex age department team "
    "by from to brand manufacturer color colour canonical duplicate match why verdict "
    "nummer datum preis betrag menge ort stadt land straße strasse adresse telefon marke autor quelle sprache typ art gruppe "
    "kategorie kunde bild ville rue pays prix numero numéro fecha ciudad calle direccion dirección pais país precio codigo "
    "código número categoria categoría auteur langue data prezzo indirizzo città дата цена адрес город код номер "
    "编号 链接 日期 价格 地址 城市 番号 日付 住所 価格".split()
)
_NO_TEXT_ENDINGS = ("nummer", "datum", "preis", "straße", "strasse", "gruppe", "kategorie")
"""Ends of compounds, as in Artikelnummer."""
_WORDS_OF_NAME = re.compile(r"[^\W\d_]+")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_MONTH = r"(?:jan|feb|m[aä]r|apr|ma[iy]|jun|jul|aug|sep|o[ck]t|nov|de[cz])[a-zä]*\.?"
_VALUE = re.compile(
    # a number, with a sign, currency or unit; a date or time in figures
    r"[^\w\s]*\s*[\d\s.,:;/+()%TZeE'-]*\d[\d\s.,:;/+()%TZeE'-]*\s*(?:[^\W\d_]{0,3}|[%€$£¥°]\w?|[ap]\.?m\.?)(?:[+-]\d\d:?\d\d)?"
    # a date with the name of a month
    rf"|(?:[a-z]+,?\s+)?\d{{1,2}}(?:st|nd|rd|th|\.)?[\s-]+{_MONTH}[\s,-]+\d{{2,4}}(?:[\s,]+[\d:]+.*)?"
    rf"|(?:[a-z]+,?\s+)?{_MONTH}\s+\d{{1,2}}(?:st|nd|rd|th)?,?(?:\s+[\d:]+)?(?:\s+\w+)?\s+\d{{4}}"
    # an address of the web, of a mailbox or of a file; JSON
    r"|[a-z][a-z0-9+.-]*://\S*|www\.\S+|(?:[^<>]{0,40}<)?[^\s@]+@[^\s@]+\.[^\s@]+|[\[{].*[\]}]|(?:[a-z]:)?[\\/~.][^\s]*",
    re.IGNORECASE | re.DOTALL,
)
_UNSPACED = re.compile("[\u0e00-\u0eff\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")
"""Letters of scripts that write words without blanks between them."""
_LOOKS_LIKE_ADDRESS = re.compile(r"\d+\w?[\s,].*|.*\b\d{5}(?:\s[^\W\d_]+)*", re.DOTALL)
_SOME_ROWS = 4000
_LONGEST = 300
_POINTS = (0, 40, 80, 100)
"""Points of a cell with no word, one, two, and three or more: three words are a text as much as thirty are."""


@dataclass(frozen=True)
class Evidence:
    """What a column holds.

    Attributes:
        text: Mean points of its cells that are not blank, in [0, 1].
        filled: Fraction of its cells that are not blank.
        length: Mean length of these in characters.
        name: How much its name is that of a text column, in (0, 1].
    """

    text: float
    filled: float
    length: float
    name: float

    @property
    def rank(self) -> tuple[float, float]:
        """A key to sort columns by, the likeliest last.

        Returns:
            The rank in [0, 1], of which the name is a factor, and the length, by which longer texts win among equal ranks.
        """
        return round(self.name * round(self.text * min(1.0, self.filled / 0.7), 1), 4), self.length


def column_evidence(table: Table) -> list[Evidence]:
    """The evidence for each column, the same for any order of the rows."""
    rows = _some_rows(table.rows)
    return [_evidence(name, [row[place] for row in rows]) for place, name in enumerate(table.columns)]


def _some_rows(rows: Sequence[list[Any]]) -> Sequence[list[Any]]:
    """About `_SOME_ROWS` rows, chosen by their content."""
    if len(rows) <= 2 * _SOME_ROWS:
        return rows
    limit = (_SOME_ROWS << 32) // len(rows)
    chosen = [row for row in rows if crc32(repr(row).encode("utf-8", "surrogatepass")) < limit]
    # Rows that are all alike are chosen all or not at all.
    return chosen if len(chosen) >= _SOME_ROWS // 10 else rows


def _evidence(name: str, cells: list[Any]) -> Evidence:
    there = [cell for cell in cells if not is_blank(cell)]
    counts = Counter(cell.strip() for cell in there if isinstance(cell, str))
    points = sum(count * _points(cell[:_LONGEST]) for cell, count in counts.items())
    length = sum(count * len(cell) for cell, count in counts.items())
    n = max(1, len(there))  # cells of other types count too, as no text
    return Evidence(points / (100 * n), len(there) / max(1, len(cells)), length / n, name_weight(name))


def is_value(cell: str) -> bool:
    """Whether a cell is a number, a date, an address of the web, of a mailbox or a file, or JSON."""
    return _VALUE.fullmatch(cell) is not None


def _points(cell: str) -> int:
    if is_value(cell):
        return 0
    tokens = cell.split()
    unspaced = len(_UNSPACED.findall(cell))
    words = unspaced // 2 + (sum(map(_is_word, tokens)) if unspaced < len(cell) / 3 else 0)
    if len(tokens) == 1 and not unspaced and (len(cell) > 20 or not cell.replace("-", "").replace("'", "").isalpha()):
        return 0
    points = _POINTS[min(words, 3)]
    return points * 7 // 10 if _LOOKS_LIKE_ADDRESS.fullmatch(cell) else points


def _is_word(token: str) -> bool:
    return 2 * sum(map(str.isalpha, token)) >= len(token) and not ("@" in token or "_" in token or "://" in token)


@cache
def name_weight(name: str) -> float:
    """How much a name is that of a text column: near 1 for known names, 0.6 for any other, 0.2 for names of other things."""
    whole = name.strip().casefold()
    if whole in NAMES:
        return 1 - NAMES.index(whole) / 100
    words = [word.casefold() for word in _WORDS_OF_NAME.findall(_CAMEL.sub(" ", name))]
    known = [word for word in words if word in NAMES]
    if not words or words[-1] in _NO_TEXT or words[-1].endswith(_NO_TEXT_ENDINGS):
        return 0.2 if words else 0.6
    if known:
        return 0.96 - NAMES.index(known[-1]) / 100
    if any(word in _NO_TEXT for word in words) and words[-1] == "name" and not {"site", "product"} & set(words):
        return 0.4
    if any(word in _ALSO_TEXT or word.removesuffix("s") in _ALSO_TEXT for word in words):
        return 0.8
    return 0.2 if any(word in _NO_TEXT for word in words) else 0.6
