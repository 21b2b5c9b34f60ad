import pytest

from dlcli.core.gradients.causes import Observations, causes
from dlcli.specs.probe_gradients import LayerRow


def signal(name="relu 1", **changes):
    facts = {
        "units": 10,
        "mean": 0.4,
        "variance": 0.3,
        "active": 0.5,
        "coactive": 0.25,
        "dead": 0.0,
        "gradient": 1.0,
        "cosine": None,
    }
    return LayerRow(layer=name, kind=name.split()[0], **{**facts, **changes})


WELL = Observations("healthy", 0.97, (signal(), signal("relu 2")), inputs=64, skips=4, layers=9)


def found(**changes):
    return causes(Observations(**{**vars(WELL), **changes}), lambda surgery: f"try {surgery}")


def test_a_network_that_is_well_has_no_cause():
    assert found() == ()
    assert found(verdict="linear", acf1=None, skips=0) == ()


@pytest.mark.parametrize(
    ("changes", "name", "said", "move"),
    [
        (
            {"signals": (signal(dead=0.62), signal("relu 2"))},
            "dead units",
            "relu 1: 62% of its units or channels are above zero for none of 64",
            "try selu",
        ),
        ({"signals": (signal(gradient=1e-5), signal("relu 9"))}, "vanishing", "relu 1 is 1.0e-05 times that at relu 9", "selu"),
        ({"signals": (signal(gradient=1e5), signal("relu 9"))}, "exploding", "1.0e+05 times", "looks-linear"),
        ({"verdict": "white", "acf1": 0.01, "skips": 0}, "shattered gradients", "9 layers without a skip", "looks-linear"),
        ({"verdict": "partial", "acf1": 0.7}, "branches", "4 residual blocks, autocorrelation 0.70", "residual-scale=0.1"),
        (
            {"signals": (signal(), signal("relu 2", coactive=0.49)), "skips": 0},
            "collapse",
            "50% at relu 1 and 98% at relu 2",
            "selu",
        ),
        ({"signals": (signal("selu 1", mean=0, variance=0.04),)}, "SELU", "variance 0.04", "selu"),
    ],
)
def test_each_cause_is_found_by_its_evidence(changes, name, said, move):
    (cause,) = found(**changes)
    assert name in cause.name and said in cause.evidence and any(move in one for one in cause.suggestions)


def test_a_network_with_a_residual_block_is_not_told_to_add_one():
    (cause,) = found(verdict="white", acf1=0.0)
    assert cause.suggestions == ("try residual-scale=0.1",)


def test_of_an_ordinary_residual_network_nothing_is_said():
    """Most units behind a skip are above zero, and its autocorrelation is a little below that of linear networks."""
    assert found(signals=(signal(), signal("relu 2", active=0.9, coactive=0.85)), verdict="partial", acf1=0.87) == ()


def test_few_inputs_say_nothing_of_dead_units():
    assert found(signals=(signal(dead=0.9), signal("relu 2")), inputs=4) == ()


def test_shattering_shows_how_alike_gradients_stay_from_layer_to_layer():
    signals = (signal(cosine=0.03), signal("relu 2", cosine=0.5), signal("relu 3", cosine=1.0))
    (cause,) = found(verdict="white", acf1=0.01, skips=0, signals=signals)
    assert cause.evidence.endswith("a mean cosine of 1.00 at relu 3 and 0.03 at relu 1")


def test_moves_that_are_none_are_left_out():
    facts = Observations(**{**vars(WELL), "verdict": "white", "acf1": 0.0, "skips": 0})
    (cause,) = causes(facts, lambda surgery: None if surgery == "looks-linear" else surgery)
    assert cause.suggestions == ("selu",)


def test_several_causes_are_all_named():
    dead = (signal(dead=0.9, gradient=1e9), signal("relu 2"))
    assert [one.name for one in found(signals=dead)] == ["dead units", "exploding gradients"]
