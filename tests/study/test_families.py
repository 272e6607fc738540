"""Families of transformations: what is counted, compared and found, against hand-made cases."""

import dataclasses
import itertools

import keras
import numpy as np
import pytest
import xarray as xr

from itn.classifiers import Classifier
from itn.displacement import color_displacement, spatial_displacement
from itn.invariant_transformer import InvariantTransformerNet
from itn.looks import MatrixLook
from itn.messages import UsageError
from itn.pictures import Pictures
from itn.study.families import (
    FACTORS,
    compare_families,
    sample_transformers,
    set_weights,
    sliders,
    survey,
    transformed_samples,
    weights_of,
)
from itn.study.matrices import known_matrices
from itn.study.measured import AT_ONCE

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture(scope="module")
def classifier(color_classifier):
    network = keras.models.clone_model(color_classifier.network)
    return Classifier(network, color_classifier.preprocess, 8, ("red", "green", "blue"), name="rgb")


def colored(count, seed):
    """Red is clearly red, green clearly green, blue clearly blue."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    images = rng.uniform(0, 0.3, (count, 8, 8, 3))
    images[np.arange(count), ..., labels] += 0.5
    paths = tuple(f"{'rgb'[label]}/{seed}_{i}" for i, label in enumerate(labels))
    return Pictures(images.astype("float32"), labels, ("red", "green", "blue"), paths, "rgb")


@pytest.fixture(scope="module")
def pictures():
    return colored(30, 0)


@pytest.fixture(scope="module")
def others():
    """To report on; two of them are called by a wrong name."""
    found = colored(24, 1)
    found.labels[:2] = (found.labels[:2] + 1) % 3
    return found


@pytest.fixture(scope="module")
def net(classifier):
    """Transformers that move things, but not so far that colors are confused."""
    net = InvariantTransformerNet(classifier, 2, 3, required_accuracy=0.9, seed=1)
    rng = np.random.default_rng(4)
    for layer in (net.spatial, net.color):
        layer.entries.kernel.assign(rng.normal(0, 0.03, layer.entries.kernel.shape))
    return net


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
    """Of 720 pictures no more than some batches are ever in memory."""
    many = Pictures(
        np.concatenate([pictures.images] * 24),
        np.tile(pictures.labels, 24),
        pictures.class_names,
        tuple(f"{i}/{path}" for i in range(24) for path in pictures.paths),
        "rgb",
    )
    streamed = dataclasses.replace(many, images=Streamed(many.images))
    members = sliders(net, steps=2)
    xr.testing.assert_identical(survey(net, members, streamed), survey(net, members, many))
    passes = 750 * len(FACTORS)
    found = compare_families(net, streamed, streamed, 0.9, passes, seed=2)
    xr.testing.assert_identical(found, compare_families(net, many, many, 0.9, passes, seed=2))
    assert found.attrs["pictures"] == 720
    assert comparison.attrs["pictures"] == 24
    assert max(streamed.images.asked) == AT_ONCE < 720


def test_sliders_move_one_value_at_a_time_and_all_together(net):
    members = sliders(net, steps=3)
    assert members.sizes == {"member": 3 * (2 + 1) + 3 * (3 + 1), "p": 2, "q": 3}
    first = members.isel(member=members.slider.values == "alpha 1")
    np.testing.assert_array_equal(first.alpha, [[0, 0.5], [0.5, 0.5], [1, 0.5]])
    np.testing.assert_array_equal(first.beta, np.full((3, 3), 0.5))
    together = members.isel(member=members.slider.values == "beta")
    np.testing.assert_array_equal(together.beta, np.linspace(0, 1, 3)[:, None].repeat(3, 1))


def test_a_net_that_is_given_the_weights_of_another_has_its_members(net, classifier):
    other = InvariantTransformerNet(classifier, 2, 3, required_accuracy=0.9, seed=7)
    controls = np.asarray([[0.2, 0.9]], "float32"), np.asarray([[0.1, 0.5, 0.8]], "float32")
    expected = net.matrices(*controls)
    assert not np.allclose(other.matrices(*controls)[0], expected[0])
    set_weights(other, weights_of(net))
    for found, wanted in zip(other.matrices(*controls), expected, strict=True):
        np.testing.assert_array_equal(found, wanted)


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
def comparison(net, pictures, others):
    return compare_families(net, pictures, others, 0.9, passes=40 * len(FACTORS), seed=2)


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


def test_the_learned_family_at_factor_one_is_the_net(comparison, net, others):
    """On the pictures to report on, of which the share is to be held that is asked for."""
    rows = np.resize(np.arange(24), 40)
    alpha, beta = map(np.asarray, net.draw_controls(40, 2))
    inputs = {"images": others.images[rows], "alpha": alpha, "beta": beta}
    right = (net.predict(inputs, verbose=0).argmax(axis=1) == others.labels[rows]).sum()
    assert comparison.right.sel(family="learned", factor=1) == right
    assert comparison.attrs["required_accuracy"] == pytest.approx(0.9 * 22 / 24)


def test_the_grid_s_largest_member_holds_and_no_larger_one_does(
    comparison, classifier, pictures, others
):
    """It is found on the pictures to choose by, and reported on the others."""
    spatial, color, spatial_names, color_names = known_matrices()
    sizes = spatial_displacement(spatial)[:, None] + color_displacement(color)
    look = MatrixLook(classifier)

    def accuracy(pair, of=pictures):
        said = look.softmax(of.images, spatial[pair[0]][None], color[pair[1]][None])
        return (said.argmax(axis=1) == of.labels).mean()

    found = comparison.attrs
    one, other = found["grid_member"].split(", ")
    pair = spatial_names.index(one), color_names.index(other)
    assert found["grid_displacement"] == pytest.approx(sizes[pair])
    assert accuracy(pair) >= 0.9 and accuracy(pair, others) == found["grid_accuracy"]
    for larger in np.argwhere(sizes > sizes[pair]).tolist():
        assert accuracy(tuple(larger)) < 0.9


@pytest.mark.usefixtures("uncompiled")
def test_passes_that_are_used_up_leave_no_member(classifier, pictures, others):
    net = InvariantTransformerNet(classifier, required_accuracy=0.9)
    found = compare_families(net, pictures, others, 1.0, passes=len(FACTORS)).attrs
    assert found["grid_member"] == "" and found["grid_passes"] <= len(FACTORS)
    assert found["grid_displacement"] == 0 and np.isnan(found["grid_accuracy"])
    with pytest.raises(UsageError, match=f"passes must be at least {len(FACTORS)}, got 3"):
        compare_families(net, pictures, others, 0.9, passes=3)


def test_samples_are_what_the_net_says_of_them(net, pictures):
    """With all control values of a kind at 0, 1/4, …, 1 and those of the other at 1/2."""
    images = pictures.images[:2]
    samples = sample_transformers(net, images, ["first", "second"])
    assert samples.value.values.tolist() == [0, 0.25, 0.5, 0.75, 1]
    for slider, value in itertools.product(("alpha", "beta"), samples.value.values):
        controls = {"alpha": np.full((2, 2), 0.5), "beta": np.full((2, 3), 0.5)}
        controls[slider][:] = value
        logits = net.predict({"images": images} | controls, verbose=0)
        expected = np.asarray(keras.ops.softmax(logits))
        said = samples.sel(slider=slider, value=value)
        np.testing.assert_allclose(said.softmax, expected.max(axis=1), atol=1e-5)
        names = np.array(net.classifier.class_names)[expected.argmax(axis=1)]
        assert said.predicted.values.tolist() == names.tolist()
        shown = transformed_samples(samples, images)
        place = ("alpha", "beta").index(slider), samples.value.values.tolist().index(value)
        seen = net.transformers.predict({"images": images} | controls, verbose=0)
        np.testing.assert_allclose(shown[:, *place], seen, atol=1e-5)
