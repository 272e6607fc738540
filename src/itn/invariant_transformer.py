"""Strategy 2, the Invariant Transformer Net: learned transformations that a classifier lets pass.

Before a frozen classifier stand a spatial and a color transformer. Each turns a control vector,
α and β in [0, 1], into a matrix by two dense layers. They are trained to move pictures as far as
possible while the classifier's accuracy holds.

References
----------
Bunne, Rahmann, Wolf (2018), section 3.4; its formulas are our reading of its prose.
Jaderberg, Simonyan, Zisserman, Kavukcuoglu (2015), Spatial Transformer Networks.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from itn.classifiers import Classifier
from itn.messages import UsageError
from itn.warp import Tensor, affine_warp, check_fill, fused

NEAR_IDENTITY = 1e-6  # standard deviation of the last weights; at 0 the losses have no slope
ACCURACY_SHARE = 0.95  # of the clean accuracy: what is required by default
SQUARINGS, TERMS = 6, 8  # of the matrix exponential: exact to float32 up to a norm of 16


class _Transformer(layers.Layer):
    """What both transformers share: control vector -> matrix, and how far that moves things."""

    rows: int
    columns: int
    starts_at: np.ndarray  # what the last bias is at first

    def __init__(
        self,
        control_dim: int,
        hidden_units: int = 32,
        *,
        resample_vectors: bool = False,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if control_dim < 1 or hidden_units < 1:
            raise UsageError(
                f"{self.name} needs at least one control value and one hidden unit, "
                f"got {control_dim} and {hidden_units}"
            )
        self.control_dim, self.hidden_units = int(control_dim), int(hidden_units)
        self.resample_vectors, self.seed = resample_vectors, int(seed)

    def build(self, images_shape: Any, control_shape: Any) -> None:
        """Make the weights.

        Parameters
        ----------
        images_shape, control_shape : tuple
            Shapes of what `call` is given.
        """
        if control_shape[-1] != self.control_dim:
            raise UsageError(
                f"{self.name} has {self.control_dim} control values, got {control_shape[-1]}"
            )
        seeds = map(int, np.random.SeedSequence(self.seed).generate_state(4))
        self.hidden = layers.Dense(
            self.hidden_units,
            "relu",
            kernel_initializer=keras.initializers.HeNormal(next(seeds)),
            name="hidden",
        )
        self.entries = layers.Dense(
            self.rows * self.columns,
            kernel_initializer=keras.initializers.RandomNormal(0, NEAR_IDENTITY, next(seeds)),
            bias_initializer=lambda shape, dtype: ops.cast(self.starts_at.reshape(-1), dtype),
            name="entries",
        )
        self.hidden.build((None, self.control_dim))
        self.entries.build((None, self.hidden_units))
        vectors = np.random.default_rng(next(seeds)).standard_normal(
            (self.control_dim, self.columns)
        )
        self.vectors = self.add_weight(
            shape=vectors.shape,
            initializer=lambda shape, dtype: ops.cast(_unit(vectors), dtype),
            trainable=False,
            name="vectors",
        )
        self.generator = keras.random.SeedGenerator(next(seeds))
        self.built = True

    def matrix(self, control: Tensor) -> Tensor:
        """Return the matrices of control vectors.

        Parameters
        ----------
        control : tensor [N, control_dim], in [0, 1]
            Control vectors.

        Returns
        -------
        tensor [N, rows, columns]
            Matrices.
        """
        entries = self.entries(self.hidden(control))
        return ops.reshape(entries, (-1, self.rows, self.columns))

    def displacement_loss(self, control: Tensor, training: bool = False) -> Tensor:
        r"""Return the loss that rewards moving things far, at most 0.

        Parameters
        ----------
        control : tensor [N, control_dim], in [0, 1]
            Control vectors.
        training : bool, default False
            Whether vectors may be drawn anew, where that was asked for.

        Returns
        -------
        tensor, a number
            Mean over the batch of :math:`-\frac1p \sum_i c_i \lVert \hat M(c) v_i - v_i \rVert_2`
            with the square matrix :math:`\hat M` and one unit vector for each control value.
        """
        vectors = self.vectors
        if self.resample_vectors and training:
            vectors = _unit(keras.random.normal(vectors.shape, seed=self.generator))
        # The row (0, …, 0, 1) appended to the matrix moves nothing.
        identity = np.eye(self.rows, self.columns, dtype="float32")
        moved = ops.einsum("nrc,pc->npr", self.matrix(control) - identity, vectors)
        squares = ops.sum(ops.square(moved), axis=-1)
        # The root has no slope at 0, where a transformer that was set to the identity starts.
        distance = ops.sqrt(ops.maximum(squares, 1e-24))
        return -ops.mean(control * distance)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that rebuild the layer.

        Returns
        -------
        dict of str to object
            For `from_config`.
        """
        names = ("control_dim", "hidden_units", "resample_vectors", "seed")
        config: dict[str, Any] = super().get_config()
        return config | {name: getattr(self, name) for name in names}


@keras.saving.register_keras_serializable("itn")
class SpatialTransformer(_Transformer):
    """Warp pictures by an affine matrix that a control vector α steers.

    ``A(α) = reshape(W2 relu(W1 α + b1) + b2)``, 2 x 3, maps where a pixel is written to where it
    is read, in coordinates that run from -1 to 1 over the picture, x right and y down. b2 starts
    as the identity.

    Parameters
    ----------
    control_dim : int
        Length p of α.
    hidden_units : int, default 32
        Width of the first dense layer.
    fill : {"zeros", "edge", "reflect", "mean"}, default "zeros"
        What lies outside a picture, see `itn.warp.affine_warp`.
    exponential : bool, default False
        Whether the six numbers are a generator G and A the upper rows of exp(G), which can
        neither mirror nor collapse; b2 then starts at 0.
    determinant_floor : float or None, default None
        Least share, in (0, 1], of its area to which the picture, or the part of it that is
        seen, may shrink: the linear part of A is rescaled until |det A| is between this and its
        inverse.
    resample_vectors : bool, default False
        Whether the unit vectors of the loss are drawn anew at every training step.
    seed : int, default 0
        Seed of the weights and vectors.
    **kwargs
        As for `keras.layers.Layer`.

    Examples
    --------
    >>> layer = SpatialTransformer(2)
    >>> images, alpha = np.ones((1, 8, 8, 3), "float32"), np.zeros((1, 2), "float32")
    >>> layer(images, alpha).shape, np.asarray(layer.matrix(alpha))[0].round(6).tolist()
    (TensorShape([1, 8, 8, 3]), [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    """

    rows, columns = 2, 3

    def __init__(
        self,
        control_dim: int,
        hidden_units: int = 32,
        *,
        fill: str = "zeros",
        exponential: bool = False,
        determinant_floor: float | None = None,
        **kwargs: Any,
    ) -> None:
        check_fill(fill)
        if determinant_floor is not None and not 0 < determinant_floor <= 1:
            raise UsageError(
                f"determinant_floor must be in (0, 1] or None, got {determinant_floor}"
            )
        super().__init__(control_dim, hidden_units, **kwargs)
        self.fill, self.exponential, self.determinant_floor = fill, exponential, determinant_floor
        self.starts_at = np.zeros((2, 3)) if exponential else np.eye(2, 3)

    def matrix(self, control: Tensor) -> Tensor:
        """Return the matrices A(α).

        Parameters
        ----------
        control : tensor [N, p], in [0, 1]
            Control vectors α.

        Returns
        -------
        tensor [N, 2, 3]
            Where to read, in coordinates from -1 to 1.
        """
        matrix = super().matrix(control)
        if self.exponential:
            matrix = affine_exponential(matrix)
        if self.determinant_floor is not None:
            linear = matrix[:, :, :2]
            area = ops.abs(
                linear[:, 0, 0] * linear[:, 1, 1] - linear[:, 0, 1] * linear[:, 1, 0]
            )  # [N]
            area = ops.maximum(area, 1e-12)
            kept = ops.clip(area, self.determinant_floor, 1 / self.determinant_floor)
            linear = linear * ops.sqrt(kept / area)[:, None, None]
            matrix = ops.concatenate([linear, matrix[:, :, 2:]], axis=-1)
        return matrix

    def call(self, images: Tensor, control: Tensor) -> Tensor:
        """Warp each picture by the matrix of its control vector.

        Parameters
        ----------
        images : tensor [N, H, W, C]
            Pictures.
        control : tensor [N, p], in [0, 1]
            Control vectors α.

        Returns
        -------
        tensor [N, H, W, C]
            Warped pictures.
        """
        return affine_warp(images, in_pixels(self.matrix(control), images.shape), self.fill)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that rebuild the layer.

        Returns
        -------
        dict of str to object
            For `from_config`.
        """
        names = ("fill", "exponential", "determinant_floor")
        return super().get_config() | {name: getattr(self, name) for name in names}


@keras.saving.register_keras_serializable("itn")
class ColorTransformer(_Transformer):
    """Multiply colors by a matrix that a control vector β steers.

    ``C(β) = reshape(W2 relu(W1 β + b1) + b2)``, 3 x 4, acts on the homogeneous color
    ``(R, G, B, 1)``, so that shifts of brightness are included. b2 starts as the identity.

    Parameters
    ----------
    control_dim : int
        Length q of β.
    hidden_units : int, default 32
        Width of the first dense layer.
    resample_vectors : bool, default False
        Whether the unit vectors of the loss are drawn anew at every training step.
    seed : int, default 0
        Seed of the weights and vectors.
    **kwargs
        As for `keras.layers.Layer`.

    Examples
    --------
    >>> layer = ColorTransformer(2)
    >>> images, beta = np.full((1, 2, 2, 3), 0.5, "float32"), np.zeros((1, 2), "float32")
    >>> np.asarray(layer(images, beta))[0, 0, 0].tolist()
    [0.5, 0.5, 0.5]
    """

    rows, columns = 3, 4
    starts_at = np.eye(3, 4)

    def call(self, images: Tensor, control: Tensor) -> Tensor:
        """Recolor each picture by the matrix of its control vector.

        Parameters
        ----------
        images : tensor [N, H, W, 3]
            RGB pictures.
        control : tensor [N, q], in [0, 1]
            Control vectors β.

        Returns
        -------
        tensor [N, H, W, 3]
            Recolored pictures, not clipped.
        """
        return recolor(images, self.matrix(control))


def recolor(images: Tensor, matrix: Tensor) -> Tensor:
    """Multiply the homogeneous colors of pictures by a matrix.

    Parameters
    ----------
    images : tensor [N, H, W, 3]
        RGB pictures.
    matrix : tensor [N, 3, 4]
        One matrix for each picture; its last column is added.

    Returns
    -------
    tensor [N, H, W, 3]
        ``C [R, G, B, 1]`` at every pixel, not clipped.

    Examples
    --------
    >>> images = np.array([[[[0.25, 0.5, 0.75]]]], "float32")
    >>> matrix = np.array([[[0, 0, 1, 0], [0, 1, 0, 0], [1, 0, 0, 0.5]]], "float32")
    >>> np.asarray(recolor(images, matrix)).ravel().tolist()  # red and blue swap, blue is raised
    [0.75, 0.5, 0.75]
    """
    columns = ops.convert_to_tensor(matrix)[:, None, None]  # [N, 1, 1, 3, 4]
    # One product for each channel that is read is faster than a product of 3 x 3 a pixel.
    recolored = sum(images[..., i : i + 1] * columns[..., i] for i in range(3))
    return recolored + columns[..., 3]


def affine_exponential(generator: Tensor) -> Tensor:
    """Return the affine part of the matrix exponential, by scaling and squaring.

    Parameters
    ----------
    generator : tensor [N, 2, 3]
        The upper rows of G; its last row is 0.

    Returns
    -------
    tensor [N, 2, 3]
        The upper rows of exp(G), whose last row is (0, 0, 1). Its determinant is positive:
        det exp(G) = exp(trace G).

    Examples
    --------
    >>> np.asarray(affine_exponential(np.array([[[0, 0, 3], [0, 0, 4]]], "float32"))).tolist()
    [[[1.0, 0.0, 3.0], [0.0, 1.0, 4.0]]]
    """
    step = ops.pad(ops.convert_to_tensor(generator) / 2**SQUARINGS, ((0, 0), (0, 1), (0, 0)))
    identity = ops.eye(3, dtype=step.dtype)
    power = identity
    for term in range(TERMS, 0, -1):  # Horner's scheme of the Taylor series
        power = identity + ops.matmul(step, power) / term
    for _ in range(SQUARINGS):
        power = ops.matmul(power, power)
    return power[:, :2]


def in_pixels(matrix: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Convert affine matrices from coordinates that run from -1 to 1 to pixels.

    Parameters
    ----------
    matrix : tensor or ndarray [..., 2, 3]
        In coordinates of which 1 is half the width, or half the height.
    shape : tuple of int
        Shape ``[N, H, W, C]`` of the pictures.

    Returns
    -------
    tensor or ndarray [..., 2, 3]
        For `itn.warp.affine_warp`.

    Examples
    --------
    >>> in_pixels(np.array([[1.0, 0.5, 1.0], [0, 1, 0]]), (1, 10, 20, 3)).tolist()
    [[1.0, 1.0, 10.0], [0.0, 1.0, 0.0]]
    """
    height, width = shape[1:3]
    factors = [[1, width / height, width / 2], [height / width, 1, height / 2]]
    return matrix * np.array(factors, "float32")


@keras.saving.register_keras_serializable("itn")
class InvariantTransformerNet(keras.Model):
    """A frozen classifier behind a spatial and a color transformer.

    Give it pictures, and it draws the control vectors: anew at every step of training, and
    always the same ones otherwise. Or give it ``{"images": …, "alpha": …, "beta": …}``. What
    comes out are the classifier's logits for the transformed pictures; the transformed pictures
    themselves are ``net.transformers.predict`` of such a dictionary.

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
        By how much the accuracy of a batch has to exceed the required one for a step outward. A
        few pictures are a noisy witness: with 0, the accuracy comes to hover below the required
        one.
    hidden_units : int, default 32
        Width of the transformers' first dense layer.
    fill, exponential, determinant_floor
        As for `SpatialTransformer`.
    resample_vectors : bool, default False
        Whether the unit vectors of the losses are drawn anew at every training step.
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
    ``L_S + λ L_C``, see `SpatialTransformer.displacement_loss`. Logged for every training step,
    each for its own batch: ``cross_entropy``, ``spatial_loss``, ``color_loss``,
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
        hidden_units: int = 32,
        fill: str = "zeros",
        exponential: bool = False,
        determinant_floor: float | None = None,
        resample_vectors: bool = False,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if required_accuracy is not None and not 0 < required_accuracy <= 1:
            raise UsageError(f"required_accuracy must be in (0, 1], got {required_accuracy}")
        for what, given in (("color_weight", color_weight), ("gate_margin", gate_margin)):
            if not (np.isfinite(given) and given >= 0):
                raise UsageError(f"{what} must be a number ≥ 0, got {given}")
        seeds = [int(each) for each in np.random.SeedSequence(seed).generate_state(3)]
        common: dict[str, Any] = {
            "hidden_units": hidden_units,
            "resample_vectors": resample_vectors,
        }
        spatial_options: dict[str, Any] = {
            "fill": fill,
            "exponential": exponential,
            "determinant_floor": determinant_floor,
        }
        self.options = {
            "spatial_dim": spatial_dim,
            "color_dim": color_dim,
            "color_weight": color_weight,
            "required_accuracy": required_accuracy,
            "gate_margin": gate_margin,
            "seed": seed,
            **common,
            **spatial_options,
        }
        self.classifier, self.network = classifier, classifier.network
        self.network.trainable = False
        self.color_weight, self.gate_margin = float(color_weight), float(gate_margin)
        self.seed = int(seed)
        self.spatial = SpatialTransformer(
            spatial_dim, name="spatial", seed=seeds[0], **common, **spatial_options
        )
        self.color = ColorTransformer(color_dim, name="color", seed=seeds[1], **common)
        size = classifier.input_size
        inputs = {
            "images": keras.Input((size, size, 3), name="images"),
            "alpha": keras.Input((spatial_dim,), name="alpha"),
            "beta": keras.Input((color_dim,), name="beta"),
        }
        warped = self.spatial(inputs["images"], inputs["alpha"])
        self.transformers = keras.Model(
            inputs, self.color(warped, inputs["beta"]), name="transformers"
        )
        # Nobody asks for the gradient of the pictures, whose scattering would take long.
        self._prepare = fused(
            lambda images, alpha, beta: classifier.preprocess(
                self.color(self.spatial(ops.stop_gradient(images), alpha), beta)
            )
        )
        self.required_accuracy = self.add_weight(
            name="required_accuracy",
            initializer=keras.initializers.Constant(required_accuracy or np.nan),
            trainable=False,
        )
        self.draws = keras.random.SeedGenerator(seeds[2], name="draws")
        self._own_metrics = [
            keras.metrics.Mean(name=name)
            for name in ("cross_entropy", "spatial_loss", "color_loss", "batch_accuracy", "outward")
        ]
        self.built = True  # all its parts are

    def draw_controls(self, count: int, seed: Any) -> tuple[Tensor, Tensor]:
        """Draw control vectors, uniform on [0, 1].

        Parameters
        ----------
        count : int
            Number N of vectors of each kind.
        seed : int or keras.random.SeedGenerator
            Seed.

        Returns
        -------
        alpha : tensor [N, p]
            For the spatial transformer.
        beta : tensor [N, q]
            For the color transformer.
        """
        alpha_dim, beta_dim = self.spatial.control_dim, self.color.control_dim
        both = keras.random.uniform((count, alpha_dim + beta_dim), seed=seed)
        return both[:, :alpha_dim], both[:, alpha_dim:]

    def call(self, inputs: Tensor | Mapping[str, Tensor], training: bool = False) -> Tensor:
        """Transform pictures and classify them.

        Parameters
        ----------
        inputs : tensor [N, H, W, 3], or dict with the keys "images", "alpha" and "beta"
            Pictures in [0, 1], with control vectors [N, p] and [N, q] or without.
        training : bool, default False
            Whether control vectors that are not given are drawn anew.

        Returns
        -------
        tensor [N, K]
            Logits of the classifier, which itself is never in training mode.
        """
        if not isinstance(inputs, Mapping):
            seed = self.draws if training else self.draws._initial_seed
            alpha, beta = self.draw_controls(ops.shape(inputs)[0], seed)
            inputs = {"images": inputs, "alpha": alpha, "beta": beta}
        prepared = self._prepare(inputs["images"], inputs["alpha"], inputs["beta"])
        # For `compute_loss`, which follows in the same step.
        self._displacement_losses = (
            self.spatial.displacement_loss(inputs["alpha"], training),
            self.color.displacement_loss(inputs["beta"], training),
        )
        return self.network(prepared, training=False)

    def compute_loss(
        self,
        x: Any = None,
        y: Tensor = None,
        y_pred: Tensor = None,
        sample_weight: Tensor = None,
        training: bool = True,
    ) -> Tensor:
        """Choose the loss of a batch by its accuracy.

        Parameters
        ----------
        x : object
            Not used.
        y : tensor [N] or [N, 1], int
            Labels: indices of logits.
        y_pred : tensor [N, K]
            Logits.
        sample_weight : None
            Not supported.
        training : bool, default True
            Whether the logged numbers are those of this batch, or means since they were reset.

        Returns
        -------
        tensor, a number
            Cross-entropy, or ``L_S + λ L_C`` where the accuracy is at least the required one.
        """
        if sample_weight is not None:
            raise UsageError("an InvariantTransformerNet takes no weights of samples or classes")
        labels = ops.cast(ops.reshape(y, (-1,)), "int32")
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
        """Prepare for training.

        Parameters
        ----------
        optimizer : str or keras.optimizers.Optimizer, default "adam"
            Changes the transformers' weights.
        **kwargs
            As for `keras.Model.compile`, but without a loss: that is the model's own. On
            TensorFlow XLA compiles the transformers and nothing else, unless that is asked for.
        """
        if kwargs.get("loss") is not None:
            raise UsageError("an InvariantTransformerNet has a loss of its own, leave it out")
        if kwargs.get("jit_compile", "auto") == "auto":
            kwargs["jit_compile"] = keras.backend.backend() != "tensorflow"
        super().compile(optimizer, **kwargs)

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Prepare for training as a model that was saved.

        Parameters
        ----------
        config : dict of str to object
            What `compile` was given.
        """
        self.compile(**keras.saving.deserialize_keras_object(config))
        self.optimizer.build(self.trainable_variables)

    def fit(self, x: Any = None, y: Any = None, **kwargs: Any) -> keras.callbacks.History:
        """Train the transformers, after checking that this can work.

        Parameters
        ----------
        x, y : arrays, or x alone a keras.utils.PyDataset of batches
            Pictures [N, H, W, 3] in [0, 1], or a dictionary of them with control vectors, and
            their labels [N], indices of the classifier's logits.
        **kwargs
            As for `keras.Model.fit`.

        Returns
        -------
        keras.callbacks.History
            What was logged at the end of each epoch.

        Raises
        ------
        UsageError
            If the pictures have another size, labels are out of range, or the required accuracy
            is above that of the classifier on these pictures.
        """
        data = x if y is None else [(x, y)]
        if not isinstance(data, list | keras.utils.PyDataset):
            raise UsageError(f"fit takes arrays or a keras.utils.PyDataset, got {type(x).__name__}")
        self.check(data)
        return super().fit(x, y, **kwargs)

    def check(self, data: Sequence[tuple[Any, Any]] | keras.utils.PyDataset) -> float:
        """Refuse what cannot be trained on, and choose the required accuracy if none was given.

        Parameters
        ----------
        data : sequence of (pictures, labels), or keras.utils.PyDataset
            Batches as for `fit`.

        Returns
        -------
        float
            The classifier's accuracy on the untouched pictures.

        Raises
        ------
        UsageError
            As `fit`.
        """
        hits = count = 0
        count_of_batches = len(data) if isinstance(data, Sequence) else data.num_batches
        for images, labels in (data[index] for index in range(count_of_batches)):
            images = images["images"] if isinstance(images, Mapping) else images
            labels = np.asarray(labels).reshape(-1)
            self.classifier.check_size(images.shape)
            classes = len(self.classifier.class_names)
            if len(labels) and not (labels.min() >= 0 and labels.max() < classes):
                raise UsageError(
                    f"labels must be from 0 to {classes - 1}, {self.classifier.name}'s classes, "
                    f"got {labels.min()} to {labels.max()}"
                )
            right = self.classifier.predict(np.asarray(images)).argmax(axis=1) == labels
            hits, count = hits + int(right.sum()), count + len(labels)
        clean = hits / max(count, 1)
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
        """Return the arguments that rebuild the model, its classifier among them.

        Returns
        -------
        dict of str to object
            For `from_config`.

        Raises
        ------
        UsageError
            If the classifier's preprocessing is not a function registered with Keras.
        """
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
        """Rebuild a model.

        Parameters
        ----------
        config : dict of str to object
            From `get_config`.
        custom_objects : dict of str to object, optional
            As for `keras.Model.from_config`.

        Returns
        -------
        InvariantTransformerNet
            With untrained weights.
        """
        described = dict(config["classifier"])
        for name in ("network", "preprocess"):
            described[name] = keras.saving.deserialize_keras_object(
                described[name], custom_objects=custom_objects
            )
        return cls(**config | {"classifier": Classifier(**described)})


def _unit(vectors: Tensor) -> Tensor:
    return vectors / ops.sqrt(ops.sum(ops.square(vectors), axis=-1, keepdims=True))
