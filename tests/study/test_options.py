"""What profiles and notebooks let one choose are arguments of what is called, with its defaults.

The models cannot be made from the signatures: to read a profile would then load a backend.
"""

import inspect

import pytest

from itn import gates
from itn.invariant_transformer import InvariantTransformerNet
from itn.study.learned import OPTIONS
from itn.study.profiles import (
    HOLDS,
    Gates,
    Profile,
    Training,
    TransformerParameters,
    Transformers,
)
from itn.transformer_training import train_transformers
from itn.zoo.training import train


def arguments_of(function):
    return inspect.signature(function).parameters


def test_a_network_is_trained_by_the_defaults_of_its_training():
    own = set(Training.model_fields) - {"pictures_per_class", "networks"}
    arguments = arguments_of(train)
    assert own <= set(arguments)
    for name in own - {"epochs"}:  # which a profile has to say
        assert Training.model_fields[name].default == arguments[name].default, name


def test_what_one_may_choose_of_a_net_is_an_argument_of_it():
    arguments = arguments_of(InvariantTransformerNet.__init__)
    assert set(OPTIONS) <= set(arguments)
    assert set(OPTIONS) <= set(TransformerParameters.model_fields)
    assert Transformers.model_fields["gate_margin"].default == arguments["gate_margin"].default
    assert HOLDS == gates.HOLDS
    assert Profile.model_fields["fill"].default == arguments["fill"].default


@pytest.mark.parametrize("name", ["epochs", "batch_size", "learning_rate"])
def test_what_one_may_choose_of_its_training_is_an_argument_of_it(name):
    arguments = arguments_of(train_transformers)
    assert name in Gates.model_fields and name in arguments
    if name == "learning_rate":
        assert Gates.model_fields[name].default == arguments[name].default
