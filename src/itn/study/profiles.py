"""Profiles say what a run looks at; notebook parameters deviate from them.

A profile is a file ``profiles/<name>.yaml``. Its screenings are archived as
``results/<profile>/<network>_<transformation>.nc``.
"""

import itertools
import re
import unicodedata
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, overload

import numpy as np
import pydantic
import yaml

from itn.files import own_path
from itn.messages import UsageError, shown, unknown
from itn.network_names import is_function
from itn.warp import FILLS, check_fill
from itn.zoo.catalog import BROUGHT, PACKAGED, imagenet_class, is_imagenet_name, read_table

DEFAULT_PROFILE = "phantom"
PREFERRED = (DEFAULT_PROFILE, "imagenet")  # where several profiles have the classes asked for
HOLDS = ("accuracy", "consistency", "divergence")  # those of `itn.gates`, which loads a backend


# What was run as a cell of parameters: the notebook's own, or the one that papermill puts in.
PARAMETERS_CELL = re.compile(r"^# Parameters$|^profile\b *[:=]", re.MULTILINE)


class _Strict(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)


Checked = TypeVar("Checked", bound=_Strict)


def _listed(value: object) -> object:
    """Take one name for a list of it, and numbers, which are indices of classes, for names."""
    values = list(value) if isinstance(value, list | tuple) else [value]
    return [str(one) if type(one) is int else one for one in values]


def _kind_of_magnitudes(value: object) -> str:
    return "adaptive" if isinstance(value, str) else "numbers"


Names = Annotated[tuple[str, ...], pydantic.BeforeValidator(_listed), pydantic.Field(min_length=1)]
Magnitudes = Annotated[
    Annotated[tuple[float, ...], pydantic.Tag("numbers")]
    | Annotated[Literal["adaptive"], pydantic.Tag("adaptive")],
    pydantic.Discriminator(_kind_of_magnitudes),  # so that what is wrong is told of one of them
]


class Training(_Strict):
    """How a profile's own networks are trained; the rest as for `itn.zoo.training.train`."""

    pictures_per_class: Annotated[int, pydantic.Field(ge=1)] | None = None  # where rendered
    epochs: Annotated[int, pydantic.Field(ge=1)]
    batch_size: Annotated[int, pydantic.Field(ge=1)] = 32
    learning_rate: Annotated[float, pydantic.Field(gt=0)] = 1e-3
    weight_decay: Annotated[float, pydantic.Field(ge=0)] = 0.0
    label_smoothing: Annotated[float, pydantic.Field(ge=0, lt=1)] = 0.0
    mirror: bool = False
    jitter: Annotated[float, pydantic.Field(ge=0, lt=1)] = 0.0
    rotation: Annotated[float, pydantic.Field(ge=0, le=180)] = 0.0
    zoom: Annotated[float, pydantic.Field(ge=1)] = 1.0
    dropout: Annotated[float, pydantic.Field(ge=0, lt=1)] | None = None
    seed: Annotated[int, pydantic.Field(ge=0)] = 0  # of rendered pictures and of the training
    networks: dict[str, dict[str, Any]] = {}  # what one architecture needs to have otherwise

    def options(self, architecture: str) -> dict[str, Any]:
        """Return the arguments for `itn.zoo.training.train`."""
        common = self.model_dump(exclude={"networks"})
        given = common | self.networks.get(architecture, {})
        found = _checked(Training, given, f"training of {architecture}: ")
        return found.model_dump(exclude={"networks", "pictures_per_class"})


class Transformers(_Strict):
    """How the transformers of an Invariant Transformer Net are trained for a profile."""

    limit: Annotated[int, pydantic.Field(ge=2)] | None = None  # pictures per class; None: all
    # Data sets beside the profile's own, and for each the file in profiles/ that lists which
    # pictures of it, as the part "training", see `itn.study.splits`.
    more_pictures: dict[str, str] = {}
    learn_from: Names | None = None  # classes of the profile; None: all
    epochs: Annotated[int, pydantic.Field(ge=1)]
    batch_size: Annotated[int, pydantic.Field(ge=1)] = 32
    color_weight: Annotated[float, pydantic.Field(ge=0)]
    gate_margin: Annotated[float, pydantic.Field(ge=0)] = 0.0
    seeds: Annotated[tuple[int, ...], pydantic.Field(min_length=1)] = (0,)  # one training each


class Gates(Transformers):
    """How those are trained of which is compared what they hold, see `itn.gates`."""

    learning_rate: Annotated[float, pydantic.Field(gt=0)] = 2e-3
    holds: Names = HOLDS  # what is held, one training each and seed
    # Other fills than the profile's, with which the first seed holds what the paper's gate does.
    fills: Names | None = None


class WorstCase(_Strict):
    """In which ranges, and how closely, worst cases are looked for, see `itn.worst_case`."""

    ranges: dict[str, tuple[float, float]]
    # For each search how many magnitudes its grid has along each of its ranges.
    searches: Annotated[tuple[dict[str, int], ...], pydantic.Field(min_length=1)]
    limit: Annotated[int, pydantic.Field(ge=1)] | None = None  # pictures per class; None: all


class Pooled(_Strict):
    """Accuracy over all pictures together is asked for, not softmax class by class."""

    every: Annotated[int, pydantic.Field(ge=1)] = 1  # so many steps of a sweep between magnitudes


class Profile(_Strict):
    """Which networks look at which pictures."""

    description: str  # one line for the reader of a figure
    networks: Names  # for `itn.load_classifier`; may be the user's own; the first is the default
    pictures: str  # data set or folder for `itn.load_images`
    classes: Names  # those that are screened
    highlights: Names | None = None  # those of them that the main figures show; None: all
    # File in profiles/ that says which pictures are for training and which for testing, see
    # `itn.study.splits`; the latter are screened. None: all are.
    split: str | None = None
    fill: str = "zeros"  # outside a picture, see `itn.warp.affine_warp`
    seed: Annotated[int, pydantic.Field(ge=0)] = 0  # of the noise
    limit: Annotated[int, pydantic.Field(ge=1)] | None = None  # pictures per class; None: all
    # Pictures per class, the first, on which controls stand beside screenings, see
    # `itn.study.controls`.
    controlled: Annotated[int, pydantic.Field(ge=1)] = 10
    weights: dict[str, str] = {}  # files, where they are not the published ones
    training: Training | None = None  # of networks of its own
    transformers: Transformers | None = None  # of Invariant Transformer Nets
    gates: Gates | None = None  # of those that hold this or that
    notebooks: Names | None = None  # that `itn figures` runs for it; None: all that apply
    each_network: Names | None = None  # notebooks that run once for each network, not the first
    # Its screenings are archived category by category, and figures show those that are there.
    by_category: bool = False
    worst_case: WorstCase | None = None
    pooled: Pooled | None = None  # see `itn.study.many_classes`
    untaught: str | None = None  # profile whose networks saw the same, but none turned or zoomed
    groups: dict[str, Names] = {}  # classes that are compared, see `itn.study.symmetry`


class FigureParameters(_Strict):
    """What a notebook lets its user choose; None stands for the profile's own choice."""

    profile: str
    network: str | None = None
    pictures: str | None = None
    classes: Names | None = None
    magnitudes: Magnitudes | None = None  # the default: the transformation's own sweep
    precision: Annotated[float, pydantic.Field(gt=0)] | None = None  # of adaptive magnitudes
    fill: str | None = None
    seed: Annotated[int, pydantic.Field(ge=0)] | None = None
    limit: Annotated[int, pydantic.Field(ge=1)] | None = None
    arithmetic: Literal["bfloat16", "float16"] | None = None  # None: float32
    example: str | None = None  # picture that is shown at the thresholds, see `itn.study.views`


class DistanceParameters(FigureParameters):
    """What the notebook on distances lets its user choose besides."""

    criterion: Literal["half", "switch"] = "half"
    intervals: bool = False


class TransformerParameters(_Strict):
    """What a notebook on the Invariant Transformer Net lets its user choose.

    Attributes
    ----------
    profile : str
        Name of a file in ``profiles/``.
    network : str or None
        Name for `itn.load_classifier`.
    classes : tuple of str or None
        Classes of the profile to train on.
    spatial_dim, color_dim, color_weight, gate_margin, required_accuracy, hold, level, fill
        As for `itn.InvariantTransformerNet`.
    epochs : int or None
        How often each picture is seen.
    seeds : tuple of int or None
        One training each.
    limit : int or None
        At most that many pictures per class to learn from.
    """

    profile: str
    network: str | None = None
    classes: Names | None = None
    spatial_dim: int | None = None
    color_dim: int | None = None
    color_weight: float | None = None
    gate_margin: float | None = None
    required_accuracy: float | None = None
    hold: str | None = None
    level: float | None = None
    fill: str | None = None
    epochs: Annotated[int, pydantic.Field(ge=1)] | None = None
    seeds: Annotated[tuple[int, ...], pydantic.Field(min_length=1)] | None = None
    limit: Annotated[int, pydantic.Field(ge=2)] | None = None


class VariationParameters(TransformerParameters):
    """What the notebook on variations of the Invariant Transformer Net lets its user choose.

    Attributes
    ----------
    color_weights, fills, alone : tuple
        Values of ``color_weight``, of ``fill``, and classes to learn from by themselves.
    """

    color_weights: Annotated[tuple[float, ...], pydantic.Field(min_length=1)]
    fills: Names
    alone: Names


class GateParameters(TransformerParameters):
    """What the notebook on what is held lets its user choose.

    Attributes
    ----------
    holds : tuple of str or None
        What is held, one training each and seed.
    """

    holds: Names | None = None


Parameters = TypeVar(
    "Parameters",
    FigureParameters,
    DistanceParameters,
    TransformerParameters,
    VariationParameters,
    GateParameters,
)


def chosen_network(parameters: FigureParameters | TransformerParameters) -> tuple[str, str | None]:
    """Return the network that parameters name, or the first of their profile."""
    profile = load_profile(parameters.profile)
    network = parameters.network or profile.networks[0]
    return network, profile.weights.get(network)


def project_folder() -> Path:
    """Return the project's top folder: the closest one around here that has ``profiles/``."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "profiles").is_dir():
            return folder
    raise UsageError(f"no folder profiles/ in {here} or around it: run inside the project")


def load_profile(name: str) -> Profile:
    """Read a profile."""
    profile, where = read_profile(name), f"profiles/{name}.yaml: "
    for network in (*profile.networks, *profile.weights):
        check_network(network, where)
    for kind, chosen, possible in (
        ("fill", (profile.fill, *((profile.gates and profile.gates.fills) or ())), FILLS),
        ("highlight", profile.highlights or (), profile.classes),
        *(("class", members, profile.classes) for members in profile.groups.values()),
        *(
            ("class", how.learn_from or (), profile.classes)
            for how in (profile.transformers, profile.gates)
            if how
        ),
    ):
        for given in chosen:
            if given not in possible:
                raise unknown(kind, given, possible, where)
    return profile


def read_profile(name: str) -> Profile:
    """Read a profile whose names are not checked."""
    names = _profile_names()
    if name not in names:
        raise unknown("profile", name, names)
    path = project_folder() / "profiles" / f"{name}.yaml"
    where = f"profiles/{path.name}: "
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(f"{where}not UTF-8: byte {error.start} is {error.reason}") from error
    except OSError as error:
        raise UsageError(f"{where}not readable: {error.strerror}") from error
    return _parsed(text, where)


@cache  # every request for a result asks for its profile, and YAML is slow
def _parsed(text: str, where: str) -> Profile:
    try:
        contents = yaml.load(text, _UniqueKeys)
    except Exception as error:  # of dates, numbers and depths that cannot be it raises anything
        why = (
            str(error) if isinstance(error, yaml.YAMLError) else f"{type(error).__name__}: {error}"
        )
        raise UsageError(f"{where}not YAML: {shown(' '.join(why.split()))}") from error
    return _checked(Profile, contents, where)


@overload
def read_parameters(namespace: Mapping[str, Any]) -> FigureParameters: ...
@overload
def read_parameters(namespace: Mapping[str, Any], model: type[Parameters]) -> Parameters: ...
def read_parameters(namespace: Mapping[str, Any], model: Any = FigureParameters) -> Any:
    """Check the parameters of a notebook.

    Papermill only prints a line about a parameter that a notebook does not have. This stops.
    """
    given = {
        name: value
        for name, value in namespace.items()
        if name in model.model_fields or _is_meant(name, value, namespace)
    }
    unset = given.get("profile") is None
    if unset:
        given["profile"] = DEFAULT_PROFILE
    parameters = _checked(model, given, "")
    if unset and parameters.classes and getattr(parameters, "pictures", None) is None:
        name = _first_profile_with(parameters.classes)
        parameters = parameters.model_copy(update={"profile": name})
    profile = load_profile(parameters.profile)
    if parameters.network is not None:
        check_network(parameters.network)
    if parameters.fill is not None:
        check_fill(parameters.fill)
    if parameters.classes and getattr(parameters, "pictures", None) is None:
        classes = tuple(_class_of(profile, given) or given for given in parameters.classes)
        for name in classes:
            if name not in profile.classes:
                raise unknown("class", name, profile.classes)
        parameters = parameters.model_copy(update={"classes": classes})
    return parameters


def check_network(given: str, where: str = "") -> None:
    """Raise a UsageError unless a network can be meant by a name."""
    if given.endswith(".keras"):
        if not own_path(given).is_file():
            raise UsageError(f"{where}no Keras file {given}")
    elif given not in {*PACKAGED, *BROUGHT} and not is_function(given):
        from itn.classifiers import list_classifiers  # loads a backend

        if given not in list_classifiers():
            possible = ("a .keras file", "module:function", *list_classifiers())
            raise unknown("network", given, possible, where)


class _UniqueKeys(yaml.SafeLoader):
    """Reads YAML in which no name may stand twice, where the last would count silently."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        names = [str(key.value) for key, _ in node.value]
        twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
        if twice:
            raise yaml.constructor.ConstructorError(
                None, None, f"{twice[0]} stands there twice", node.start_mark
            )
        return super().construct_mapping(node, deep)


def _class_of(profile: Profile, given: str) -> str | None:
    """Find which class of a profile is meant: by name, or by ImageNet's label, id or index."""
    for name in profile.classes:
        if unicodedata.normalize("NFC", name) == unicodedata.normalize("NFC", given):
            return name
    if is_imagenet_name(given):
        wanted = imagenet_class(given).wnid
        categories = {row["category"]: row["wnid"] for row in read_table("caltech_imagenet")}
        for name in profile.classes:
            if profile.pictures == "caltech-101":
                if categories.get(name) == wanted:
                    return name
                continue
            with suppress(UsageError):  # no name of ImageNet's, or of two of its classes
                if imagenet_class(name).wnid == wanted:
                    return name
    return None


def _is_meant(name: str, value: object, namespace: Mapping[str, Any]) -> bool:
    """Tell whether a name that is none of the parameters was meant as one."""
    plain = (str, bytes, int, float, complex, type(None))
    data = (*plain, list, tuple, dict, set, Path, np.ndarray, np.generic)
    if name.startswith("_") or name in ("In", "Out") or not isinstance(value, data):
        return False
    cells = [cell for cell in namespace.get("In", ()) if PARAMETERS_CELL.search(cell)]
    given = re.compile(rf"^{re.escape(name)}\b *[:=]", re.MULTILINE)
    return not cells or any(given.search(cell) for cell in cells)


def archive_file(profile: str, network: str, transformation: str) -> Path:
    """Return where the screening of a profile is archived."""
    return project_folder() / "results" / profile / f"{network}_{transformation}.nc"


def _profile_names() -> list[str]:
    return sorted(path.stem for path in (project_folder() / "profiles").glob("*.yaml"))


def _first_profile_with(classes: Iterable[str]) -> str:
    """Return the first profile that has the classes: the preferred ones, then by alphabet."""
    known: dict[str, tuple[str, ...]] = {}
    names = _profile_names()
    for name in dict.fromkeys([*(one for one in PREFERRED if one in names), *names]):
        try:
            profile = load_profile(name)
        except UsageError:
            continue  # whoever names it will be told
        if profile.pooled:  # which no figure of classes shows
            continue
        known[name] = profile.classes
        if all(_class_of(profile, given) for given in classes):
            return name
    where = f"profiles {', '.join(known)}: "
    possible = dict.fromkeys(itertools.chain(*known.values()))
    for each in classes:
        if each not in possible:
            raise unknown("class", each, possible, where)
    raise UsageError(f"{where}none has all of the classes {', '.join(classes)}")


def _checked(model: type[Checked], contents: Any, where: str) -> Checked:
    if not isinstance(contents, Mapping):
        raise UsageError(f"{where}must map names to values, got {shown(repr(contents))}")
    for name in contents:
        if name not in model.model_fields:
            raise unknown("parameter", name, model.model_fields, where)
    try:
        return model.model_validate(dict(contents))
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        raise UsageError(
            f"{where}{name}: {first['msg']}, got {shown(repr(first['input']))}"
        ) from error
