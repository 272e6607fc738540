"""What an ideal observer says of the phantom's critical pairs, in closed form."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from itn.messages import unknown
from itn.phantom.objects import PHANTOM_PAIRS, SIZE, PhantomPair
from itn.transformations import find_transformation


def bayes_softmax(
    name: str, magnitudes: float | Sequence[float] | npt.NDArray[np.float64], size: int = SIZE
) -> npt.NDArray[np.float64]:
    r"""Return the mean softmax of the true class that an ideal observer of a pair would have.

    The classes :math:`k = 0, 1` are equally frequent and differ in the distribution of one
    parameter alone, :math:`\theta \sim N(\mu_k, \sigma^2)`. The observer knows this, reads
    :math:`\theta` off the picture without error, and knows nothing of transformations. Neglected
    is what cannot be drawn: an object beyond the border, a level or variance below the least
    possible, 3.6 σ and more from its mean. All other nuisances have the same distribution in
    both classes and cancel, so by Bayes' rule

    .. math:: p(k \mid \theta) = \Bigl[1 + \exp\Bigl(
        -\frac{\mu_k - \mu_j}{\sigma^2}\Bigl(\theta - \frac{\mu_k + \mu_j}{2}\Bigr)
        \Bigr)\Bigr]^{-1}, \qquad j = 1 - k.

    A transformation of magnitude :math:`m` moves the parameter to :math:`t_m(\theta)`:

    ============================================  =========================================
    :math:`\theta + m`                            rotation, translation, brightness
    :math:`\theta + \log_2 m`                     zoom, contrast (:math:`\theta` in octaves)
    :math:`(1 - m)\,\theta`                       grayscale (chroma relative to luminance)
    :math:`\theta + m^2`                          blur, noise (:math:`\theta` is a variance)
    ============================================  =========================================

    and what is returned is :math:`\int p(k \mid t_m(\mu_k + \sigma z))\, \varphi(z)\, dz` with
    the normal density :math:`\varphi`. The trapezoidal rule gives it to ten digits: the nearest
    pole of the integrand is :math:`\pi \sigma / |\mu_1 - \mu_0|` off the real axis, so the error
    falls exponentially with the number of nodes.

    An orientation is known only modulo the period :math:`P = 2 |\mu_1 - \mu_0|` of the object's
    symmetry. There the density of each class is the wrapped normal
    :math:`\sum_n \exp(-(\theta - \mu_k + n P)^2 / 2 \sigma^2)`, and the posterior the ratio of
    these sums; the result has the period :math:`P`.

    Where :math:`t_m` shifts the class mean to the midpoint, the posterior is antisymmetric
    about it and its mean is exactly 1/2: this is the threshold, see `known_threshold`.
    """
    pair = _pair_of(name)
    magnitude = find_transformation(pair.transformation).checked(magnitudes).reshape(-1)
    nodes = np.linspace(-10, 10, 801)[:, None]
    weights = np.exp(-(nodes**2) / 2) / np.exp(-(nodes**2) / 2).sum()
    softmax = np.empty((2, len(magnitude)))
    for own, mean in enumerate(pair.means):
        each = posterior(name, own, mean + pair.sigma * nodes, magnitude, size)
        softmax[own] = (weights * each).sum(axis=0)
    return softmax


def posterior(
    name: str,
    own: int,
    theta: npt.NDArray[np.float64],
    magnitudes: npt.NDArray[np.float64],
    size: int = SIZE,
) -> npt.NDArray[np.float64]:
    """Return what the ideal observer says of pictures: softmax [N, M] of their class of a pair.

    Class ``own`` of the two, and pictures with these parameters [N, 1] before they are transformed.
    """
    pair = _pair_of(name)
    moved = moved_parameter(pair.transformation, theta, magnitudes, size)
    densities = [_log_density(moved, mean, pair) for mean in pair.means]
    return np.asarray(expit(densities[own] - densities[1 - own]))


def known_threshold(name: str, size: int = SIZE) -> dict[str, dict[str, float | None]]:
    """Return the magnitudes at which the ideal observer changes its mind.

    This is the *switch* of `itn.thresholds`: the mean softmax of the other class overtakes
    that of the true class, at the midpoint between the two, see `bayes_softmax`.

    Grayscale shrinks the chroma towards the midpoint between the hues and gets there at m = 1,
    where the picture says nothing and the posterior is 1/2 for both classes: touched, never
    crossed. What a network without information prefers there is its own bias.
    """
    pair = _pair_of(name)
    found: dict[str, dict[str, float | None]] = {}
    for class_name, sign in zip(pair.classes, (1, -1), strict=True):
        shift = sign * pair.separation / 2
        down = up = None
        if pair.transformation == "rotation":
            down, up = -abs(shift), abs(shift)
        elif pair.transformation in ("blur", "noise"):
            up = float(np.sqrt(shift)) if shift > 0 else None
            if up is not None and pair.transformation == "blur":
                up *= size / SIZE
        elif pair.transformation != "grayscale":
            factor = pair.transformation in ("zoom", "contrast")
            magnitude = round(2.0**shift if factor else shift, 12)
            down, up = (None, magnitude) if shift > 0 else (magnitude, None)
        found[class_name] = {"down": down, "up": up}
    return found


def _pair_of(name: str) -> PhantomPair:
    if name not in PHANTOM_PAIRS:
        raise unknown("critical pair", name, PHANTOM_PAIRS)
    return PHANTOM_PAIRS[name]


def moved_parameter(
    transformation: str,
    theta: float | npt.NDArray[np.float64],
    magnitude: float | npt.NDArray[np.float64],
    size: int = SIZE,
) -> npt.NDArray[np.float64]:
    """Return where a transformation moves the parameter of a pair, see `bayes_softmax`."""
    if transformation in ("rotation", "translation_x", "brightness"):
        return np.asarray(theta + magnitude)
    if transformation in ("zoom", "contrast"):
        return np.asarray(theta + np.log2(magnitude))
    if transformation == "grayscale":
        return np.asarray(theta * (1 - magnitude))
    pixels = SIZE / size if transformation == "blur" else 1
    return np.asarray(theta + (magnitude * pixels) ** 2)


def _log_density(
    theta: npt.NDArray[np.float64], mean: float, pair: PhantomPair
) -> npt.NDArray[np.float64]:
    """Return the logarithm of the density, up to what both classes share."""
    if np.isinf(pair.period):
        return -(((theta - mean) / pair.sigma) ** 2) / 2
    offset = np.mod(theta - mean, pair.period)
    images = [-(((offset + turns * pair.period) / pair.sigma) ** 2) / 2 for turns in (-2, -1, 0, 1)]
    return np.asarray(np.logaddexp.reduce(images, axis=0))
