"""What the learned transformations look like and are made of, on matrices known on paper."""

import numpy as np

from itn.study.families import transformed_samples
from itn.study.learned_samples import plot_decomposition, plot_samples, survey_table


def test_samples_are_drawn_with_what_is_said_of_them(known_study):
    images = np.random.default_rng(0).random((2, 8, 8, 3)).astype("float32")
    samples = known_study["seed_3/samples"].to_dataset()
    dims = ("picture", "slider", "value", "y", "x", "channel")
    samples = samples.assign(pictures=(dims, transformed_samples(samples, images)))
    panels = np.reshape(plot_samples(samples).axes, (2, 2, 2))  # picture, slider, value
    for image, own in zip(images, panels, strict=True):
        (same, shifted), (also_same, black) = (
            [axes.images[0].get_array() for axes in row] for row in own
        )
        np.testing.assert_allclose(same, image, atol=1e-6)
        np.testing.assert_allclose(also_same, image, atol=1e-6)
        np.testing.assert_allclose(shifted[:, 4:], image[:, :4], atol=1e-6)
        assert not shifted[:, :4].any() and not black.any()
    assert [[[axes.get_xlabel() for axes in row] for row in own] for own in panels] == [
        [["disc\n0.10", "two fold\n0.20"], ["disc\n0.30", "ring\n0.40"]],
        [["ring\n0.50", "disc\n0.60"], ["ring\n0.70", "ring\n0.80"]],
    ]
    assert [axes.get_ylabel() for axes in panels[:, :, 0].flat] == ["all α =", "all β ="] * 2
    assert [axes.get_title() for axes in panels[0, 0]] == ["0.5", "1"]


def test_what_each_control_value_does_is_drawn_component_by_component(known_study):
    panels = {axes.get_title(): axes for axes in plot_decomposition(known_study).axes}
    drawn = {
        (title, line.get_label()): line.get_ydata()
        for title, axes in panels.items()
        for line in axes.lines
        if line.get_label()[0] != "_"
    }
    still, none, grows = [1, 1, 1], [0, 0, 0], [0.5, 1, 2]
    expected = {
        "rotation, °": {"α 1": [-30, 0, 30], "all α": none},
        "scale x, factor": {"α 1": still, "all α": grows},
        "scale y, factor": {"α 1": still, "all α": grows},
        "shear": {"α 1": none, "all α": none},
        "shift right, widths": {"α 1": none, "all α": none},
        "shift down, widths": {"α 1": none, "all α": none},
        "brightness": {"β 1": [-0.2, 0, 0.2], "all β": none},
        "contrast, factor": {"β 1": still, "all β": grows},
        "saturation, factor": {"β 1": still, "all β": still},
        "hue, °": {"β 1": none, "all β": none},
    }
    assert set(panels) - {""} == set(expected)
    for title, lines in expected.items():
        for label, values in lines.items():
            np.testing.assert_allclose(drawn.pop((title, label)), values, atol=1e-9)
        neutral = panels[title].lines[0].get_ydata()[0]
        assert neutral == (1 if title.endswith("factor") else 0)
    assert not drawn


def test_the_lowest_along_each_slider_is_tabulated_with_its_interval(known_study):
    """Clopper and Pearson's intervals of 0, 3, 4, 5 and 6 of 6."""
    table = survey_table(known_study)
    assert table.T.to_dict("list") == {
        "α 1": ["0.500 (0.118 … 0.882)", "0.833 (0.359 … 0.996)"],
        "all α": ["1.000 (0.541 … 1.000)", "1.000 (0.541 … 1.000)"],
        "β 1": ["0.833 (0.359 … 0.996)", "0.833 (0.359 … 0.996)"],
        "all β": ["0.000 (0.000 … 0.459)", "0.500 (0.118 … 0.882)"],
    }
    assert table.columns.tolist() == ["lowest accuracy", "lowest consistency"]
