"""Rows of a table of predictions that are no examples, and examples that are there several times."""

import re

import numpy as np
import pytest

from dlcli.support.errors import InputError
from tests.core.evaluation.test_column_readings import N, network, read

NAMES = np.array(["cat", "dog", "hen"])


@pytest.mark.parametrize("name", ["count", "n", "Freq"])
def test_pairs_of_labels_with_their_counts_are_no_examples(name):
    cells = {"actual": list("aabb"), "predicted": list("abab"), name: [90, 10, 5, 95]}
    with pytest.raises(InputError, match=f"each pair of labels is there once, and the column '{name}' tells how often"):
        read(cells)
    assert read({**cells, name: [1, 1, 1, 1]}).predictions.correct.tolist() == [True, False, False, True]


@pytest.mark.parametrize("said", ["Total", "TOTAL", "Grand total", "mean"])
@pytest.mark.parametrize("last", [True, False])
def test_a_total_is_no_example(said, last):
    rows = [("a", 0, 0), ("b", 1, 1), ("c", 1, 1)]
    rows = [*rows, (said, 2, 3)] if last else [(said, 2, 3), *rows]
    cells = dict(zip(("name", "truth", "pred"), map(list, zip(*rows, strict=True)), strict=True))
    with pytest.raises(InputError, match=f"column 'name': '{said}' is not an example"):
        read(cells)
    cells["truth"] = [1 if one == 2 else one for one in cells["truth"]]
    assert len(read(cells).predictions.y) == 4


@pytest.mark.parametrize("kind", ["string", "Object", "category", "int64", "varchar"])
@pytest.mark.parametrize("predicted", [True, False])
def test_types_of_columns_below_the_header_are_no_example(kind, predicted):
    y, p = network(3)
    other = {"pred": [kind, *NAMES[p.argmax(1)]]} if predicted else {f"p_{k}": [0.4, *p[:, i]] for i, k in enumerate(NAMES)}
    cells = {"truth": [kind, *NAMES[y]], **other}
    with pytest.raises(InputError, match=f"row 1 is not an example: '{kind}' in it is part of a second header"):
        read(cells)
    assert len(read({name: column[1:] for name, column in cells.items()}).predictions.y) == N


@pytest.mark.parametrize("said", ["(years)", "Age of the person", "m/s"])
def test_texts_above_numbers_are_no_example(said):
    y, p = network(3)
    cells = {"truth": ["True class", *NAMES[y]], "pred": ["Predicted", *NAMES[p.argmax(1)]], "age": [said, *range(N)]}
    with pytest.raises(InputError, match="row 1 is not an example"):
        read(cells)


@pytest.mark.parametrize("first", ["", "NaN", "NA", "n/a", "-", "17", "1e3"])
def test_a_rare_class_in_the_first_row_is_an_example(first):
    y, p = network(3)
    cells = {"truth": ["owl", *NAMES[y]], "pred": ["cat", *NAMES[p.argmax(1)]], "age": [first, *range(N)]}
    assert len(read(cells).predictions.y) == N + 1


def test_a_class_may_be_called_like_a_type():
    y, p = network(3)
    names = np.array(["string", "float", "int"])
    assert len(read({"truth": names[y], "pred": names[p.argmax(1)]}).predictions.y) == N


@pytest.mark.parametrize("name", ["model", "Epoch", "seed", "run_id", "checkpoint", "architecture"])
@pytest.mark.parametrize("times", [2, 3])
@pytest.mark.parametrize("mixed", [True, False])
def test_rows_of_several_networks_are_refused(name, times, mixed):
    y, p = network(3)
    order = np.arange(N * times).reshape(times, N).T.ravel() if mixed else np.arange(N * times)
    guess = np.concatenate([np.roll(p.argmax(1), k) for k in range(times)])
    cells = {name: np.repeat(np.arange(times), N)[order], "truth": np.tile(y, times)[order], "pred": guess[order]}
    with pytest.raises(InputError, match=f"all {times} values of '{name}' have the same true labels"):
        read(cells)
    assert len(read(cells, "truth=truth", "label=pred").predictions.y) == N * times
    assert len(read({**cells, name: np.arange(N * times) % 7}).predictions.y) == N * times


@pytest.mark.parametrize("name", ["image_no", "sample_id", "uuid", "example", "url", "Customer ID"])
@pytest.mark.parametrize("again", [N, 1])
def test_examples_that_are_there_again_are_named(name, again):
    y, p = network(3)
    rows = [*range(N), *range(again)]
    found = read({name: np.arange(1000, 1000 + N)[rows], "truth": NAMES[y[rows]], "pred": NAMES[p.argmax(1)[rows]]})
    said = "1 row has" if again == 1 else f"{again} rows have"
    assert any(note.startswith(f"{said} the '{name}' and the true label of an earlier one") for note in found.notes)


@pytest.mark.parametrize("name", ["class_id", "camera_id", "age", "text"])
def test_columns_of_other_things_name_no_examples(name):
    y, p = network(3)
    cells = {name: y if name == "class_id" else np.arange(N) % 5, "truth": NAMES[y], "pred": NAMES[p.argmax(1)]}
    assert not any("earlier one" in note for note in read(cells).notes)


def test_a_table_of_one_class_says_what_its_accuracy_is():
    y, p = network(3)
    found = read({"truth": ["cat"] * N, "pred": NAMES[p.argmax(1)]})
    assert "All true labels are 'cat': accuracy is the recall of that class." in found.notes
    assert not any("recall" in note for note in read({"truth": NAMES[y], "pred": NAMES[p.argmax(1)]}).notes)


@pytest.mark.parametrize("name", ["count", "0", "n_samples", "Anzahl", "proportion"])
@pytest.mark.parametrize("parts", [1, 3])
def test_counts_of_pairs_of_labels_are_no_examples(name, parts):
    """Also in each of several parts, and as shares of the whole."""
    k = len(NAMES)
    counts = np.random.default_rng(2).integers(1, 60, k * k * parts)
    values = counts / counts.sum() if name == "proportion" else counts
    cells = {"truth": np.tile(np.repeat(NAMES, k), parts), "pred": np.tile(NAMES, k * parts), name: values}
    cells |= {"site": np.repeat(np.arange(parts), k * k)} if parts > 1 else {}
    with pytest.raises(InputError, match=f"the column '{name}' tells how often"):
        read(cells)


def test_a_count_of_something_else_beside_each_example_is_metadata():
    y, p = network(3)
    cells = {"truth": NAMES[y], "pred": NAMES[p.argmax(1)], "count": np.random.default_rng(2).integers(1, 90, N)}
    assert len(read(cells).predictions.y) == N
    assert len(read({"id": np.arange(N), **cells}).predictions.y) == N


@pytest.mark.parametrize("by", ["class", "rank"])
@pytest.mark.parametrize("classes", [2, 3, 6])
def test_a_row_for_each_class_or_rank_is_no_example(by, classes):
    y, p = network(classes)
    order = np.argsort(-p, axis=1) if by == "rank" else np.tile(np.arange(classes), (N, 1))
    cells = {"truth": np.repeat(y, classes), "pred": order.ravel(), "prob": np.take_along_axis(p, order, 1).ravel()}
    cells |= {"rank": np.tile(np.arange(1, classes + 1), N)} if by == "rank" else {}
    with pytest.raises(InputError, match=f"each {classes} rows have one true label and {classes} predicted ones"):
        read(cells)


@pytest.mark.parametrize("classes", [2, 3])
def test_many_examples_are_read(classes):
    y, p = network(classes, 6000)
    assert len(read({"truth": y, "pred": p.argmax(1), "rank": np.arange(6000) % 3}).predictions.y) == 6000


@pytest.mark.parametrize("word", ["NA", "N/A", "NULL", "None", ".", "-", "?"])
@pytest.mark.parametrize("where", ["truth", "pred"])
def test_a_label_that_may_be_missing_is_refused(word, where):
    """Beside numbers in both columns, or in one of the columns; among words in both it is a class."""
    y, p = network(3)
    numbers, words = (
        {"truth": names[y].astype(object), "pred": names[p.argmax(1)].astype(object)}
        for names in (np.array(["0", "1", "2"]), NAMES)
    )
    for cells in (numbers, words):
        cells[where][7] = word
        with pytest.raises(InputError, match=f"row 8, column '{where}': '{re.escape(word)}' may be a missing label"):
            read(cells)
    numbers["truth"][7] = numbers["pred"][7] = words["truth"][7] = words["pred"][7] = word
    with pytest.raises(InputError, match="may be a missing label"):
        read(numbers)
    assert word in read(words).predictions.outputs


@pytest.mark.parametrize("style", ["prob_{}", ".pred_{}", "{}"])
def test_probabilities_of_a_class_called_no_are_no_keys(style):
    y, p = network()
    names = np.array(["no", "yes"])
    rounded = p[:, 1].round(1)
    cells = {"truth": names[y], style.format("no"): (1 - rounded).round(1), style.format("yes"): rounded}
    assert not any("earlier one" in note for note in read(cells).notes)
