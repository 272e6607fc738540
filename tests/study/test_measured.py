"""How far families go on pictures that neither trained nor chose them, against hand-made cases."""

import dataclasses
import itertools

import keras
import numpy as np
import pytest

from itn.classifiers import Classifier
from itn.displacement import color_displacement, spatial_displacement
from itn.invariant_transformer import InvariantTransformerNet
from itn.pictures import Pictures
from itn.study.matrices import known_matrices
from itn.study.measured import (
    CRITERIA,
    FACTORS,
    KINDS,
    Looks,
    best_of_grid,
    frame_lost,
    measure,
    measure_known,
    range_lost,
    worst_corner,
)

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture(scope="module", autouse=True)
def compiled_elsewhere(without_xla):
    with without_xla():
        yield


def colored(count, seed, wrong=0):
    """Pictures of two colors, of which the left one is the class, but for some wrong labels."""
    rng = np.random.default_rng(seed)
    labels, each = np.arange(count) % 3, np.arange(count)
    images = rng.uniform(0, 0.1, (count, 8, 8, 3))
    images[each, :, :5, labels] += 0.5
    images[each, :, 5:, (labels + 1) % 3] += rng.uniform(0.2, 0.7, (count, 1, 1))
    paths = tuple(f"{seed}/{i}" for i in range(count))
    labels[:wrong] = (labels[:wrong] + 1) % 3
    return Pictures(images.astype("float32"), labels, ("red", "green", "blue"), paths, "rgb")


@pytest.fixture(scope="module")
def net(color_classifier):
    network = keras.models.clone_model(color_classifier.network)
    names = ("red", "green", "blue")
    classifier = Classifier(network, color_classifier.preprocess, 8, names, name="rgb")
    net = InvariantTransformerNet(classifier, 2, 3, seed=1)
    rng = np.random.default_rng(4)
    for layer in (net.spatial, net.color):
        layer.entries.kernel.assign(rng.normal(0, 0.12, layer.entries.kernel.shape))
    return net


@pytest.fixture(scope="module")
def chooser(net):
    return Looks(net, colored(30, 0))


@pytest.fixture(scope="module")
def measured(net):
    return measure(net, colored(30, 0), colored(24, 1, wrong=3), looks=2, seed=5)


def test_at_the_factor_one_the_learned_family_is_the_net(measured, net):
    reported = colored(24, 1, wrong=3)
    alpha, beta = map(np.asarray, net.draw_controls(48, 5))
    inputs = {"images": np.tile(reported.images, (2, 1, 1, 1)), "alpha": alpha, "beta": beta}
    said = net.predict(inputs, verbose=0).argmax(axis=1)
    clean = net.classifier.predict(reported.images).argmax(axis=1)
    found = measured.hits.sel(kind="both", family="learned", factor=1)
    for criterion, true in (("accuracy", reported.labels), ("consistency", clean)):
        expected = (said.reshape(2, 24) == true).sum(axis=0)
        np.testing.assert_array_equal(found.sel(criterion=criterion), expected)
    assert (found.sel(criterion="accuracy") != found.sel(criterion="consistency")).any()
    far = spatial_displacement(net.spatial.matrix(alpha)).mean()
    paint = color_displacement(net.color.matrix(beta)).mean()
    expected = {"space": far, "color": paint, "both": far + paint}
    for kind, family in itertools.product(KINDS, ("learned", "random")):
        size = measured.displacement.sel(kind=kind, family=family)
        assert float(size) == pytest.approx(expected[kind], rel=1e-5)


def test_a_kind_moves_nothing_of_the_other(measured, net):
    """What is said under the learned colors alone, stretched twice."""
    reported, looks = colored(24, 1, wrong=3), Looks(net, colored(24, 1, wrong=3))
    _, beta = map(np.asarray, net.draw_controls(48, 5))
    color = np.eye(3, 4) + 2 * (np.asarray(net.color.matrix(beta)) - np.eye(3, 4))
    hits = looks.hits(np.eye(2, 3)[None], color, np.tile(np.arange(24), 2))
    found = measured.hits.sel(kind="color", family="learned", factor=2)
    np.testing.assert_array_equal(found, hits.reshape(2, 2, 24).sum(axis=1))
    assert len(reported) == 24


def test_the_worst_corner_is_the_worst_of_all(net, chooser, measured):
    corners = np.array(list(itertools.product((0, 1), repeat=5)), "float32")

    def kept(corner):
        matrices = net.matrices(corner[None, :2], corner[None, 2:])
        return int(chooser.hits(*matrices, np.arange(30))[1].sum())

    counts = list(map(kept, corners))
    assert min(counts) < max(counts)
    found = np.concatenate(worst_corner(net, chooser))
    assert kept(found) == min(counts)
    np.testing.assert_array_equal(measured.corner, found)
    judge = Looks(net, colored(24, 1, wrong=3))
    hits = judge.hits(*net.matrices(found[None, :2], found[None, 2:]), np.arange(24))
    np.testing.assert_array_equal(measured.corner_hits, hits)


def test_the_best_of_the_grid_holds_and_no_larger_one_does(chooser):
    matrices, _, names, _ = known_matrices()
    by_name = {
        name: (
            float(spatial_displacement(matrix)),
            chooser.hits(matrix[None], np.eye(3, 4)[None], np.arange(30)).mean(axis=1),
        )
        for name, matrix in zip(names, matrices, strict=True)
    }
    found, used = best_of_grid(chooser, "space", 10_000, chooser.levels())
    assert 0 < used < 10_000
    for criterion, one in enumerate(found):
        far, share = by_name[one[0]]
        assert share[criterion] >= 0.95
        larger = [s[criterion] for f, s in by_name.values() if f > far]
        assert larger and max(larger) < 0.95


def test_a_grid_that_runs_out_of_passes_has_no_member(net):
    reported = colored(24, 1)
    known = measure_known(net, colored(30, 0), reported, passes=40)
    assert known.member.sel(kind="both").values.tolist() == ["", ""]
    assert np.isnan(known.displacement.sel(kind="both")).all()
    assert (known.passes_used <= 40).all() and known.right.all()


def test_what_a_known_transformation_does_is_noted_for_each_picture(net):
    reported = colored(24, 1, wrong=4)
    known = measure_known(net, colored(30, 0), reported, passes=10_000)
    assert known.right.values.tolist() == [False] * 4 + [True] * 20
    _, color, _, names = known_matrices()
    name = known.member.sel(kind="color", criterion="consistency").item()
    matrix = color[[names.index(name)]]
    looks = Looks(net, reported)
    for factor in (FACTORS[0], 1, FACTORS[-1]):
        moved = np.eye(3, 4) + factor * (matrix - np.eye(3, 4))
        expected = looks.hits(np.eye(2, 3)[None], moved, np.arange(24))[
            CRITERIA.index("consistency")
        ]
        at = {"kind": "color", "criterion": "consistency", "factor": factor}
        np.testing.assert_array_equal(known.hits.sel(at), expected)


def test_classes_may_go_wrong_and_come_right(net):
    """So that accuracy and consistency are held apart."""
    looks = Looks(net, dataclasses.replace(colored(30, 0), labels=(np.arange(30) + 1) % 3))
    assert looks.levels() == {"accuracy": 0, "consistency": 0.95}


@pytest.mark.parametrize(
    ("matrix", "lost"),
    [
        ([[1, 0, 0], [0, 1, 0]], 0),
        ([[1, 0, 1], [0, 1, 0]], 1 / 2),  # moved by half a width
        ([[1, 0, 0], [0, 1, -4]], 1),
        ([[0.5, 0, 0], [0, 0.5, 0]], 3 / 4),  # twice as large
        ([[2, 0, 0], [0, 2, 0]], 0),
        ([[np.sqrt(0.5), -np.sqrt(0.5), 0], [np.sqrt(0.5), np.sqrt(0.5), 0]], 3 - 2 * np.sqrt(2)),
    ],
)
def test_how_much_of_a_picture_leaves_the_frame(matrix, lost):
    """Turned by 45° an octagon remains."""
    assert frame_lost(np.array([matrix], float))[0] == pytest.approx(lost, abs=0.01)


def test_how_many_values_leave_their_range():
    images = np.full((3, 8, 8, 3), 0.4, "float32")
    images[2, :4] = 0.9
    contrast, shift = np.eye(3, 4) * 3, np.eye(3, 4)
    shift[0, 3] = -0.5  # of red
    found = range_lost(images, np.stack([contrast, shift, np.eye(3, 4) * 1.2]))
    np.testing.assert_allclose(found, [1, 1 / 3, 1 / 2])
