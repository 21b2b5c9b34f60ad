"""How normalisations are typed."""

import pytest

from dlcli.specs.normalise import Normalisation, parse_normalisation
from dlcli.specs.option import declared
from dlcli.specs.train import TrainConfig


def test_a_name_has_the_published_values():
    found = parse_normalisation("imagenet")
    assert found == Normalisation("imagenet", 1, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), bgr=False)
    assert parse_normalisation("mnist").mean == (0.1307,) and parse_normalisation("mnist").channels is None


def test_a_name_keeps_the_values_of_each_colour_where_blue_comes_first():
    found = parse_normalisation("imagenet:bgr")
    assert (found.mean, found.std, found.bgr) == ((0.406, 0.456, 0.485), (0.225, 0.224, 0.229), True)


def test_values_above_one_are_on_the_scale_of_bytes():
    caffe = parse_normalisation("103.939,116.779,123.68/1:bgr")
    assert (caffe.white, caffe.mean, caffe.std) == (255, (103.939, 116.779, 123.68), (1.0, 1.0, 1.0))
    assert parse_normalisation("127.5/127.5").white == 255 and parse_normalisation("0.5/0.5").white == 1
    assert parse_normalisation("0/255").white == 255


@pytest.mark.parametrize("name", ["0.5/0.5", "0.4,0.5,0.6/0.2", "104,117,123/1:bgr", "0.4,0.5,0.6/0.2,0.3,0.25", "none:bgr"])
def test_what_is_written_down_is_read_as_the_same(name):
    found = parse_normalisation(name)
    assert parse_normalisation(found.name) == found


@pytest.mark.parametrize(
    "name", ["imagnet", "0.5", "0.5/0", "0.5/-1", "1,2/3", "a/b", "/", "0.1,0.2,0.3/0.1,0.2", "nan/1", "0.5/inf", "1,2,3,4/1"]
)
def test_what_is_none_is_refused_in_one_sentence(name):
    with pytest.raises(ValueError, match=r"^'.*(is not|needs)"):
        parse_normalisation(name)


def test_the_option_takes_auto_and_any_case():
    details = next(details for item, details in declared(TrainConfig) if item.name == "normalise")
    assert details.parse("auto") == "auto" and details.parse(" ImageNet:BGR ") == "imagenet:bgr"
    assert details.parse("0.50/0.5") == "0.5/0.5"
