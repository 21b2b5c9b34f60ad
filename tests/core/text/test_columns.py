"""Which column is compared: the one that holds texts, however often they are repeated and in whatever order they stand."""

import random
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlcli.core.text.columns import choose_text_column, find_column, texts_of
from dlcli.support.errors import InputError
from dlcli.support.tables import Table

PROSE = ["How do I do this?", "What is the way to do that?", "Where are they all now?"]
ROWS = 60
_RANDOM = random.Random(5)


def table(**columns):
    return Table(list(columns), [list(row) for row in zip(*columns.values(), strict=True)], name="t.csv")


def some(*values, blank=0.0):
    """A column of cells drawn from the values, so that most are repeated; a fraction is blank."""
    kept = round(ROWS * (1 - blank))
    cells = [_RANDOM.choice(values) for _ in range(kept)] + [""] * (ROWS - kept)
    _RANDOM.shuffle(cells)
    return cells


def each(form):
    return [form(k) for k in range(ROWS)]


COMPANIES = some("Acme Corp", "ACME Corporation", "Globex Ltd.", "Initech", "Umbrella & Sons")
TITLES = some("Crash when a file is opened", "App crashes on opening files", "Undo does nothing", "Print button is missing")
PEOPLE = some("Jane Smith", "Smith, Jane", "Ahmed Ali", "Lena Vogt")
LONG = some(*(f"{text} I tried it on two machines and it happens on both of them." for text in TITLES[:9]))
RARE = some(*LONG, blank=0.93)
CHINESE = some("\u5982\u4f55\u7533\u8bf7\u9000\u8d27", "\u8fd0\u8d39\u662f\u591a\u5c11")
IDS = each(lambda k: str(1000 + k))
UUIDS = each(lambda k: str(UUID(int=k * 7919, version=4)))
DATES = each(lambda k: f"{1 + k % 28:02d}.05.2024")
STAMPS = each(lambda k: f"2024-05-{1 + k % 28:02d}T12:{k % 60:02d}:00Z")
WRITTEN_DATES = each(lambda k: f"{1 + k % 28} May 2024")
URLS = each(lambda k: f"https://example.org/articles/a-long-title-of-many-words-{k}")
MAILS = each(lambda k: f"jane.smith{k}@example.org")
PRICES = each(lambda k: f"${k},{k:03d}.99")
STATUS = some("open", "closed", "waiting for customer")
CITIES = some("Hamburg", "Los Angeles", "Paris")
ADDRESSES = each(lambda k: f"{k + 3} Long Market Street, Lamar County 7{k:04d}")

# fmt: off
CASES = {
    "company": {"id": IDS, "company": COMPANIES, "city": CITIES, "founded": DATES},
    "c2": {"c1": UUIDS, "c2": COMPANIES, "c3": PRICES, "c4": URLS},
    "subject": {"Ticket": IDS, "Customer Name": PEOPLE, "subject": TITLES, "status": STATUS, "description": RARE},
    "name": {"name": some("Jigsaw 8-Port Switch", "jigsaw 8 port switch", "Lamp 40W"), "description": RARE, "url": URLS},
    "title": {"url": URLS, "title": some(*TITLES, blank=0.2), "created_at": STAMPS, "author": PEOPLE, "notes": RARE},
    "text": {"text_id": UUIDS, "text_lang": some("English", "German"), "text": TITLES, "text_url": URLS},
    "Bezeichnung": {"Nr": IDS, "Datum": DATES, "Bezeichnung": some("Schraube M8 verzinkt", "Mutter M8"), "Preis": PRICES},
    "product_name": {"product_id": IDS, "product_name": some("Blue lamp", "blue Lamp"), "brand": COMPANIES, "image_url": URLS},
    "message": {"time": STAMPS, "host": some("db01", "db02"), "message": some("ERROR 17: disk is full", "WARN: disk is full")},
    "full_name": {"full_name": PEOPLE, "email": MAILS, "address": ADDRESSES, "birthday": WRITTEN_DATES},
    "what": {"when": WRITTEN_DATES, "where": ADDRESSES, "what": TITLES, "mail": MAILS},
    "\u6807\u9898": {"\u7f16\u53f7": IDS, "\u6807\u9898": CHINESE, "\u7f51\u5740": URLS},
    "question": {"answer": LONG, "question": TITLES, "votes": IDS},
    "note": {"case": IDS, "officer": PEOPLE, "note": some(*TITLES, blank=0.6), "file": each(lambda k: f"/srv/{k}.pdf")},
    "What could we improve?": {"who": UUIDS, "rating": some("1", "5"), "What could we improve?": some(*TITLES, blank=0.7)},
    "msg": {"time": STAMPS, "level": some("INFO", "WARN"), "msg": some("refused by policy 7", "refused by policy 8")},
    "track": {"track_id": UUIDS, "artist": PEOPLE, "track": some("All of Me", "Body and Soul"), "seconds": IDS},
    "address": {"id": UUIDS, "address": ADDRESSES, "phone": each(lambda k: f"+49 30 {k * 7919}"), "checked": DATES},
    "Kategorie": {"id": IDS, "Kategorie": some("Netz und Drucker im Haus"), "hash": UUIDS},
}
# fmt: on


@pytest.mark.parametrize("wanted", CASES)
def test_the_text_column_is_found_among_ids_dates_and_urls(wanted: str):
    found = table(**CASES[wanted])
    assert found.columns[choose_text_column(found, None).places[0]] == wanted


@given(st.sampled_from(sorted(CASES)), st.randoms(use_true_random=False))
def test_neither_the_order_of_rows_nor_repetition_counts(wanted: str, shuffle: random.Random):
    found = table(**CASES[wanted])
    shuffle.shuffle(found.rows)
    once = choose_text_column(found, None)
    assert found.columns[once.places[0]] == wanted
    found.rows += found.rows
    shuffle.shuffle(found.rows)
    assert choose_text_column(found, None) == once


def test_many_rows_are_sampled_by_content():
    found = table(**CASES["title"])
    found.rows = [[*row[:1], row[1], f"{row[2]}{k}", *row[3:]] for k in range(400) for row in found.rows]
    assert choose_text_column(found, None).places[0] == 1
    found.rows.reverse()
    assert choose_text_column(found, None).places[0] == 1
    found.rows = found.rows[:1] * 20_000
    assert choose_text_column(found, None).places[0] == 1


def test_others_that_read_like_texts_are_reported():
    assert choose_text_column(table(a=TITLES, b=LONG, c=IDS), None) == ((1,), ("a",))
    assert choose_text_column(table(id=IDS, question=TITLES, status=STATUS), None).near == ()
    rarely = table(id=IDS, name=PEOPLE, comment=some(*LONG, blank=2 / 3))
    assert choose_text_column(rarely, None) == ((1,), ("comment",))


@pytest.mark.parametrize("blank", ["", "  ", None, "n/a", float("nan"), "NULL"])
def test_a_blank_column_is_refused_unless_it_is_named(blank: object):
    with pytest.raises(InputError, match="column 'question' is blank in every row") as error:
        choose_text_column(table(question=[blank] * ROWS), None)
    assert error.value.hint == "name one with `column=NAME`"
    assert choose_text_column(table(question=[blank] * ROWS), "question").places[0] == 0
    with pytest.raises(InputError, match="no column reads like text but 'question', which is blank in most rows"):
        choose_text_column(table(id=IDS, question=[blank] * ROWS), None)
    assert choose_text_column(table(id=IDS, question=[blank] * ROWS, c=TITLES), None).places[0] == 2


def test_a_column_that_is_mostly_blank_is_compared_only_if_named():
    found = table(id=IDS, question=some(*TITLES, blank=0.93))
    with pytest.raises(InputError, match="which is blank in most rows"):
        choose_text_column(found, None)
    assert choose_text_column(found, "question").places[0] == 1


def test_a_named_column_is_taken_exactly_or_by_its_folded_name_or_by_number():
    assert find_column(table(a=["1"], b=["2"]), "b") == 1
    found = Table([" id ", " Question ", "3", "question"], [])
    assert [find_column(found, name) for name in ("ID", "question", " Question ", "3", "1", "4")] == [0, 3, 1, 2, 0, 3]
    for name in ("5", "0", "-1", "1.0", "\u00b2"):
        with pytest.raises(InputError, match="has no column"):
            find_column(found, name)


def test_a_missing_column_is_refused_with_a_list_of_columns():
    with pytest.raises(InputError, match=r"t.csv: has no column 'Qestions'; the columns are 'id', 'questions'") as error:
        find_column(table(id=["1"], questions=["2"]), "Qestions")
    assert error.value.hint == "did you mean questions?"


def test_a_name_that_two_columns_have_is_refused_with_their_numbers():
    for columns, name in ((["a", "b", "a"], "a"), (["A ", "b", "a"], " A")):
        with pytest.raises(InputError, match=f"2 columns are called '{name}'") as error:
            find_column(Table(columns, [["1", "2", "3"]]), name)
    with pytest.raises(InputError, match="2 columns are called 'a'"):
        choose_text_column(Table(["a", "b", "a"], [["1", "2", PROSE[0]]]), None)
        assert error.value.hint.endswith("its number in place of its name: 1 or 3")


def test_the_only_column_is_taken_whatever_it_holds():
    assert choose_text_column(table(n=["1", "1", "1"]), None).places[0] == 0


def test_a_known_name_goes_before_longer_text():
    assert choose_text_column(table(body=[t * 9 for t in PROSE], Question=PROSE), None).places[0] == 1


def test_the_start_of_a_known_name_counts_only_on_text():
    assert choose_text_column(table(question_id=["1", "2", "3"], question_en=PROSE), None).places[0] == 1
    assert choose_text_column(table(question_en=["1", "2", "3"], other=PROSE), None).places[0] == 1
    assert choose_text_column(Table(["id", "text_en"], []), None).places[0] == 1


def test_without_any_text_the_columns_are_listed():
    with pytest.raises(InputError, match="no column reads like text; the columns are 'x', 'y'") as error:
        choose_text_column(table(x=["1", "2"], y=["3", "4"]), None)
    assert error.value.hint == "name one with `column=NAME`"
    with pytest.raises(InputError, match="and 5 more"):
        choose_text_column(Table([f"c{k}" for k in range(25)], []), None)


@pytest.mark.parametrize("cells", [IDS, UUIDS, DATES, STAMPS, WRITTEN_DATES, URLS, MAILS, PRICES, some("open", "closed")])
def test_what_is_not_text_is_never_chosen(cells: list[str]):
    with pytest.raises(InputError, match="no column reads like text"):
        choose_text_column(table(state=cells, status=cells, id=IDS), None)


def test_null_and_nan_are_no_text_but_their_names_are():
    texts, nulls = texts_of(Table(["a"], [["x"], [None], [float("nan")], ["null"], ["NaN"], [7], [""]]), 0)
    assert texts == ["x", "", "", "null", "NaN", "7", ""]
    assert nulls == [1, 2]
