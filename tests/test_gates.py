"""What a net holds: the loss that each gate chooses, the multiplier, and what stays as it was."""

from pathlib import Path

import keras
import numpy as np
import pytest
from scipy.special import rel_entr, softmax
from test_transformer_training import InterruptionError, StopAfter, pictures

from itn.classifiers import Classifier
from itn.gates import STEP_LOGS, loss_by_divergence, loss_by_share
from itn.invariant_transformer import InvariantTransformerNet
from itn.messages import UsageError
from itn.transformer_training import epoch_logs, train_transformers

# Keras 3.15 itself calls numpy's older way to make an array of a variable.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

NAMES = ("red", "green", "blue")


@keras.saving.register_keras_serializable("itn_tests")
def brightened(images):
    return 5 * images


@pytest.fixture(autouse=True)
def compiled_elsewhere(without_xla):
    with without_xla():
        yield


@pytest.fixture(scope="module")
def classifier(color_classifier):
    network = keras.models.clone_model(color_classifier.network)
    return Classifier(network, brightened, 8, NAMES, name="rgb")


def train(net, *sets, epochs=4, **how):
    how = {"batch_size": 6, "learning_rate": 0.02, "progress": False} | how
    sets = sets or (pictures(24, 0), pictures(30, 1))
    return train_transformers(net, *sets, epochs=epochs, **how)


# What was there before there was a choice

SPATIAL = [
    [[-0.62581, 0.67075, -0.24965], [0.46025, -1.34773, -0.10019]],
    [[0.12577, 0.17783, 0.02384], [-0.02612, -0.02226, -0.26531]],
]
COLOR = [
    [
        [1.75391, -0.46746, 0.06982, -0.04468],
        [-0.17400, 1.72542, -0.37324, 0.26517],
        [0.25023, -0.59406, 2.10215, -0.15220],
    ],
    [
        [1.78087, -0.37787, 0.15442, -0.00452],
        [-0.38401, 1.62668, -0.47383, 0.10199],
        [0.28044, -0.74609, 2.04019, -0.24663],
    ],
]
LOGITS = [
    [5.7559996, 0.91477305, 1.483155],
    [1.4567534, 5.285743, 2.1226952],
    [2.586784, 0.54004866, 5.411657],
    [4.772009, 1.4770037, 1.5772448],
]


def as_drawn(net, count, seed):
    controls = map(np.asarray, net.draw_controls(count, seed))
    return dict(zip(("alpha", "beta"), controls, strict=True))


def test_the_paper_s_gate_is_the_default_and_learns_the_same_matrices_as_ever(classifier):
    """The numbers are of the version that knew no other gate, and of both of its branches."""
    net = InvariantTransformerNet(classifier, seed=3, color_weight=1.0)
    history = train(net)
    assert history.outward.values.tolist() == [1, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 1, 1]
    np.testing.assert_allclose(history.cross_entropy.values[[0, -1]], [0.30407, 0.08652], rtol=1e-4)
    spatial, color = net.matrices(*net.draw_controls(2, 0))
    np.testing.assert_allclose(spatial, SPATIAL, atol=1e-4)
    np.testing.assert_allclose(color, COLOR, atol=1e-4)


def test_a_file_of_a_net_from_before_is_loaded(classifier):
    """It was saved by the version that knew no other gate, after the training above."""
    net = keras.models.load_model(Path(__file__).with_name("net_that_holds_accuracy.keras"))
    inputs = {"images": pictures(4, 5).images} | as_drawn(net, 4, 1)
    np.testing.assert_allclose(net.predict(inputs, verbose=0), LOGITS, atol=1e-4)
    assert (net.hold, net.level) == ("accuracy", None)
    assert float(net.required_accuracy.value) == pytest.approx(0.95)


# Which loss


@pytest.fixture(scope="module")
def some():
    """Logits of 8 moved pictures and the softmax of the untouched ones; 6 keep their class."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (8, 3)).astype("float32")
    untouched = softmax(logits + rng.normal(0, 0.3, (8, 3)), axis=1).astype("float32")
    untouched[:2] = np.roll(untouched[:2], 1, axis=1)
    assert (untouched.argmax(axis=1) == logits.argmax(axis=1)).mean() == 0.75
    return logits, untouched


@pytest.mark.parametrize(("required", "outward"), [(0.7, True), (0.75, True), (0.8, False)])
def test_the_consistency_of_a_batch_chooses_the_loss(some, required, outward):
    logits, untouched = some
    loss, logged = loss_by_share("consistency", untouched, logits, np.float32(-3.5), required)
    against = untouched.argmax(axis=1)
    cross_entropy = -np.log(softmax(logits, axis=1)[np.arange(8), against]).mean()
    assert float(logged["cross_entropy"]) == pytest.approx(cross_entropy, rel=1e-5)
    assert float(logged["batch_consistency"]) == 0.75 and float(logged["outward"]) == outward
    assert float(loss) == pytest.approx(-3.5 if outward else cross_entropy, rel=1e-5)


def test_a_divergence_goes_from_the_untouched_to_the_moved_and_is_bounded_without_a_switch(some):
    logits, untouched = some
    moved = softmax(logits.astype(float), axis=1)
    forward = rel_entr(untouched, moved).sum(axis=1).mean()
    backward = rel_entr(moved, untouched).sum(axis=1).mean()
    assert abs(forward - backward) > 0.03  # the direction matters here
    for multiplier, allowed in ((2.0, 0.1), (0.5, 4.0)):
        given = np.float32(-3.5), np.float32(multiplier), allowed
        loss, logged = loss_by_divergence(untouched, logits, *given)
        assert float(logged["divergence"]) == pytest.approx(forward, rel=1e-4)
        weight = multiplier * np.exp(min(forward / allowed - 1, 2))
        assert float(loss) == pytest.approx(-3.5 + weight * (forward - allowed), rel=1e-4)
        assert float(logged["batch_consistency"]) == 0.75
    certain = np.eye(3, dtype="float32")[logits.argmax(axis=1)]  # 0 log 0 is 0
    _, logged = loss_by_divergence(certain, logits, *given)
    assert float(logged["divergence"]) == pytest.approx(-np.log(moved.max(axis=1)).mean(), rel=1e-4)


@pytest.mark.parametrize(
    ("allowed", "power"),
    [(1e9, -1), (2, -0.5), (1, 0), (2 / 3, 0.5), (0.5, 1), (0.25, 2), (0.1, 2)],
)
def test_the_multiplier_grows_while_the_bound_is_broken_and_else_shrinks(some, allowed, power):
    """Bounds as multiples of the divergence; a step changes the logarithm by 0.2 at most."""
    logits, untouched = some
    divergence = rel_entr(untouched, softmax(logits.astype(float), axis=1)).sum(axis=1).mean()
    _, logged = loss_by_divergence(untouched, logits, 0, np.float32(3), allowed * divergence)
    assert float(logged["multiplier"]) == pytest.approx(3 * np.exp(0.1 * power), rel=1e-4)


# Training


def test_a_divergence_is_kept_near_its_bound_and_a_stopped_training_ends_as_one_that_was_not(
    classifier, tmp_path
):
    how = {"hold": "divergence", "level": 0.05, "seed": 3, "color_weight": 1.0}
    net = InvariantTransformerNet(classifier, **how)
    third = pictures(12, 2)
    history = train(net, pictures(24, 0), pictures(30, 1), third, epochs=16)
    assert set(history.data_vars) == {*STEP_LOGS["divergence"], *epoch_logs("divergence")}
    before = np.concatenate([[1], history.multiplier.values[:-1]])
    grown, broken = history.multiplier.values > before, history.divergence.values > 0.05
    np.testing.assert_array_equal(grown, broken)
    assert broken.any() and not broken.all()
    late = history.held_out_divergence.values[8:]
    assert 0.05 / 3 < np.median(late) < 0.05 * 3
    kept = history.attrs["kept_epoch"]
    assert kept and history.held_out_divergence.values[kept] <= 0.05
    # What is reported is of the kept state on the third set, evaluated from outside.
    inputs = {"images": third.images} | as_drawn(net, 12, 2)
    q, p = softmax(net.predict(inputs, verbose=0), axis=1), classifier.predict(third.images)
    found = rel_entr(p.astype(float), q).sum(axis=1).mean()
    assert history.attrs["reported_divergence"] == pytest.approx(found, rel=1e-3)
    same = (p.argmax(axis=1) == q.argmax(axis=1)).mean()
    assert history.attrs["reported_consistency"] == pytest.approx(same)

    whole = train(InvariantTransformerNet(classifier, **how), epochs=3)
    with pytest.raises(InterruptionError):
        train(
            InvariantTransformerNet(classifier, **how),
            epochs=3,
            folder=tmp_path,
            callbacks=[StopAfter(2)],
        )
    again = InvariantTransformerNet(classifier, **how)
    assert train(again, epochs=3, folder=tmp_path).identical(whole)
    again.save(tmp_path / "net.keras")
    loaded = keras.models.load_model(tmp_path / "net.keras")
    assert float(loaded.multiplier.value) == whole.multiplier.values[-1]
    assert loaded.options == again.options


def test_a_consistency_is_held_without_labels(classifier, monkeypatch):
    """The classes are none of the classifier's; it looks at untouched pictures once, ahead."""
    learned, judged = pictures(24, 0), pictures(30, 1)
    strange = [
        type(each)(each.images, each.labels, ("x", "y", "z"), each.paths, each.name)
        for each in (learned, judged)
    ]
    seen = []
    predict = Classifier.predict
    monkeypatch.setattr(
        Classifier,
        "predict",
        lambda self, images, *how: seen.append(len(images)) or predict(self, images, *how),
    )
    net = InvariantTransformerNet(classifier, hold="consistency", level=0.9, seed=3)
    history = train(net, *strange, epochs=6)
    assert seen == [24]
    assert np.isnan(history.held_out_accuracy).all() and np.isnan(history.clean_accuracy)
    outward = history.batch_consistency.values >= np.float32(0.9)
    np.testing.assert_array_equal(history.outward.values, outward)
    assert outward.any() and not outward.all()
    assert history.held_out_consistency[history.kept_epoch] >= 0.9
    assert history.spatial_displacement[history.kept_epoch] > 0.05
    # These labels are what the classifier says, so that an accuracy would be held alike.
    same = InvariantTransformerNet(classifier, required_accuracy=0.9, seed=3)
    labeled = train(same, learned, judged, epochs=6)
    np.testing.assert_array_equal(labeled.batch_accuracy, history.batch_consistency)
    for one, other in zip(
        net.transformers.get_weights(), same.transformers.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_fit_looks_at_untouched_pictures_ahead_and_takes_no_labels(classifier):
    learned = pictures(24, 0)
    said = classifier.predict(learned.images)
    labels = said.argmax(axis=1)
    net = InvariantTransformerNet(classifier, hold="consistency")
    net.compile("sgd")
    how = {"batch_size": 12, "shuffle": False, "verbose": 0}
    history = net.fit(learned.images, **how, validation_data=(pictures(6, 1).images, None)).history
    assert history["batch_consistency"] == [1] and history["val_batch_consistency"] == [1]
    batches = [(learned.images[i : i + 12], said[i : i + 12]) for i in (0, 12)]
    net.fit(iter(batches), steps_per_epoch=2, verbose=0)
    for given in (
        (learned.images, labels),
        (learned.images, np.eye(3)[labels]),
        (iter(batches[0]),),
    ):
        with pytest.raises(UsageError, match=r"no label: give pictures alone, as arrays, or"):
            net.fit(*given, **how)


# Options


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hold": "accurracy"}, "unknown hold 'accurracy'; closest: 'accuracy'"),
        ({"level": 0.9}, "the level of an accuracy that is held is its required_accuracy"),
        ({"hold": "consistency", "level": 1.2}, r"consistency must be in \(0, 1\], got 1.2"),
        ({"hold": "consistency", "level": "all"}, "level must be a number ≥ 0, got all"),
        ({"hold": "divergence", "level": 0}, "level of a divergence must be above 0, got 0"),
        ({"hold": "divergence", "gate_margin": 0.1}, "without a switch: there is no gate_margin"),
        ({"hold": "consistency", "required_accuracy": 0.9}, "but the consistency: give its level"),
    ],
)
def test_options_that_do_not_go_together_are_refused(classifier, options, message):
    with pytest.raises(UsageError, match=message) as caught:
        InvariantTransformerNet(classifier, **options)
    assert "\n" not in str(caught.value)


def test_what_is_held_has_a_level_by_default(classifier):
    found = {
        hold: InvariantTransformerNet(classifier, hold=hold).options["level"]
        for hold in ("accuracy", "consistency", "divergence")
    }
    assert found == {"accuracy": None, "consistency": 0.95, "divergence": 0.1}
