"""Trainings with each gate of `itn.gates`, obtained from the archive or made.

With several seeds, on one set of pictures; the state is chosen on a second one and reported on a
third, see `itn.study.measured`. Profiles archive it as ``results/<profile>/<network>_gates.nc``,
and with another fill as ``<network>_gates_<fill>.nc``.
"""

from collections.abc import Sequence
from pathlib import Path

import xarray as xr

from itn.messages import UsageError
from itn.pictures import Pictures
from itn.study.archive import Recipe, Request, digest_of, obtain
from itn.study.inputs import pictures_recipe
from itn.study.learned import ChosenTraining, chosen_training, shown_pictures, three_sets
from itn.study.profiles import GateParameters, Gates, load_profile, project_folder
from itn.study.screenings import file_name
from itn.zoo.recipes import network_recipe

PROTOCOL = 1  # raised when the numbers change on purpose
SHOWN = ("motorcycle", "coffee")  # of scikit-image's photographs
KNOWN = "known"  # the part that no training decides
PAPERS = "accuracy"  # what the paper's gate holds
LOOKS = 2  # at each picture that is reported on, under control vectors of its own


def gates_of(parameters: GateParameters) -> Gates:
    """Return how a profile trains transformers to compare what is held."""
    how = load_profile(parameters.profile).gates
    if how is None:
        raise UsageError(f"profile {parameters.profile} does not say how to compare gates")
    return how


def training_with_gates(parameters: GateParameters) -> ChosenTraining:
    """Return what they learn, and from what: the profile's choice and the user's deviations."""
    plain = parameters.model_copy(update={"hold": None, "level": None, "required_accuracy": None})
    return chosen_training(plain, gates_of(parameters))


def gate_pictures(parameters: GateParameters) -> tuple[Pictures, Pictures, Pictures]:
    """Return the pictures to learn from, to choose the state by, and to report on."""
    return three_sets(training_with_gates(parameters))


def obtain_gates(parameters: GateParameters) -> xr.DataTree:
    """Take the study from the archive where it is there, or make it.

    Nodes ``known`` (`itn.study.measured.measure_known`) and, for each gate and seed,
    ``<hold>/seed_<seed>/history``, ``…/weights`` and ``…/measured`` (`itn.study.measured.measure`).
    """
    request = gates_request(parameters)
    study, seeds = obtain(request), request.recipe["seeds"]
    for hold in [name for name in study.children if name != KNOWN]:
        if hold not in request.recipe["parts"]:
            study = study.drop_nodes(hold)
            continue
        strange = set(study[hold].children) - {f"seed_{seed}" for seed in seeds}
        study[hold] = study[hold].drop_nodes(sorted(strange))
    return study


def show_gate(parameters: GateParameters, study: xr.DataTree) -> xr.Dataset:
    """Return what the first net with the paper's gate makes of a few pictures, and what is said.

    As `itn.study.learned.obtain_samples` does; where a user asks for other gates, of the first.
    """
    from itn.classifiers import load_classifier  # all of these load a backend
    from itn.invariant_transformer import InvariantTransformerNet
    from itn.study.families import sample_transformers, set_weights, transformed_samples

    chosen, node = training_with_gates(parameters), paper_gate(study)
    classifier = load_classifier(chosen.network, chosen.weights)
    net = InvariantTransformerNet(classifier, **chosen.options)
    set_weights(net, next(iter(node.children.values()))["weights"].to_dataset())
    images, names = shown_pictures(parameters, SHOWN)
    samples = sample_transformers(net, images, names)
    pictures = transformed_samples(samples, images)
    return samples.assign(pictures=(("picture", "slider", "value", "y", "x", "channel"), pictures))


def paper_gate(study: xr.DataTree) -> xr.DataTree:
    """Return the trainings that hold the accuracy, as the paper does; without any the first."""
    held = [name for name in study.children if name != KNOWN]
    return study.children[PAPERS if PAPERS in held else held[0]]


def obtain_fills(parameters: GateParameters, study: xr.DataTree) -> dict[str, xr.DataTree]:
    """Put trainings with other fills beside a study: those that the profile asks for."""
    others = {fill: obtain(request) for fill, request in fill_requests(parameters).items()}
    return {training_with_gates(parameters).options["fill"]: study} | others


def fill_requests(parameters: GateParameters) -> dict[str, Request]:
    """Say how nets with the paper's gate learn with each of the profile's other fills."""
    how = gates_of(parameters)
    return {
        fill: gates_request(parameters.model_copy(update={"fill": fill}), [PAPERS], how.seeds[:1])
        for fill in how.fills or ()
    }


def gates_request(
    parameters: GateParameters, parts: Sequence[str] = (), seeds: Sequence[int] = ()
) -> Request:
    """Say what decides the numbers, and how they are made: each gate and seed for itself."""
    chosen = training_with_gates(parameters)
    parts = list(parts or (KNOWN, *(parameters.holds or gates_of(parameters).holds)))
    seeds = list(seeds or chosen.seeds)
    recipe: Recipe = {
        "kind": "gates",
        "protocol": PROTOCOL,
        **network_recipe(chosen.network, chosen.weights),
        "pictures": [pictures_recipe(**source) for source in chosen.sources],
        "options": chosen.options,
        "epochs": chosen.epochs,
        "batch size": chosen.batch_size,
        "learning rate": gates_of(parameters).learning_rate,
        "looks": LOOKS,
        "parts": parts,
        "seeds": seeds,
    }
    own = all(getattr(parameters, n) is None for n in ("classes", "epochs", "limit", "seeds"))
    name, fill = f"{file_name(chosen.network)}_gates", chosen.options["fill"]
    if fill != load_profile(parameters.profile).fill:
        name = f"{name}_{fill}"

    def compute(state: Path) -> xr.DataTree:
        if len(parts) > 1 or len(seeds) > 1:
            wanted = [
                (part, seed)
                for seed in seeds
                for part in parts
                if part != KNOWN or seed == seeds[0]
            ]
            found = xr.DataTree()
            for part, seed in wanted:
                each = obtain(gates_request(parameters, [part], [seed]))
                for path, node in each.subtree_with_keys:
                    if node.has_data:
                        found[path] = xr.DataTree(node.to_dataset())
            return found
        return _compute(parameters, parts[0], seeds[0], state)

    return Request(
        recipe,
        compute,
        "itn.study.gate_trainings",
        project_folder()
        / "results"
        / parameters.profile
        / f"{name}{'' if own else f'_{digest_of(recipe)[:8]}'}.nc",
        own,
        f"itn gates --profile {parameters.profile} archives it",
    )


def _compute(parameters: GateParameters, part: str, seed: int, state: Path) -> xr.DataTree:
    from itn.classifiers import load_classifier  # all of these load a backend
    from itn.invariant_transformer import InvariantTransformerNet
    from itn.study.families import weights_of
    from itn.study.measured import measure, measure_known
    from itn.transformer_training import check_apart, train_transformers

    chosen = training_with_gates(parameters)
    learned_from, chosen_on, reported_on = gate_pictures(parameters)
    classifier = load_classifier(chosen.network, chosen.weights)
    options = dict(chosen.options)
    if part == KNOWN:
        names = ("to learn from", "held out", "reported on")
        check_apart(dict(zip(names, (learned_from, chosen_on, reported_on), strict=True)))
        passes = chosen.epochs * len(learned_from) + (chosen.epochs + 1) * len(chosen_on)
        net = InvariantTransformerNet(classifier, **options)
        known = measure_known(net, chosen_on, reported_on, passes)
        return xr.DataTree.from_dict({KNOWN: known})
    if part == "divergence":
        options.pop("gate_margin", None)
    net = InvariantTransformerNet(classifier, seed=seed, hold=part, **options)
    history = train_transformers(
        net,
        learned_from,
        chosen_on,
        reported_on,
        epochs=chosen.epochs,
        batch_size=chosen.batch_size,
        learning_rate=gates_of(parameters).learning_rate,
        folder=state,
    )
    measured = measure(net, chosen_on, reported_on, LOOKS, seed)
    found = {"history": history, "weights": weights_of(net), "measured": measured}
    return xr.DataTree.from_dict({f"{part}/seed_{seed}/{name}": one for name, one in found.items()})
