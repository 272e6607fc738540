"""What goes beyond the paper's net: off, it changes nothing; on, what it does and learns."""

import json
import zipfile

import keras
import numpy as np
import pytest
from scipy import ndimage

from itn.classifiers import Classifier
from itn.displacement import kernel_displacement
from itn.invariant_transformer import STEP_LOGS, InvariantTransformerNet
from itn.messages import UsageError
from itn.pictures import Pictures
from itn.transformer_layers import KernelTransformer
from itn.transformer_training import train_transformers
from itn.warp import affine_warp, in_pixels, recolor

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.usefixtures("uncompiled"),
]
ALL = {"motion": "similarity", "kernel_dim": 2, "picture_features": 3, "fill": "edge"}
NEW = (
    "motion",
    "picture_features",
    *(f"kernel_{n}" for n in ("dim", "size", "keeps_sum", "weight")),
)


@keras.saving.register_keras_serializable("itn_tests")
def around_zero(images):
    return 4 * (images - 0.5)


@pytest.fixture
def uncompiled(without_xla):
    with without_xla():
        yield


@pytest.fixture(scope="module")
def classifier(conv_classifier):
    network = keras.models.clone_model(conv_classifier.network)
    network.set_weights(conv_classifier.network.get_weights())
    return Classifier(network, around_zero, 8, conv_classifier.class_names, name="conv")


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(5)
    smooth = rng.random((24, 1, 1, 3)) + 0.2 * rng.standard_normal((24, 8, 8, 3))
    return smooth.clip(0, 1).astype("float32")


@pytest.fixture(scope="module")
def labels(classifier, images):
    return classifier.predict(images).argmax(axis=1)


@pytest.fixture(scope="module")
def moved_net(classifier, without_xla):
    """A net with all options on, away from the identity."""
    with without_xla():
        return spread(InvariantTransformerNet(classifier, 3, 2, seed=1, **ALL))


def spread(net, deviation=0.2):
    rng = np.random.default_rng(0)
    for layer in (net.spatial, net.color, net.kernel):
        layer.entries.kernel.assign(rng.normal(0, deviation, layer.entries.kernel.shape))
    return net


def as_inputs(net, images, seed=0):
    drawn = map(keras.ops.convert_to_numpy, net.draw_controls(len(images), seed))
    return {"images": images} | dict(zip(("alpha", "beta", "gamma"), drawn, strict=False))


# Off


def test_without_options_it_is_the_net_it_was(classifier, images, labels):
    """Numbers computed before there were any: sums of the weights' sizes, and a short training."""
    net = InvariantTransformerNet(classifier, 3, 2, seed=7, required_accuracy=0.8)
    assert net.kernel is None and net.encoder is None and net.step_logs == STEP_LOGS["accuracy"]
    assert len(net.transformers.inputs) == 3
    start = [np.abs(w).astype(float).sum() for w in net.transformers.get_weights()]
    expected = [
        *(4.77047136425972, 59.73031537048519, 0.0, 0.00014038823286538493, 2.0),
        *(3.4195699393749237, 51.18011077493429, 0.0, 0.00028017840428459784, 3.0),
    ]
    np.testing.assert_allclose(start, expected, rtol=1e-6)
    drawn = net.draw_controls(2, 5)
    assert len(drawn) == 2
    expected = [0.0618532896, 0.8316690922, 0.9735771418]
    np.testing.assert_allclose(drawn[0][0], expected, rtol=1e-6)
    net.compile(keras.optimizers.Adam(0.02))
    net.fit(images, labels, batch_size=6, epochs=4, verbose=0, shuffle=False)
    spatial, color = net.matrices(
        np.full((1, 3), 0.25, "float32"), np.full((1, 2), 0.75, "float32")
    )
    expected = [[0.10346937, -0.09721664, 0.53510696], [0.94751012, 2.10737491, -0.76144743]]
    np.testing.assert_allclose(spatial[0], expected, atol=1e-3)
    expected = [
        [-0.28050005, -1.42453074, -0.98220974, -0.23419599],
        [-1.09403801, -1.54717767, 0.90604407, -1.2019515],
        [-1.2056917, -2.28815651, 0.59975719, 0.95314634],
    ]
    np.testing.assert_allclose(color[0], expected, atol=1e-3)


def test_a_file_from_before_the_options_loads(classifier, images, tmp_path):
    net = InvariantTransformerNet(classifier, 2, 2, seed=3)
    net.save(tmp_path / "new.keras")
    with (
        zipfile.ZipFile(tmp_path / "new.keras") as new,
        zipfile.ZipFile(tmp_path / "old.keras", "w") as old,
    ):
        for name in new.namelist():
            content = new.read(name)
            if name == "config.json":
                described = json.loads(content)
                for option in NEW:
                    del described["config"][option]
                content = json.dumps(described).encode()
            old.writestr(name, content)
    again = keras.models.load_model(tmp_path / "old.keras")
    assert again.options == net.options
    np.testing.assert_array_equal(again(images), net(images))


# On


def test_at_its_start_everything_stands_next_to_the_identity(classifier, images):
    net = InvariantTransformerNet(classifier, **ALL)
    inputs = as_inputs(net, images)
    spatial, color = net.matrices(inputs["alpha"], inputs["beta"], images=images)
    kernels = net.kernels(inputs["gamma"], images=images)
    np.testing.assert_allclose(spatial, np.broadcast_to(np.eye(2, 3), (24, 2, 3)), atol=1e-4)
    np.testing.assert_allclose(color, np.broadcast_to(np.eye(3, 4), (24, 3, 4)), atol=1e-4)
    assert 0 < kernel_displacement(kernels).max() < 1e-4
    expected = classifier.network(classifier.preprocess(images))
    np.testing.assert_allclose(net(inputs), expected, atol=1e-3)


def test_a_picture_is_warped_filtered_and_recolored(moved_net, images):
    inputs = as_inputs(moved_net, images)
    spatial, color = moved_net.matrices(inputs["alpha"], inputs["beta"], images=images)
    kernels = moved_net.kernels(inputs["gamma"], images=images)
    warped = np.asarray(affine_warp(images, in_pixels(spatial, images.shape), "edge"))
    filtered = np.stack(
        [
            [ndimage.correlate(warped[n, ..., c], kernels[n, c], mode="nearest") for c in range(3)]
            for n in range(24)
        ]
    ).transpose(0, 2, 3, 1)
    found = moved_net.transformers(inputs)
    expected = recolor(filtered.astype("float32"), color.astype("float32"))
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_what_is_done_to_a_picture_depends_on_it_and_on_no_other(moved_net, images):
    same = {"alpha": np.full((24, 3), 0.5), "beta": np.full((24, 2), 0.5)}
    spatial, color = moved_net.matrices(*same.values(), images=images)
    kernels = moved_net.kernels(np.full((24, 2), 0.5), images=images)
    for members in (spatial, color, kernels):  # one control vector, yet a member for each picture
        assert len(np.unique(members.reshape(24, -1).round(5), axis=0)) == 24
    expected = np.asarray(moved_net(images))
    order = np.random.default_rng(0).permutation(24)
    found = moved_net.predict(images[order], batch_size=8, verbose=0)
    np.testing.assert_allclose(found, expected[order], atol=1e-5)
    np.testing.assert_allclose(moved_net(images[7:8]), expected[7:8], atol=1e-5)


def test_members_that_depend_on_pictures_need_as_many(moved_net, images):
    controls = np.zeros((24, 3)), np.zeros((24, 2))
    with pytest.raises(UsageError, match="24 control vectors need as many images, got none"):
        moved_net.matrices(*controls)
    with pytest.raises(UsageError, match="as many images, got 3 of them"):
        moved_net.matrices(*controls, images=images[:3])


@pytest.mark.parametrize("size", [3, 5])
def test_a_sum_that_is_kept_is_1(images, size):
    for keep_sum in (True, False):
        layer = KernelTransformer(2, size=size, keep_sum=keep_sum)
        control = np.random.default_rng(0).random((9, 2)).astype("float32")
        layer(images[:9], control)
        rng = np.random.default_rng(1)
        layer.entries.kernel.assign(rng.normal(0, 0.3, layer.entries.kernel.shape))
        sums = np.asarray(layer.kernels(control)).sum(axis=(2, 3))
        if keep_sum:
            np.testing.assert_allclose(sums, 1, atol=1e-5)
            flat = np.broadcast_to(images[:9, :1, :1], (9, 6, 6, 3))
            inside = np.asarray(layer(flat, control))[:, 2:-2, 2:-2]
            np.testing.assert_allclose(inside, flat[:, 2:-2, 2:-2], atol=1e-5)
        else:
            assert np.abs(sums - 1).min() > 1e-3


def test_the_losses_of_all_three_agree_with_numpy(moved_net, images, labels):
    moved_net.compile()
    moved_net.required_accuracy.assign(1e-3)
    inputs = as_inputs(moved_net, images)
    log = moved_net.evaluate(
        inputs, np.asarray(moved_net(inputs)).argmax(axis=1), 24, verbose=0, return_dict=True
    )
    spatial, color = moved_net.matrices(inputs["alpha"], inputs["beta"], images=images)
    kernels = moved_net.kernels(inputs["gamma"], images=images).reshape(24, 3, 9)
    still = np.zeros((3, 9))
    still[:, 4] = 1
    expected = []
    for name, members, identity, layer in (
        ("alpha", spatial, np.eye(2, 3), moved_net.spatial),
        ("beta", color, np.eye(3, 4), moved_net.color),
        ("gamma", kernels, still, moved_net.kernel),
    ):
        vectors = np.asarray(layer.vectors.value, float)
        far = np.linalg.norm(np.einsum("nrc,pc->npr", members - identity, vectors), axis=-1)
        expected.append(-(inputs[name] * far).mean())
    found = [log[name] for name in ("spatial_loss", "color_loss", "kernel_loss")]
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    assert log["loss"] == pytest.approx(expected[0] + 5 * expected[1] + expected[2], rel=1e-4)


def test_every_part_learns_is_saved_and_recorded(classifier, images, labels, tmp_path):
    net = InvariantTransformerNet(classifier, 3, 2, required_accuracy=0.3, **ALL)
    start = [np.array(weight.value) for weight in net.trainable_variables]
    names = tuple(sorted({classifier.class_names[label] for label in labels}))
    own = np.array([names.index(classifier.class_names[label]) for label in labels])
    halves = [
        Pictures(images[half], own[half], names, tuple(f"{half.start}_{i}" for i in range(12)), "x")
        for half in (slice(0, 12), slice(12, 24))
    ]
    history = train_transformers(net, *halves, epochs=2, batch_size=6, progress=False)
    assert {"kernel_loss", "kernel_displacement"} <= set(history.data_vars)
    assert history.sizes == {"step": 4, "epoch": 3}
    assert history.kernel_displacement[-1] > 10 * history.kernel_displacement[0] > 0
    if history.attrs["kept_epoch"]:
        for old, new in zip(start, net.trainable_variables, strict=True):
            assert np.abs(old - np.array(new.value)).max() > 0, new.path
    net.save(tmp_path / "net.keras")
    again = keras.models.load_model(tmp_path / "net.keras")
    inputs = as_inputs(net, images)
    np.testing.assert_array_equal(again(inputs), net(inputs))
    assert again.options == net.options and again.step_logs == net.step_logs


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"motion": "rigit"}, "unknown motion 'rigit'; closest: 'rigid'"),
        ({"kernel_dim": -1}, "kernel_dim must not be negative, got -1"),
        ({"kernel_dim": 2, "kernel_size": 4}, r"a kernel's size must be one of \(3, 5\), got 4"),
        ({"kernel_weight": -1}, "kernel_weight must be a number ≥ 0, got -1"),
        ({"picture_features": 1.5}, "picture_features must be a whole number, got 1.5"),
    ],
)
def test_wrong_options_are_refused(classifier, options, message):
    with pytest.raises(UsageError, match=message):
        InvariantTransformerNet(classifier, **options)


def test_kernels_of_a_net_without_are_refused(classifier):
    with pytest.raises(UsageError, match="no kernels: give it a kernel_dim"):
        InvariantTransformerNet(classifier).kernels(np.zeros((1, 2)))
