"""Titles of books with and without their authors, beside other editions, volumes and companions of them."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import NamedTuple

from .habits import Layout, Source


class BookWords(NamedTuple):
    """Parts of the titles of books; {x} is a book."""

    titles: list[str]
    nouns: list[str]
    places: list[str]
    subjects: list[str]
    first: list[str]
    last: list[str]
    subtitles: list[str]
    textbook_subtitles: list[str]
    series: list[str]
    formats: list[str]
    publishers: list[str]
    companions: list[str]


_BOOKS = BookWords(**tomllib.loads(Path(__file__).with_name("books.toml").read_text(encoding="utf-8"))["books"])
_ORDINALS = ("", "1st", "2nd", "3rd", "4th", "5th", "6th", "7th", "8th", "9th", "10th")
_WORDS = ("", "First", "Second", "Third", "Fourth", "Fifth", "Sixth", "Seventh", "Eighth", "Ninth", "Tenth")
_ROMAN = ("", "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X")


class Book(NamedTuple):
    """A book; edition, volume and number in its series are 0 and the other texts empty if it has none."""

    title: str
    subtitle: str
    author: tuple[str, str]
    edition: int
    volume: int
    series: str
    number: int
    year: int
    publisher: str
    around: str


def books(rng: Random, n: int) -> Iterator[list[str]]:
    """Titles of n books, about half of which have siblings: another edition, volume or book of the series, a workbook."""
    return Layout(rng).write(_draw_books(rng, n), _book_title)


def _draw_books(rng: Random, n: int) -> list[Book]:
    found: dict[Book, None] = {}
    while len(found) < n:
        first = _draw_book(rng)
        found[first] = None
        if rng.random() < 0.5:
            found |= dict.fromkeys(_sibling_book(rng, first) for _ in range(rng.choice((1, 1, 2, 3))))
    return list(found)[:n]


def _draw_book(rng: Random) -> Book:
    a, a2 = rng.sample(_BOOKS.nouns, 2)
    template = rng.choice(_BOOKS.titles)
    subtitles = _BOOKS.textbook_subtitles if "{s}" in template else _BOOKS.subtitles
    title = template.format(a=a, a2=a2, b=rng.choice(_BOOKS.places), s=rng.choice(_BOOKS.subjects))
    in_series = "{s}" not in template and rng.random() < 0.3
    return Book(
        title=title,
        subtitle=rng.choice(subtitles) if rng.random() < 0.4 and ":" not in title else "",
        author=(rng.choice(_BOOKS.first), rng.choice(_BOOKS.last)),
        edition=rng.randint(2, 9) if rng.random() < 0.3 else 0,
        volume=rng.randint(1, 4) if rng.random() < 0.15 else 0,
        series=rng.choice(_BOOKS.series) if in_series else "",
        number=rng.randint(1, 7) if in_series else 0,
        year=rng.randint(1975, 2023),
        publisher=rng.choice(_BOOKS.publishers),
        around="{x}",
    )


def _sibling_book(rng: Random, book: Book) -> Book:
    """Another book, though nearly all of its words are the same."""
    kind = rng.random()
    if kind < 0.3:
        return book._replace(edition=max(2, book.edition) + rng.choice((1, 2)) if book.edition < 8 else 3)
    if kind < 0.5:
        return book._replace(volume=book.volume % 4 + 1)
    if kind < 0.7 and book.series:
        return _draw_book(rng)._replace(author=book.author, series=book.series, number=book.number % 7 + 1)
    if kind < 0.85:
        return book._replace(around=rng.choice(_BOOKS.companions))
    return book._replace(author=(rng.choice(_BOOKS.first), rng.choice(_BOOKS.last)), publisher=rng.choice(_BOOKS.publishers))


def _book_title(source: Source, book: Book) -> str:
    title = book.title
    if source.does("article behind", 0.15) and title.startswith("The "):
        title = f"{title[4:]}, The"
    if book.subtitle and not source.does("drops subtitles", 0.3):
        title += source.pick("colon", (": ", ": ", " - ", " : ")) + book.subtitle
    title = _book_parts(source, book, title)
    first, last = book.author
    names = (f"{first} {last}", f"{last}, {first}", f"{first[0]}. {last}", f"{last}, {first[0]}.", last)
    author = source.pick("author", names)
    forms = (f"{title} by {author}", f"{author}: {title}", f"{title} - {author}", f"{title} / {author}", f"{title} ({author})")
    text = title if source.does("no author", 0.2) and book.around == "{x}" else source.pick("order", forms)
    if source.does("formats", 0.25):
        text += f" {source.pick('format', _BOOKS.formats)}"
    if source.does("publishers", 0.2):
        text += f", {book.publisher} {book.year}"
    return book.around.format(x=text)


def _book_parts(source: Source, book: Book, title: str) -> str:
    """The title with the edition, the volume, and the number in the series."""
    if book.edition:
        ordinal = source.pick("ordinal", (_ORDINALS, _WORDS, _ORDINALS))[book.edition]
        title += source.pick("edition", (", {n} Edition", " ({n} Edition)", ", {n} ed.", " {n} Ed", " ({n} edn)")).format(
            n=ordinal
        )
    if book.volume:
        number = source.pick("number", (_ROMAN[book.volume], str(book.volume), str(book.volume)))
        title += source.pick("volume", (", Volume {n}", " Vol. {n}", ", Vol {n}", " - Part {n}", " (Volume {n})")).format(
            n=number
        )
    if book.series and not source.does("drops series", 0.3):
        forms = (" ({s}, #{n})", " ({s} Book {n})", ": {s} {n}", " - {s}, Book {n}", " [{s} {n}]")
        title += source.pick("series", forms).format(s=book.series, n=book.number)
    return title
