"""Tables of texts with known duplicates, made up from word lists, to fit a duplicate score on.

A table holds groups of texts: the texts of a group name or ask for one entity, such as a firm, an address or a question, in
different forms (abbreviated, reordered, misspelt, paraphrased) and are duplicates of each other. Texts of different groups are
not, though many are similar: the next model of a product, another branch, the same question about another object.
`python -m made_tables`, run in `examples/`, prints some groups of each kind of table.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from random import Random

from .academia import affiliations, journals
from .books import books
from .companies import companies
from .contrasts import directions, negations, opposites
from .customers import customers, postal_addresses
from .dining import dining
from .dining_addresses import dining_with_addresses
from .documents import documents
from .east_asia import chinese_firms, japanese_firms
from .east_asian_addresses import chinese_addresses, japanese_addresses
from .electronics import electronics
from .european_places import european_places
from .groceries import groceries, medicines
from .growth import grow_groups
from .headlines import headlines
from .inquiries import bugs, site_questions, tickets
from .institutions import institutions
from .listings import courses, events, jobs, recipes
from .lodging import holiday_lets, hotels
from .log_lines import log_names, log_templates
from .measures import codes, long_numbers, look_alikes, measures, numerals, signs
from .organisations import branches, firms, firms_and_people, government_units
from .papers import papers
from .people import people
from .persons import persons
from .places import addresses, names_of_places, neighbours, places, venue_names
from .products import products
from .publications import compound_titles, titles
from .questions import problems, questions
from .sites import sites
from .state import state_organisations
from .wares import wares
from .works import films, songs

GroupMaker = Callable[[Random, int], Iterator[list[str]]]
"""Yields groups of texts, about as many as the number asks for."""

# The names are part of the seeds: a table changes with the name of its kind.
OF_MANY_DUPLICATES: dict[str, GroupMaker] = {
    "people": people,
    "firm": firms,
    "firms+people": firms_and_people,
    "unit": government_units,
    "address": addresses,
    "venue": names_of_places,
    "venue+address": places,
    "product": products,
    "title": titles,
    "faq-en": partial(questions, code="en"),
    "faq-enbug": partial(problems, code="en"),
    "faq-de": partial(questions, code="de"),
    "faq-fr": partial(questions, code="fr"),
    "faq-es": partial(questions, code="es"),
    "faq-zh": partial(questions, code="zh"),
    "faq-ja": partial(questions, code="ja"),
    "faq-ko": partial(questions, code="ko"),
    "document": documents,
    "branch": branches,
    "compound": compound_titles,
    "neighbours": neighbours,
    "venue names": venue_names,
    "opposites": opposites,
    "negations": negations,
    "directions": directions,
    "measures": measures,
    "numerals": numerals,
    "signs": signs,
    "look-alikes": look_alikes,
    "long numbers": long_numbers,
    "codes": codes,
}
"""Kinds of tables in which most groups have several texts."""

_OF_ANY_SHARE: dict[str, GroupMaker] = {
    "dining": dining,
    "dining+address": dining_with_addresses,
    "sites": sites,
    "state": state_organisations,
    "company": companies,
    "person": persons,
    "institution": institutions,
    "song": songs,
    "film": films,
    "hotel": hotels,
    "holiday let": holiday_lets,
    "firm-zh": chinese_firms,
    "firm-ja": japanese_firms,
    "address-zh": chinese_addresses,
    "address-ja": japanese_addresses,
    "shop-de": partial(european_places, code="de"),
    "shop-fr": partial(european_places, code="fr"),
    "shop-es": partial(european_places, code="es"),
    "affiliation": affiliations,
    "journal": journals,
    "postal address": postal_addresses,
    "customer": customers,
    "electronics": electronics,
    "grocery": groceries,
    "medicine": medicines,
    "clothing": partial(wares, sort="clothing"),
    "power tool": partial(wares, sort="power-tool"),
    "hand tool": partial(wares, sort="hand-tool"),
    "car part": partial(wares, sort="car-part"),
    "software": partial(wares, sort="software"),
    "book": books,
    "headline": headlines,
    "job": jobs,
    "course": courses,
    "recipe": recipes,
    "event": events,
    "paper": papers,
    "log template": log_templates,
    "log name": log_names,
    "ticket": tickets,
    "bug": bugs,
    "site question": partial(site_questions, code="en"),
    "site question-howto": partial(site_questions, code="en-howto"),
    "site question-zh": partial(site_questions, code="zh"),
    "site question-ja": partial(site_questions, code="ja"),
    "site question-de": partial(site_questions, code="de"),
    "site question-fr": partial(site_questions, code="fr"),
    "site question-es": partial(site_questions, code="es"),
}
"""Kinds of tables that draw the share of groups with several texts: 3% to 80%, or less."""

KINDS = OF_MANY_DUPLICATES | _OF_ANY_SHARE
CONTRASTS = ("contrasts", "measures")
"""Modules of tables that teach what counts, most of whose texts contradict another one, as in no user's table."""
_WITHOUT_BLANKS = ("-zh", "-ja", "-ko")
SIZES = (25, 50, 100, 200, 400, 800)
SHARES = (1.0, 0.5, 0.2, 0.05)


def make_table(kind: str, seed: int, size: int | None = None) -> tuple[list[str], list[int]]:
    """A table of one of `KINDS`, in random order; the same for the same arguments.

    Args:
        kind: A key of `KINDS`.
        seed: Seed of the random generator, together with the kind.
        size: About how many groups to make; the docstring of the kind's function says how many exactly. Default: one of
            `SIZES`, at random.

    Returns:
        The texts, and the number of the group of each.

    """
    rng = Random(f"{kind}-{seed}")
    size = size or rng.choice(SIZES)
    rows = list(_number_groups(KINDS[kind](rng, size)).items())
    rng.shuffle(rows)
    return [text for text, _ in rows], [group for _, group in rows]


def make_varied_table(kind: str, seed: int) -> tuple[list[str], list[int]]:
    """A table as `make_table` makes it, with as few and as many duplicates as there may be in the world.

    In kinds of tables of many duplicates, of the texts after the first of their group as large a share stays as `SHARES` has
    for the seed. In one table of three, some groups are large.

    Args:
        kind: A key of `KINDS`.
        seed: Seed of the random generator, together with the kind.

    Returns:
        The texts, and the number of the group of each.

    """
    texts, groups = make_table(kind, seed)
    if kind in OF_MANY_DUPLICATES:
        texts, groups = _thinned(Random(f"thinned {kind}-{seed}"), texts, groups, SHARES[seed % len(SHARES)])
    if has_large_groups(kind, seed):
        return grow_groups(Random(f"grown {kind}-{seed}"), texts, groups)
    return texts, groups


def has_large_groups(kind: str, seed: int) -> bool:
    """Whether some groups of a table of `make_varied_table` are large; not in languages without blanks between words."""
    return seed % 3 == 0 and subject_of(kind) not in CONTRASTS and not kind.endswith(_WITHOUT_BLANKS)


def _thinned(rng: Random, texts: list[str], groups: list[int], share: float) -> tuple[list[str], list[int]]:
    kept, seen = [], set()
    for row in zip(texts, groups, strict=True):
        if row[1] not in seen or rng.random() < share:
            kept.append(row)
        seen.add(row[1])
    return [text for text, _ in kept], [group for _, group in kept]


def subject_of(kind: str) -> str:
    """The name of the module that makes tables of a kind, in which related kinds are together."""
    maker = KINDS[kind]
    return (maker.func if isinstance(maker, partial) else maker).__module__.rpartition(".")[2]


def _number_groups(groups: Iterable[list[str]]) -> dict[str, int]:
    """The group of each text; groups that have a text in common, whatever its case, are one, as nothing tells them apart."""
    number: dict[str, int] = {}
    of_key: dict[str, int] = {}
    for group, texts in enumerate(groups):
        joined = {of_key[text.casefold()] for text in texts if text.casefold() in of_key}
        if joined:
            number = {text: group if old in joined else old for text, old in number.items()}
            of_key = {key: group if old in joined else old for key, old in of_key.items()}
        number |= dict.fromkeys(texts, group)
        of_key |= {text.casefold(): group for text in texts}
    return number
