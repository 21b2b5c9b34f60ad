"""What is a duplicate in the tables of names of entities, and what is not."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from itertools import combinations
from random import Random

import pytest

from examples.made_tables import make_table
from examples.made_tables.entity_vocabulary import ACADEMIA, COMPANIES, DINING, INSTITUTIONS, UNITS
from examples.made_tables.habits import Layout, Source, Spellings, identify, without_accents, words
from examples.made_tables.persons import draw_persons

SEEDS = range(8)
ENTITIES = (
    "dining", "dining+address", "sites", "state", "company", "person", "institution", "song", "film", "hotel", "holiday let",
    "firm-zh", "firm-ja", "address-zh", "address-ja", "shop-de", "shop-fr", "shop-es", "affiliation", "journal",
    "postal address", "customer",
)  # fmt: skip


def groups_of(kind: str, size: int = 100) -> Iterator[list[str]]:
    """The groups of several tables, in lower case."""
    for seed in SEEDS:
        found = defaultdict(list)
        for text, group in zip(*make_table(kind, seed, size), strict=True):
            found[group].append(text.casefold())
        yield from found.values()


def test_branches_of_a_chain_with_different_places_are_in_different_groups():
    places = {place.casefold() for place in DINING.areas}
    named = 0
    for texts in groups_of("dining"):
        found = {match[1] for text in texts if (match := re.search(r"\(([^)]+)\)$", text)) and match[1] in places}
        named += len(found)
        assert len(found) <= 1, texts
    assert named > 15


@pytest.mark.parametrize("kind", ["dining+address", "shop-de", "shop-fr", "shop-es"])
def test_duplicates_with_addresses_have_one_house_number_unless_a_source_omits_it(kind: str):
    differing = []
    for texts in groups_of(kind):
        numbers = [set(re.findall(r"\b\d+\b", text)) for text in texts]
        differing.append(not all(not a or not b or a & b for a, b in combinations(numbers, 2)))
    assert sum(differing) < 0.01 * len(differing)


@pytest.mark.parametrize("kind", ENTITIES)
def test_shares_of_duplicates_vary_between_tables(kind: str):
    shares = []
    for seed in range(20):
        groups = make_table(kind, seed, 200)[1]
        shares.append(sum(groups.count(group) > 1 for group in set(groups)) / len(set(groups)))
    assert min(shares) < 0.1 and max(shares) > 0.5


def test_a_short_name_identifies_if_no_other_name_has_its_words():
    names = ["Palm", "Palm Court", "The Mill & Oven", "Café Mill", "Otto's"]
    assert identify(names, ["Palm", "Court", "Mill", "Cafe", "Ottos"]) == [False, True, False, True, True]
    assert words("The Café of Otto's & Co.") == ["cafe", "of", "ottos", "and", "co"]
    assert without_accents("Müller, Łódź, ガ") == "Muller, Łodz, ガ"


def test_sources_keep_to_their_habits():
    """Most sources do a thing nearly always or hardly ever, at the mean rate over sources."""
    rates = []
    for seed in range(200):
        source = Source(Random(seed), str, 0)
        rates.append(sum(source.does("abbreviates", 0.3) for _ in range(50)) / 50)
    assert 0.22 < sum(rates) / len(rates) < 0.38
    assert sum(0.2 < rate < 0.8 for rate in rates) < len(rates) / 2
    source = Source(Random(1), str, 0)
    picked = [source.pick("form", "abcd") for _ in range(200)]
    assert max(map(picked.count, "abcd")) > 130 and set(picked) == set("abcd")


def test_spellings_replace_whole_words_and_the_longest_phrase():
    spellings = Spellings({"Bar": ["B."], "Bar & Grill": ["Grill"]})
    source = Source(Random(0), str, 0)
    made = {spellings.apply(source, "Bar & Grill Barbados", "respells", 0.999) for _ in range(50)}
    assert "Grill Barbados" in made and not any("B. &" in text or "B.bados" in text for text in made)


def test_no_text_of_one_entity_has_the_words_of_another():
    """Whatever the writer does: here all entities but one are written alike."""
    for seed in SEEDS:
        groups = list(Layout(Random(seed)).write(["a b", "b a", "A, B", "c"], lambda source, entity: f"x {entity}"))
        keys = [{tuple(sorted(words(text))) for text in texts} for texts in groups]
        assert len(groups) == 2 and not keys[0] & keys[1]


def test_sites_of_one_name_and_other_numbers_are_in_different_groups():
    numbered = 0
    for texts in groups_of("sites", 200):
        numbers = {int(match[1]) for text in texts if (match := re.search(r"(?:#|no\. )(\d)$", text))}
        numbered += len(numbers)
        assert len(numbers) <= 1, texts
    assert numbered > 15


def test_an_organisation_is_no_duplicate_of_its_parts_or_of_that_of_another_jurisdiction():
    parts = 0
    for texts in groups_of("state"):
        found = [{part for part in UNITS.parts if part.casefold() in text} for text in texts]
        parts += bool(found[0])
        # A typo or an abbreviation hides a part.
        assert len(set.union(*found)) <= 1, texts
        places = {place for place in UNITS.provinces + UNITS.countries for text in texts if place.casefold() in text}
        assert len(places) <= 1, texts
    assert parts > 50


def test_companies_of_one_group_in_other_trades_are_in_different_groups():
    trades = [trade.casefold() for trade in COMPANIES.trades if len(trade) > 8 and " " not in trade]
    named = 0
    for texts in groups_of("company"):
        found = {trade for trade in trades for text in texts if trade in text}
        named += bool(found)
        assert len(found) <= 1, texts
    assert named > 100


def test_parents_and_children_of_one_name_are_in_different_groups():
    """Other middle initials too: the initial of the text "Last, First M." is one in each group."""
    generations, initials = 0, 0
    for texts in groups_of("person"):
        found = {match[0] for text in texts if (match := re.search(r"\b(jr|sr)\b", text))}
        generations += bool(found)
        assert len(found) <= 1, texts
        middle = {match[1] for text in texts if (match := re.fullmatch(r"\w{4,} (\w)\.? \w{5,}", text))}
        initials += bool(middle)
        assert len(middle) <= 1, texts
    assert generations > 5 and initials > 50


def test_films_of_other_years_and_parts_are_in_different_groups():
    dated, numbered = 0, 0
    for texts in groups_of("film"):
        years = {match[1] for text in texts if (match := re.search(r"\b(19\d\d|20\d\d)\b", text))}
        dated += bool(years)
        assert len(years) <= 1, texts
        parts = {match[1] for text in texts if (match := re.search(r"part (\d)\b", text))}
        numbered += bool(parts)
        assert len(parts) <= 1, texts
    assert dated > 300 and numbered > 5


def test_parts_of_a_song_are_in_different_groups():
    numbered = 0
    for texts in groups_of("song"):
        parts = {match[1] for text in texts if (match := re.search(r"\bpt\.? (\d)\b", text))}
        numbered += bool(parts)
        assert len(parts) <= 1, texts
    assert numbered > 10


def test_a_university_is_no_duplicate_of_its_schools():
    parts = [part.casefold() for part in INSTITUTIONS.parts if len(part) > 8]
    named = 0
    for texts in groups_of("institution"):
        found = {part for part in parts for text in texts if part in text}
        named += bool(found)
        assert len(found) <= 1, texts
    assert named > 5


def test_holiday_lets_with_other_numbers_of_bedrooms_are_in_different_groups():
    counted = 0
    for texts in groups_of("holiday let"):
        bedrooms = {match[1] for text in texts if (match := re.search(r"(\d)[- ]?(?:bed|br|bd)", text))}
        counted += bool(bedrooms)
        assert len(bedrooms) <= 1, texts
    assert counted > 300


def test_hotels_of_one_line_at_the_airport_and_in_town_are_in_different_groups():
    qualified = 0
    for texts in groups_of("hotel"):
        found = {match[0] for text in texts if (match := re.search(r"\b(airport|beach|stadium|waterfront|fairgrounds)$", text))}
        qualified += bool(found)
        assert len(found) <= 1, texts
    assert qualified > 8


@pytest.mark.parametrize(("kind", "ending"), [("firm-zh", "分公司|办事处|分店|子公司"), ("firm-ja", "支店|営業所|工場")])
def test_a_firm_is_no_duplicate_of_its_branches(kind: str, ending: str):
    branches = 0
    for texts in groups_of(kind):
        is_branch = {bool(re.search(ending, text)) for text in texts}
        branches += is_branch == {True}
        assert len(is_branch) == 1, texts
    assert branches > 50


def test_other_rooms_are_in_different_groups():
    rooms = 0
    for texts in groups_of("address-zh"):
        found = {match[1] for text in texts if (match := re.search(r"(\d{3,4})室", unicodedata.normalize("NFKC", text)))}
        rooms += bool(found)
        assert len(found) <= 1, texts
    assert rooms > 50


def test_societies_of_journals_are_not_mixed():
    named = 0
    for texts in groups_of("journal"):
        found = {society for society in ACADEMIA.societies for text in texts if society.casefold() in words(text)}
        named += bool(found)
        assert len(found) <= 1, texts
    assert named > 50


def test_one_field_at_two_universities_is_in_different_groups():
    for texts in groups_of("affiliation"):
        places = {place for place in INSTITUTIONS.places for text in texts if place.casefold() in words(text)}
        assert len(places) <= 1, texts


def test_members_of_a_household_are_in_different_groups():
    """A customer has one e-mail address, whose digits have no typos; two of a household have the same house and street."""
    houses = defaultdict(set)
    with_email = 0
    for number, texts in enumerate(groups_of("customer")):
        emails = {match[0] for text in texts if (match := re.search(r"\d+@", text))}
        with_email += bool(emails)
        assert len(emails) <= 1, texts
        for text in texts:
            houses[re.search(r"\d+ \S* ?\w+|$", text)[0]].add(number)
    assert with_email > 100
    assert sum(len(groups) > 1 for house, groups in houses.items() if house) > 10


def test_people_of_one_name_have_other_middle_initials_or_generations():
    namesakes = 0
    for seed in SEEDS:
        found = defaultdict(list)
        for person in draw_persons(Random(seed), 300):
            found[person.first, person.last].append(person.mark)
        namesakes += sum(len(marks) > 1 for marks in found.values())
        assert all(len(set(marks)) == len(marks) and ("" not in marks or len(marks) == 1) for marks in found.values())
    assert namesakes > 50
