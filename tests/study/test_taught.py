"""Taught and untaught networks, on screenings whose accuracy is known."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from itn.messages import UsageError
from itn.study import taught
from itn.study.profiles import read_parameters
from itn.study.taught import plot_taught, taught_screenings, taught_table


def screening(name, magnitudes, share):
    """Of ten pictures, `share` of each magnitude are right, all at the identity."""
    right = np.arange(10)[:, None] < 10 * np.array([share(m) for m in magnitudes])
    return xr.Dataset(
        {
            "predicted": (("image", "magnitude"), np.where(right, 3, 4)),
            "target": ("category", [3]),
            "label": ("image", np.zeros(10, int)),
        },
        coords={"magnitude": magnitudes, "category": ["a"]},
        attrs={"transformation": name},
    )


@pytest.fixture
def known():
    angles, factors = np.arange(0.0, 361), np.array([0.25, 0.5, 1, 2, 4])
    return {
        ("rotation", "net", "untaught"): screening("rotation", angles, lambda a: a in (0, 360)),
        ("rotation", "net", "taught"): screening("rotation", angles, lambda a: 0.8),
        ("zoom", "net", "untaught"): screening("zoom", factors, lambda f: 1 - 0.5 * (f != 1)),
        ("zoom", "net", "taught"): screening("zoom", factors, lambda f: 0.9 if f < 4 else 0.1),
    }


def test_numbers_are_shares_of_the_pictures(known):
    table = taught_table(known)
    untaught, own = table.loc[("net", "untaught")], table.loc[("net", "taught")]
    assert untaught["turned by 45°"] == untaught["turned by 90°"] == 0
    assert untaught["mean over all angles"] == pytest.approx(1 / 360)  # the flanks at both ends
    assert own["mean over all angles"] == pytest.approx(0.8)
    assert (untaught["as taken"], own["as taken"]) == (1, 0.9)
    assert (untaught["at half size"], own["at double size"]) == (0.5, 0.9)


def test_a_sweep_about_zero_gives_the_same_numbers(known):
    angles = np.arange(-180.0, 181)
    about_zero = {
        ("rotation", "net", "untaught"): screening("rotation", angles, lambda a: a == 0),
        ("rotation", "net", "taught"): screening("rotation", angles[170:], lambda a: 0.8),
    }
    found, wanted = taught_table(about_zero).dropna(axis="columns"), taught_table(known)
    assert found.columns.tolist() == ["turned by 45°", "turned by 90°", "mean over all angles"]
    pd.testing.assert_frame_equal(found, wanted[found.columns])


def test_what_was_not_screened_is_no_number():
    table = taught_table({("zoom", "net", "taught"): screening("zoom", [1.0, 2], lambda f: 1)})
    (row,) = table.to_dict("records")
    assert (row["as taken"], row["at double size"]) == (1, 1)
    assert np.isnan(row["at half size"]) and np.isnan(row["mean over all angles"])


def test_figure_shows_both_in_every_panel(known):
    panels = plot_taught(known).axes
    assert [axes.get_title() for axes in panels] == ["net", "net"]
    for axes, name in zip(panels, ("rotation", "zoom"), strict=True):
        untaught, taught_line = axes.get_lines()[:2]
        assert (untaught.get_label(), taught_line.get_label()) == ("untaught", "taught")
        wanted = known[name, "net", "taught"].predicted == 3
        np.testing.assert_allclose(taught_line.get_ydata(), wanted.mean("image"))


def test_networks_are_paired_with_their_untaught_ones(monkeypatch):
    def obtain(parameters, transformation):
        return parameters.profile, parameters.network, transformation

    monkeypatch.setattr(taught, "obtain_screening", obtain)
    found = taught_screenings(read_parameters({"profile": "photos_taught"}))
    assert len(found) == 8
    wanted = ("photos_taught", "resnet_photos_taught", "zoom")
    assert found["zoom", "resnet_photos", "taught"] == wanted
    assert found["zoom", "resnet_photos", "untaught"] == ("photos", "resnet_photos", "zoom")
    with pytest.raises(UsageError, match="profile photos does not say which networks are untaught"):
        taught_screenings(read_parameters({"profile": "photos"}))
    parameters = read_parameters({"profile": "photos_taught"})
    one = taught.load_profile("photos_taught").model_copy(update={"networks": ("mine",)})
    load = taught.load_profile
    monkeypatch.setattr(taught, "load_profile", lambda n: one if n == "photos_taught" else load(n))
    with pytest.raises(UsageError, match="needs its untaught one: got mine and, from photos"):
        taught_screenings(parameters)
