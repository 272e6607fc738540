"""Strategy 2, the Invariant Transformer Net: learned transformations that a classifier lets pass.

Before a frozen classifier stand a spatial and a color transformer. Each turns a control vector,
α and β in [0, 1], into a matrix by two dense layers. They are trained to move pictures as far as
possible while the classifier's accuracy holds.

References
----------
Bunne, Rahmann, Wolf (2018), section 3.4; its formulas are our reading of its prose.
Jaderberg, Simonyan, Zisserman, Kavukcuoglu (2015), Spatial Transformer Networks.
"""

import inspect
from collections.abc import Iterable, Mapping
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from itn.classifiers import Classifier
from itn.engines import fused
from itn.keras_settings import check_training
from itn.labeled_batches import as_arrays, check_labels, first, peeked
from itn.messages import UsageError
from itn.warp import Tensor, affine_warp, check_fill, in_pixels, recolor

NEAR_IDENTITY = 1e-6  # standard deviation of the last weights; at 0 the losses have no slope
ACCURACY_SHARE = 0.95  # of the clean accuracy: what is required by default
HIDDEN_UNITS = 32  # of the first dense layer
STEP_LOGS = ("cross_entropy", "spatial_loss", "color_loss", "batch_accuracy", "outward")


class _Transformer(layers.Layer):
    """What both transformers share: control vector -> matrix, and how far that moves things.

    ``reshape(W2 relu(W1 control + b1) + b2)``, where b2 starts as the identity.
    """

    rows: int
    columns: int

    def __init__(self, control_dim: int, *, seed: int = 0, **kwargs: Any) -> None:
        super().__init__(**{"dtype": "float32"} | kwargs)  # whatever the global policy says
        if control_dim < 1:
            raise UsageError(f"{self.name} needs at least one control value, got {control_dim}")
        self.control_dim, self.seed = int(control_dim), int(seed)

    def build(self, images_shape: Any, control_shape: Any) -> None:
        """Make the weights."""
        if control_shape[-1] != self.control_dim:
            raise UsageError(
                f"{self.name} has {self.control_dim} control values, got {control_shape[-1]}"
            )
        seeds = map(int, np.random.SeedSequence(self.seed).generate_state(3))
        self.hidden = layers.Dense(
            HIDDEN_UNITS,
            "relu",
            kernel_initializer=keras.initializers.HeNormal(next(seeds)),
            dtype=self.dtype_policy,
            name="hidden",
        )
        identity = np.eye(self.rows, self.columns)
        self.entries = layers.Dense(
            identity.size,
            kernel_initializer=keras.initializers.RandomNormal(0, NEAR_IDENTITY, next(seeds)),
            bias_initializer=lambda shape, dtype: ops.cast(identity.reshape(-1), dtype),
            dtype=self.dtype_policy,
            name="entries",
        )
        self.hidden.build((None, self.control_dim))
        self.entries.build((None, HIDDEN_UNITS))
        shape = (self.control_dim, self.columns)
        vectors = np.random.default_rng(next(seeds)).standard_normal(shape)
        lengths = ops.sqrt(ops.sum(ops.square(vectors), axis=-1, keepdims=True))
        self.vectors = self.add_weight(
            shape=shape,
            initializer=lambda shape, dtype: ops.cast(vectors / lengths, dtype),
            trainable=False,
            name="vectors",
        )
        self.built = True

    def matrix(self, control: Tensor) -> Tensor:
        """Return the matrices of control vectors."""
        entries = self.entries(self.hidden(control))
        return ops.reshape(entries, (-1, self.rows, self.columns))

    def displacement_loss(self, control: Tensor) -> Tensor:
        """Return the loss that rewards moving things far: ``-1/p Σ_i α_i ‖Â(α) v_i - v_i‖``.

        Â is the matrix with the row (0, …, 0, 1), which moves nothing; each of the p control
        values has a random unit vector v_i, in homogeneous coordinates. The mean over pictures.
        """
        identity = np.eye(self.rows, self.columns, dtype="float32")
        moved = ops.einsum("nrc,pc->npr", self.matrix(control) - identity, self.vectors)
        squares = ops.sum(ops.square(moved), axis=-1)
        # The root has no slope at 0, where a transformer that was set to the identity starts.
        distance = ops.sqrt(ops.maximum(squares, 1e-24))
        return -ops.mean(control * distance)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that rebuild the layer."""
        config: dict[str, Any] = super().get_config()
        return config | {"control_dim": self.control_dim, "seed": self.seed}


@keras.saving.register_keras_serializable("itn")
class SpatialTransformer(_Transformer):
    """Warp pictures by an affine matrix A(α), 2 x 3, that a control vector α steers.

    It maps where a pixel is written to where it is read, in coordinates that run from -1 to 1 over
    the picture, x right and y down. What lies outside is told by `fill`, see `itn.affine_warp`.
    """

    rows, columns = 2, 3

    def __init__(self, control_dim: int, *, fill: str = "zeros", **kwargs: Any) -> None:
        check_fill(fill)
        super().__init__(control_dim, **kwargs)
        self.fill = fill

    def call(self, images: Tensor, control: Tensor) -> Tensor:
        """Warp each picture by the matrix of its control vector."""
        return affine_warp(images, in_pixels(self.matrix(control), images.shape), self.fill)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that rebuild the layer."""
        return super().get_config() | {"fill": self.fill}


@keras.saving.register_keras_serializable("itn")
class ColorTransformer(_Transformer):
    """Multiply colors by a matrix C(β), 3 x 4, that a control vector β steers.

    It acts on the homogeneous color ``(R, G, B, 1)``, so that shifts of brightness are included.
    """

    rows, columns = 3, 4

    def call(self, images: Tensor, control: Tensor) -> Tensor:
        """Recolor each picture by the matrix of its control vector."""
        return recolor(images, self.matrix(control))


@keras.saving.register_keras_serializable("itn")
class InvariantTransformerNet(keras.Model):
    """A frozen classifier behind a spatial and a color transformer.

    Give it pictures, and it chooses the control vectors: drawn anew for every picture and step
    in training, otherwise all values 1/2, the middle of the family, so that what it says of
    a picture does not depend on the others. Or give it ``{"images": …, "alpha": …, "beta": …}``,
    with vectors of your own, e.g. from `draw_controls`. What comes out are the classifier's
    logits for the transformed pictures; these themselves are ``net.transformers.predict`` of such
    a dictionary. The transformers compute in float32, whatever policy Keras is set to.

    Parameters
    ----------
    classifier : Classifier
        What stands behind the transformers; its network is set to ``trainable = False``.
    spatial_dim, color_dim : int, default 4
        Lengths p of α and q of β.
    color_weight : float, default 5
        λ, how much the color loss counts beside the spatial one.
    required_accuracy : float, optional
        a₀, the batch accuracy below which the cross-entropy is minimized, in (0, 1]. By default
        `fit` takes 0.95 times the classifier's accuracy on the untouched training pictures.
    gate_margin : float, default 0
        By how much a batch's accuracy has to exceed the required one for a step outward: with 0,
        the accuracy comes to hover below the required one, since few pictures are a noisy witness.
    fill : {"zeros", "edge", "reflect", "mean"}, default "zeros"
        What lies outside a picture, see `itn.affine_warp`.
    seed : int, default 0
        Seed of the transformers and the control vectors.
    **kwargs
        As for `keras.Model`.

    Attributes
    ----------
    transformers : keras.Model
        ``{"images", "alpha", "beta"}`` -> transformed pictures; its weights are all that is
        trained.
    spatial, color : SpatialTransformer, ColorTransformer
        Its two layers.
    options : dict of str to object
        The arguments.

    Raises
    ------
    UsageError
        For a dimension below 1 or an option out of its range.

    Notes
    -----
    Each step minimizes the cross-entropy if the accuracy of the batch is below a₀, otherwise
    ``L_S + λ L_C``. ``L_S = -1/p Σ_i α_i ‖Â(α) v_i - v_i‖``, where Â is the spatial matrix with
    the row (0, 0, 1) and v_i are random unit vectors; L_C likewise with β and the colors. What is
    logged is each step's own: ``cross_entropy``, ``spatial_loss``, ``color_loss``,
    ``batch_accuracy``, and ``outward``, 1 where the second branch was taken.

    Examples
    --------
    >>> network = keras.Sequential([keras.Input((8, 8, 3)), layers.GlobalAveragePooling2D()])
    >>> classifier = Classifier(network, lambda x: 5 * x, 8, ("red", "green", "blue"))
    >>> net = InvariantTransformerNet(classifier, spatial_dim=2, color_dim=3)
    >>> images = np.zeros((6, 8, 8, 3), "float32")
    >>> images[range(6), ..., [0, 1, 2, 0, 1, 2]] = 1
    >>> net.compile("adam")
    >>> history = net.fit(images, np.array([0, 1, 2, 0, 1, 2]), verbose=0).history
    >>> history["batch_accuracy"], history["outward"]
    ([1.0], [1.0])
    """

    def __init__(
        self,
        classifier: Classifier,
        spatial_dim: int = 4,
        color_dim: int = 4,
        *,
        color_weight: float = 5.0,
        required_accuracy: float | None = None,
        gate_margin: float = 0.0,
        fill: str = "zeros",
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        given, known = locals(), inspect.signature(InvariantTransformerNet.__init__).parameters
        options = {n: given[n] for n, each in known.items() if each.default is not each.empty}
        super().__init__(**{"dtype": "float32"} | kwargs)
        if required_accuracy is not None and not 0 < required_accuracy <= 1:
            raise UsageError(f"required_accuracy must be in (0, 1], got {required_accuracy}")
        for what in ("color_weight", "gate_margin"):
            if not (np.isfinite(options[what]) and options[what] >= 0):
                raise UsageError(f"{what} must be a number ≥ 0, got {options[what]}")
        seeds = [int(each) for each in np.random.SeedSequence(seed).generate_state(3)]
        self.options: dict[str, Any] = options
        self.classifier, self.network = classifier, classifier.network
        self.network.trainable = False
        self.color_weight, self.gate_margin = float(color_weight), float(gate_margin)
        self.seed = int(seed)
        self.spatial = SpatialTransformer(spatial_dim, name="spatial", seed=seeds[0], fill=fill)
        self.color = ColorTransformer(color_dim, name="color", seed=seeds[1])
        size = classifier.input_size
        shapes = {"images": (size, size, 3), "alpha": (spatial_dim,), "beta": (color_dim,)}
        inputs = {
            name: keras.Input(shape, dtype="float32", name=name) for name, shape in shapes.items()
        }
        self.transformers = keras.Model(inputs, self._moved(**inputs), name="transformers")
        # Nobody asks for the gradient of the pictures, whose scattering would take long.
        self._prepare = fused(
            lambda images, alpha, beta: classifier.preprocess(
                self._moved(ops.stop_gradient(images), alpha, beta)
            )
        )
        self.required_accuracy = self.add_weight(
            name="required_accuracy",
            initializer=keras.initializers.Constant(required_accuracy or np.nan),
            trainable=False,
        )
        self.draws = keras.random.SeedGenerator(seeds[2], name="draws")
        self._own_metrics = [keras.metrics.Mean(name=name) for name in STEP_LOGS]
        self.built = True  # all its parts are

    def _moved(self, images: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
        return self.color(self.spatial(images, alpha), beta)

    def draw_controls(self, count: int, seed: Any) -> tuple[Tensor, Tensor]:
        """Draw control vectors α [N, p] and β [N, q], N of each kind, uniform on [0, 1]."""
        alpha_dim, beta_dim = self.spatial.control_dim, self.color.control_dim
        both = keras.random.uniform((count, alpha_dim + beta_dim), dtype="float32", seed=seed)
        return both[:, :alpha_dim], both[:, alpha_dim:]

    def matrices(self, alpha: Tensor, beta: Tensor) -> tuple[np.ndarray, np.ndarray]:
        """Return the spatial and color matrices [N, 2, 3] and [N, 3, 4] of control vectors."""
        spatial, color = self.spatial.matrix(alpha), self.color.matrix(beta)
        return np.asarray(spatial, float), np.asarray(color, float)

    def call(self, inputs: Tensor | Mapping[str, Tensor], training: bool = False) -> Tensor:
        """Transform pictures and classify them."""
        given = inputs if isinstance(inputs, Mapping) else {"images": inputs}
        images = given["images"]
        count = ops.shape(images)[0]
        if training:
            alpha, beta = self.draw_controls(count, self.draws)
        else:
            alpha, beta = (
                ops.full((count, layer.control_dim), 0.5, dtype="float32")
                for layer in (self.spatial, self.color)
            )
        alpha, beta = given.get("alpha", alpha), given.get("beta", beta)
        # For `compute_loss`, which follows in the same step.
        self._displacement_losses = (
            self.spatial.displacement_loss(alpha),
            self.color.displacement_loss(beta),
        )
        prepared = self._prepare(images, alpha, beta)
        return ops.cast(self.network(prepared, training=False), "float32")

    def compute_loss(
        self,
        x: Any = None,
        y: Tensor = None,
        y_pred: Tensor = None,
        sample_weight: Tensor = None,
        training: bool = True,
    ) -> Tensor:
        """Choose the loss of a batch by its accuracy.

        Labels are indices of logits, [N] or [N, 1], or one-hot, [N, K].
        """
        if sample_weight is not None:
            raise UsageError("an InvariantTransformerNet takes no weights of samples or classes")
        # Of what a generator brings, neither rank nor size need be known.
        given = ops.reshape(y, (ops.shape(y_pred)[0], -1))  # [N, 1], or [N, K] and one-hot
        one_hot = ops.shape(given)[1] > 1
        labels = ops.where(one_hot, ops.argmax(given, axis=-1), ops.cast(given[:, 0], "int32"))
        cross_entropy = ops.mean(
            keras.losses.sparse_categorical_crossentropy(labels, y_pred, from_logits=True)
        )
        right = ops.cast(ops.argmax(y_pred, axis=-1), "int32") == labels
        accuracy = ops.mean(ops.cast(right, "float32"))
        spatial_loss, color_loss = self._displacement_losses
        outward = accuracy >= self.required_accuracy + self.gate_margin
        logged = (cross_entropy, spatial_loss, color_loss, accuracy, ops.cast(outward, "float32"))
        for metric, value in zip(self._own_metrics, logged, strict=True):
            if training:  # each step's own value, no mean over the epoch until here
                metric.reset_state()
            metric.update_state(value)
        return ops.where(outward, spatial_loss + self.color_weight * color_loss, cross_entropy)

    def compile(self, optimizer: Any = "adam", **kwargs: Any) -> None:
        """Prepare for training, as `keras.Model.compile`, but with a loss of its own.

        On TensorFlow XLA compiles the transformers and nothing else, unless that is asked for.
        """
        check_training()
        if kwargs.get("loss") is not None:
            raise UsageError("an InvariantTransformerNet has a loss of its own, leave it out")
        if kwargs.get("jit_compile", "auto") == "auto":
            kwargs["jit_compile"] = keras.backend.backend() != "tensorflow"
        optimizer = keras.optimizers.get(optimizer)
        layers_behind = (self.network, *self.network.layers)
        halved = any(layer.compute_dtype == "float16" for layer in layers_behind)
        if halved and not isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
            # Keras does this for models that compute in float16 themselves.
            optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
        super().compile(optimizer, **kwargs)
        # Otherwise its variables are made within the first step, which is then traced twice.
        self.optimizer.build(self.trainable_variables)

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Prepare for training as a model that was saved."""
        self.compile(**keras.saving.deserialize_keras_object(config))

    def fit(self, x: Any = None, y: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Train the transformers, after checking that this can work.

        Parameters
        ----------
        x, y : arrays, tensors or lists, or x alone an iterable of batches
            Pictures [N, H, W, 3] in [0, 1], or a dictionary of them with control vectors, and
            their labels: indices [N] of the classifier's logits, or one-hot [N, K]. Or a
            `tf.data.Dataset`, `keras.utils.PyDataset`, `DataLoader` or generator of both.
        *args, **kwargs
            As for `keras.Model.fit`.

        Returns
        -------
        keras.callbacks.History
            What was logged at the end of each epoch.

        Raises
        ------
        UsageError
            If pictures or labels do not fit, or the required accuracy is above that of the
            classifier on these pictures; of a generator only the first batches are checked.
        """
        given = inspect.signature(super().fit).bind(x, y, *args, **kwargs)
        options = given.arguments
        if y is None:
            options["x"], batches = peeked(x, options.get("steps_per_epoch"))
            if not isinstance(x, keras.utils.PyDataset):
                options.setdefault("shuffle", False)  # Keras cannot, and says so
        else:
            options["x"], options["y"] = both = as_arrays(x), as_arrays(y)
            check_labels(self.classifier, *both)
            batches = [first(both, options.get("validation_split"))]
        if isinstance(judged := options.get("validation_data"), tuple | list):
            options["validation_data"] = tuple(map(as_arrays, judged))
            check_labels(self.classifier, *options["validation_data"][:2])
        self.check(batches)
        return super().fit(*given.args, **given.kwargs)

    def check(self, batches: Iterable[Any]) -> float:
        """Refuse what cannot be trained on, and choose the required accuracy if none was given.

        Takes batches of (pictures, labels) as for `fit`, and returns the classifier's accuracy on
        the untouched pictures.
        """
        hits = count = 0
        for batch in batches:
            if not isinstance(batch, tuple | list) or len(batch) < 2:
                raise UsageError("fit needs labels: give y, or batches of (pictures, labels)")
            images, labels = check_labels(self.classifier, *batch[:2])
            right = self.classifier.predict(images).argmax(axis=1) == labels
            hits, count = hits + int(right.sum()), count + len(labels)
        if not count:
            raise UsageError("there are no pictures to learn from")
        clean = hits / count
        if np.isnan(required := float(self.required_accuracy.value)):
            required = ACCURACY_SHARE * clean
            self.required_accuracy.assign(required)
        if not 0 < required <= clean:
            raise UsageError(
                f"the required accuracy {required:.3g} is not in (0, {clean:.3g}]: "
                f"{self.classifier.name} gets {clean:.3g} of the untouched pictures right"
            )
        return clean

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that rebuild the model, its classifier among them."""
        preprocess = self.classifier.preprocess
        if keras.saving.get_registered_name(preprocess) == getattr(preprocess, "__name__", None):
            raise UsageError(
                f"the preprocessing of {self.classifier.name} is not registered with "
                "keras.saving.register_keras_serializable, which a .keras file needs; "
                "save_weights works without"
            )
        serialize = keras.saving.serialize_keras_object
        classifier = {
            "network": serialize(self.network),
            "preprocess": serialize(preprocess),
            "input_size": self.classifier.input_size,
            "class_names": list(self.classifier.class_names),
            "class_ids": list(self.classifier.class_ids),
            "name": self.classifier.name,
        }
        config: dict[str, Any] = super().get_config()
        return config | self.options | {"classifier": classifier}

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: Mapping[str, Any] | None = None
    ) -> "InvariantTransformerNet":
        """Rebuild a model."""
        described = dict(config["classifier"])
        for name in ("network", "preprocess"):
            described[name] = keras.saving.deserialize_keras_object(
                described[name], custom_objects=custom_objects
            )
        return cls(**config | {"classifier": Classifier(**described)})
