"""Names of companies of many countries, with their legal forms, groups and subsidiaries."""

from collections.abc import Iterator
from random import Random
from typing import NamedTuple

from .edits import acronym, add_typos, join_words
from .entity_vocabulary import COMPANIES, COUNTRIES, Country
from .habits import Layout, Source, Spellings, identify

_SPELLINGS = Spellings(COMPANIES.spellings)
_CORES = {
    "{invented}": 30,
    "{word}": 14,
    "{name}": 14,
    "{word} {other_word}": 8,
    "{name} & {other_name}": 6,
    "{name} & Sons": 3,
    "{name} Brothers": 2,
    "{city} {word}": 6,
    "{city}": 5,
    "{initials}": 12,
}
"""Templates of the first words of names with their frequency in percent."""


class Company(NamedTuple):
    """A company; `core` and `trade` make up its name, before the group word, the country of a subsidiary and the legal form.

    Each but the core and the legal form may be empty. What identifies the company is found out when all of a table are drawn.
    """

    core: str
    trade: str
    legal_form: tuple[str, ...]
    country: tuple[str, ...]
    group: str = ""
    is_subsidiary: bool = False
    city: str = ""
    trading_name: str = ""
    core_identifies: bool = False
    name_identifies: bool = False
    initials_identify: bool = False

    @property
    def name(self) -> str:
        """The core and the trade."""
        return join_words(self.core, self.trade)


def companies(rng: Random, n: int) -> Iterator[list[str]]:
    """Names of n companies: some of one group, in several countries or trades, and some with a similar name."""
    layout = Layout(rng, most=rng.choice((3, 6)))
    return layout.write(_draw_companies(rng, n), _write)


def _draw_companies(rng: Random, n: int) -> list[Company]:
    countries = rng.sample(COUNTRIES, rng.choice((1, 3, len(COUNTRIES))))
    found: list[Company] = []
    taken: set[str] = set()
    while len(found) < n:
        is_sibling = found and rng.random() < 0.35
        company = _draw_sibling(rng, rng.choice(found), countries) if is_sibling else _draw_company(rng, rng.choice(countries))
        key = _distinct_name(company).casefold()
        if key not in taken:
            found.append(company)
            taken.add(key)
    full = [_distinct_name(company) for company in found]
    by_core = identify(full, [company.core for company in found])
    by_name = identify(full, [company.name for company in found])
    initials = [acronym(company.name) for company in found]
    return [
        company._replace(
            core_identifies=core, name_identifies=name, initials_identify=len(letters) > 2 and initials.count(letters) == 1
        )
        for company, core, name, letters in zip(found, by_core, by_name, initials, strict=True)
    ]


def _distinct_name(company: Company) -> str:
    return join_words(company.name, company.group, company.country[0] if company.is_subsidiary else "")


def _draw_company(rng: Random, country: Country) -> Company:
    name, other_name = rng.sample(country.names, 2)
    word, other_word = rng.sample(COMPANIES.words, 2)
    core = rng.choices(list(_CORES), list(_CORES.values()))[0].format(
        invented=rng.choice(COMPANIES.beginnings) + rng.choice(COMPANIES.ends),
        word=word,
        other_word=other_word,
        name=name,
        other_name=other_name,
        city=rng.choice(country.cities),
        initials="".join(rng.choices("ABCDEFGHIKLMNPRSTVW", k=rng.choice((2, 3, 3, 4)))),
    )
    is_invented = " " not in core and core not in COMPANIES.words and core not in country.names
    return Company(
        core,
        rng.choice(COMPANIES.trades) if rng.random() < (0.5 if is_invented else 0.93) else "",
        tuple(rng.choice(country.legal_forms)),
        tuple(country.country),
        rng.choice(COMPANIES.holdings) if rng.random() < 0.08 else "",
        rng.random() < 0.06,
        rng.choice(country.cities),
        f"{rng.choice(COMPANIES.trading_words)}" if rng.random() < 0.06 else "",
    )


def _draw_sibling(rng: Random, company: Company, countries: list[Country]) -> Company:
    """A company of the same group, or one whose name has a word in common or is similar."""
    other = _draw_company(rng, rng.choice(countries))
    kind = rng.random()
    if kind < 0.3 and len(countries) > 1:
        return company._replace(legal_form=other.legal_form, country=other.country, is_subsidiary=True, trading_name="")
    if kind < 0.4:
        return company._replace(group="" if company.group else rng.choice(COMPANIES.holdings), legal_form=other.legal_form)
    if kind < 0.75:
        return company._replace(trade=rng.choice(COMPANIES.trades), legal_form=other.legal_form, trading_name="")
    if kind < 0.9:
        return other._replace(core=f"{company.core} {rng.choice(COMPANIES.words)}", trade=other.trade or company.trade)
    return company._replace(core=_similar(rng, company.core), trade=rng.choice(COMPANIES.trades))


def _similar(rng: Random, core: str) -> str:
    """Another invented name with the same beginning or end, or a name with another letter."""
    for beginning in COMPANIES.beginnings:
        if core.startswith(beginning) and " " not in core:
            return beginning + rng.choice(COMPANIES.ends)
    return core.replace("a", "e", 1) if "a" in core else add_typos(rng, core)


def _write(source: Source, company: Company) -> str:
    if company.initials_identify and source.does("initials alone", 0.04):
        return join_words(acronym(company.name), _legal_form(source, company)).replace(" ,", ",")
    name = _SPELLINGS.apply(source, _name(source, company), "abbreviates")
    if company.is_subsidiary:
        name = f"{name} {source.pick('country', company.country)}"
    elif company.name_identifies and source.does("adds the country", 0.1):
        name = f"{name} {source.pick('country', company.country)}"
    name = join_words(name, _legal_form(source, company)).replace(" ,", ",")
    if company.initials_identify and source.does("adds initials", 0.08):
        name += f" ({acronym(company.name)})"
    if company.trading_name and source.does("names the shop", 0.4):
        name += source.pick("shop", (" t/a {}", " (trading as {})", " dba {}", " ({})", " - {}")).format(company.trading_name)
    elif company.name_identifies and source.does("names the city", 0.1):
        name += source.pick("city", (", {}", " ({})", " {}", " - {}")).format(company.city)
    return f"The {name}" if source.does("adds an article", 0.03) else name


def _name(source: Source, company: Company) -> str:
    """The name with its group word or another one, and without the trade where the core is enough."""
    core = company.core
    if core.isupper() and source.does("dots initials", 0.15):
        core = ".".join(core) + "."
    for beginning in COMPANIES.beginnings if source.does("splits names", 0.06) and " " not in core else ():
        if core.startswith(beginning) and core != beginning:
            core = source.pick("split", ("{}-{}", "{} {}")).format(beginning, core.removeprefix(beginning).title())
            break
    drops_trade = company.trade and company.core_identifies and len(company.core) > 3 and source.does("drops the trade", 0.18)
    group = company.group
    if group and company.name_identifies:
        group = "" if source.does("drops the group", 0.3) else group
    elif not group and company.name_identifies and source.does("adds a group", 0.06):
        group = source.pick("group", COMPANIES.holdings)
    return join_words(core, "" if drops_trade else company.trade, group)


def _legal_form(source: Source, company: Company) -> str:
    if source.does("drops the legal form", 0.3):
        return ""
    form = source.pick("legal form", company.legal_form)
    return f", {form}" if not form.startswith(",") and source.does("comma before the legal form", 0.15) else form
