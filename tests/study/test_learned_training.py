"""What is said of trained transformers and of their families, against hand-made ones."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import stats

from itn.study.learned_training import (
    comparison_table,
    displacement_at_required,
    displacement_ratios,
    family_accuracy,
    largest_factor,
    plot_frontier,
    plot_transformer_training,
    transformer_table,
)
from itn.thresholds import accuracy_interval

ROOT_2 = np.sqrt(2)


@pytest.mark.parametrize(
    ("right", "expected"),
    [
        ([100, 90, 70, 0], ROOT_2),  # halfway between 1 and 2 on a logarithmic scale
        ([100, 80, 0, 0], 1),
        ([90, 70, 90, 0], 1 / ROOT_2),  # the first loss counts
        ([100, 100, 100, 100], np.inf),
        ([70, 90, 0, 0], np.nan),
    ],
)
def test_largest_factor_is_where_the_accuracy_is_lost_first(comparison_of, right, expected):
    found = largest_factor(comparison_of(right), "random")
    assert found == pytest.approx(expected, nan_ok=True)


def test_ratios_compare_displacements_at_the_same_accuracy(comparison_of):
    """Learned: 80 of 100 at the factor 2, a displacement of 2 + 2; random: at the root of 2."""
    comparison = comparison_of([100, 90, 70, 0])
    assert displacement_at_required(comparison, "learned") == pytest.approx(4)
    assert displacement_at_required(comparison, "random") == pytest.approx(2 * ROOT_2)
    ratios = displacement_ratios(comparison)
    assert ratios == pytest.approx({"to_random": ROOT_2, "to_grid": 8})


def test_what_is_not_reached_is_no_number(comparison_of):
    never, at_once, some = [100] * 4, [70, 0, 0, 0], [100, 90, 70, 0]
    assert displacement_ratios(comparison_of(some, learned=never)) == {
        "to_random": np.inf,
        "to_grid": np.inf,
    }
    for random in (never, at_once):
        assert np.isnan(displacement_ratios(comparison_of(random))["to_random"])
    study = xr.DataTree.from_dict(
        {
            f"seed_{seed}/comparison": comparison_of(some, learned=learned)
            for seed, learned in enumerate((never, some, at_once))
        }
    )
    table = comparison_table(study)
    assert table["learned"].tolist()[:2] == ["not reached", f"{2 * ROOT_2:.3f}"]
    assert table["learned / random"].tolist()[:2] == ["not reached", "1.000"]
    assert table[["learned", "learned / random", "learned / grid"]].loc[2].isna().all()
    assert table["random"].tolist() == pytest.approx([2 * ROOT_2] * 3)


def test_an_interval_over_pictures_holds_what_it_promises():
    """Each of 40 pictures has a chance of its own to be right, and is looked at three times."""
    rng = np.random.default_rng(0)
    chances = rng.beta(1.5, 0.5, (1000, 40))  # on average 3/4
    right = rng.binomial(3, chances).sum(axis=1)
    comparison = xr.Dataset(
        {"right": (("family", "factor"), right[None])},
        coords={"family": ["random"], "factor": np.arange(1000)},
        attrs={"passes_each": 120, "pictures": 40},
    )
    accuracy, low, high = family_accuracy(comparison, "random")
    np.testing.assert_allclose(accuracy, right / 120)
    assert ((low <= 0.75) & (high >= 0.75)).mean() >= 0.95
    of_passes = accuracy_interval(right, 120)
    assert ((of_passes[0] <= 0.75) & (of_passes[1] >= 0.75)).mean() < 0.95  # what was wrong


def test_pictures_that_are_seen_more_often_count_as_fewer():
    """Of 10 pictures 6 are seen twice and 4 once: (6·2 + 4)² / (6·4 + 4) = 9.1 trials."""
    comparison = xr.Dataset(
        {"right": (("family", "factor"), [[16]])},
        coords={"family": ["random"], "factor": [1.0]},
        attrs={"passes_each": 16, "pictures": 10},
    )
    expected = stats.binomtest(9, 9).proportion_ci(0.95, method="exact").low
    assert family_accuracy(comparison, "random")[1][0] == pytest.approx(expected)


def test_families_are_tabulated_by_seed(known_study):
    table = comparison_table(known_study)
    assert table.loc[3].to_dict() == {
        "accuracy as learned": 1,
        "corners as learned": 1,
        "colors as learned": 1,
        "learned": "4.000",
        "random": pytest.approx(2 * ROOT_2),
        "grid": 0.5,
        "grid member": "zoom 2, gray 0.5",
        "learned / random": pytest.approx(ROOT_2),
        "learned / grid": pytest.approx(8),
    }
    assert table.loc[5, "learned"] == "not reached"
    assert table.loc[5, ["random", "learned / random", "learned / grid"]].isna().all()


def test_what_was_learned_is_one_row_for_each_seed(known_study):
    table = transformer_table(known_study)
    expected = {
        "pictures": 12, "reported_pictures": 6, "epochs": 2, "kept_epoch": 1,
        "clean_accuracy": 0.95, "reported_clean_accuracy": 0.9, "required_accuracy": 0.8,
        # What was kept is that of the second look; of five steps four went outward.
        "reported_accuracy": 0.9, "spatial_displacement": 0.25, "color_displacement": 0.125,
        "outward": 0.8, "to_random": ROOT_2, "to_grid": 8,
    }  # fmt: skip
    ranges = {
        "rotation": (-30, 30), "scale_x": (0.5, 2), "scale_y": (0.5, 2), "shear": (0, 0),
        "translation_x": (0, 0), "translation_y": (0, 0),
        "brightness": (-0.2, 0.2), "contrast": (0.5, 2), "saturation": (1, 1), "hue": (0, 0),
    }  # fmt: skip
    for name, (lowest, highest) in ranges.items():
        expected |= {f"{name}_lowest": lowest, f"{name}_highest": highest}
    first = table.loc["seed_3"].to_dict()
    assert first.pop("grid_member") == "zoom 2, gray 0.5"
    assert first == pytest.approx(expected, abs=1e-9)
    second = table.loc["seed_5"]
    assert (second.outward, second.kept_epoch, second.reported_accuracy) == (1, 2, 0.5)
    assert second.rotation_highest == pytest.approx(60)
    assert pd.isna(second.to_random) and pd.isna(second.to_grid)


def test_training_is_drawn_step_by_step(known_study):
    losses, moved, judged = plot_transformer_training(known_study).axes
    steps = np.arange(45)
    for axes, lines, slopes in ((losses, (0,), (0.1,)), (moved, (0, 2), (-0.1, -0.2))):
        for first, slope in zip(lines, slopes, strict=True):
            points, smooth = axes.lines[first : first + 2]
            np.testing.assert_allclose(points.get_xydata(), np.stack([steps, slope * steps], 1))
            # The mean of what is before and behind, of which a straight line is its own.
            inside = steps[1:-1]
            np.testing.assert_allclose(smooth.get_xydata(), np.stack([inside, slope * inside], 1))
    assert [each.get_label() for each in moved.lines[1::2]] == ["spatial", "color"]
    named = {each.get_label(): each for each in judged.lines}
    np.testing.assert_allclose(named["batch"].get_ydata(), 0.8)  # the mean of 1, 1 and 0.4
    assert named["pictures to choose by"].get_xydata().tolist() == [[0, 1], [22.5, 0.9], [45, 0.5]]
    assert named["kept"].get_xydata().tolist() == [[22.5, 0.9]]
    assert named["required, a₀"].get_ydata()[0] == 0.8


def test_families_are_drawn_against_their_displacement(known_study):
    (axes,) = plot_frontier(known_study).axes
    named = {each.get_label(): each for each in axes.lines if each.get_label()[0] != "_"}
    far = [1, 2, 4, 8]  # corners and colors
    for family, right in (("learned", [1, 1, 0.8, 0]), ("random", [1, 0.9, 0.7, 0])):
        assert named[family].get_xydata().tolist() == list(map(list, zip(far, right, strict=True)))
    assert named["as learned"].get_xydata().tolist() == [[2, 1]]
    assert named["largest of the grid"].get_xydata().tolist() == [[0.5, 0.85]]
    assert named["required, a₀"].get_ydata()[0] == 0.8
    # Of 6 pictures 4 are seen 17 times, 2 one time less: whole trials of 100² / (4·17² + 2·16²).
    band = axes.collections[1].get_paths()[0].vertices
    at_last = band[band[:, 0] == 8, 1]
    exact = stats.binomtest(0, 5).proportion_ci(0.95, method="exact")
    assert (at_last.min(), at_last.max()) == pytest.approx((0, exact.high))
