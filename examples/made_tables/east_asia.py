"""Names of Chinese and Japanese firms with their branches."""

from collections.abc import Iterator, Sequence
from random import Random
from typing import NamedTuple

from .entity_vocabulary import CHINESE, JAPANESE
from .habits import Layout, Source


class ChineseFirm(NamedTuple):
    """A firm; `short` is its name with the trade. Its branch may be missing."""

    city: str
    province: str
    core: str
    trade: str
    ending: tuple[str, ...]
    branch: str = ""
    short_identifies: bool = False
    core_identifies: bool = False

    @property
    def short(self) -> str:
        """The name without the city and the legal form."""
        return self.core + self.trade


class JapaneseFirm(NamedTuple):
    """A firm; its office may be missing. The legal form stands in front of the name or behind it."""

    name: str
    legal_form: tuple[str, ...]
    is_in_front: bool
    office: str = ""
    name_identifies: bool = False


def chinese_firms(rng: Random, n: int) -> Iterator[list[str]]:
    """Names of n firms: branches, firms of one name in other cities or trades, and names that differ in one character."""
    return Layout(rng, most=rng.choice((3, 5))).write(_draw_chinese_firms(rng, n), _write_chinese_firm)


def japanese_firms(rng: Random, n: int) -> Iterator[list[str]]:
    """Names of n firms with some of their offices, and firms of one name in other trades."""
    return Layout(rng, most=rng.choice((3, 5))).write(_draw_japanese_firms(rng, n), _write_japanese_firm)


def _is_in_one(names: Sequence[str], short_names: Sequence[str]) -> list[bool]:
    """Whether each short name is a part of one of the names only."""
    text = "\n".join(names)
    return [text.count(name) == 1 for name in short_names]


def _draw_chinese_firms(rng: Random, n: int) -> list[ChineseFirm]:
    cities = rng.sample(CHINESE.cities, rng.choice((2, 8, len(CHINESE.cities))))
    found: dict[tuple[str, ...], ChineseFirm] = {}
    while len(found) < n:
        city, province = rng.choice(cities)
        core = "".join(rng.sample(CHINESE.characters, rng.choice((2, 2, 2, 3))))
        firm = ChineseFirm(city, province, core, rng.choice(CHINESE.trades), tuple(rng.choices(CHINESE.endings, (8, 2, 1))[0]))
        if found and rng.random() < 0.4:
            firm = _draw_chinese_sibling(rng, rng.choice(list(found.values())), firm)
        found[firm.city, firm.core, firm.trade, firm.branch] = firm
    chosen = list(found.values())
    full = [firm.city + firm.short + firm.branch for firm in chosen]
    by_short, by_core = (_is_in_one(full, [name(firm) for firm in chosen]) for name in (lambda f: f.short, lambda f: f.core))
    return [
        firm._replace(short_identifies=short, core_identifies=core)
        for firm, short, core in zip(chosen, by_short, by_core, strict=True)
    ]


def _draw_chinese_sibling(rng: Random, firm: ChineseFirm, other: ChineseFirm) -> ChineseFirm:
    """A branch, a firm of the same name in another city or trade, or one of the same trade with another character."""
    kind = rng.random()
    if kind < 0.35:
        place = rng.choice(CHINESE.cities)[0] if rng.random() < 0.7 else rng.choice(CHINESE.districts).removesuffix("区")
        return firm._replace(branch=place + rng.choice(CHINESE.branch_endings))
    if kind < 0.5:
        return other._replace(core=firm.core, trade=firm.trade)
    if kind < 0.75:
        return other._replace(core=firm.core, city=firm.city, province=firm.province)
    return firm._replace(core=firm.core[:-1] + rng.choice(CHINESE.characters), branch="")


def _write_chinese_firm(source: Source, firm: ChineseFirm) -> str:
    if not firm.branch and firm.core_identifies and len(firm.core) > 2 and source.does("core alone", 0.08):
        return firm.core
    ending = "" if source.does("drops the legal form", 0.25) else source.pick("ending", firm.ending)
    name = firm.short
    if not firm.branch and firm.core_identifies and ending and source.does("drops the trade", 0.06):
        name = firm.core
    if not firm.short_identifies or not source.does("drops the city", 0.25):
        name = _place_city(source, firm, name)
    name += ending
    if firm.branch:
        name += source.pick("branch", ("{}", "{}", "（{}）", "-{}", " {}")).format(firm.branch)
    return _respace(source, name)


def _place_city(source: Source, firm: ChineseFirm, name: str) -> str:
    """The name with the city in front, in the middle in brackets, or behind."""
    city = firm.city + "市" if source.does("says 市", 0.2) else firm.city
    if firm.province and source.does("names the province", 0.1):
        city = firm.province + source.pick("province", ("", "省")) + city
    form = source.pick("city", ("{c}{n}", "{c}{n}", "{k}（{c}）{t}", "{k}({c}){t}", "{n}（{c}）"))
    return form.format(c=city, n=name, k=firm.core, t=name.removeprefix(firm.core))


def _respace(source: Source, text: str) -> str:
    """The text with narrow brackets, in some sources."""
    return text.replace("（", "(").replace("）", ")") if source.does("narrow brackets", 0.4) else text


def _draw_japanese_firms(rng: Random, n: int) -> list[JapaneseFirm]:
    found: dict[tuple[str, str], JapaneseFirm] = {}
    while len(found) < n:
        firm = JapaneseFirm(_draw_japanese_name(rng), tuple(rng.choice(JAPANESE.legal_forms)), rng.random() < 0.5)
        if found and rng.random() < 0.25:
            other = rng.choice(list(found.values()))
            offices = [other._replace(office=office) for office in rng.sample(JAPANESE.offices, rng.choice((1, 2, 3)))]
            found |= {(office.name, office.office): office for office in offices}
        else:
            found.setdefault((firm.name, ""), firm)
    chosen = list(found.values())[:n]
    by_name = _is_in_one([firm.name + firm.office for firm in chosen], [firm.name for firm in chosen])
    return [firm._replace(name_identifies=found) for firm, found in zip(chosen, by_name, strict=True)]


def _draw_japanese_name(rng: Random) -> str:
    trade = rng.choice(JAPANESE.trades)
    kind = rng.random()
    if kind < 0.5:
        return rng.choice(JAPANESE.kanji) + trade
    if kind < 0.75:
        first, second = rng.sample(JAPANESE.katakana, 2)
        return first + rng.choice(("", "・")) + second
    return rng.choice(JAPANESE.katakana) + trade


def _write_japanese_firm(source: Source, firm: JapaneseFirm) -> str:
    name = firm.name.replace("・", source.pick("dot", ("・", "", " ")))
    form = source.pick("legal form", firm.legal_form)
    if source.does("drops the legal form", 0.2):
        form = ""
    elif form == "KK":
        form = source.pick("KK", ("株式会社", "㈱"))
    is_in_front = firm.is_in_front != source.does("misplaces the legal form", 0.15)
    space = source.pick("space", ("", "", " "))
    name = f"{form}{space}{name}" if is_in_front else f"{name}{space}{form}"
    if firm.office:
        name = name.strip() + source.pick("office", (" {}", "　{}", "{}", "（{}）", "・{}")).format(firm.office)
    return _respace(source, name.strip())
