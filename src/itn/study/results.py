"""Stored results: which there are, whether their profile asks for them, and made once more."""

import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import xarray as xr

from itn.adaptive_magnitudes import ADAPTIVE
from itn.curves import was_screened
from itn.messages import UsageError, unknown
from itn.netcdf import read_attributes, read_netcdf
from itn.study.abilities import abilities_request, fresh_pictures, questions_of
from itn.study.archive import (
    UNKNOWN,
    Recipe,
    Request,
    archived_files,
    cached_files,
    describe_recipe,
    put_in_archive,
    recipe_of,
    tell_differences,
)
from itn.study.calibration_bias import rendered_request
from itn.study.controls import control_change, controls_request, predictions
from itn.study.distances import STEPS, distances_request
from itn.study.gate_trainings import KNOWN, gate_pictures, gates_request
from itn.study.learned import chosen_training, samples_request, three_sets, transformers_request
from itn.study.profiles import (
    FigureParameters,
    GateParameters,
    TransformerParameters,
    chosen_network,
    load_profile,
    project_folder,
)
from itn.study.screenings import of_archived_classes, pictures_of, screening_request
from itn.study.seeds import seeds_request
from itn.study.worst_case import worst_cases_request
from itn.transformations import find_transformation

SETTINGS = ("fill", "seed", "limit", "arithmetic", "precision")  # of a recipe, when it names them
LOGIT_TOLERANCE = 1e-2  # of a difference of two logits, on another machine
TOLERANCE = 5e-4  # of a softmax that was rounded to 16 bits, on another machine


def list_results(profile: str | None = None) -> Iterator[str]:
    """Say of every stored result in one line what it is of and whether it is up to date."""
    for name, path in archived_results(profile):
        try:
            request = request_of(path)
            state = "as its profile asks for" if request.archive == path else "beside its profile"
            state = tell_differences(request).partition(": ")[2] or state
            yield f"{name}: {describe_recipe(recipe_of(path))}; {state}"
        except UsageError as error:
            yield f"{name}: {error}"
    for path in cached_files() if profile is None else ():
        try:
            yield f"{path.stem[:12]}: {describe_recipe(recipe_of(path))}; computed on the spot"
        except UsageError as error:
            yield f"{path.stem[:12]}: {error}"


def archived_results(profile: str | None = None) -> Iterator[tuple[str, Path]]:
    """List archived results."""
    folder = project_folder() / "results"
    if profile is not None:
        load_profile(profile)  # says what is wrong with the name
    names = [profile] if profile is not None else sorted(p.name for p in folder.glob("[!.]*/"))
    for name in names:
        for path in archived_files(folder / name):
            yield f"{name}/{path.name}", path


def keep_result(key: str) -> Path:
    """Archive a result that was computed on the spot."""
    paths = list(cached_files())
    found = [path for path in paths if path.stem.startswith(key)]
    if len(found) != 1:
        raise unknown("result", key, [path.stem[:12] for path in paths] or ["none"])
    target = project_folder() / "results" / str(read_attributes(found[0])["archive"])
    put_in_archive(found[0], target)
    return target


def verify_result(path: Path) -> str:
    """Compute a slice of an archived result once more.

    Of a screening and of distances, two pictures at three magnitudes; of controls, the same of one
    of them; of worst cases, two pictures where they stand worst; of transformers, one member of
    the learned family on all pictures that it was judged by; of abilities, what one training did
    to its fresh pictures; of gates, to the pictures that are reported on.
    Which ones is told by the file's name.
    """
    path = path.absolute()
    stored = read_netcdf(path)
    request = request_of(path)
    if differs := tell_differences(request):
        raise UsageError(differs)
    if UNKNOWN in _values(request.recipe):
        return "not compared: its pictures are not here, see itn data list"
    if request.recipe["kind"] in ("trainings from other seeds", "samples", "rendered pairs"):
        return f"not compared: no part of it is quicker than the whole; {request.command}"
    random = np.random.default_rng(zlib.crc32(path.name.encode()))
    verify = {
        "screening": _verify_screening,
        "controls": _verify_controls,
        "worst cases": _verify_worst_cases,
        "distances": _verify_distances,
        "abilities": _verify_abilities,
        "gates": _verify_gates,
        "transformers": _verify_transformers,
    }[request.recipe["kind"]]
    return verify(path, request.recipe, stored, random)


def _verify_abilities(
    path: Path, recipe: Recipe, stored: xr.DataTree, random: np.random.Generator
) -> str:
    """Look at fresh pictures once more under the members that one training gave them."""
    from itn.classifiers import load_classifier
    from itn.looks import MatrixLook

    leaves = [node for node in stored.leaves if "right" in node.dataset]
    leaf = leaves[int(random.integers(len(leaves)))]
    found, question = leaf.to_dataset().sel(stretch=1.0), leaf.path.split("/")[1]
    parameters = FigureParameters(profile=path.parent.name, network=_network_of(path, recipe))
    classifier = load_classifier(*chosen_network(parameters))
    fresh = fresh_pictures(questions_of(parameters)[question], parameters)
    labels = classifier.logits_of(fresh)[fresh.labels]
    said = MatrixLook(classifier, load_profile(parameters.profile).fill).predicted(
        fresh.images,
        found.spatial_matrix.values,
        found.color_matrix.values,
        found.kernel.values if "kernel" in found else None,
    )
    right, expected = int((said == labels).sum()), int(found.right.sum())
    if abs(right - expected) > 1:  # as for transformers
        raise UsageError(
            f"{path.name} does not come out again: {right} pictures are right, "
            f"{expected} are stored"
        )
    return f"comes out again: {len(fresh)} pictures under what {leaf.path[1:]} learned"


def _verify_screening(
    path: Path, recipe: Recipe, tree: xr.DataTree, random: np.random.Generator
) -> str:
    from itn.classifiers import load_classifier  # which loads a backend
    from itn.screening import screen

    stored = tree.to_dataset()
    parameters = _figure_parameters(path, recipe, _asks_for(recipe))
    arithmetic = parameters.arithmetic or "float32"
    classifier = load_classifier(*chosen_network(parameters), arithmetic=arithmetic)
    rows = np.sort(random.choice(stored.sizes["image"], min(2, stored.sizes["image"]), False))
    looked = was_screened(stored)[stored.label.values[rows]].all(axis=0)
    magnitudes = random.choice(stored.magnitude.values[looked], min(3, int(looked.sum())), False)
    paths = [str(name) for name in stored.image.values[rows]]
    pictures = pictures_of(parameters, classifier.input_size, paths)
    again = screen(
        classifier,
        pictures,
        recipe["transformation"],
        magnitudes,
        fill=recipe["fill"],
        seed=recipe["seed"],
        batch_size=2,
        progress=False,
    )
    expected = stored.sel(image=list(pictures.paths), magnitude=again.magnitude)
    deviation = float(np.abs(again.softmax - expected.softmax).max())
    if not deviation <= TOLERANCE:
        raise UsageError(f"{path.name} does not come out again: softmax differs by {deviation:.2g}")
    return f"comes out again: {len(paths)} pictures at {len(magnitudes)} magnitudes"


def _verify_controls(
    path: Path, recipe: Recipe, stored: xr.DataTree, random: np.random.Generator
) -> str:
    from itn.classifiers import load_classifier

    parameters = _figure_parameters(path, recipe, controls_request)
    arithmetic = parameters.arithmetic or "float32"
    classifier = load_classifier(*chosen_network(parameters), arithmetic=arithmetic)
    name = str(random.choice(list(recipe["transformations"])))
    part = stored[name].to_dataset().assign_coords(image=stored.image)
    control = str(random.choice(part.control.values))
    few = min(2, part.sizes["image"])
    paths = random.choice(part.image.values, few, replace=False).tolist()
    magnitudes = np.sort(random.choice(part.magnitude.values, 3, replace=False))
    pictures = pictures_of(parameters, classifier.input_size, paths)
    change = control_change(
        find_transformation(name), control, recipe["fill"], classifier.input_size
    )
    again = predictions(classifier, pictures, name, change, magnitudes, recipe["seed"])
    expected = part.predicted.sel(
        control=control, image=list(pictures.paths), magnitude=magnitudes
    ).transpose("image", "magnitude")
    # As below.
    if (different := int((again != expected.values).sum())) > 1:
        raise UsageError(
            f"{path.name} does not come out again: {name}, {control}, takes {different} of "
            f"{again.size} pictures for something else"
        )
    return f"comes out again: {name}, {control}, {few} pictures at {len(magnitudes)} magnitudes"


def _verify_distances(
    path: Path, recipe: Recipe, tree: xr.DataTree, random: np.random.Generator
) -> str:
    from itn.distances import rms_distances  # which loads a backend

    stored = tree.to_dataset()
    parameters = _distance_parameters(path, recipe)
    rows = np.sort(random.choice(stored.sizes["image"], min(2, stored.sizes["image"]), False))
    paths = [str(name) for name in stored.image.values[rows]]
    pictures = pictures_of(parameters, recipe["size"], paths)
    name = str(random.choice(list(recipe["parts"])))
    magnitudes = random.choice(stored[f"{name}_magnitude"].values, 3, False)
    again = rms_distances(
        pictures, name, magnitudes, fill=recipe["fill"], seed=recipe["seed"], progress=False
    )
    expected = stored[name].sel({"image": list(pictures.paths), f"{name}_magnitude": magnitudes})
    deviation = float(np.abs(again.sel(image=expected.image).values - expected.values).max())
    if not deviation <= 2 / STEPS:
        raise UsageError(f"{path.name} does not come out again: {name} differs by {deviation:.2g}")
    return f"comes out again: {len(paths)} pictures at {len(magnitudes)} magnitudes of {name}"


def _verify_transformers(
    path: Path, recipe: Recipe, stored: xr.DataTree, random: np.random.Generator
) -> str:
    from itn.classifiers import load_classifier
    from itn.looks import MatrixLook

    seed = recipe["seeds"][0]
    survey = stored[f"seed_{seed}/survey"].to_dataset()
    member = survey.isel(member=int(random.integers(survey.sizes["member"])))
    parameters = _transformer_parameters(path, recipe)
    classifier = load_classifier(*chosen_network(parameters))
    *_, pictures = three_sets(chosen_training(parameters))
    labels = classifier.logits_of(pictures)[pictures.labels]
    softmax = MatrixLook(classifier, recipe["options"]["fill"]).softmax(
        pictures.images[:], member.spatial_matrix.values[None], member.color_matrix.values[None]
    )
    right = int((softmax.argmax(axis=1) == labels).sum())
    # A softmax that two classes share may go either way where sums are ordered differently.
    if abs(right - int(member.right)) > 1:
        raise UsageError(
            f"{path.name} does not come out again: {right} pictures are right, "
            f"{int(member.right)} are stored"
        )
    return f"comes out again: {len(pictures)} pictures under one learned transformation"


def _verify_worst_cases(
    path: Path, recipe: Recipe, stored: xr.DataTree, random: np.random.Generator
) -> str:
    from itn.classifiers import load_classifier
    from itn.joint_transformations import joint_matrices
    from itn.looks import MatrixLook
    from itn.worst_case import lead

    parameters = FigureParameters(profile=path.parent.name, network=_network_of(path, recipe))
    classifier = load_classifier(*chosen_network(parameters))
    search = stored[str(random.choice(list(stored.children)))].to_dataset().sel(stage="local")
    rows = random.choice(search.sizes["image"], min(2, search.sizes["image"]), False)
    paths = [str(name) for name in search.image.values[rows]]
    pictures = pictures_of(parameters, classifier.input_size, paths)
    expected = search.sel(image=list(pictures.paths))
    softmax = MatrixLook(classifier, recipe["fill"]).softmax(
        pictures.images[:],
        *joint_matrices(expected.transformation.values.tolist(), expected.magnitude.values),
    )
    again = lead(softmax, classifier.logits_of(pictures)[pictures.labels])
    deviation = float(np.abs(again - expected.margin.values).max())
    if not deviation <= LOGIT_TOLERANCE:
        raise UsageError(f"{path.name} does not come out again: margins differ by {deviation:.2g}")
    return f"comes out again: {len(paths)} pictures under their worst transformations"


def _verify_gates(
    path: Path, recipe: Recipe, stored: xr.DataTree, random: np.random.Generator
) -> str:
    """Look at the pictures that are reported on once more, under the members one training drew."""
    from itn.classifiers import load_classifier
    from itn.looks import MatrixLook

    hold = str(random.choice([part for part in recipe["parts"] if part != KNOWN]))
    name = f"{hold}/seed_{random.choice(recipe['seeds'])}"
    measured = stored[f"{name}/measured"].to_dataset()
    parameters = _gate_parameters(path, recipe)
    classifier = load_classifier(*chosen_network(parameters))
    *_, pictures = gate_pictures(parameters)
    rows = np.tile(np.arange(len(pictures)), measured.looks)
    said = MatrixLook(classifier, recipe["options"]["fill"]).predicted(
        pictures.images[rows], measured.spatial_matrix.values, measured.color_matrix.values
    )
    right = int((said == classifier.logits_of(pictures)[pictures.labels][rows]).sum())
    as_learned = {"kind": "both", "family": "learned", "criterion": "accuracy", "factor": 1.0}
    # A softmax that two classes share may go either way where sums are ordered differently.
    if abs(right - (expected := int(measured.hits.sel(as_learned).sum()))) > 1:
        raise UsageError(
            f"{path.name} does not come out again: {right} looks are right, {expected} are stored"
        )
    return f"comes out again: {len(pictures)} pictures under what {name} learned"


def request_of(path: Path) -> Request:
    """Return what would make an archived result today."""
    recipe = recipe_of(path)
    if recipe["kind"] == "trainings from other seeds":
        return seeds_request(FigureParameters(profile=path.parent.name))
    if recipe["kind"] == "controls":
        return controls_request(_figure_parameters(path, recipe, controls_request))
    whole = {"worst cases": worst_cases_request, "abilities": abilities_request}
    if recipe["kind"] in whole:
        network = _network_of(path, recipe)
        return whole[recipe["kind"]](FigureParameters(profile=path.parent.name, network=network))
    if recipe["kind"] == "samples":
        return samples_request(_transformer_parameters(path, recipe["study"]))
    if recipe["kind"] == "gates":
        return gates_request(_gate_parameters(path, recipe), recipe["parts"], recipe["seeds"])
    if recipe["kind"] == "transformers":
        parameters = _transformer_parameters(path, recipe)
        return transformers_request(parameters, recipe["parts"], recipe["seeds"])
    if recipe["kind"] == "rendered pairs":
        names = {"network": _network_of(path, recipe), "limit": recipe["limit"]}
        return rendered_request(FigureParameters(profile=path.parent.name, **names))
    if recipe["kind"] == "distances":
        return distances_request(_distance_parameters(path, recipe), recipe["size"])
    ask = _asks_for(recipe)
    return ask(_figure_parameters(path, recipe, ask))


def _asks_for(recipe: Recipe) -> Callable[[FigureParameters], Request]:
    return lambda parameters: screening_request(parameters, recipe["transformation"])


def _transformer_parameters(path: Path, recipe: Recipe) -> TransformerParameters:
    return TransformerParameters(profile=path.parent.name, network=_network_of(path, recipe))


def _gate_parameters(path: Path, recipe: Recipe) -> GateParameters:
    network, fill = _network_of(path, recipe), recipe["options"]["fill"]
    return GateParameters(profile=path.parent.name, network=network, fill=fill)


def _distance_parameters(path: Path, recipe: Recipe) -> FigureParameters:
    """Return the parameters of stored distances: the profile's, or what its name says else."""
    classes = tuple(recipe["classes"])
    plain = FigureParameters(profile=path.parent.name, classes=classes)
    if distances_request(plain, recipe["size"]).archive == path:
        return plain
    return plain.model_copy(update={name: recipe[name] for name in ("fill", "seed", "limit")})


def _figure_parameters(
    path: Path, recipe: Recipe, ask: Callable[[FigureParameters], Request]
) -> FigureParameters:
    """Return the parameters of a stored result: the profile's, or what its name says else."""
    plain = FigureParameters(profile=path.parent.name, network=_network_of(path, recipe))
    if ask(plain).archive == path:
        return of_archived_classes(plain, ask)
    return plain.model_copy(
        update={
            "classes": tuple(recipe["classes"]),
            "magnitudes": _magnitudes_of(recipe.get("magnitudes")),
            **{name: recipe.get(name) for name in SETTINGS},
        }
    )


def _magnitudes_of(stored: list[float] | str | None) -> tuple[float, ...] | str | None:
    if isinstance(stored, list):
        return tuple(stored)
    return ADAPTIVE if stored and stored.startswith(ADAPTIVE) else None


def _network_of(path: Path, recipe: Recipe) -> str:
    """Return how a profile calls the network of a recipe."""
    for name in load_profile(path.parent.name).networks:
        if Path(name).name == recipe["network"]:
            return name
    return str(recipe["network"])


def _values(recipe: object) -> Iterator[object]:
    if isinstance(recipe, dict | list):
        for value in recipe.values() if isinstance(recipe, dict) else recipe:
            yield from _values(value)
    else:
        yield recipe
