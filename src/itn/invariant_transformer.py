"""Strategy 2, the Invariant Transformer Net: learned transformations that a classifier lets pass.

Before a frozen classifier stand a spatial and a color transformer. Each turns a control vector,
α and β in [0, 1], into a matrix by two dense layers. They are trained to move pictures as far as
possible while the classifier's accuracy holds, or its consistency, or the divergence of its
softmax, see `itn.gates`.

Beyond the paper, each an option that is off by default: motions in closed form (`itn.motions`), a
third transformer that filters (`itn.transformer_layers.KernelTransformer`), and transformations
that depend on the picture (`itn.picture_encoder`).

References
----------
Bunne, Rahmann, Wolf (2018), section 3.4; its formulas are our reading of its prose.
Jaderberg, Simonyan, Zisserman, Kavukcuoglu (2015), Spatial Transformer Networks.
"""

import inspect
import itertools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

from itn.classifiers import Classifier
from itn.engines import fused
from itn.gates import (
    MULTIPLIER,
    STEP_LOGS,
    check_references,
    checked_level,
    loss_by_divergence,
    loss_by_share,
    referenced,
)
from itn.keras_settings import check_training
from itn.labeled_batches import as_arrays, check_labels, first, peeked
from itn.messages import UsageError, real_number, shown, whole_number
from itn.picture_encoder import PictureEncoder
from itn.picture_files import Images
from itn.transformer_layers import ColorTransformer, KernelTransformer, SpatialTransformer
from itn.warp import Tensor

ACCURACY_SHARE = 0.95  # of the clean accuracy: what is required by default
ENCODED_AT_ONCE = 64  # pictures


@keras.saving.register_keras_serializable("itn")
class InvariantTransformerNet(keras.Model):
    """A frozen classifier behind a spatial and a color transformer.

    Give it pictures, and it chooses the control vectors: drawn anew for every picture and step
    in training, otherwise all values 1/2, the middle of the family, so that what it says of
    a picture does not depend on the others. Or give it ``{"images": …, "alpha": …, "beta": …}``,
    and ``"gamma"`` where there are kernels, with vectors of your own, e.g. from `draw_controls`.
    What comes out are the classifier's logits for the transformed pictures; these themselves are
    ``net.transformers.predict`` of such a dictionary. The transformers compute in float32,
    whatever policy Keras is set to.

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
        Likewise of a consistency that is held.
    hold : {"accuracy", "consistency", "divergence"}, default "accuracy"
        What bounds a step outward: the accuracy, as in the paper; the consistency, the share of
        pictures whose class is that of the untouched ones; or the divergence from the softmax of
        the untouched pictures to that of the moved ones. The last two need no labels.
    level : float, optional
        c₀, the consistency below which the cross-entropy against the class of the untouched
        picture is minimized, in (0, 1], by default 0.95; or d₀, the divergence in nats that a
        learned multiplier bounds, above 0, by default 0.1. An accuracy has `required_accuracy`.
    fill : {"zeros", "edge", "reflect", "mean"}, default "zeros"
        What lies outside a picture, see `itn.affine_warp`.
    motion : {"free", "affine", "similarity", "rigid", "turn"}, default "free"
        What the spatial dense layers say: the six entries of A, as in the paper, or turn, scale,
        shear and shift of the content, as far as there are some, of which A follows in closed form
        (`itn.motions`). The families of all but the first are parts of groups of transformations.
    kernel_dim : int, default 0
        Length r of a third control vector γ. If it is not 0, a third transformer, between the
        spatial and the color one, filters each color channel by a k x k kernel K(γ), see
        `itn.transformer_layers.KernelTransformer`.
    kernel_size : {3, 5}, default 3
        k, pixels.
    kernel_keeps_sum : bool, default True
        Whether the sum of each kernel stays 1, so that the color of even surfaces stays.
    kernel_weight : float, default 1
        μ, how much the kernels' loss counts beside the spatial one.
    picture_features : int, default 0
        Number F of features in [-1, 1] that a small encoder (`itn.picture_encoder`) reads off each
        picture. They are joined to α, β and γ before the dense layers, so that the transformations
        depend on the picture: A(α, f(I)). With 0 they do not, and there is no encoder.
    seed : int, default 0
        Seed of the transformers, the encoder and the control vectors.
    **kwargs
        As for `keras.Model`.

    Attributes
    ----------
    transformers : keras.Model
        ``{"images", "alpha", "beta"}``, and ``"gamma"`` where there are kernels -> transformed
        pictures; its weights are all that is trained.
    spatial, color, kernel : SpatialTransformer, ColorTransformer, KernelTransformer or None
        Its layers.
    encoder : PictureEncoder or None
        What reads the features off the pictures.
    step_logs : tuple of str
        What is logged at each step.
    multiplier : keras.Variable
        ν, learned where a divergence is held; where not, there is none.
    options : dict of str to object
        The arguments.

    Raises
    ------
    UsageError
        For a dimension below 1 or an option out of its range.

    Notes
    -----
    Each step minimizes the cross-entropy if the accuracy of the batch is below a₀, otherwise
    ``L_S + λ L_C``, with kernels ``L_S + λ L_C + μ L_K``. ``L_S = -1/p Σ_i α_i ‖Â(α) v_i - v_i‖``,
    where Â is the spatial matrix with the row (0, 0, 1) and v_i are random unit vectors; L_C
    likewise with β and the colors, L_K with γ and patches of k x k pixels. What is logged is each
    step's own: ``cross_entropy``, ``spatial_loss``, ``color_loss``, ``batch_accuracy``,
    ``outward``, 1 where the second branch was taken, and ``kernel_loss`` where there are kernels.
    What the other two holds minimize and log, say `itn.gates` and its ``STEP_LOGS``.

    Examples
    --------
    >>> network = keras.Sequential(
    ...     [keras.Input((8, 8, 3)), keras.layers.GlobalAveragePooling2D()]
    ... )
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
        hold: str = "accuracy",
        level: float | None = None,
        fill: str = "zeros",
        motion: str = "free",
        kernel_dim: int = 0,
        kernel_size: int = 3,
        kernel_keeps_sum: bool = True,
        kernel_weight: float = 1.0,
        picture_features: int = 0,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        given, known = locals(), inspect.signature(InvariantTransformerNet.__init__).parameters
        options = {n: given[n] for n, each in known.items() if each.default is not each.empty}
        super().__init__(**{"dtype": "float32"} | kwargs)
        asked = 1 if required_accuracy is None else required_accuracy
        if not 0 < real_number(asked, "required_accuracy") <= 1:
            raise UsageError(f"required_accuracy must be in (0, 1], got {required_accuracy}")
        for what in ("color_weight", "gate_margin", "kernel_weight"):
            options[what] = real_number(options[what], what, 0)
        counts = ("kernel_dim", "kernel_size", "picture_features", "seed")
        for what in ("spatial_dim", "color_dim", *counts):  # plain, as JSON can hold them
            options[what] = whole_number(options[what], what)
        for what in counts:
            if options[what] < 0:
                raise UsageError(f"{what} must not be negative, got {shown(options[what])}")
        options["kernel_keeps_sum"] = bool(kernel_keeps_sum)
        options["level"] = checked_level(hold, level, required_accuracy, gate_margin)
        # However many are drawn, the first are the same.
        seeds = [int(each) for each in np.random.SeedSequence(seed).generate_state(5)]
        self.options: dict[str, Any] = options
        self.classifier, self.network = classifier, classifier.network
        self.network.trainable = False
        self.color_weight, self.gate_margin = float(color_weight), float(gate_margin)
        self.kernel_weight, self.seed = float(kernel_weight), int(seed)
        self.hold, self.level = hold, options["level"]
        self._make_layers(seeds)
        size = classifier.input_size
        shapes: dict[str, tuple[int, ...]] = {"images": (size, size, 3)}
        shapes |= {name: (layer.control_dim,) for name, layer in self._steered.items()}
        inputs = {
            name: keras.Input(shape, dtype="float32", name=name) for name, shape in shapes.items()
        }
        images, *controls = inputs.values()
        moved = self._moved(images, *self._joined(images, controls))
        self.transformers = keras.Model(inputs, moved, name="transformers")
        self._prepare = self._compiled_parts()
        self.required_accuracy = self.add_weight(
            name="required_accuracy",
            initializer=keras.initializers.Constant(required_accuracy or np.nan),
            trainable=False,
        )
        if hold == "divergence":  # last, so that files of other nets stay as they are
            self.multiplier = self.add_weight(
                name="multiplier",
                initializer=keras.initializers.Constant(MULTIPLIER),
                trainable=False,
            )
        self.draws = keras.random.SeedGenerator(seeds[2], name="draws")
        self.step_logs = (
            STEP_LOGS[hold] if self.kernel is None else (*STEP_LOGS[hold], "kernel_loss")
        )
        self._own_metrics = [keras.metrics.Mean(name=name) for name in self.step_logs]
        self.built = True  # all its parts are

    def _make_layers(self, seeds: list[int]) -> None:
        """Make the transformers, and the encoder, of which there may be none."""
        options = self.options
        common = {"feature_dim": options["picture_features"]}
        warps = common | {"fill": options["fill"]}
        self.spatial = SpatialTransformer(
            options["spatial_dim"], name="spatial", seed=seeds[0],
            motion=options["motion"], **warps,
        )  # fmt: skip
        self.color = ColorTransformer(options["color_dim"], name="color", seed=seeds[1], **common)
        self.kernel = self.encoder = None
        if options["kernel_dim"]:
            self.kernel = KernelTransformer(
                options["kernel_dim"], name="kernel", seed=seeds[3], size=options["kernel_size"],
                keep_sum=options["kernel_keeps_sum"], **warps,
            )  # fmt: skip
        if options["picture_features"]:
            self.encoder = PictureEncoder(
                options["picture_features"], name="encoder", seed=seeds[4]
            )

    def _compiled_parts(self) -> Callable[..., Tensor]:
        """Return what makes of pictures and control vectors what the network expects.

        Nobody asks for the gradient of the pictures, whose scattering would take long.
        """
        preprocess, still = self.classifier.preprocess, ops.stop_gradient
        kernel = self.kernel
        if kernel is None and self.spatial.motion == "free":
            return fused(lambda images, *own: preprocess(self._moved(still(images), *own)))
        # In one piece XLA would compute sines for each pixel, and a warp for each that a kernel
        # reads, anew.
        warp = fused(lambda images, matrix: self.spatial.warped(still(images), matrix))
        apply = None if kernel is None else fused(kernel.filtered)
        recolor = fused(lambda images, beta: preprocess(self.color(images, beta)))

        def prepare(images: Tensor, alpha: Tensor, beta: Tensor, *gamma: Tensor) -> Tensor:
            images = warp(images, self.spatial.matrix(alpha))
            if kernel is not None and apply is not None:
                images = apply(images, kernel.kernels(*gamma))
            return recolor(images, beta)

        return prepare

    @property
    def _steered(self) -> dict[str, Any]:
        """What each control vector steers."""
        all_of = {"alpha": self.spatial, "beta": self.color, "gamma": self.kernel}
        return {name: layer for name, layer in all_of.items() if layer is not None}

    def _joined(self, images: Tensor, controls: Iterable[Tensor]) -> list[Tensor]:
        """Put what the encoder sees in pictures behind their control vectors."""
        if self.encoder is None:
            return list(controls)
        features = self.encoder(images)
        return [ops.concatenate([ops.cast(c, "float32"), features], axis=-1) for c in controls]

    def _moved(self, images: Tensor, alpha: Tensor, beta: Tensor, *gamma: Tensor) -> Tensor:
        moved = self.spatial(images, alpha)
        if self.kernel is not None:
            moved = self.kernel(moved, *gamma)
        return self.color(moved, beta)

    def draw_controls(self, count: int, seed: Any) -> tuple[Tensor, ...]:
        """Draw control vectors α [N, p] and β [N, q], N of each kind, uniform on [0, 1].

        With kernels γ [N, r] comes third.
        """
        ends = np.cumsum([layer.control_dim for layer in self._steered.values()]).tolist()
        drawn = keras.random.uniform((count, ends[-1]), dtype="float32", seed=seed)
        return tuple(drawn[:, a:b] for a, b in itertools.pairwise([0, *ends]))

    def matrices(
        self, alpha: Tensor, beta: Tensor, *, images: Images | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the spatial and color matrices [N, 2, 3] and [N, 3, 4] of control vectors.

        Where they depend on the pictures, too, these are asked for, one for each.
        """
        alpha, beta = self._with_features(images, (alpha, beta))
        spatial, color = self.spatial.matrix(alpha), self.color.matrix(beta)
        return np.asarray(spatial, float), np.asarray(color, float)

    def kernels(self, gamma: Tensor, *, images: Images | None = None) -> np.ndarray:
        """Return the kernels [N, 3, k, k] of control vectors, as `matrices` does."""
        if self.kernel is None:
            raise UsageError("this net has no kernels: give it a kernel_dim")
        (gamma,) = self._with_features(images, (gamma,))
        return np.asarray(self.kernel.kernels(gamma), float)

    def _with_features(self, images: Images | None, controls: Iterable[Tensor]) -> list[Tensor]:
        """Do what `_joined` does for pictures that need not all be in memory."""
        controls = list(controls)
        if self.encoder is None:
            return controls
        if images is None or len(images) != len(controls[0]):
            found = "none" if images is None else f"{len(images)} of them"
            raise UsageError(
                f"the matrices depend on the pictures: {len(controls[0])} control vectors need as "
                f"many images, got {found}"
            )
        features = [
            np.asarray(self.encoder(images[start : start + ENCODED_AT_ONCE]))
            for start in range(0, len(images), ENCODED_AT_ONCE)
        ]
        return [np.concatenate([c, np.concatenate(features)], axis=1) for c in controls]

    def call(self, inputs: Tensor | Mapping[str, Tensor], training: bool = False) -> Tensor:
        """Transform pictures and classify them."""
        given = inputs if isinstance(inputs, Mapping) else {"images": inputs}
        images = given["images"]
        count = ops.shape(images)[0]
        layers = self._steered
        if training:
            controls = list(self.draw_controls(count, self.draws))
        else:
            controls = [
                ops.full((count, layer.control_dim), 0.5, dtype="float32")
                for layer in layers.values()
            ]
        controls = [given.get(name, own) for name, own in zip(layers, controls, strict=True)]
        controls = self._joined(images, controls)
        # For `compute_loss`, which follows in the same step.
        self._displacement_losses = [
            layer.displacement_loss(own)
            for layer, own in zip(layers.values(), controls, strict=True)
        ]
        prepared = self._prepare(images, *controls)
        return ops.cast(self.network(prepared, training=False), "float32")

    def compute_loss(
        self,
        x: Any = None,
        y: Tensor = None,
        y_pred: Tensor = None,
        sample_weight: Tensor = None,
        training: bool = True,
    ) -> Tensor:
        """Choose the loss of a batch by what is held, see `itn.gates`.

        For an accuracy y holds labels, indices of logits [N] or [N, 1] or one-hot [N, K];
        otherwise the softmax [N, K] of the untouched pictures.
        """
        if sample_weight is not None:
            raise UsageError("an InvariantTransformerNet takes no weights of samples or classes")
        spatial_loss, color_loss, *kernel_loss = self._displacement_losses
        farther = spatial_loss + self.color_weight * color_loss
        for each in kernel_loss:  # of which there may be none
            farther = farther + self.kernel_weight * each
        if self.hold == "divergence":
            loss, logged = loss_by_divergence(y, y_pred, farther, self.multiplier, self.level)
            if training:
                self.multiplier.assign(logged["multiplier"])
        else:
            level = self.required_accuracy if self.level is None else self.level
            required = level + self.gate_margin
            loss, logged = loss_by_share(self.hold, y, y_pred, farther, required)
        logged |= {"spatial_loss": spatial_loss, "color_loss": color_loss}
        logged |= dict(zip(["kernel_loss"], kernel_loss, strict=False))
        for metric in self._own_metrics:
            if training:  # each step's own value, no mean over the epoch until here
                metric.reset_state()
            metric.update_state(logged[metric.name])
        return loss

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
            Where consistency or divergence is held, there are no labels: pictures alone, or
            batches of (pictures, ``classifier.predict(pictures)``).
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
        if self.hold != "accuracy":
            return self._fit_to_references(given)
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

    def _fit_to_references(self, given: inspect.BoundArguments) -> Any:
        """Train without labels; the classifier looks at the untouched pictures once, ahead."""
        options = given.arguments
        if isinstance(x := options["x"], Mapping | list | tuple) or hasattr(x, "shape"):
            options["x"], options["y"] = referenced(self.classifier, x, options.get("y"))
        else:
            options["x"], batches = peeked(x, options.get("steps_per_epoch"))
            if not isinstance(x, keras.utils.PyDataset):
                options.setdefault("shuffle", False)  # Keras cannot, and says so
            check_references(self.classifier, batches)
        if isinstance(judged := options.get("validation_data"), tuple | list):
            options["validation_data"] = referenced(self.classifier, *judged[:2])
        return super().fit(*given.args, **given.kwargs)

    def check(self, batches: Iterable[Any]) -> float:
        """Refuse what cannot be trained on, and choose the required accuracy if none was given.

        Takes batches of (pictures, labels) as for `fit`, and returns the classifier's accuracy on
        the untouched pictures. Before the first training the encoder learns from them how pictures
        are distributed.
        """
        hits = count = 0
        seen: list[np.ndarray] = []
        for batch in batches:
            if not isinstance(batch, tuple | list) or len(batch) < 2:
                raise UsageError("fit needs labels: give y, or batches of (pictures, labels)")
            images, labels = check_labels(self.classifier, *batch[:2])
            right = self.classifier.predict(images).argmax(axis=1) == labels
            if self.encoder is not None and not self.encoder.is_adapted:
                seen.append(np.asarray(self.encoder.pooled(images)))
            hits, count = hits + int(right.sum()), count + len(labels)
        if not count:
            raise UsageError("there are no pictures to learn from")
        clean = hits / count
        required = float(self.required_accuracy.value)
        chosen = np.isnan(required)
        if chosen:
            required = ACCURACY_SHARE * clean
        if not 0 < required <= clean:
            raise UsageError(
                f"the required accuracy {required:.3g} is not in (0, {clean:.3g}]: "
                f"{self.classifier.name} gets {clean:.3g} of the untouched pictures right"
            )
        if chosen:
            self.required_accuracy.assign(required)
        if self.encoder is not None and seen:
            self.encoder.adapt(np.concatenate(seen))
        return clean

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that rebuild the model, its classifier among them."""
        preprocess = self.classifier.preprocess
        named = preprocess if hasattr(preprocess, "__name__") else type(preprocess)
        if keras.saving.get_registered_name(named) == named.__name__:
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
