"""What is said of trainings that hold this or that, against families known on paper."""

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from itn.messages import UsageError
from itn.study.claim_measures_learned import farther_than_random, fitting
from itn.study.claims import verdict_of
from itn.study.gate_trainings import (
    fill_requests,
    gate_pictures,
    gates_request,
    obtain_fills,
    obtain_gates,
    show_gate,
)
from itn.study.learned_gates import (
    RAN_OUT,
    grid_table,
    held_by_seed,
    held_by_seed_texts,
    held_table,
    held_texts,
    plot_gates,
    ratio_table,
    ratio_texts,
    reach,
    resampled,
)
from itn.study.learned_sentences import sentence_table, sentence_texts, sentences_by_fill
from itn.study.measured import CRITERIA, FACTORS, KINDS
from itn.study.profiles import GateParameters

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

COUNT = 100
AS_FAR = np.arange(COUNT) / COUNT  # a picture is lost beyond a displacement of its own


def turned(degrees, larger=1.0):
    """An affine matrix that turns content counter-clockwise and enlarges it."""
    cos, sin = np.cos(np.radians(degrees)) / larger, np.sin(np.radians(degrees)) / larger
    return [[cos, -sin, 0.3], [sin, cos, 0]]  # y points down; a shift changes nothing of both


# Three of four turn by at most 10° and enlarge at most 1.25 times, two shrink along both axes.
MEMBERS = np.array([turned(9, 1.2), turned(-9, 0.5), turned(11, 0.9), turned(0, 1.0)])
# Contrast about mid-gray: the colors' corners move by half of what it differs from 1.
PAINTED = np.array([np.c_[c * np.eye(3), np.full(3, 0.5 - c / 2)] for c in (1, 0.8, 0.6, 0.4)])


def hits_of(displacement):
    """Pictures are kept up to a displacement of 1 + 9 times their place: 5 % are lost at 1.45."""
    limit = 1 + 9 * AS_FAR
    return (FACTORS[:, None] * displacement <= limit).astype("uint8")


def measured(learned, random):
    """Families that displace so far at the factor 1, on pictures that give way alike."""
    families = np.stack([2 * hits_of(1.0), 2 * hits_of(2.0)])  # random gives way twice as soon
    hits = np.broadcast_to(families[None, :, None], (3, 2, 2, len(FACTORS), COUNT))
    return xr.Dataset(
        {
            "hits": (("kind", "family", "criterion", "factor", "picture"), hits),
            "displacement": (("kind", "family"), np.tile([learned, random], (3, 1))),
            "corner_hits": (("criterion", "picture"), np.arange(2 * COUNT).reshape(2, -1) % 2),
            "frame_lost": ("picture", np.full(COUNT, 0.25)),
            "range_lost": ("picture", np.arange(COUNT) / 1000),
            "spatial_matrix": (("member", "row", "column"), MEMBERS),
            "color_matrix": (("member", "channel", "channel_or_1"), PAINTED),
        },
        coords={"kind": list(KINDS), "family": ["learned", "random"]}
        | {"criterion": list(CRITERIA), "factor": FACTORS},
        attrs={"looks": 2},
    )


def history(hold, kept):
    names = {"network": "toy", "weights_sha256": "0" * 64, "data": "shapes", "pictures": 9}
    names |= {"hold": hold, "kept_epoch": kept} | ({"level": 0.95} if hold != "accuracy" else {})
    return xr.Dataset(
        {
            "held_out_consistency": ("epoch", [1, 0.5, 0.9, 1.0]),
            "outward": ("step", [1.0, 0.0, 0.0, 1.0, 1.0]),
        },
        attrs=names,
    )


@pytest.fixture
def study():
    member = [["zoom 2", "zoom 1.5"], ["contrast 3", ""], ["", ""]]
    displacement = np.where(np.array(member) == "", np.nan, 1.0)
    hits = np.broadcast_to(hits_of(4.0), (3, 2, len(FACTORS), COUNT))
    known = xr.Dataset(
        {
            "member": (("kind", "criterion"), member),
            "displacement": (("kind", "criterion"), displacement),
            "hits": (("kind", "criterion", "factor", "picture"), hits),
            "passes_used": ("kind", [10, 99, 99]),
            "right": ("picture", np.ones(COUNT, bool)),
        },
        coords={"kind": list(KINDS), "criterion": list(CRITERIA), "factor": FACTORS},
        attrs={"passes": 99},
    )
    nodes = {"known": known}
    for hold, far in (("accuracy", 1.0), ("consistency", 3.0)):
        for seed, times in enumerate((0.5, 2.0)):
            nodes[f"{hold}/seed_{seed}/measured"] = measured(far * times, 1.0)
            nodes[f"{hold}/seed_{seed}/history"] = history(hold, seed + 1)
    return xr.DataTree.from_dict(nodes)


@pytest.mark.parametrize(
    ("share", "level", "expected"),
    [
        ([1, 0.9, 0.7, 0], 0.8, 2**0.5),  # halfway between 1 and 2, on a logarithmic scale
        ([0.5, 0.9, 0, 0], 0.75, 0.25),  # before the first: half of the way to 0.5
        ([1, 0.7, 0.9, 0], 0.85, 0.5**0.5),  # the first loss counts
        ([1, 1, 1, 1], 0.8, np.inf),
        ([0.6, 0.6, 0.6, 0.6], 1.0, 0),  # nothing is held that is not held untouched
    ],
)
def test_how_far_a_family_reaches(share, level, expected):
    factor = np.array([0.5, 1, 2, 4])
    found = reach(factor, np.array([share], float), np.ones(1), np.array([level]))
    assert found == pytest.approx([expected])


def test_ratios_are_of_displacements_at_the_same_share(study):
    """Alike in all kinds: random gives way at half the factor, the known at a quarter."""
    table = ratio_table(study).set_index(["hold", "kind", "criterion", "rival"])
    for criterion in CRITERIA:
        for hold, far in (("accuracy", 1), ("consistency", 3)):
            row = table.loc[hold, "space", criterion, "random"]
            assert row.ratio == pytest.approx(2 * far, rel=1e-2)  # 1/2 and 2: 1 in the middle
            assert (row.lowest, row.highest) == pytest.approx((far, 4 * far), rel=1e-2)
            assert row.low <= row.ratio <= row.high
            assert table.loc[hold, "space", criterion, "grid"].ratio == pytest.approx(4 * far, 0.01)
    assert np.isnan(table.loc["accuracy", "both", "accuracy", "grid"].ratio)
    texts = ratio_texts(table.reset_index(), study)
    assert (texts.loc[("accuracy", "both"), "to grid, equal accuracy"]) == RAN_OUT
    assert texts.loc[("consistency", "color"), "to grid, equal consistency"] == RAN_OUT
    assert texts.loc[("accuracy", "space"), "to random, equal accuracy"].startswith("2.0")
    grid = grid_table(study)
    assert grid.loc["color"].tolist() == ["contrast 3", RAN_OUT, 99, 99]


def test_an_interval_of_a_ratio_holds_what_it_promises():
    """Of pictures whose limits are drawn, one family's half as large: the true ratio is 2."""
    rng = np.random.default_rng(3)
    factor, inside, times = FACTORS, 0, 120
    weights = resampled(60)
    assert np.allclose(weights.sum(axis=1), 1) and np.allclose(weights[0], 1 / 60)
    for _ in range(times):
        limits = rng.gamma(6, 0.3, 60), rng.gamma(6, 0.15, 60)
        shares = [weights @ (factor <= each[:, None]).astype(float) for each in limits]
        ones = np.ones(len(weights))
        far = [reach(factor, share, ones, 0.8 * ones) for share in shares]
        low, high = np.quantile((far[0] / far[1])[1:], [0.025, 0.975])
        inside += low <= 2 <= high
    assert inside >= stats.binom.ppf(0.001, times, 0.93)


def test_what_is_held_has_intervals_over_pictures(study):
    table = held_table(study)
    row = table.loc["accuracy"]
    kept = hits_of(1.0)[FACTORS.tolist().index(1)].mean()
    exact = stats.binomtest(round(kept * COUNT), COUNT).proportion_ci(0.95, method="exact")
    assert row["consistency"] == kept
    assert (row["consistency low"], row["consistency high"]) == pytest.approx(
        (exact.low, exact.high)
    )
    assert row["worst corner"] == 0.5 and row["space"] == 1.25
    assert (row["space lowest"], row["space highest"]) == (0.5, 2)
    assert row["frame lost"] == 0.25 and row["range lost"] == pytest.approx(0.0495)
    assert row["swing"] == pytest.approx(0.05) and row["kept epoch"] == 1.5
    assert row["repair"] == pytest.approx(0.4) and row["reached"] == 0  # no consistency is held
    texts = held_texts(table)
    assert texts.loc["accuracy", "corners"] == "1.250 [0.500–2.000]"
    assert texts.loc["accuracy", "repair"] == "40.0%"
    assert set(texts.loc["divergence"]) == {"–"}  # which was not trained
    assert texts.loc["accuracy", "worst corner"].startswith("0.500 (0.39")
    assert texts.loc["accuracy", "frame lost"] == "25.0%"


def test_each_training_says_whether_it_reaches_what_it_held(study):
    """Of 100 pictures the interval reaches 0.95 up to 90 that are kept, but not with 89."""
    for seed, kept in enumerate((90, 89)):
        hits = study[f"consistency/seed_{seed}/measured"].hits
        at = {"kind": "both", "family": "learned", "criterion": "consistency", "factor": 1.0}
        new = hits.copy(data=hits.values.copy())
        new.loc[at] = 2 * (np.arange(COUNT) < kept)
        study[f"consistency/seed_{seed}/measured"]["hits"] = new
        exact = stats.binomtest(kept, COUNT).proportion_ci(0.95, method="exact")
        assert (exact.high >= 0.95) == (kept == 90)
    table = held_by_seed(study)
    assert table.loc["consistency"].reaches.tolist() == [True, False]
    assert table.loc["accuracy"].reaches.tolist() == [None, None]
    assert table.loc["consistency"].chosen.tolist() == [0.5, 0.9]
    assert held_table(study).loc["consistency", "reached"] == 1
    texts = held_by_seed_texts(table)["reaches what was held"]
    assert texts.tolist() == ["–", "–", "yes", "no"]


def test_a_bound_without_a_switch_has_no_share_of_repairs(study):
    for seed in range(2):
        path = f"accuracy/seed_{seed}/history"
        study[path] = xr.DataTree(study[path].to_dataset().drop_vars("outward"))
    assert held_texts(held_table(study))["repair"].tolist() == ["–", "40.0%", "–"]


def test_the_papers_sentences_are_asked_of_each_training(study):
    table = sentence_table(study)
    row = table.loc[("consistency", 1)]
    assert len(table) == 4
    exact = stats.binomtest(2, 4).proportion_ci(0.95, method="exact")
    name = "turns little, no strong zoom in"
    assert (row[name], row["only zooms out"], row["little color"]) == (0.75, 0.5, 0.75)
    found = row["only zooms out low"], row["only zooms out high"]
    assert found == pytest.approx((exact.low, exact.high))
    assert row[f"{name} verdict"] == "not testable here"  # four members leave it open
    ends = [np.quantile([-9, 0, 9, 11], each) for each in (0.025, 0.975)]
    assert (row["turn low"], row["turn high"]) == pytest.approx(tuple(ends))
    assert row["scale high"] == pytest.approx(np.quantile(np.repeat([0.5, 0.9, 1, 1.2], 2), 0.975))
    assert row["color high"] == pytest.approx(np.quantile([0, 0.1, 0.2, 0.3], 0.975))
    texts = sentence_texts(table).loc[("consistency", 1)]
    assert texts["turn, °"] == "−8.3 … 10.8"
    assert texts["only zooms out"].startswith("– 50% (")


def test_over_seeds_the_median_counts(study):
    """And the lowest and highest in place of an interval."""
    for seed, lost in enumerate((0, 2)):
        path = f"accuracy/seed_{seed}/measured"
        painted = PAINTED.copy()
        painted[:lost] = PAINTED[3]
        own = study[path].to_dataset()
        study[path] = xr.DataTree(own.assign(color_matrix=(own.color_matrix.dims, painted)))
    found = fitting(study["accuracy"], "as the paper", "small-color-changes")
    assert (found.low, found.estimate, found.high) == (0.25, 0.5, 0.75)
    assert found.of == "toy, as the paper" and found.pictures == 9
    farther = farther_than_random(study)
    assert (farther.low, farther.high) == pytest.approx((1, 4))
    assert farther.estimate == pytest.approx(2.5) and farther.pictures == COUNT


def test_one_training_has_an_interval_of_its_own(study):
    """Of members as if drawn; of pictures the same for both families, whose ratio never varies."""
    nodes = {f"accuracy/seed_1/{name}" for name in ("measured", "history")} | {"known"}
    alone = xr.DataTree.from_dict({name: study[name].to_dataset() for name in sorted(nodes)})
    found = fitting(alone["accuracy"], "as the paper", "only-zooms-out")
    exact = stats.binomtest(2, 4).proportion_ci(method="exact")
    assert (found.estimate, found.low, found.high) == pytest.approx((0.5, exact.low, exact.high))
    farther = farther_than_random(alone)
    assert (farther.estimate, farther.low, farther.high) == pytest.approx((4, 4, 4))
    assert farther.remark.startswith("one seed, ")


def test_a_ratio_that_no_picture_tells_is_open_at_both_ends(study):
    """Nothing is ever lost, so that neither family has an end; and the verdict is none."""
    nodes = {}
    for name in ("known", "accuracy/seed_0/history", "accuracy/seed_0/measured"):
        own = study[name].to_dataset()
        nodes[name] = own.assign(hits=own.hits * 0 + own.hits.max()) if "hits" in own else own
    found = farther_than_random(xr.DataTree.from_dict(nodes))
    assert np.isnan(found.estimate) and (found.low, found.high) == (0, np.inf)
    assert verdict_of(found) == "not testable here"


def test_a_seed_that_no_picture_tells_opens_both_ends_of_the_median(study):
    """The other of the two is 1, so that the median is anything from half of that."""
    for name in ("known", "accuracy/seed_1/measured"):
        own = study[name].to_dataset()
        study[name] = xr.DataTree(own.assign(hits=own.hits * 0 + own.hits.max()))
    found = farther_than_random(study)
    assert np.isnan(found.estimate) and (found.low, found.high) == (0, np.inf)
    assert verdict_of(found) == "not testable here"


def test_other_fills_stand_beside_the_first_training_with_the_papers_gate(study):
    own = study["accuracy/seed_0/measured"].to_dataset()
    small = own.assign(spatial_matrix=own.spatial_matrix * 0 + np.array([turned(0, 0.5)]))
    other = xr.DataTree.from_dict({"accuracy/seed_0/measured": small})
    table = sentences_by_fill({"zeros": study, "edge": other})
    assert table["only zooms out"].to_dict() == {"zeros": 0.5, "edge": 1}
    assert sentence_texts(table).index.name == "fill"


def test_a_profile_may_ask_for_other_fills(study):
    """Archived each for itself, and made of the paper's gate and the first seed alone."""
    asked = GateParameters(profile="photos", network="alexnet_photos")
    requests = fill_requests(asked)
    assert [each.archive.name for each in requests.values()] == [
        "alexnet_photos_gates_edge.nc",
        "alexnet_photos_gates_reflect.nc",
    ]
    for fill, each in requests.items():
        assert each.recipe["options"]["fill"] == fill and each.own
        assert (each.recipe["parts"], each.recipe["seeds"]) == (["accuracy"], [0])
    assert gates_request(asked).archive.name == "alexnet_photos_gates.nc"
    phantom = GateParameters(profile="phantom")
    assert obtain_fills(phantom, study) == {"zeros": study}  # it asks for none


@pytest.mark.parametrize(
    ("columns", "titles", "beside", "below"),
    [
        (
            3,
            ["space", "color", "both, added"],
            list(CRITERIA),
            ["corners, widths", "colors, full range", "corners + colors"],
        ),
        (2, list(CRITERIA), ["space", "color", "both, added"], ["corners + colors"] * 2),
    ],
)
def test_gates_are_drawn_beside_each_other(study, columns, titles, beside, below):
    axes = plot_gates(study, columns).axes
    assert len(axes) == 6
    assert [one.get_title() for one in axes[:columns]] == titles
    assert [one.get_ylabel() for one in axes[::columns]] == beside
    assert [one.get_xlabel() for one in axes[-columns:]] == below
    named = {line.get_label(): line for line in axes[0].lines if line.get_label()[0] != "_"}
    assert set(named) == {"accuracy held", "consistency held", "random", "best of the grid"}
    np.testing.assert_allclose(named["accuracy held"].get_xdata(), FACTORS * 0.5)
    np.testing.assert_allclose(named["accuracy held"].get_ydata(), hits_of(1.0).mean(axis=1))
    kept = hits_of(1.0)[FACTORS.tolist().index(1)].mean()
    marks = [line.get_xydata()[0].tolist() for line in axes[0].lines if line.get_marker() == "o"]
    assert marks == [[0.5, kept], [2.0, kept]]  # both seeds as learned


def test_rendered_pictures_of_three_seeds_are_kept_apart():
    parameters = GateParameters(profile="phantom", classes=("disc", "mirror"), limit=4)
    sets = gate_pictures(parameters)
    assert [len(each) for each in sets] == [8, 4, 4]
    assert [each.paths[0] for each in sets] == ["disc/2_00000", "disc/1_00000", "disc/3_00000"]


def test_each_gate_and_seed_is_a_study_of_its_own(without_xla, monkeypatch):
    few = {"classes": ("disc", "zoom_small"), "limit": 4, "epochs": 1, "seeds": (0,)}
    parameters = GateParameters(profile="phantom", holds=("consistency",), **few)
    with without_xla():
        study = obtain_gates(parameters)
    assert set(study.children) == {"known", "consistency"}
    node = study["consistency/seed_0"]
    assert node["history"].attrs["reported_pictures"] == 4 == node["measured"].sizes["picture"]
    assert node["history"].attrs["hold"] == "consistency"
    with without_xla():
        shown = show_gate(parameters, study)
    assert shown.picture.values.tolist() == ["disc", "zoom_small"]
    moved = (shown.pictures - shown.pictures.isel(value=2)).values  # all controls at one half
    assert np.abs(moved).max() > 0 and not moved[:, :, 2].any()
    monkeypatch.setattr("itn.classifiers.load_classifier", None)  # what is there is not made again
    again = gates_request(parameters).compute(None)
    assert again["consistency/seed_0/measured"].equals(node["measured"])


def test_a_profile_that_compares_no_gates_says_so():
    with pytest.raises(UsageError, match="profile paper does not say how to compare gates"):
        gates_request(GateParameters(profile="paper"))
