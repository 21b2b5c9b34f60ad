"""ImageNet's classes by each of their names."""

import pytest

from dlcli.core.models.imagenet import imagenet_classes, match_classes, synsets


def test_ids_are_in_the_order_of_the_names():
    """The order of ImageNet's outputs is that of the ids, and these pairs are in WordNet."""
    assert len(synsets()) == len(set(synsets())) == len(imagenet_classes()) == 1000
    assert list(synsets()) == sorted(synsets())
    known = {
        "n01440764": "tench",
        "n02123045": "tabby",
        "n03126707": "crane",
        "n04597913": "wooden spoon",
        "n07753592": "banana",
    }
    assert {key: dict(zip(synsets(), imagenet_classes(), strict=True))[key] for key in known} == known


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        *(
            ("tench", [0]),
            ("n01440764", [0]),
            ("Great_White-Shark", [2]),
            ("999", [999]),
            ("1000", []),
            ("007", []),
            ("cat", []),
        ),
        *(("crane", [517]), ("crane bird", [134]), ("n02012849", [134])),
    ],
)
def test_a_class_by_its_names(name, expected):
    assert match_classes(imagenet_classes(), ["ant", name])[1] == expected


def test_synonyms_and_names_of_several_outputs():
    detailed = list(imagenet_classes())
    detailed[0], detailed[134], detailed[517] = "tench, Tinca tinca", "crane, wader", "crane, machine"
    assert match_classes(detailed, ["Tinca tinca", "tench", "crane", "machine"]) == [[0], [0], [134, 517], [517]]


def test_a_table_of_indices_lists_classes_in_order():
    """Classes without examples are called by their place, and a name that two outputs have is that of its place."""
    classes = [str(k) for k in range(135)]
    classes[0], classes[2], classes[134] = "tench", "great_white_shark", "crane"
    assert match_classes(imagenet_classes(), classes) == [[k] for k in range(135)]
    assert match_classes(imagenet_classes(), ["tench", "goldfish", "zebra"]) == [[0], [1], [340]]


def test_other_networks_match_by_equal_names_only():
    assert match_classes(["ant", "bee", "ant"], ["bee", "Bee", "1", "ant"]) == [[1], [], [], [0, 2]]
