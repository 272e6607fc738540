"""The phantom's classes, as they are defined."""

import pytest

from itn.phantom.objects import PHANTOM_CLASSES, PHANTOM_PAIRS, SEPARATION


def test_pairs_differ_in_the_mean_of_one_parameter():
    assert {pair.transformation for pair in PHANTOM_PAIRS.values()} == {
        "rotation", "zoom", "translation_x", "brightness", "contrast", "grayscale", "blur", "noise"
    }  # fmt: skip
    for name, pair in PHANTOM_PAIRS.items():
        one, other = (PHANTOM_CLASSES[class_name] for class_name in pair.classes)
        assert (one.partner, other.partner) == (other.name, one.name)
        assert one.pair == other.pair == name
        assert (one.shape, one.symmetry, one.grain) == (other.shape, other.symmetry, other.grain)
        assert {key for key in one.nuisances if one.nuisances[key] != other.nuisances[key]} == {
            pair.parameter
        }
        assert one.nuisances[pair.parameter].sigma == other.nuisances[pair.parameter].sigma
        assert pair.separation == pytest.approx(SEPARATION * pair.sigma)
    alone = [about.name for about in PHANTOM_CLASSES.values() if about.pair is None]
    assert alone == ["disc"]


def test_no_symmetric_class_is_lit_from_a_side():
    for about in PHANTOM_CLASSES.values():
        assert ("light_direction" in about.nuisances) == (about.symmetry == "none")
