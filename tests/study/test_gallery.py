"""The phantom's classes as a page shows them, against their definition and their pictures."""

import re

import numpy as np
import pytest

from itn.phantom.objects import PHANTOM_CLASSES
from itn.phantom.rendering import render
from itn.plots import readable
from itn.study.gallery import phantom_table, plot_phantom


def test_table_of_classes_states_symmetry_and_nuisances():
    table = phantom_table()

    def stated(row):
        found = re.findall(r"(?:^|, )([a-z ]+) (−?[\d.]+) ± ([\d.]+)", table.loc[row, "varies in"])
        return {name: (float(mean.replace("−", "-")), float(sigma)) for name, mean, sigma in found}

    assert len(table) == 1 + len(PHANTOM_CLASSES)
    for name, one in PHANTOM_CLASSES.items():
        assert table.loc[name, "symmetry"] == one.symmetry
        absent = re.findall(r"no (\w+)", table.loc[name, "varies in"])
        found = {k: v for k, v in (stated("usual") | stated(name)).items() if k not in absent}
        expected = {readable(key): value[:2] for key, value in one.nuisances.items()}
        if one.grain:
            expected["grain"] = (1, one.grain)
        assert found.keys() == expected.keys()
        for key, values in expected.items():
            assert found[key] == pytest.approx(values, rel=5e-3), (name, key)


def test_sheet_shows_the_pictures_of_every_class():
    shown = {}
    for part in plot_phantom(2).subfigs:
        for axes in part.axes:
            if axes.images:
                shown[axes.get_title()] = axes.images[0].get_array()
    assert list(shown) == [readable(name) for name in PHANTOM_CLASSES]
    for name in PHANTOM_CLASSES:
        first, second = render(name, range(2))
        pixels = shown[readable(name)]
        np.testing.assert_array_equal(pixels[:, :64], first)
        np.testing.assert_array_equal(pixels[:, 68:132], second)
