"""Accuracy by facts: how columns are cut, where they come from, and when a slice is called worse."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.stats import fisher_exact

from dlcli.core.data import open_data
from dlcli.core.data.groups import group_numbers
from dlcli.core.evaluation.slices import (
    MOST_VALUES,
    NONE,
    OTHER,
    compare_slices,
    cut,
    find_column,
    holm,
    worst,
)
from dlcli.support.errors import InputError

WORDS = st.sampled_from([NONE, OTHER, "a\0", "a", " "])
CELLS = st.one_of(
    st.none(), WORDS, st.text(max_size=2), st.integers(-99, 99), st.floats(), st.booleans(), st.binary(max_size=2)
)


def counts(values) -> dict[str, int]:
    return {one.name: int(one.inside.sum()) for one in cut("fact", np.asarray(values))}


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.lists(CELLS, min_size=1), st.lists(st.integers(0, 999), min_size=30), st.lists(st.floats(), min_size=30)))
def test_slices_hold_every_image_once(values):
    column = np.empty(len(values), dtype=object)
    column[:] = values
    found = cut("fact", column)
    assert (np.sum([one.inside for one in found], axis=0) == 1).all()
    assert all(one.inside.any() for one in found) and len({one.name for one in found}) == len(found)
    assert len(found) <= MOST_VALUES + 2


@given(st.lists(st.sampled_from("abcdef"), min_size=1))
def test_few_values_are_counted(values):
    assert counts(values) == Counter(values)


def test_numbers_stand_in_their_order_and_text_in_its():
    assert list(counts([10, 9, 2, 10])) == ["2", "9", "10"]
    assert list(counts(["10", "9", "2"])) == ["2", "9", "10"]
    assert list(counts(["10", "9", "x"])) == ["10", "9", "x"]


@pytest.mark.parametrize("values", [np.arange(24).repeat(5), np.arange(24).repeat(5).astype(str)])
def test_many_numbers_are_cut_into_quarters(values):
    """The 24 hours of a day, five images each, mixed: six hours a quarter."""
    mixed = np.random.default_rng(0).permutation(values)
    assert counts(mixed) == {"0 to 5": 30, "6 to 11": 30, "12 to 17": 30, "18 to 23": 30}
    night = next(one for one in cut("hour", mixed) if one.name == "0 to 5")
    np.testing.assert_array_equal(night.inside, mixed.astype(int) < 6)


@pytest.mark.parametrize("word", ["n/a", "NaN", "", "-", "NULL"])
def test_numbers_with_gaps_are_cut_into_quarters_and_the_gaps(word):
    values = [str(k) for k in range(24) for _ in range(5)]
    expected = {"0 to 5": 30, "6 to 11": 30, "12 to 17": 30, "18 to 23": 30, NONE: 7}
    assert counts([*values, *[word] * 7]) == expected
    assert counts([*values, "middle"])[OTHER] > 0  # words are values


def test_infinite_numbers_stand_at_the_ends():
    values = ["-inf", *map(str, range(1, 99)), "inf"]
    assert counts(values) == {"-inf to 24": 25, "25 to 49": 25, "50 to 74": 25, "75 to inf": 25}
    assert counts([*["-inf"] * 60, *map(str, range(40))])["-inf"] == 60


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e6])
def test_bounds_have_as_many_digits_as_tell_them_apart(scale):
    values = np.random.default_rng(0).normal(size=200) * scale
    names = list(counts(values))
    assert len(names) == 4
    bounds = [bound for name in names for bound in name.split(" to ")]
    ordered = np.sort(values)
    true = [ordered[place] for quarter in range(4) for place in (50 * quarter, 50 * quarter + 49)]
    np.testing.assert_allclose([float(bound) for bound in bounds], true, rtol=5e-4)
    assert all(len(bound) <= 10 for bound in bounds)
    near = 1 + np.arange(40) * 1e-9
    bounds = [float(bound) for name in counts(near) for bound in name.split(" to ")]
    assert len(set(bounds)) == 8 and bounds == sorted(bounds)


def test_equal_numbers_are_never_parted():
    values = [0] * 90 + list(range(1, 31))
    assert counts(values) == {"0": 90, "1 to 30": 30}


def test_many_words_leave_the_largest_and_the_others():
    values = [f"word {k:02}" for k in range(30) for _ in range(k + 1)]
    found = counts(values)
    assert found == {**{f"word {k}": k + 1 for k in range(29, 9, -1)}, OTHER: sum(range(1, 11))}
    assert counts([*values, *[OTHER] * 99]) == {**found, OTHER: found[OTHER] + 99}


def test_images_without_a_value_are_a_slice_of_their_own():
    assert counts(np.array(["a", "", " a ", None], dtype=object)) == {"a": 2, NONE: 2}
    assert counts(np.array([1.0, np.nan, 1.0])) == {"1.0": 2, NONE: 1}
    assert counts(np.array(["2026-01-01", "NaT"], dtype="datetime64[D]")) == {"2026-01-01": 1, NONE: 1}
    assert counts(["nan", "nan"]) == {"nan": 2}  # written by a person, it may be bread
    assert counts([*range(30), *[np.nan] * 7])[NONE] == 7
    assert counts(np.array([b"caf\xc3\xa9", b"b"])) == {"café": 1, "b": 1}


def test_holm_by_hand():
    """Four p-values times 4, 3, 2 and 1 from the smallest up, never falling (Holm 1979)."""
    assert holm([0.03, 0.005, 0.9, 0.02]) == pytest.approx((0.06, 0.02, 0.9, 0.06))
    assert holm([0.6, 0.7]) == (1.0, 1.0) and holm([]) == ()


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_rejects_what_stepping_down_rejects(p_values):
    """The method as published: go up from the smallest, reject while p is at most level / (hypotheses left)."""
    order, rejected = sorted(range(len(p_values)), key=lambda k: p_values[k]), set()
    for k, which in enumerate(order):
        if p_values[which] > 0.05 / (len(p_values) - k):
            break
        rejected.add(which)
    for k, adjusted in enumerate(holm(p_values)):
        assert (adjusted <= 0.05) == (k in rejected) or adjusted == pytest.approx(0.05)


def judged(**columns: list[tuple[str, int, int]]):
    """The rows for columns given as value, right, wrong; all columns have the same right and wrong ones, right ones first."""
    values = {}
    for name, parts in columns.items():
        right = [value for value, good, _ in parts for _ in range(good)]
        values[name] = (right, [value for value, _, bad in parts for _ in range(bad)])
    good, bad = (len(part) for part in next(iter(values.values())))
    correct = np.arange(good + bad) < good
    return compare_slices([one for name, (a, b) in values.items() for one in cut(name, np.array(a + b))], correct)


def test_a_bad_slice_is_found_and_others_are_left_alone():
    rows = judged(site=[("north", 90, 10), ("south", 88, 12), ("west", 50, 50)])
    found = {row.name: row for row in rows}
    assert [found[name].accuracy.value for name in ("north", "south", "west")] == [0.9, 0.88, 0.5]
    west = found["west"]
    assert (west.status, west.minus_rest.value, west.minus_rest.n) == ("worse", pytest.approx(0.5 - 178 / 200), 300)
    plain = {name: fisher_exact([[a, 100 - a], [228 - a, 72 - (100 - a)]]).pvalue for name, a in (("north", 90), ("west", 50))}
    assert west.p == pytest.approx(3 * plain["west"]) and found["north"].p == pytest.approx(2 * plain["north"])
    assert found["north"].status == "better" and worst(rows).name == "west"


def test_looking_at_many_slices_costs():
    """Alone the difference would count; among twenty columns of noise it does not."""
    (alone, _) = judged(first=[("a", 80, 0), ("b", 73, 7)])
    assert alone.status == "better"
    noise = {f"noise {k}": [("a", 77, 4), ("b", 76, 3)] for k in range(20)}
    crowded = judged(first=[("a", 80, 0), ("b", 73, 7)], **noise)[0]
    assert crowded.minus_rest == alone.minus_rest and crowded.minus_rest.established
    assert crowded.status == "not established" and crowded.p == pytest.approx(21 * alone.p)


def test_the_two_halves_of_a_column_are_one_question():
    a, b = judged(eye=[("left", 30, 5), ("right", 20, 15)])
    assert a.p == b.p == pytest.approx(fisher_exact([[30, 5], [20, 15]]).pvalue)
    assert (a.status, b.status) == ("better", "worse") and a.minus_rest.value == -b.minus_rest.value


def test_a_column_of_one_value_has_nothing_to_be_held_against():
    (row,) = judged(site=[("here", 3, 1)])
    assert (row.minus_rest, row.p, row.status) == (None, None, "no others")


def test_one_unlucky_image_is_not_the_worst_slice():
    rows = judged(site=[("rare", 0, 1), ("north", 60, 40), ("south", 90, 10), (OTHER, 20, 80)])
    assert worst(rows).name == "north"


def test_chance_is_seldom_called_a_difference():
    """Where no slice differs, at most 5% of runs may name any; Fisher's test is stricter than it says."""
    source, false = np.random.default_rng(1), 0
    for _ in range(200):
        values, correct = source.integers(0, 6, 300), source.random(300) < 0.8
        false += any(row.status != "not established" for row in compare_slices(cut("site", values), correct))
    assert false <= 0.05 * 200 + 3 * (0.05 * 0.95 * 200) ** 0.5


def test_a_column_that_is_not_there_is_named_with_those_that_are():
    metadata = {"hour": np.arange(2)}
    with pytest.raises(InputError, match="x has no column 'our'") as caught:
        find_column("our", metadata, data="x")
    assert caught.value.hint.startswith("there are: hour, class;")
    assert find_column("hour", metadata, data="x").tolist() == [0, 1]


def test_rows_of_labels_csv_stay_with_their_images(tmp_path: Path):
    """The k-th image is grey level 10 k and its row says so; damaged ones, strangers and the order of names change nothing."""
    names = [f"{k * 7 % 12:02}.png" for k in range(12)]
    for k, name in enumerate(names):
        Image.fromarray(np.full((6, 6), 10 * k, np.uint8)).save(tmp_path / name)
    for k in (0, 4, 11):
        (tmp_path / names[k]).write_bytes(b"no picture")
    rows = [f"{name},{'ab'[k % 2]},{10 * k},{'' if k == 5 else 'north'}" for k, name in enumerate(names)]
    (tmp_path / "labels.csv").write_text("file,name,level,site\n" + "\n".join(rows) + "\n")
    split = open_data(str(tmp_path)).splits["test"]
    assert (split.x[:, 0, 0, 0] * 255).round().int().tolist() == [int(level) for level in split.metadata["level"]]
    assert len(split.y) == 9 and split.metadata["site"].tolist().count("") == 1
    assert split.metadata["name"].tolist() == ["ab"[k] for k in split.y]
    few = open_data(str(tmp_path), limit=4, size=4).splits["test"]
    assert (few.x[:, 0, 0, 0] * 255).round().int().tolist() == [int(level) for level in few.metadata["level"]]
    assert 0 < len(few.y) <= 4


@pytest.mark.parametrize("whole", [True, False])
def test_arrays_beside_the_labels_stay_with_their_images(tmp_path: Path, whole: bool):
    """The first pixel of each image is its fact."""
    metadata = {name: np.arange(n) * 3 for name, n in (("", 50), ("_train", 50), ("_test", 30), ("_dev", 20))}
    arrays = {}
    for ending in ("", "_dev") if whole else ("_train", "_test", "_dev"):
        x = np.zeros((len(metadata[ending]), 5, 5), np.uint8)
        x[:, 0, 0] = metadata[ending]
        arrays |= {f"x{ending}": x, f"y{ending}": np.arange(len(x)) % 2, f"mark{ending}": metadata[ending]}
    arrays["matrix"], arrays["short"] = np.zeros((30, 2)), np.zeros(7)
    np.savez(tmp_path / "facts.npz", **arrays, objects=np.array([{}] * 30))
    data = open_data(str(tmp_path / "facts.npz"))
    for found in (data, open_data(str(tmp_path / "facts.npz"), limit=11)):
        for name, split in found.splits.items():
            assert (split.x[:, 0, 0, 0] * 255).round().int().tolist() == split.metadata["mark"].tolist(), name
            assert set(split.metadata) <= {"mark", "mark_test"}
    assert sum(len(split.y) for split in data.splits.values()) == (70 if whole else 100)
    small = open_data(str(tmp_path / "facts.npz"), size=3).splits["test"]
    assert small.metadata["mark"].tolist() == data.splits["test"].metadata["mark"].tolist()


def test_a_name_without_an_ending_is_of_the_test_set(tmp_path: Path):
    x, y = np.random.default_rng(0).random((8, 3, 3)), np.arange(8) % 2
    arrays = {"x_train": x, "y_train": y, "x_test": x[:6], "y_test": y[:6]}
    np.savez(tmp_path / "a.npz", **arrays, hour=np.arange(6), both=np.arange(6), both_test=np.arange(6) + 10)
    splits = open_data(str(tmp_path / "a.npz")).splits
    assert splits["test"].metadata["hour"].tolist() == list(range(6)) and splits["test"].metadata["both"][0] == 10
    assert not splits["train"].metadata


def test_images_without_a_group_are_groups_of_their_own():
    numbers = group_numbers(np.array(["b", "", "a", "b", ""], dtype=object))
    assert numbers[0] == numbers[3] and len(set(numbers.tolist())) == 4


def films(random, number: int = 30, size: int = 20):
    """Films of three cameras without a difference, and which frames are right: films differ in how hard they are."""
    film = np.arange(number).repeat(size)
    hard = random.normal(size=number) * 0.7
    return film, np.arange(number)[film] % 3, random.normal(size=number * size) + hard[film] > -1


def test_groups_without_a_difference_are_seldom_called_worse_or_better():
    random, called = np.random.default_rng(0), {"by film": 0, "by frame": 0}
    runs = 120
    for seed in range(runs):
        film, camera, right = films(random)
        for name, group in (("by film", film), ("by frame", None)):
            rows = compare_slices(cut("camera", camera), right, group, seed=seed)
            called[name] += any(row.status in ("worse", "better") for row in rows)
    assert called["by film"] <= 0.05 * runs + 3 * (0.05 * 0.95 * runs) ** 0.5
    assert called["by frame"] > 3 * called["by film"]


def test_a_difference_between_groups_is_found():
    random = np.random.default_rng(1)
    film, camera, right = films(random, number=90)
    rows = compare_slices(cut("camera", camera), right & ((camera != 2) | (random.random(len(right)) < 0.5)), film)
    assert [row.status for row in rows] == ["better", "better", "worse"]


def test_groups_of_one_are_tested_about_as_by_fisher():
    random = np.random.default_rng(2)
    side = np.arange(400) % 2
    right = random.random(400) < np.where(side, 0.80, 0.88)
    exact, permuted = (compare_slices(cut("side", side), right, group)[0].p for group in (None, np.arange(400)))
    assert permuted == pytest.approx(exact, abs=0.02)
