"""Profiles and parameters as nobody should write them: one line that names what is wrong."""

import hypothesis.strategies as st
import numpy as np
import pytest
import yaml
from bad_input import TEXTS, VALUES, outcome, refusal
from hypothesis import given, settings

from itn.study.profiles import (
    FigureParameters,
    TransformerParameters,
    VariationParameters,
    load_profile,
    read_parameters,
)

MANY = settings(max_examples=3 * settings.default.max_examples)  # each takes a millisecond or so
NAMES = sorted(VariationParameters.model_fields.keys() | FigureParameters.model_fields.keys())
CONTENTS = {
    "description": "Colors of noise",
    "networks": ["tiny", "huge"],
    "pictures": "pictures",
    "classes": ["red", "green", "blue"],
    "highlights": ["blue"],
}
TRAINING = {"epochs": 1, "batch_size": 2, "networks": {"alexnet": {"epochs": 3}}}
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS | st.dates(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(TEXTS | st.integers(), inner, max_size=2)
    ),
    max_leaves=4,
)
# What is YAML's own trouble: no date, no number, no character, no end, itself.
ODD_YAML = (
    "a: 2001-99-99", "a: 0x_", "a: 0b_", f"a: {'9' * 5000}", 'a: "\\UFFFFFFFF"', 'a: "\\ud800"',
    "{a: " * 3000, "&a [*a]", "a: &a {b: *a}", "<<: 5", "? [a, b]\n: c", "? {a: b}\n: c",
    "a: !!python/object/apply:os.getcwd []", "a: !!binary x", "a: 1:99999", "\0",
    "%YAML 9.9\n---\na",
    "--- a\n--- b", "a: !!timestamp x", "a: !!int x", "a: !!float ''", "a: !!bool x", "a: 1e99999",
)  # fmt: skip


def written(project, text):
    path = project / "profiles" / "toy.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
    profile, message = outcome(load_profile, "toy")
    assert message is None or message.startswith("profiles/toy.yaml: ")
    return profile, message


@MANY
@given(st.sampled_from(NAMES), VALUES, st.sampled_from([FigureParameters, TransformerParameters]))
def test_parameters_are_taken_as_they_are_or_refused_by_name(project, name, value, model):
    given = {"profile": "toy", name: value}
    found, message = outcome(read_parameters, given, model)
    if message is not None:
        assert name in message or name.removesuffix("es") in message
        return
    assert name in model.model_fields
    taken = getattr(found, name)
    if isinstance(value, str) and name != "classes":
        assert str(taken) == value or type(taken) is not str
    elif value is not None and not isinstance(value, list | tuple | np.ndarray):
        assert taken == value or (taken != taken and value != value)


@given(VALUES)
def test_a_parameter_that_is_none_is_refused(project, value):
    for name in ("magnitude", "class", "profiles"):
        _, message = outcome(read_parameters, {"profile": "toy", name: value})
        assert message is None or f"unknown parameter '{name}'" in message


@MANY
@given(st.sampled_from([*CONTENTS, "training", "limit", "seed", "groups", "weights", "new"]), PLAIN)
def test_a_profile_of_other_contents_is_read_or_refused(project, name, value):
    text = yaml.safe_dump({**CONTENTS, name: value}, allow_unicode=True)
    profile, message = written(project, text)
    if message is None:
        assert set(profile.highlights or ()) <= set(profile.classes)
    else:
        assert name in message or name in ("highlights", "classes", "networks", "weights", "groups")


@MANY
@given(st.sampled_from([*TRAINING, "dropout", "seed", "zoom", "rotation", "new"]), PLAIN)
def test_a_training_of_other_contents_is_read_or_refused(project, name, value):
    profile, message = written(
        project, yaml.safe_dump(CONTENTS | {"training": TRAINING | {name: value}})
    )
    if message is None:
        options, message = outcome(profile.training.options, "alexnet")
        assert message is not None or options["epochs"] >= 1
    else:
        assert name in message


@given(st.binary(max_size=40) | st.text("[]{}:,&*!|>'\"%@`-?#ab1 \n\t", max_size=30))
def test_what_is_no_profile_is_refused(project, content):
    assert written(project, content)[1] is not None


@pytest.mark.parametrize("text", ODD_YAML, ids=lambda text: repr(text[:12]))
def test_yaml_that_cannot_be_read_is_refused(project, text):
    assert written(project, text)[1] is not None


@given(TEXTS | st.just("tine"), st.sampled_from(["", ".keras", ":function"]))
def test_networks_of_any_name_are_refused(project, name, ending):
    found, message = outcome(read_parameters, {"profile": "toy", "network": f"{name}{ending}"})
    if message is None:  # a function of the user's own, looked for when it is loaded
        assert ending == ":function" and found.network == f"{name}{ending}"
    assert "unknown profile" in refusal(load_profile, f"{name}{ending}")
