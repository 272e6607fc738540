"""Families of transformations: what is counted, compared and found, against hand-made cases."""

import dataclasses

import keras
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import ndimage, stats

import itn
from itn.classifiers import Classifier
from itn.displacement import color_displacement, spatial_displacement
from itn.invariant_transformer import InvariantTransformerNet
from itn.looks import MatrixLook
from itn.messages import UsageError
from itn.netcdf import write_netcdf
from itn.pictures import Pictures
from itn.study.families import FACTORS, compare_families, sliders, survey
from itn.study.learned import (
    describe_transformers,
    first_of,
    obtain_samples,
    obtain_transformers,
    shown_pictures,
)
from itn.study.learned_samples import plot_decomposition, plot_samples, survey_table
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
from itn.study.learned_variations import plot_variations, variation_table
from itn.study.matrices import decompose_spatial, known_matrices
from itn.study.profiles import TransformerParameters
from itn.thresholds import accuracy_interval
from itn.transformations import transform

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture(scope="module")
def classifier(color_classifier):
    network = keras.models.clone_model(color_classifier.network)
    return Classifier(network, color_classifier.preprocess, 8, ("red", "green", "blue"), name="rgb")


@pytest.fixture(scope="module")
def pictures():
    """Red is clearly red, green clearly green, blue clearly blue."""
    rng = np.random.default_rng(0)
    labels = np.arange(30) % 3
    images = rng.uniform(0, 0.3, (30, 8, 8, 3))
    images[np.arange(30), ..., labels] += 0.5
    paths = tuple(f"{'rgb'[label]}/{i}" for i, label in enumerate(labels))
    return Pictures(images.astype("float32"), labels, ("red", "green", "blue"), paths, "rgb")


@pytest.fixture(scope="module")
def net(classifier):
    """Transformers that move things, but not so far that colors are confused."""
    net = InvariantTransformerNet(classifier, 2, 3, required_accuracy=0.9, seed=1)
    rng = np.random.default_rng(4)
    for layer in (net.spatial, net.color):
        layer.entries.kernel.assign(rng.normal(0, 0.03, layer.entries.kernel.shape))
    return net


def test_matrix_look_agrees_with_the_transformations(classifier, pictures):
    spatial, color, spatial_names, color_names = known_matrices()
    zoom, dark = spatial_names.index("zoom 1.41"), color_names.index("brightness -0.2")
    # A last batch that is not full, and one matrix for all or one for each.
    for repeats in (1, len(pictures)):
        said = MatrixLook(classifier, "edge").softmax(
            pictures.images, spatial[zoom][None].repeat(repeats, 0), color[dark][None]
        )
        moved = transform(pictures.images, "zoom", 2**0.5, fill="edge")
        expected = classifier.predict(np.asarray(transform(moved, "brightness", -0.2)))
        np.testing.assert_allclose(said, expected, atol=1e-5)


def test_a_softmax_that_is_no_number_names_its_picture(classifier, pictures):
    look = MatrixLook(classifier)
    color = np.eye(3, 4)[None].repeat(30, 0)
    color[7, 0, 0] = np.inf
    with pytest.raises(UsageError, match=r"rgb gives no number for picture 7 under \[\[1"):
        look.predicted(pictures.images, np.eye(2, 3)[None], color)


@pytest.fixture
def uncompiled(without_xla):
    with without_xla():
        yield


class Streamed:
    """Pictures that are never there all at once, and how many were asked for at a time."""

    ndim, dtype = 4, np.dtype("float32")

    def __init__(self, images):
        self.images, self.shape, self.asked = images, images.shape, []

    def __len__(self):
        return len(self.images)

    def __getitem__(self, rows):
        found = self.images[rows]
        self.asked.append(len(found))
        return found


@pytest.mark.usefixtures("uncompiled")
def test_streamed_pictures_are_looked_at_in_batches_and_alike(net, pictures, comparison):
    """Of 210 pictures no more than 96 are ever in memory."""
    many = Pictures(
        np.concatenate([pictures.images] * 7),
        np.tile(pictures.labels, 7),
        pictures.class_names,
        tuple(f"{i}/{path}" for i in range(7) for path in pictures.paths),
        "rgb",
    )
    streamed = dataclasses.replace(many, images=Streamed(many.images))
    members = sliders(net, steps=2)
    xr.testing.assert_identical(survey(net, members, streamed), survey(net, members, many))
    passes = 250 * len(FACTORS)
    found = compare_families(net, streamed, passes, seed=2)
    xr.testing.assert_identical(found, compare_families(net, many, passes, seed=2))
    assert found.attrs["pictures"] == 210
    assert comparison.attrs["pictures"] == 30
    assert max(streamed.images.asked) == 96


def test_sliders_move_one_value_at_a_time_and_all_together(net):
    members = sliders(net, steps=3)
    assert members.sizes == {"member": 3 * (2 + 1) + 3 * (3 + 1), "p": 2, "q": 3}
    first = members.isel(member=members.slider.values == "alpha 1")
    np.testing.assert_array_equal(first.alpha, [[0, 0.5], [0.5, 0.5], [1, 0.5]])
    np.testing.assert_array_equal(first.beta, np.full((3, 3), 0.5))
    together = members.isel(member=members.slider.values == "beta")
    np.testing.assert_array_equal(together.beta, np.linspace(0, 1, 3)[:, None].repeat(3, 1))


def test_survey_counts_as_a_loop_does(net, classifier, pictures):
    members = sliders(net, steps=2)
    found = survey(net, members, pictures)
    clean = classifier.predict(pictures.images).argmax(axis=1)
    assert found.attrs["pictures"] == 30
    for member in (0, 7, 13):
        alpha, beta = (members[n].values[member][None].repeat(30, 0) for n in ("alpha", "beta"))
        inputs = {"images": pictures.images, "alpha": alpha, "beta": beta}
        said = net.predict(inputs, verbose=0).argmax(axis=1)
        assert found.right.values[member] == (said == pictures.labels).sum()
        assert found.consistent.values[member] == (said == clean).sum()
        np.testing.assert_allclose(
            found.spatial_matrix[member], np.asarray(net.spatial.matrix(alpha))[0], rtol=1e-6
        )


@pytest.fixture(scope="module")
def comparison(net, pictures):
    return compare_families(net, pictures, passes=40 * len(FACTORS), seed=2)


def test_both_families_displace_alike_and_in_proportion_to_the_factor(comparison, net):
    alpha, beta = net.draw_controls(40, 2)
    measured = {
        "spatial_displacement": spatial_displacement(net.spatial.matrix(alpha)).mean(),
        "color_displacement": color_displacement(net.color.matrix(beta)).mean(),
    }
    for name, value in measured.items():
        for family in ("learned", "random"):
            found = comparison[name].sel(family=family)
            np.testing.assert_allclose(found, value * comparison.factor, rtol=1e-4)
    assert comparison.attrs["passes_each"] == 40


def test_the_learned_family_at_factor_one_is_the_net(comparison, net, pictures):
    rows = np.resize(np.arange(30), 40)
    alpha, beta = map(np.asarray, net.draw_controls(40, 2))
    inputs = {"images": pictures.images[rows], "alpha": alpha, "beta": beta}
    right = (net.predict(inputs, verbose=0).argmax(axis=1) == pictures.labels[rows]).sum()
    assert comparison.right.sel(family="learned", factor=1) == right


def test_the_grid_s_largest_member_holds_and_no_larger_one_does(comparison, classifier, pictures):
    spatial, color, spatial_names, color_names = known_matrices()
    sizes = spatial_displacement(spatial)[:, None] + color_displacement(color)
    look = MatrixLook(classifier)

    def accuracy(pair):
        said = look.softmax(pictures.images, spatial[pair[0]][None], color[pair[1]][None])
        return (said.argmax(axis=1) == pictures.labels).mean()

    found = comparison.attrs
    pair = spatial_names.index(found["grid_spatial"]), color_names.index(found["grid_color"])
    assert found["grid_displacement"] == pytest.approx(sizes[pair])
    assert accuracy(pair) == found["grid_accuracy"] >= 0.9
    for larger in np.argwhere(sizes > sizes[pair]).tolist():
        assert accuracy(tuple(larger)) < 0.9


@pytest.mark.usefixtures("uncompiled")
def test_passes_that_are_used_up_leave_the_identity(classifier, pictures):
    net = InvariantTransformerNet(classifier, required_accuracy=0.9)
    wrong = dataclasses.replace(pictures, labels=(pictures.labels + 1) % 3)
    found = compare_families(net, wrong, passes=len(FACTORS)).attrs
    assert (found["grid_spatial"], found["grid_color"]) == ("identity", "identity")
    assert found["grid_displacement"] == 0 and np.isnan(found["grid_accuracy"])
    with pytest.raises(UsageError, match=f"passes must be at least {len(FACTORS)}, got 3"):
        compare_families(net, pictures, passes=3)


def made(right, learned=(100, 100, 80, 0)):
    return xr.Dataset(
        {
            "right": (("family", "factor"), [learned, right]),
            "spatial_displacement": (("family", "factor"), [[0.5, 1, 2, 4]] * 2),
            "color_displacement": (("family", "factor"), [[0.5, 1, 2, 4]] * 2),
        },
        coords={"family": ["learned", "random"], "factor": [0.5, 1, 2, 4]},
        attrs={"passes_each": 100, "required_accuracy": 0.8, "grid_displacement": 0.5},
    )


@pytest.mark.parametrize(
    ("right", "expected"),
    [
        ([100, 90, 70, 0], np.sqrt(2)),  # halfway between 1 and 2 on a logarithmic scale
        ([100, 80, 0, 0], 1),
        ([90, 70, 90, 0], np.sqrt(0.5)),  # the first loss counts
        ([100, 100, 100, 100], np.inf),
        ([70, 90, 0, 0], np.nan),
    ],
)
def test_largest_factor_is_where_the_accuracy_is_lost_first(right, expected):
    assert largest_factor(made(right), "random") == pytest.approx(expected, nan_ok=True)


def test_ratios_compare_displacements_at_the_same_accuracy():
    """Learned: 80 of 100 at the factor 2, a displacement of 2 + 2; random: at the root of 2."""
    comparison = made([100, 90, 70, 0])
    assert displacement_at_required(comparison, "learned") == pytest.approx(4)
    assert displacement_at_required(comparison, "random") == pytest.approx(2 * np.sqrt(2))
    ratios = displacement_ratios(comparison)
    assert ratios["to_random"] == pytest.approx(np.sqrt(2))
    assert ratios["to_grid"] == pytest.approx(8)


def test_what_is_not_reached_is_no_number():
    never, at_once, some = [100] * 4, [70, 0, 0, 0], [100, 90, 70, 0]
    assert displacement_ratios(made(some, learned=never)) == {
        "to_random": np.inf,
        "to_grid": np.inf,
    }
    for random in (never, at_once):
        assert np.isnan(displacement_ratios(made(random))["to_random"])
    study = xr.DataTree.from_dict(
        {
            f"seed_{seed}/comparison": made(some, learned=learned).assign_attrs(
                grid_spatial="zoom 2", grid_color="identity"
            )
            for seed, learned in enumerate((never, some, at_once))
        }
    )
    table = comparison_table(study)
    assert table["learned"].tolist()[:2] == ["not reached", f"{2 * np.sqrt(2):.3f}"]
    assert table["learned / random"].tolist()[:2] == ["not reached", "1.000"]
    assert table[["learned", "learned / random", "learned / grid"]].loc[2].isna().all()
    assert table["random"].tolist() == pytest.approx([2 * np.sqrt(2)] * 3)


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
    # An older comparison does not say how many pictures there were; without any it is passes.
    del comparison.attrs["pictures"]
    np.testing.assert_array_equal(family_accuracy(comparison, "random", 40)[1], low)
    exact = stats.binomtest(int(right[0]), 120).proportion_ci(0.95, method="exact")
    assert family_accuracy(comparison, "random")[2][0] == pytest.approx(exact.high)


def test_pictures_that_are_seen_more_often_count_as_fewer():
    """Of 10 pictures 6 are seen twice and 4 once: (6·2 + 4)² / (6·4 + 4) = 9.1 trials."""
    comparison = xr.Dataset(
        {"right": (("family", "factor"), [[16]])},
        coords={"family": ["random"], "factor": [1.0]},
        attrs={"passes_each": 16, "pictures": 10},
    )
    expected = stats.binomtest(9, 9).proportion_ci(0.95, method="exact").low
    assert family_accuracy(comparison, "random")[1][0] == pytest.approx(expected)


@pytest.mark.parametrize(("right", "count"), [(0, 12), (5, 12), (12, 12), (300, 336)])
def test_the_interval_is_clopper_and_pearson_s(right, count):
    exact = stats.binomtest(right, count).proportion_ci(0.95, method="exact")
    assert accuracy_interval(np.array(right), count) == pytest.approx((exact.low, exact.high))


# The study that the notebooks show


PARAMETERS = TransformerParameters(
    profile="phantom", classes=("disc", "mirror", "zoom_small"), limit=4, epochs=2, seeds=(3, 5)
)


@pytest.fixture(scope="module")
def study(without_xla):
    with without_xla():
        return obtain_transformers(PARAMETERS)


def test_a_study_has_its_parts_for_every_seed(study):
    assert list(study.children) == ["seed_3", "seed_5"]
    for seed in study.children.values():
        assert set(seed.children) == {"history", "comparison", "survey", "samples"}
    assert study.attrs["origin"] == "computed"
    assert "judged on 6 others, 2 seeds, 2 epochs, computed with" in describe_transformers(study)


def test_numbers_and_tables_are_those_of_the_parts(study):
    trained = transformer_table(study)
    assert trained.index.tolist() == ["seed_3", "seed_5"]
    history = first_of(study, "history")
    assert (trained["pictures"] == 12).all() and (trained["held_out_pictures"] == 6).all()
    assert trained.loc["seed_3", "outward"] == pytest.approx(float(history.outward.mean()))
    ratios = [displacement_ratios(study[f"seed_{seed}/comparison"].to_dataset()) for seed in (3, 5)]
    expected = np.mean([ratio["to_random"] for ratio in ratios])
    assert trained["to_random"].mean(skipna=False) == pytest.approx(expected, nan_ok=True)
    matrices = study["seed_5/survey"].to_dataset().spatial_matrix.values
    shear = decompose_spatial(matrices)["shear"]
    assert trained.loc["seed_5", "shear_lowest"] == shear.min() < shear.max()
    assert trained.loc["seed_5", "shear_highest"] == shear.max()
    varied = variation_table({"0.3": study})
    pd.testing.assert_series_equal(varied.loc["0.3"], trained.loc["seed_3"], check_names=False)
    table = comparison_table(study)
    assert table.index.tolist() == [3, 5]
    for seed, ratio in zip((3, 5), ratios, strict=True):
        if np.isfinite(ratio["to_grid"]):
            row = table.loc[seed].replace("not reached", np.inf)
            assert float(row["learned"]) / row["grid"] == pytest.approx(ratio["to_grid"], rel=1e-2)
    surveyed = first_of(study, "survey")
    lowest = surveyed.right.values[surveyed.slider.values == "alpha"].min() / 6
    text = survey_table(study).loc["all α", "lowest accuracy"]
    assert text.startswith(f"{lowest:.3f} (")


def test_samples_say_what_the_net_says_of_the_pictures_shown(study):
    parameters = TransformerParameters(profile="phantom", classes=("disc", "mirror"))
    images, names = shown_pictures(parameters)
    samples = first_of(study, "samples")
    assert samples.picture.values.tolist() == names == ["disc", "mirror"]
    still = samples.sel(slider="alpha").isel(value=2)
    moved = samples.sel(slider="beta").isel(value=2)
    np.testing.assert_allclose(still.spatial_matrix, moved.spatial_matrix, rtol=1e-5)
    look = MatrixLook(itn.load_classifier("alexnet_phantom"))
    softmax = look.softmax(
        images, still.spatial_matrix.values[None], still.color_matrix.values[None]
    )
    np.testing.assert_allclose(still.softmax, softmax.max(axis=1), atol=1e-4)


def test_samples_are_drawn_as_scipy_transforms_them(study):
    samples = obtain_samples(PARAMETERS)
    images, _ = shown_pictures(PARAMETERS)
    side = images.shape[1]
    panels = np.reshape(plot_samples(samples).axes, (2, 2, 5))  # picture, slider, value
    for place, axes in np.ndenumerate(panels):
        spatial = samples.spatial_matrix.values[place[1:]]  # reads x and y, from -1 to 1
        color = samples.color_matrix.values[place[1:]]
        linear, shift = spatial[::-1, 1::-1], spatial[::-1, 2] * side / 2  # rows and columns
        center = np.full(2, (side - 1) / 2)
        offset = center + shift - linear @ center
        warped = np.stack(
            [
                ndimage.affine_transform(
                    channel, linear, offset, order=1, mode="grid-constant", output=float
                )
                for channel in np.moveaxis(images[place[0]], -1, 0)
            ],
            axis=-1,
        )
        expected = warped @ color[:, :3].T + color[:, 3]
        drawn = axes.images[0].get_array()
        np.testing.assert_allclose(drawn, expected.clip(0, 1), atol=1e-4)
        said = samples.isel(dict(zip(("picture", "slider", "value"), place, strict=True)))
        name = str(said.predicted.item()).replace("_", " ")
        assert axes.get_xlabel() == f"{name}\n{said.softmax.item():.2f}"


def test_figures_show_every_part(study):
    losses, moved, judged = plot_transformer_training(study).axes
    history = first_of(study, "history")
    for axes, name in (
        (losses, "cross_entropy"),
        (moved, "spatial_loss"),
        (judged, "batch_accuracy"),
    ):
        np.testing.assert_array_equal(axes.lines[0].get_ydata(), history[name])
    held_out, kept = (
        next(line for line in judged.lines if line.get_label() == label)
        for label in ("held-out pictures", "kept")
    )
    np.testing.assert_array_equal(held_out.get_ydata(), history.held_out_accuracy)
    assert kept.get_ydata() == history.held_out_accuracy.values[history.attrs["kept_epoch"]]
    (frontier,) = plot_frontier(study).axes
    assert sum(line.get_label() == "learned" for line in frontier.lines) == 1
    panels = [axes for axes in plot_decomposition(study).axes if axes.axison]
    assert [axes.get_title() for axes in panels][:2] == ["rotation, °", "scale x, factor"]
    assert len(panels) == 10
    varied = {"one": study, "two": study}
    titles = [axes.get_title() for axes in plot_variations(varied).axes]
    assert titles[:4] == [
        "rotation, °",
        "scale x, factor",
        "scale y, factor",
        "displacement",
    ]
    assert not any(titles[4:])


def test_an_archive_serves_where_nothing_deviates(study, monkeypatch, tmp_path):
    """One of more seeds is taken from the file; nothing is computed."""
    from itn.study import learned

    write_netcdf(study, tmp_path / "results" / "phantom" / "alexnet_phantom_transformers.nc")
    monkeypatch.setattr(learned, "project_folder", lambda: tmp_path)
    monkeypatch.setattr("itn.classifiers.load_classifier", None)
    parameters = TransformerParameters(
        profile="phantom", classes=("disc", "mirror", "zoom_small"), limit=4, epochs=2, seeds=(5,)
    )
    archived = obtain_transformers(parameters)
    assert archived.attrs["origin"] == "archived" and list(archived.children) == ["seed_5"]
    xr.testing.assert_equal(
        archived["seed_5/comparison"].to_dataset(), study["seed_5/comparison"].to_dataset()
    )
