"""Songs with their artists, and films with their years."""

from collections.abc import Iterator
from random import Random
from typing import NamedTuple

from .edits import join_words
from .entity_vocabulary import WORKS
from .habits import Layout, Source, Spellings, identify

_SPELLINGS = Spellings(WORKS.spellings)
_ROMAN = ("", "I", "II", "III", "IV", "V", "VI", "VII", "VIII")
_ORDINALS = ("", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight")


class Song(NamedTuple):
    """A song by an artist, who may have a guest; `aside` is a part of the title in brackets. A part is numbered from 1."""

    artist: str
    title: str
    aside: str
    guest: str
    part: int = 0
    title_identifies: bool = False


class Film(NamedTuple):
    """A film; those of a series are numbered from 1, and may have a subtitle. Some have another title too."""

    title: str
    year: int
    number: int
    subtitle: str
    director: str
    other_title: str = ""
    title_identifies: bool = False
    subtitle_identifies: bool = False


def songs(rng: Random, n: int) -> Iterator[list[str]]:
    """Titles of n songs with their artists, of whom many have several songs; many titles are of several artists."""
    return Layout(rng, most=rng.choice((3, 6))).write(_draw_songs(rng, n), _write_song)


def films(rng: Random, n: int) -> Iterator[list[str]]:
    """Titles of n films with or without the year: series, films of one title and other years, and titles that share words."""
    return Layout(rng, most=rng.choice((3, 6))).write(_draw_films(rng, n), _write_film)


def _title(rng: Random, template: str) -> str:
    noun, other_noun = rng.sample(WORKS.nouns, 2)
    return template.format(
        adjective=rng.choice(WORKS.adjectives),
        noun=noun,
        noun2=other_noun,
        place=rng.choice(WORKS.places),
        verb=rng.choice(WORKS.verbs),
        name=rng.choice(WORKS.names),
        number=rng.choice(WORKS.numbers),
        artist_word=rng.choice(WORKS.artist_words),
    )


def _draw_artist(rng: Random) -> str:
    kind = rng.random()
    person = f"{rng.choice(WORKS.first_names)} {rng.choice(WORKS.last_names)}"
    if kind < 0.35:
        return person
    if kind < 0.55:
        return rng.choice(WORKS.single_artists)
    band = f"{rng.choice(WORKS.adjectives)} {rng.choice(WORKS.artist_words)}"
    if kind < 0.9:
        return f"The {rng.choice((band, band, rng.choice(WORKS.artist_words)))}" if rng.random() < 0.6 else band
    return f"{person} & The {rng.choice(WORKS.artist_words)}"


def _draw_songs(rng: Random, n: int) -> list[Song]:
    artists = [_draw_artist(rng) for _ in range(max(3, n // rng.choice((2, 5, 12))))]
    found: dict[tuple[str, str, int], Song] = {}
    titles: list[str] = []
    while len(found) < n:
        is_cover = titles and rng.random() < 0.12
        titles.append(rng.choice(titles) if is_cover else _title(rng, rng.choice(WORKS.song_titles)))
        song = Song(
            rng.choice(artists),
            titles[-1],
            f"The {rng.choice(WORKS.nouns)} Song" if rng.random() < 0.05 else "",
            rng.choice((_draw_artist(rng), rng.choice(artists))) if rng.random() < 0.15 else "",
        )
        for part in (1, 2) if rng.random() < 0.04 else (0,):
            found[song.artist, song.title, part] = song._replace(part=part)
    chosen = list(found.values())[:n]
    full = [join_words(song.title, song.artist) for song in chosen]
    return [
        song._replace(title_identifies=found)
        for song, found in zip(chosen, identify(full, [song.title for song in chosen]), strict=True)
    ]


def _write_song(source: Source, song: Song) -> str:
    title = _SPELLINGS.apply(source, song.title, "respells", 0.25)
    if song.aside and not source.does("drops asides", 0.4):
        title += f" ({song.aside})"
    if song.part:
        forms = (" (Part {r})", ", Pt. {n}", " Pt {n}", " - Part {n}", ", Part {o}", " (Pt. {n})")
        title += source.pick("part", forms).format(n=song.part, r=_ROMAN[song.part], o=_ORDINALS[song.part])
    artist = _place_article(source, song.artist, "artist")
    if song.guest and song.guest != song.artist and not source.does("drops guests", 0.35):
        guest = source.pick(
            "guest", (" feat. {}", " ft. {}", " featuring {}", " (feat. {})", " (with {})", " & {}", " [ft. {}]")
        )
        if source.does("guests behind artists", 0.35):
            artist += guest.format(song.guest)
        else:
            title += guest.format(song.guest)
    forms = ("{a} - {t}", "{a} - {t}", "{t} - {a}", "{t} by {a}", "{a}: {t}", '{a} "{t}"', "{t} ({a})", "{t} / {a}", "{a}  {t}")
    text = source.pick("order", forms).format(a=artist, t=title)
    if source.does("numbers tracks", 0.06):
        text = f"{source.rng.randint(1, 16):02} {text}"
    if source.does("adds what kind of file it is", 0.12):
        text += source.pick(
            "file", (" [Official Video]", " (Official Audio)", " (Lyrics)", ".mp3", " [HD]", " (Official Music Video)")
        )
    return text


def _place_article(source: Source, name: str, what: str) -> str:
    """The name with its article in front, behind or missing, where it has one."""
    article, _, rest = name.partition(" ")
    if article not in ("The", "A") or not rest:
        return name
    return source.pick(f"article of {what}", ("{a} {n}", "{a} {n}", "{n}, {a}", "{n}")).format(a=article, n=rest)


def _draw_films(rng: Random, n: int) -> list[Film]:
    found: dict[tuple[str, int, int], Film] = {}
    while len(found) < n:
        title = _title(rng, rng.choice(WORKS.film_titles))
        year = rng.randint(1925, 1990)
        director = f"{rng.choice(WORKS.first_names)} {rng.choice(WORKS.last_names)}"
        other_title = _title(rng, rng.choice(WORKS.film_titles)) if rng.random() < 0.08 else ""
        film = Film(title, year, 0, "", director, other_title)
        kind = rng.random()
        if kind < 0.12:
            for number in range(1, rng.choice((3, 3, 4, 6))):
                year += rng.randint(1, 6)
                subtitle = _title(rng, rng.choice(WORKS.subtitles)) if number > 1 and rng.random() < 0.5 else ""
                found[title, year, number] = film._replace(year=year, number=number, subtitle=subtitle)
        elif kind < 0.18:
            for later in (year, year + rng.randint(8, 45)):
                found[title, later, 0] = film._replace(year=later)
        else:
            found[title, year, 0] = film
    chosen = list(found.values())[:n]
    full = [join_words(film.title, film.subtitle, _ROMAN[film.number] if film.number > 1 else "") for film in chosen]
    by_title = identify(full, full)
    by_subtitle = identify(full, [join_words(film.title, film.subtitle) if film.subtitle else "" for film in chosen])
    return [
        film._replace(title_identifies=title, subtitle_identifies=subtitle)
        for film, title, subtitle in zip(chosen, by_title, by_subtitle, strict=True)
    ]


def _write_film(source: Source, film: Film) -> str:
    title = _SPELLINGS.apply(source, film.title, "respells", 0.25)
    drops_number = film.subtitle and film.subtitle_identifies and source.does("drops numbers", 0.4)
    if film.number > 1 and not drops_number:
        forms = (" {n}", " {r}", " {r}", ": Part {r}", " Part {n}", ", Part {o}")
        title += source.pick("number", forms).format(n=film.number, r=_ROMAN[film.number], o=_ORDINALS[film.number])
    if film.subtitle and (drops_number or not source.does("drops subtitles", 0.2)):
        title += source.pick("subtitle", (": {}", " - {}", ", {}", " {}")).format(film.subtitle)
    title = _place_article(source, title, "title")
    if not film.title_identifies or source.does("names the year", 0.5):
        title += source.pick("year", (" ({})", " ({})", " [{}]", ", {}", " {}", " ({} film)")).format(film.year)
    if film.other_title and source.does("adds the other title", 0.5):
        title += source.pick("other title", (" ({})", " aka {}", " (a.k.a. {})", " [{}]", " / {}")).format(film.other_title)
    if source.does("names the director", 0.15):
        title += source.pick("director", (", dir. {}", " ({})", " - directed by {}", " / {}", " by {}")).format(film.director)
    return title
