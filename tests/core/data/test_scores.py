"""Scores as they are read: the same from every layout, and refused by row where they are no numbers."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dlcli.core.data import open_data
from dlcli.core.data.base import ImageData, hold_out, strata
from dlcli.core.data.score_labels import check_scores
from dlcli.core.data.scores import as_scores, score_levels
from dlcli.core.data.splits import with_dev_set
from dlcli.core.training.balance import balanced
from dlcli.support.errors import InputError, UsageError
from tests.scored import changed, integer_scores, pictures, score_folders, table_folder, write_table

N = 60


def scored(spec: Path | str, **options: object) -> ImageData:
    return open_data(str(spec), target="score", **options)  # type: ignore[arg-type]


def test_a_folder_per_score_is_the_table_of_the_same(tmp_path: Path):
    scores = integer_scores(N)
    one, other = scored(table_folder(tmp_path / "t", scores)), scored(score_folders(tmp_path / "f", scores))
    assert one.fingerprint == other.fingerprint
    assert one.classes == ("score",)
    assert one.y_train.dtype == torch.float32


def test_folders_of_sets_and_scores_with_fractions(tmp_path: Path):
    for name, scores in (("train", [0.5, 7, 10, 0.5] * 4), ("test", [-1, 2.25] * 3)):
        score_folders(tmp_path / "d" / name, scores)
    found = scored(tmp_path / "d")
    assert found.y_train.tolist() == sorted([0.5, 7, 10, 0.5] * 4)
    assert found.y_test.tolist() == sorted([-1, 2.25] * 3)


def test_a_split_column_makes_the_sets(tmp_path: Path):
    sets = ["train"] * 40 + ["test"] * 12 + ["dev"] * 8
    found = scored(table_folder(tmp_path / "t", integer_scores(N), more={"split": sets}))
    assert {name: len(split.y) for name, split in found.splits.items()} == {"train": 40, "test": 12, "dev": 8}


def test_an_archive_has_the_scores_of_its_array(tmp_path: Path):
    scores = np.linspace(0, 1, N)
    np.savez(tmp_path / "a.npz", x=pictures(scores.tolist()), y=scores)
    found = scored(tmp_path / "a.npz")
    both = torch.cat([found.y_train, found.y_test])
    assert np.array_equal(np.sort(both.numpy()), scores.astype(np.float32))


def test_columns_of_raters_give_the_mean_and_stay(tmp_path: Path):
    ratings = np.random.default_rng(0).integers(0, 10, (N, 3)).astype(float)
    ratings[5, 1] = np.nan
    np.savez(tmp_path / "a.npz", x=pictures(np.nanmean(ratings, 1).tolist()), y=ratings)
    columns = {f"rater_{k}": ["" if np.isnan(value) else f"{value:g}" for value in ratings[:, k - 1]] for k in (1, 2, 3)}
    folder = table_folder(tmp_path / "t", np.nanmean(ratings, 1).tolist())
    write_table(folder / "labels.csv", {"file": [f"p{k:03}.png" for k in range(N)], **columns})
    for found in (scored(tmp_path / "a.npz"), scored(folder)):
        means = np.concatenate([found.y_train.numpy(), found.y_test.numpy()])
        assert np.allclose(np.sort(means), np.sort(np.nanmean(ratings, 1)), atol=1e-6)
        for name, split in found.splits.items():
            columns_of = np.stack([np.asarray(split.metadata[f"rater_{k}"], dtype=float) for k in (1, 2, 3)], 1)
            assert np.allclose(np.nanmean(columns_of, 1), split.y.numpy(), atol=1e-6), name


def test_classes_that_are_numbers_are_scores_too():
    found, classes = scored("digits"), open_data("digits")
    assert torch.equal(found.y_train, classes.y_train.float())
    y, x = torch.zeros(20, dtype=torch.int64), torch.zeros(20, 1, 2, 2)
    with pytest.raises(InputError, match="has classes such as 'left', and no scores"):
        as_scores(ImageData(x, y, x, y, ("left", "right"), "d"))


@pytest.mark.parametrize("bad", ["nan", "inf", "-inf", "", "7,5", "good", "1e999", "0x10", "1_000"])
def test_a_cell_that_is_no_finite_number_is_named_by_its_row(tmp_path: Path, bad: str):
    folder = table_folder(tmp_path / "t", integer_scores(N))
    changed(folder / "labels.csv", "score", 7, bad)
    with pytest.raises(InputError, match=r"column 'score', row 7: ") as caught:
        scored(folder)
    if bad == "7,5":
        assert "7.5" in caught.value.hint


def test_the_columns_that_there_are_are_named(tmp_path: Path):
    folder = table_folder(tmp_path / "t", integer_scores(N))
    names = [f"p{k:03}.png" for k in range(N)]
    write_table(folder / "labels.csv", {"file": names, "kind": ["a"] * N, "beauty": ["3"] * N})
    with pytest.raises(InputError, match="columns kind, beauty, none of which is called score or mean; of numbers: beauty"):
        scored(folder)
    assert scored(write_scores(folder, names), label_column="beauty").y_train.unique().tolist() == [3.0, 4.0]
    with pytest.raises(UsageError, match="has no column 'beaty'"):
        scored(folder, label_column="beaty")
    with pytest.raises(UsageError, match="has no column 'rater_9'"):
        scored(folder, raters=("rater_9",))


def write_scores(folder: Path, names: list[str]) -> Path:
    write_table(folder / "labels.csv", {"file": names, "kind": ["a"] * N, "beauty": [str(3 + k % 2) for k in range(N)]})
    return folder


def test_a_column_of_raters_with_text_is_refused(tmp_path: Path):
    columns = {"rater_1": [str(k % 5) for k in range(N)], "rater_2": ["fine"] * N}
    with pytest.raises(InputError, match="column 'rater_2', row 1: 'fine' is not a finite number"):
        scored(table_folder(tmp_path / "t", integer_scores(N), more=columns))


def test_a_file_with_two_scores_a_missing_file_and_an_unknown_set_are_refused(tmp_path: Path):
    folder = table_folder(tmp_path / "t", integer_scores(N), more={"split": ["train"] * 40 + ["test"] * 20})
    before = (folder / "labels.csv").read_text()
    changed(folder / "labels.csv", "file", 2, "p000.png")
    with pytest.raises(InputError, match=r"'p000.png' is in row 1 too, labelled '.' there and '.' here"):
        scored(folder)
    (folder / "labels.csv").write_text(before)
    changed(folder / "labels.csv", "split", 3, "holdout")
    with pytest.raises(InputError, match="row 3: 'holdout' is not the name of a set"):
        scored(folder)
    (folder / "labels.csv").write_text(before)
    (folder / "p004.png").unlink()
    with pytest.raises(InputError, match=r"p004\.png"):
        scored(folder, strict=True)


def written(folder: Path, scores: list[float]) -> Path:
    """The folder with these scores in full precision in its table."""
    names = [f"p{k:03}.png" for k in range(len(scores))]
    write_table(folder / "labels.csv", {"file": names, "score": [repr(score) for score in scores]})
    return folder


@pytest.mark.parametrize("offset, step", [(1e9, 1.0), (1.0, 1e-9), (-1e6, 1e-3)])
def test_scores_that_float32_cannot_tell_apart_are_refused(tmp_path: Path, offset: float, step: float):
    scores = [offset + step * k for k in integer_scores(N)]
    folder = written(table_folder(tmp_path / "t", integer_scores(N)), scores)
    with pytest.raises(InputError, match="too close together for numbers of 7 digits") as caught:
        scored(folder)
    assert caught.value.hint == f"subtract {min(scores):.12g} from all of them"
    np.savez(tmp_path / "a.npz", x=pictures(integer_scores(N)), y=np.array(scores))
    with pytest.raises(InputError, match="too close together for numbers of 7 digits"):
        scored(tmp_path / "a.npz")


def test_scores_of_a_size_that_overflows_are_refused_by_row(tmp_path: Path):
    folder = table_folder(tmp_path / "t", integer_scores(N))
    scores = [float(k) for k in integer_scores(N)]
    scores[4] = -1e16
    with pytest.raises(InputError, match="column 'score', row 5: -1e.16 is too large for a score"):
        scored(written(folder, scores))
    with pytest.raises(InputError, match="too close together") as caught:
        scored(written(folder, [1e-40 * k for k in integer_scores(N)]))
    assert "multiply" in caught.value.hint


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=50), st.sampled_from([1e-9, 1.0, 1e8]))
def test_scores_that_are_accepted_keep_their_order_in_float32(scores: list[float], scale: float):
    y = scale * np.array(scores)
    try:
        found = check_scores("t", y)
    except InputError:
        return
    span = float(np.ptp(y))
    assert np.abs(found.astype(np.float32) - y).max() <= 1e-4 * span or span <= 1e-13 * np.abs(y).max()
    apart = np.abs(y[:, None] - y[None]) > 2e-4 * span
    rounded = found.astype(np.float32)
    assert ((rounded[:, None] > rounded[None]) == (y[:, None] > y[None]))[apart].all()


def test_means_of_raters_that_differ_by_rounding_are_one_score():
    y = np.array([0.3, 0.1 + 0.2, 0.3])
    assert check_scores("t", y) is y


def test_an_option_for_a_column_that_an_archive_lacks_is_named(tmp_path: Path):
    np.savez(tmp_path / "a.npz", x=pictures(integer_scores(N)), y=np.array(integer_scores(N)))
    with pytest.raises(InputError, match="has no column 'beauty' .`score_column`"):
        scored(tmp_path / "a.npz", label_column="beauty")


def test_a_table_of_files_alone_is_told(tmp_path: Path):
    folder = table_folder(tmp_path / "t", integer_scores(N))
    write_table(folder / "labels.csv", {"file": [f"p{k:03}.png" for k in range(N)]})
    with pytest.raises(InputError, match="has no columns but that of files"):
        scored(folder)


def test_a_file_whose_scores_differ_in_the_last_digits_is_refused(tmp_path: Path):
    folder = table_folder(tmp_path / "t", integer_scores(N))
    scores = [float(k) for k in integer_scores(N)]
    scores[:2] = [1.0000001, 1.0000002]
    changed(written(folder, scores) / "labels.csv", "file", 2, "p000.png")
    with pytest.raises(InputError, match=r"'p000.png' is in row 1 too, labelled '1.0000001' there and '1.0000002' here"):
        scored(folder)


def test_scores_that_are_all_equal_or_too_few_are_refused(tmp_path: Path):
    with pytest.raises(InputError, match="all training scores are 3; at least two scores are needed"):
        scored(table_folder(tmp_path / "equal", [3] * N))
    with pytest.raises(InputError, match="9 images with a score are too few; give 10"):
        scored(table_folder(tmp_path / "few", [1, 2, 3] * 3))


def test_a_folder_that_is_no_number_is_named(tmp_path: Path):
    score_folders(tmp_path / "f", integer_scores(N))
    (tmp_path / "f" / "3").rename(tmp_path / "f" / "three")
    with pytest.raises(InputError, match="the folder 'three' is not called by a score"):
        scored(tmp_path / "f")


def test_without_the_task_a_score_with_a_fraction_says_how(tmp_path: Path):
    folder = table_folder(tmp_path / "t", [k / 7 for k in range(N)])
    with pytest.raises(InputError, match="is a number with a fraction") as caught:
        open_data(str(folder), label_column="score")
    assert "`task=score`" in caught.value.hint


@given(st.lists(st.floats(-1e3, 1e3), min_size=20, max_size=200), st.integers(0, 5))
def test_what_is_held_out_looks_like_the_whole(scores: list[float], seed: int):
    y = np.array(scores, dtype=np.float32)
    held = hold_out(y, 0.2, seed)
    assert 0 < held.sum() < len(y)
    part = strata(y)
    for tenth in np.unique(part):
        n = int((part == tenth).sum())
        assert held[part == tenth].sum() == min(n - 1, max(1, round(0.2 * n)))
    assert all(len(set(part[y == value])) == 1 for value in np.unique(y))


@given(st.lists(st.integers(0, 30), min_size=10, max_size=300).filter(lambda found: len(set(found)) > 1))
def test_groups_are_held_out_whole(group: list[int]):
    numbers = np.array(group)
    held = hold_out(np.zeros(len(group), dtype=np.int64), 0.2, group=numbers)
    assert 0 < held.sum() < len(group)
    assert not set(numbers[held]) & set(numbers[~held])


@pytest.mark.parametrize("target", ["score", "class"])
def test_no_set_parts_a_group(tmp_path: Path, target: str):
    people = [f"person {k % 13}" for k in range(N)]
    folder = table_folder(tmp_path / "t", integer_scores(N), more={"person": people})
    options = {"target": target, "label_column": "score"}
    data = with_dev_set(open_data(str(folder), group="person", **options), 0.2, 3, "person")  # type: ignore[arg-type]
    seen = [set(split.metadata["person"]) for split in data.splits.values()]
    assert len(seen) == 3
    assert sum(map(len, seen)) == len(set.union(*seen)) == 13
    parted = open_data(str(folder), **options)  # type: ignore[arg-type]
    assert set(parted.metadata["train"]["person"]) & set(parted.metadata["test"]["person"])


def test_sets_that_part_a_group_are_refused(tmp_path: Path):
    more = {"person": [f"person {k // 20}" for k in range(N)], "split": ["train"] * 50 + ["test"] * 10}
    folder = table_folder(tmp_path / "t", integer_scores(N), more=more)
    with pytest.raises(InputError, match="has 'person 2' of 'person' in the train set and in the test set"):
        scored(folder, group="person")
    with pytest.raises(InputError, match="`group`: .* has no column 'who'"):
        scored(folder, group="who")


def test_balanced_sampling_draws_each_level_alike():
    levels = score_levels(np.array([0] * 900 + [1] * 90 + [3] * 10))
    sampling, n = balanced(levels), 0
    drawn = np.concatenate([levels[sampling(torch.Generator().manual_seed(seed)).numpy()] for seed in range(10)])
    n = len(drawn)
    for level in (0, 1, 3):
        share = float((drawn == level).mean())
        assert abs(share - 1 / 3) < 4 * (2 / 9 / n) ** 0.5
    assert set(drawn) == {0, 1, 3}


def test_scores_with_fractions_are_balanced_by_tenths_of_their_range():
    levels = score_levels(np.array([0.0, 0.05, 0.11, 0.95, 1.0]))
    assert levels.tolist() == [0, 0, 1, 9, 9]


def histogram(levels: int = 5) -> np.ndarray:
    counts = np.random.default_rng(0).multinomial(20, np.ones(levels) / levels, N)
    return counts.astype(np.int64)


def test_counts_of_votes_give_their_mean(tmp_path: Path):
    counts = histogram()
    for levels, low in ((None, 1), (np.arange(-1, 4), -1)):
        more = {} if levels is None else {"levels": levels}
        np.savez(tmp_path / "a.npz", x=pictures(list(range(N))), y=counts, **more)
        found = scored(tmp_path / "a.npz", raters=("histogram",))
        mean = (counts @ np.arange(low, low + 5)) / counts.sum(1)
        both = torch.cat([found.y_train, found.y_test]).numpy()
        assert np.allclose(np.sort(both), np.sort(mean), atol=1e-6)
        shares = np.stack(list(found.metadata["train"]["votes"]))
        assert np.allclose(shares[:, 1:].sum(1), 1) and (shares[:, 0] == low).all()
    np.savez(tmp_path / "b.npz", x=pictures(list(range(N))), y=counts / counts.sum(1, keepdims=True))
    again = scored(tmp_path / "b.npz", raters=("histogram",))
    assert again.y_test.shape == found.y_test.shape


@pytest.mark.parametrize(("row", "value"), [(3, 0), (7, -1), (2, np.nan)])
def test_a_row_that_is_no_votes_is_named(tmp_path: Path, row: int, value: float):
    counts = histogram().astype(float)
    counts[row - 1] = value
    np.savez(tmp_path / "a.npz", x=pictures(list(range(N))), y=counts)
    with pytest.raises(InputError, match=f"'y': row {row}: .* are not votes"):
        scored(tmp_path / "a.npz", raters=("histogram",))


def test_levels_that_do_not_follow_each_other_are_refused(tmp_path: Path):
    for levels in ([1, 2, 4, 5, 6], [1, 2, 3], [0.5, 1.5, 2.5, 3.5, 4.5]):
        np.savez(tmp_path / "a.npz", x=pictures(list(range(N))), y=histogram(), levels=np.array(levels))
        with pytest.raises(InputError, match="'levels' must be 5 integers one after the other"):
            scored(tmp_path / "a.npz", raters=("histogram",))
    np.savez(tmp_path / "a.npz", x=pictures(list(range(N))), y=histogram()[:, 0])
    with pytest.raises(InputError, match="a histogram is"):
        scored(tmp_path / "a.npz", raters=("histogram",))
