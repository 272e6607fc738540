"""The page with the live network, asked in a browser, beside the package and Keras."""

import base64
import json
import os
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr
from chromium import Browser
from PIL import Image
from scipy import stats

import itn
from itn.invariant_transformer import ColorTransformer, SpatialTransformer
from itn.picture_files import read_picture
from itn.study import explorer, explorer_data
from itn.study.example_pictures import example_picture
from itn.study.explorer_archives import class_curves, learned_matrices
from itn.study.families import weights_of
from itn.study.matrices import decompose_color, decompose_spatial
from itn.study.titles import title
from itn.study.views import five_best, transform_all

ROOT = Path(__file__).parents[2]
FILLS = ("zeros", "edge", "reflect", "mean")
SOME = {  # far from the identity, on no grid of pixels
    "translation_x": 0.13,
    "translation_y": -0.21,
    "rotation": 37.0,
    "scale_x": 1.7,
    "scale_y": 0.6,
    "zoom": 0.45,
    "brightness": -0.3,
    "contrast": 1.9,
    "grayscale": 0.7,
    "blur": 2.3,
    "noise": 0.35,
}
COMBINED = [
    {"rotation": -140.0, "zoom": 1.4, "translation_x": 0.2},
    {"contrast": 0.4, "brightness": 0.5, "grayscale": 0.2},
    {"scale_x": 3.1, "blur": 5.9, "noise": 0.1},
    SOME,
]
SMALL = ("resnet_photos", "alexnet_photos", "resnet_phantom", "alexnet_phantom")
CASES = [
    *(("alexnet_photos", {name: value}, fill) for name, value in SOME.items() for fill in FILLS),
    *((name, both, "reflect") for name in SMALL for both in COMBINED),
    *(("squeezenet", {name: value}, "edge") for name, value in SOME.items()),
    *(("squeezenet", both, fill) for both, fill in zip(COMBINED, FILLS, strict=True)),
]
PAGE = """<!doctype html><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><script src="%s" defer></script>
<div id="explorer"><p class="explorer-missing"></p></div>"""


@pytest.fixture(scope="module", autouse=True)
def in_project():
    before = Path.cwd()
    os.chdir(ROOT)
    yield
    os.chdir(before)


@pytest.fixture(scope="module")
def family():
    """A family that moves pictures far, as if it had been learned for SqueezeNet."""
    layers = {"spatial": SpatialTransformer(4), "color": ColorTransformer(3)}
    rng = np.random.default_rng(4)
    for layer in layers.values():
        layer.build((None, 8, 8, 3), (None, layer.control_dim))
        kernel = layer.entries.kernel
        kernel.assign(rng.normal(0, 0.05, kernel.shape))
    return weights_of(SimpleNamespace(**layers)).assign_attrs(pictures=845)


@pytest.fixture(scope="module")
def rounded():
    """The networks of the page, filled when it is packed, which rounds their weights."""
    return {}


@pytest.fixture(scope="module")
def scripts(tmp_path_factory, in_project, family, rounded):
    """The page's scripts and those that tests ask, in a folder."""
    if not explorer.can_bundle():
        if os.environ.get("ITN_REQUIRE_BOOK"):
            pytest.fail(f"no live network: {explorer.fetch_packages()}")
        pytest.skip("the packages of npm are not there: `itn explorer --packages` fetches them")
    folder = tmp_path_factory.mktemp("scripts")
    pack = folder / "pack.bin"
    engine = (explorer.sources() / explorer.MODULE).read_bytes()

    def load(name):
        return rounded.setdefault(name, itn.load_classifier(name))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(explorer_data, "load_classifier", load)
        pack.write_bytes(explorer_data.write_pack(engine, {"squeezenet": family}))
    for entry in ("main", "harness"):
        explorer.bundle_with(pack, entry, folder / f"{entry}.js")
        (folder / f"{entry}.html").write_text(PAGE % f"{entry}.js")
    return folder


@pytest.fixture(scope="module")
def browser(scripts, tmp_path_factory):
    opened = Browser(tmp_path_factory.mktemp("profile"))
    yield opened
    opened.close()


def picture_for(classifier):
    phantom = "disc" in classifier.class_names
    return example_picture("four_fold" if phantom else "cat", classifier.input_size)


def case(classifier, **options):
    """What the page's modules are asked; unless `options` say otherwise nothing is done."""
    picture = np.round(255 * picture_for(classifier)).astype(np.uint8)
    return {
        "picture": base64.b64encode(picture.tobytes()).decode(), "magnitudes": {},
        "fill": "zeros", "clip": False, "seeds": [7, 0],
    } | options  # fmt: skip


@pytest.fixture(scope="module")
def answers(browser, scripts, rounded):
    """What the page's modules say of every case, in one load of a page."""
    browser.open(scripts / "harness.html")
    found = []
    for number, (name, magnitudes, fill) in enumerate(CASES):
        options = {"network": name, "magnitudes": magnitudes, "fill": fill, "clip": number % 2 == 1}
        found.append(browser.run(f"ask({json.dumps(case(rounded[name], **options))})"))
    return found


@pytest.fixture
def harness(browser, scripts):
    """The page that answers tests; it is loaded unless it is there."""
    if browser.run("typeof ask") != "function":
        browser.open(scripts / "harness.html")
    return browser


def floats(text):
    return np.frombuffer(base64.b64decode(text), "<f4")


def test_there_are_cases_enough():
    assert len(CASES) >= 60


@pytest.mark.parametrize("number", range(len(CASES)), ids=lambda i: f"{i}-{CASES[i][0]}")
def test_pixels_and_softmax_are_those_of_the_package(answers, rounded, number):
    name, magnitudes, fill = CASES[number]
    images = picture_for(rounded[name])[None]
    clip = number % 2 == 1
    # In 64 bits: TensorFlow's mean over a whole picture is off by more than 1e-4 in 32.
    exact = images.astype(np.float64)
    if len(magnitudes) == 1:
        ((only, magnitude),) = magnitudes.items()
        wanted = np.asarray(itn.transform(exact, only, magnitude, fill, 7, clip))
    else:
        wanted = transform_all(exact, magnitudes, fill, 7, clip)
    pixels = floats(answers[number]["pixels"])
    np.testing.assert_allclose(pixels, wanted.ravel(), rtol=0, atol=1e-4)
    softmax = rounded[name].predict(wanted.astype(np.float32))[0]
    np.testing.assert_allclose(floats(answers[number]["softmax"]), softmax, rtol=0, atol=1e-3)


@pytest.mark.parametrize("network", explorer_data.NETWORKS)
def test_updates_are_fast(harness, rounded, network):
    """Told in time of the processor, as whatever else the machine does adds to that of a clock."""
    harness.send("Performance.enable")
    moved = {"rotation": 30.0, "contrast": 0.8}
    asked = json.dumps(case(rounded[network], network=network, magnitudes=moved))

    def seconds(times):
        before = thread_seconds(harness)
        harness.run(f"ask({asked}, {times})")
        return thread_seconds(harness) - before

    seconds(2)  # which takes the weights in
    # What is not the update, the way of the picture through text, is the same in both.
    update = (seconds(6) - seconds(1)) / 5
    assert 0 < update <= (0.2 if network == "squeezenet" else 0.06)


def thread_seconds(browser):
    """Processor time that the thread of the page has used."""
    metrics = browser.send("Performance.getMetrics")["metrics"]
    return {each["name"]: each["value"] for each in metrics}["ThreadTime"]


def test_several_transformations_are_one_warp_and_one_recoloring():
    images = np.random.default_rng(0).random((1, 5, 5, 3))
    both = transform_all(images, {"rotation": 90.0, "translation_x": 0.2})
    # Shifted first, then turned, although the turn is named first.
    one_by_one = itn.transform(itn.transform(images, "translation_x", 0.2), "rotation", 90.0)
    np.testing.assert_allclose(both, one_by_one, atol=1e-6)
    colors = transform_all(images, {"contrast": 2.0, "brightness": 0.1})
    np.testing.assert_allclose(colors, 2 * (images + 0.1), atol=1e-6)


@pytest.mark.parametrize("name", ["rotation", "zoom", "blur", "translation_x"])
def test_losses_of_a_sweep_are_those_of_the_package(harness, name):
    """Of softmax values drawn at random, among them some that are lost at once or never."""
    rng = np.random.default_rng(3)
    transformation = itn.TRANSFORMATIONS[name]
    magnitudes = transformation.sweep(64)
    for leads in (4.0, 1.0, 0.3):
        logits = rng.standard_normal((len(magnitudes), 5)) + leads * np.eye(5)[2]
        softmax = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        if transformation.period:
            softmax[-1] = softmax[0]
        softmax = softmax.astype(np.float32)
        found = harness.run(
            f"swept({json.dumps(name)}, {magnitudes.tolist()}, {softmax.tolist()}, 2)"
        )
        screening = as_screening(name, magnitudes, softmax, 2)
        wanted = itn.thresholds(screening, resamples=0).sel(criterion="switch").isel(category=0)
        firsts = itn.tolerances(screening).isel(image=0)
        assert found["asked"][0] == transformation.identity
        away = np.abs(np.log(found["asked"]) if transformation.logarithmic else found["asked"])
        assert (np.diff(away) >= -1e-9).all()
        for direction in ("down", "up"):
            here, first = (each.sel(direction=direction) for each in (wanted, firsts))
            loss = found["losses"][direction]
            assert loss["status"] == here.status == first.status
            for part, number in (
                ("threshold", here.threshold), ("held", first.held), ("failure", first.tolerance),
            ):  # fmt: skip
                found_number = np.nan if loss[part] is None else loss[part]
                assert found_number == pytest.approx(number.item(), nan_ok=True)


def as_screening(name, magnitudes, softmax, target):
    """One picture's softmax [M, K] as a screening of its class."""
    return xr.Dataset(
        {
            "mean_softmax": (("category", "magnitude", "class"), softmax[None]),
            "softmax": (("image", "magnitude"), softmax[None, :, target]),
            "predicted": (("image", "magnitude"), softmax.argmax(axis=1)[None]),
            "target": ("category", [target]),
            "label": ("image", [0]),
        },
        coords={"category": ["one"], "magnitude": magnitudes},
        attrs={"transformation": name},
    )


CONTROLS = [([0.5] * 4, [0.5] * 3), ([0.0, 1.0, 0.3, 0.9], [1.0, 0.2, 0.0])]


@pytest.mark.parametrize("alpha, beta", CONTROLS)
def test_learned_family_is_that_of_keras(harness, family, alpha, beta):
    found = harness.run(f"family('squeezenet', {json.dumps({'alpha': alpha, 'beta': beta})})")
    for layer, kind, control, matrix in (
        (SpatialTransformer(4), "spatial", alpha, found["places"]),
        (ColorTransformer(3), "color", beta, found["colors"]),
    ):
        layer.build((None, 8, 8, 3), (None, len(control)))
        for dense in ("hidden", "entries"):
            parts = [family[f"{kind}_{dense}_{part}"].values for part in ("kernel", "bias")]
            getattr(layer, dense).set_weights(parts)
        wanted = np.asarray(layer.matrix(np.array([control], "float32")))
        np.testing.assert_allclose(matrix, wanted[0], rtol=0, atol=1e-4)
    for parts, wanted in (
        (found["spatial"], decompose_spatial([found["places"]])),
        (found["color"], decompose_color([found["colors"]])),
    ):
        np.testing.assert_allclose(list(parts.values()), wanted.values[0], rtol=0, atol=1e-4)


def test_learned_family_acts_after_the_sliders(harness, rounded, family):
    alpha, beta = CONTROLS[1]
    images = picture_for(rounded["squeezenet"])[None]
    magnitudes = {"rotation": 20.0, "contrast": 0.8, "blur": 1.0}
    controls = {"alpha": alpha, "beta": beta}
    asked = case(
        rounded["squeezenet"], network="squeezenet", magnitudes=magnitudes, controls=controls
    )
    found = harness.run(f"ask({json.dumps(asked)})")
    matrices = learned_matrices(family, alpha, beta)
    turned = transform_all(images, {"rotation": 20.0})
    assert np.abs(turned - images).max() > 0.1
    wanted = transform_all(images, magnitudes, learned=matrices)
    np.testing.assert_allclose(floats(found["pixels"]), wanted.ravel(), rtol=0, atol=1e-4)
    softmax = rounded["squeezenet"].predict(wanted)[0]
    np.testing.assert_allclose(floats(found["softmax"]), softmax, rtol=0, atol=1e-3)


def test_learned_matrices_come_last_of_their_kind():
    """Warped once by a product; twice comes to the same where nothing leaves the picture."""
    images = np.zeros((1, 9, 9, 3), np.float32)
    images[0, 3:6, 3:6] = np.random.default_rng(0).random((3, 3, 3))
    shifted = np.array([[1, 0, -2 / 9 * 2], [0, 1, 0]])  # by two pixels, in -1 … 1
    halved = np.hstack([np.eye(3) / 2, np.full((3, 1), 0.1)])
    magnitudes = {"rotation": 90.0, "brightness": 0.2}
    found = transform_all(images, magnitudes, learned=(shifted, halved))
    turned = np.rot90(images, axes=(1, 2))
    wanted = np.roll(turned, 2, axis=2)
    np.testing.assert_allclose(found, (wanted + 0.2) / 2 + 0.1, atol=1e-6)


def test_archived_curves_are_those_of_the_screening():
    curves = class_curves("squeezenet", 227)["blur"]
    screening = itn.load_screening("results/imagenet/squeezenet_blur.nc")
    for category in (0, 5):
        target = screening.target.values[category]
        mean = screening.mean_softmax.values[category, :, target]
        np.testing.assert_allclose(curves["mean"][category], mean, atol=2e-4)
        own = screening.softmax.values[screening.label.values == category, 20]
        low, high = stats.t.interval(0.95, len(own) - 1, own.mean(), stats.sem(own))
        at = curves.isel(category=category, magnitude=20)
        assert at.low.item() == pytest.approx(low, abs=1e-5)
        assert at.high.item() == pytest.approx(high, abs=1e-5)
        assert at.pictures == len(own) and at.target == target


def shown(browser, address):
    """Wait until the page shows what an address says."""
    browser.run(
        "new Promise(done => { const look = () => "
        f"document.getElementById('explorer').dataset.shown === {json.dumps(address)} "
        "? done() : setTimeout(look, 20); look(); })"
    )


def text_of(browser, selector):
    return browser.run(f"document.querySelector({json.dumps(selector)}).textContent")


@pytest.fixture
def page(browser, scripts):
    """Open the page at an address, as a new document."""

    def at(address):
        browser.send("Page.navigate", url="about:blank")
        browser.open(scripts / "main.html", address)
        shown(browser, address)
        return browser

    return at


def test_page_shows_what_its_address_says_and_asks_for_nothing(page, browser, rounded):
    browser.requests.clear()
    page("#network=resnet_photos&picture=motorcycle&rotation=60&fill=edge")
    images = example_picture("motorcycle", 64)[None]
    softmax = rounded["resnet_photos"].predict(transform_all(images, {"rotation": 60}, "edge"))[0]
    names = rounded["resnet_photos"].class_names
    spans = "document.querySelectorAll('.answers .name span:first-child')"
    listed = browser.run(f"[...{spans}].map(each => each.textContent)")
    assert listed == [title(names[each]) for each in np.argsort(-softmax)[:5]]
    verdict = text_of(browser, ".verdict")
    assert verdict.startswith("The network has changed its mind: from “motorbike”")
    line = text_of(browser, ".line code")
    assert line.endswith('five_best("resnet_photos", "motorcycle", rotation=60, fill="edge")')
    assert all(re.match("(file|blob):", address) for address in browser.requests)
    assert sum("main.js" in address for address in browser.requests) == 1
    assert browser.complaints == []


def test_keyboard_moves_a_slider_and_the_address_follows(page, browser):
    page("#network=alexnet_phantom&picture=disc&rotation=30")
    browser.run("document.querySelectorAll('.slider input')[2].focus()")
    for kind in ("keyDown", "keyUp"):
        browser.send(
            "Input.dispatchKeyEvent", type=kind, key="ArrowRight", windowsVirtualKeyCode=39
        )
    shown(browser, "#network=alexnet_phantom&picture=disc&rotation=31")
    assert browser.run("location.hash").endswith("rotation=31")
    assert browser.run("document.activeElement.getAttribute('aria-valuetext')") == "31°"
    controls = "document.querySelectorAll('#explorer :is(input, select)')"
    assert browser.run(f"[...{controls}].filter(e => !e.labels.length).length") == 0
    pictures = "document.querySelectorAll('#explorer [role=img]:not(.chart)')"
    labels = browser.run(f"[...{pictures}].map(each => each.ariaLabel)")
    assert labels == ["disc", "disc, transformed"]
    described = "document.getElementById(document.querySelector('[aria-describedby]')"
    described += ".getAttribute('aria-describedby')).textContent"
    assert "“disc”" in browser.run(described)


@pytest.mark.parametrize("width", [390, 1400])
def test_page_is_no_wider_than_the_window(page, browser, width):
    browser.send(
        "Emulation.setDeviceMetricsOverride",
        width=width, height=900, deviceScaleFactor=1, mobile=width < 500,
    )  # fmt: skip
    page("#network=squeezenet&picture=rocket")
    assert browser.run("document.documentElement.scrollWidth") <= width
    browser.send("Emulation.clearDeviceMetricsOverride")


SWEEP = """(name => {
    const select = document.querySelector(".sweep select");
    select.value = name;
    select.dispatchEvent(new Event("change"));
    document.querySelector(".sweep button").click();
})"""


def test_sweep_draws_a_curve_and_says_where_the_answer_is_lost(page, browser, rounded):
    page("#network=resnet_photos&picture=motorcycle")
    browser.run(f"{SWEEP}('zoom')")
    wait_for(browser, "document.querySelector('.curve').dataset.known === '33'")
    wait_for(browser, "document.querySelector('.sweep button').textContent !== 'Stop'")
    classifier, factors = rounded["resnet_photos"], itn.TRANSFORMATIONS["zoom"].sweep(64)
    copies = example_picture("motorcycle", 64)[None].repeat(len(factors), 0)
    softmax = classifier.predict(np.asarray(itn.transform(copies, "zoom", factors)))
    target = classifier.class_names.index("Motorbikes")
    found = itn.thresholds(as_screening("zoom", factors, softmax, target), resamples=0)
    said = text_of(browser, ".curve > p:last-child")
    for direction in ("down", "up"):
        threshold = found.threshold.sel(criterion="switch", direction=direction).item()
        assert f"it is lost at {threshold:.3g} ×" in said
    assert browser.run("document.querySelectorAll('.chart .band, .chart .archived').length") == 2
    assert text_of(browser, "[role=status]:last-child") == said
    # Its own slider moves along the curve; another one makes it the curve of another picture.
    browser.run("location.hash = '#network=resnet_photos&picture=motorcycle&zoom=1.5'")
    shown(browser, "#network=resnet_photos&picture=motorcycle&zoom=1.5")
    assert not browser.run("document.querySelector('.curve').hidden")
    browser.run("location.hash = '#network=resnet_photos&picture=motorcycle&blur=1'")
    wait_for(browser, "document.querySelector('.curve').hidden")


def test_sweep_can_be_stopped(page, browser):
    page("#network=alexnet_photos&picture=cat")
    browser.run(f"{SWEEP}('rotation')")
    wait_for(browser, "document.querySelector('.curve').dataset.known > 2")
    browser.run("document.querySelector('.sweep button').click()")
    assert browser.run("document.querySelector('.curve').hidden")
    assert text_of(browser, ".sweep button") == "Sweep this picture"
    known = browser.run("document.querySelector('.curve').dataset.known")
    assert int(known) < 73


def test_who_wants_no_motion_sees_the_curve_when_it_is_whole(page, browser):
    page("#network=resnet_photos&picture=motorcycle")
    still = [{"name": "prefers-reduced-motion", "value": "reduce"}]
    browser.send("Emulation.setEmulatedMedia", features=still)
    watch = "new MutationObserver(() => { times += 1; }).observe"
    chart = "document.querySelector('.chart')"
    browser.run(f"globalThis.times = 0; {watch}({chart}, {{childList: true}});")
    browser.run(f"{SWEEP}('grayscale')")
    wait_for(browser, "document.querySelector('.curve').dataset.known === '21'")
    assert browser.run("times") == 1
    browser.send("Emulation.setEmulatedMedia", features=[])


def test_learned_sliders_are_in_the_address_and_in_words(page, browser, family):
    address = "#network=squeezenet&picture=cat&alpha=0.5_0.5_0.5_0.5&beta=0.5_1_0"
    page(address)
    assert browser.run("document.querySelectorAll('.learned input[type=range]').length") == 7
    words = text_of(browser, ".learned > p")
    parts = decompose_spatial([learned_matrices(family, [0.5] * 4, [0.5, 1, 0])[0]])
    assert f"turned by {abs(parts.rotation[0]):.1f}°" in words
    assert f"scaled by {parts.scale_x[0]:.2f} horizontally" in words
    line = text_of(browser, ".line code")
    assert line.endswith("alpha=[0.5, 0.5, 0.5, 0.5], beta=[0.5, 1, 0])")
    browser.run("document.querySelector('.learned input[type=checkbox]').click()")
    shown(browser, "#network=squeezenet&picture=cat")
    page("#network=resnet_photos&picture=cat")
    assert browser.run("document.querySelector('.learned').hidden")


def test_what_a_network_was_never_meant_for_is_said(page, browser):
    page("#network=alexnet_photos&picture=rocket")
    for network, picture, said in (
        ("resnet_photos", "cat", "None of the 24 classes"),
        ("resnet_photos", "motorcycle", "right would be “motorbike”"),
        ("squeezenet", "astronaut", "None of the 1000 classes"),
        ("resnet_phantom", "four_fold", "right would be “four fold”"),
    ):
        address = f"#network={network}&picture={picture}"
        browser.run(f"location.hash = {json.dumps(address)}")
        shown(browser, address)
        assert said in text_of(browser, ".fit")


def choose_file(browser, path):
    root = browser.send("DOM.getDocument")["root"]["nodeId"]
    found = browser.send("DOM.querySelector", nodeId=root, selector="#explorer input[type=file]")
    browser.send("DOM.setFileInputFiles", nodeId=found["nodeId"], files=[str(path)])


def wait_for(browser, condition):
    browser.run(
        f"new Promise(done => {{ const look = () => {condition} ? done() : setTimeout(look, 20); "
        "look(); })"
    )


def test_own_picture_is_read_as_the_package_does(page, browser, tmp_path):
    """Turned by its EXIF data, transparent in a part, and of no small size."""
    rng = np.random.default_rng(1)
    coarse = Image.fromarray(rng.integers(0, 256, (9, 13, 3), np.uint8)).resize((700, 400))
    opaque = np.where(np.arange(700) < 200, 0, 255).astype(np.uint8)
    coarse.putalpha(Image.fromarray(opaque[None].repeat(400, 0)))
    exif = Image.Exif()
    exif[0x0112] = 6
    coarse.save(tmp_path / "own.png", exif=exif)
    page("#network=resnet_photos&picture=cat")
    choose_file(browser, tmp_path / "own.png")
    wait_for(browser, "document.querySelector('.line code').textContent.includes('own.png')")
    context = "document.querySelector('.pictures canvas').getContext('2d')"
    data = browser.run(f"Array.from({context}.getImageData(0, 0, 64, 64).data)")
    seen = np.reshape(data, (64, 64, 4))[..., :3]
    wanted = 255 * read_picture(tmp_path / "own.png", 64)
    assert np.abs(seen - wanted).max() <= 1.01


def test_wide_picture_is_read_as_the_package_does(page, browser, tmp_path):
    coarse = np.random.default_rng(2).integers(0, 256, (4, 90, 3), np.uint8)
    Image.fromarray(coarse).resize((20_000, 130)).save(tmp_path / "wide.png")
    page("#network=resnet_photos&picture=cat")
    choose_file(browser, tmp_path / "wide.png")
    wait_for(browser, "document.querySelector('.line code').textContent.includes('wide.png')")
    context = "document.querySelector('.pictures canvas').getContext('2d')"
    data = browser.run(f"Array.from({context}.getImageData(0, 0, 64, 64).data)")
    seen = np.reshape(data, (64, 64, 4))[..., :3]
    assert np.abs(seen - 255 * read_picture(tmp_path / "wide.png", 64)).max() <= 1.01
    assert "closest" in text_of(browser, ".fit")


def test_what_is_no_picture_is_refused_in_one_line(page, browser, tmp_path):
    (tmp_path / "text.png").write_text("no picture")
    Image.new("1", (20_000, 5_000)).save(tmp_path / "huge.png")
    page("#network=resnet_photos&picture=cat")
    for name, reason in (("text.png", "no picture"), ("huge.png", "20000 × 5000")):
        choose_file(browser, tmp_path / name)
        said = "document.querySelector('.refused').textContent"
        wait_for(browser, f"{said}.includes({json.dumps(reason)})")
    assert text_of(browser, ".line code").endswith('"cat")')


def test_what_the_page_loads_is_small(scripts):
    assert (scripts / "main.js").stat().st_size <= 4_000_000


def test_line_of_python_tells_five_classes():
    best = five_best("resnet_photos", "motorcycle", rotation=0)
    assert best.index[0] == "motorbike" and len(best) == 5
    assert best.is_monotonic_decreasing


@pytest.mark.parametrize(
    ("script", "arguments"),
    [("typescript/bin/tsc", ()), ("eslint/bin/eslint.js", ("--max-warnings", "0", "."))],
    ids=["types", "lint"],
)
def test_scripts_are_clean(scripts, script, arguments):
    assert explorer.run_node(f"node_modules/{script}", *arguments) == ""


def test_missing_packages_are_said_in_the_page(tmp_path, monkeypatch):
    monkeypatch.setattr(explorer, "can_bundle", lambda: False)
    monkeypatch.setattr(explorer, "fetch_packages", lambda: "the packages of npm went missing")
    assert explorer.build(tmp_path) == "no live network: the packages of npm went missing"
    assert "the packages of npm went missing" in (tmp_path / "explorer.js").read_text()
    assert (tmp_path / "view.png").read_bytes().startswith(b"\x89PNG")
