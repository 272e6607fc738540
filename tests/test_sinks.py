"""Classes into which everything falls, counted by hand."""

import numpy as np
import xarray as xr

from itn.sinks import GAINS, gained, taken_for
from itn.thresholds import thresholds

# Of the network's classes 0, 1, 2 the categories are 2 and 0. Two pictures of the first, three of
# the second; what is said of each at four strengths of noise.
PREDICTED = [
    [2, 2, 1, 1],
    [2, 2, 1, 1],
    [0, 0, 0, 0],
    [0, 2, 0, 1],
    [0, 0, 0, 1],
]


def screened(predicted=PREDICTED, magnitude=(0, 0.1, 0.2, 0.3), transformation="noise", identity=0):
    target, label = np.array([2, 0]), np.array([0, 0, 1, 1, 1])
    predicted = np.array(predicted)
    mean = np.stack(
        [np.eye(3)[predicted[label == category]].mean(axis=0) for category in (0, 1)]
    )  # [C, M, K]
    return xr.Dataset(
        {
            "predicted": (("image", "magnitude"), predicted),
            "mean_softmax": (("category", "magnitude", "class"), mean),
            "target": ("category", target),
            "label": ("image", label),
        },
        coords={
            "magnitude": np.array(magnitude, float),
            "category": ["ball", "lamp"],
            "class": ["x", "y", "z"],
        },
        attrs={"transformation": transformation, "identity": identity},
    )


def test_only_other_categories_pictures_are_taken_for_one():
    found = taken_for(screened())
    assert found.values.tolist() == [[0, 1 / 3, 0, 0], [0, 0, 0, 0]]


def test_what_is_gained_counts_up_to_the_threshold():
    screening = screened()
    found = gained(screening, thresholds(screening, resamples=0)).sel(criterion="half")
    # The balls are lost between 0.1, where a third of the lamps is taken for one, and 0.2.
    assert found.sel(direction="up").values.tolist() == [1 / 3, 0]
    assert np.isnan(found.sel(direction="down")).all()  # nobody looked
    late = screened([[2, 1, 1, 2], [2, 1, 1, 2], [0, 2, 2, 2], [0, 0, 2, 2], [0, 0, 2, 2]])
    found = gained(late, thresholds(late, resamples=0)).sel(criterion="half", direction="up")
    assert found.values.tolist() == [0, 0]  # what is lost before the sink opens gains nothing
    assert 0 < GAINS < 1 / 3


def test_where_it_is_not_reached_all_of_the_sweep_counts():
    everything = screened([[2, 2, 2, 2], [2, 2, 2, 2], [0, 0, 2, 2], [0, 0, 2, 2], [0, 2, 2, 2]])
    found = gained(everything, thresholds(everything, resamples=0)).sel(direction="up")
    assert found.sel(category="ball").values.tolist() == [1, 1]


def test_rotations_count_the_way_they_turn():
    turned = screened(
        [[2, 2, 2, 2], [2, 2, 2, 2], [0, 0, 0, 2], [0, 0, 0, 2], [0, 0, 0, 2]],
        (0, 90, 180, 270), "rotation",
    )  # fmt: skip
    found = gained(turned, thresholds(turned, resamples=0)).sel(category="ball", criterion="half")
    assert found.sel(direction=["down", "up"]).values.tolist() == [1, 0]  # 270° is -90°


def test_one_category_has_no_others():
    alone = screened().isel(category=[0], image=[0, 1])
    assert np.isnan(taken_for(alone)).all()
    same = screened().assign(target=("category", [0, 0]))
    assert np.isnan(taken_for(same)).all()


def test_what_was_not_looked_at_does_not_count():
    """Of the lamps, one was not looked at where a third of them is taken for a ball."""
    holes = screened()
    holes.predicted.values[3, 1] = -1
    assert taken_for(holes).sel(category="ball", magnitude=0.1) == 0
    holes.predicted.values[2:, 1] = -1
    assert np.isnan(taken_for(holes).sel(category="ball", magnitude=0.1))
