"""How far a transformation moves pictures: one axis for all transformations.

A rotation has degrees and noise a standard deviation. What they do to the values of a picture has
the same unit for both, the full range, so that their magnitudes, and the thresholds of
`itn.thresholds`, can be told on one axis.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import xarray as xr

from itn import ops
from itn.classifiers import batches
from itn.engines import compiled, on_device
from itn.messages import Progress
from itn.pictures import Pictures
from itn.transformations import check_pictures, find_transformation, noise_fields, seed_of
from itn.warp import Tensor, check_fill

BATCH_SIZE = 16  # pictures that are transformed together
# What these do to a picture is a multiple of the distance of their magnitude from the identity,
# unless values are clipped: one magnitude tells all.
LINEAR = ("brightness", "contrast", "grayscale", "noise")


def rms_distances(
    pictures: Pictures,
    name: str,
    magnitudes: Sequence[float] | npt.NDArray[np.float64] | None = None,
    *,
    fill: str = "zeros",
    seed: int = 0,
    clip: bool = False,
    progress: bool = True,
) -> xr.DataArray:
    r"""Measure how far transformed pictures are from what they were.

    The root of the mean, over all pixels and channels of a picture x, of
    :math:`(T_m(x) - x)^2`, with the full range of a value = 1.

    Parameters
    ----------
    pictures : Pictures
        What is transformed, as it would be screened.
    name : str
        A key of `TRANSFORMATIONS`.
    magnitudes : sequence of float, optional
        In the transformation's own unit; by default those of its sweep.
    fill, seed, clip
        As for `itn.screen`: the same arguments move the same pictures by the same noise.
    progress : bool, default True
        Whether to show a progress bar when it takes more than two seconds.

    Returns
    -------
    xarray.DataArray (image, magnitude), float32
        Not negative, and 0 at the identity.

    Raises
    ------
    UsageError
        For an unknown name or fill, a magnitude out of its range, or what is no picture.

    Notes
    -----
    It is a distance of values, not of what is seen. Shifted by a few pixels, a texture is as far
    from itself as from another picture; an even change of brightness as far is hardly noticed.
    It need not grow with the magnitude: turned by 180°, what is symmetric comes back.

    Examples
    --------
    >>> half = np.full((1, 8, 8, 3), 0.5, np.float32)
    >>> pictures = Pictures(half, np.array([0]), ("gray",), ("gray/a.png",), "mine")
    >>> rms_distances(pictures, "contrast", [0.5, 1, 3]).values
    array([[0.25, 0.  , 1.  ]], dtype=float32)
    >>> rms_distances(pictures, "brightness", [0.25, 1], clip=True).values
    array([[0.25, 0.5 ]], dtype=float32)
    """
    transformation = find_transformation(name)
    check_fill(fill)
    width = pictures.images.shape[2]
    wanted = transformation.sweep(width) if magnitudes is None else magnitudes
    wanted = transformation.checked(wanted).reshape(-1)

    @compiled
    def distance(inputs: dict[str, Tensor]) -> Tensor:
        images = inputs["images"]
        changed = transformation.apply(images, inputs["magnitude"], fill, inputs.get("noise"))
        changed = ops.clip(changed, 0, 1) if clip else changed
        return ops.sqrt(ops.mean(ops.square(changed - images), axis=(1, 2, 3)))

    steps, looked = np.ones(1), wanted
    if name in LINEAR and not clip:
        looked = np.array([transformation.identity + 1])
        steps = np.abs(wanted - transformation.identity)
    found = np.empty((len(pictures), len(looked)), np.float32)
    with Progress(
        total=found.size, desc=f"distances, {name}", delay=2, disable=not progress
    ) as bar:
        size = min(BATCH_SIZE, len(pictures))
        for start, stop in batches(len(pictures), size or 1):
            # A last batch that is not full is filled up, so that nothing is compiled twice.
            full = np.resize(np.arange(start, stop), size)
            paths = [pictures.paths[row] for row in full]
            images = np.asarray(pictures.images[full])
            check_pictures(images, paths)
            inputs = {"images": on_device(images)}
            if name == "noise":
                seeds = [seed_of(seed, path) for path in paths]
                inputs["noise"] = on_device(noise_fields(seeds, images.shape[1:]))
            for column, magnitude in enumerate(looked):
                inputs["magnitude"] = on_device(np.full((1, 1, 1, 1), magnitude, np.float32))
                found[start:stop, column] = np.asarray(distance(inputs))[: stop - start]
            bar.update((stop - start) * len(looked))
    return xr.DataArray(
        found * steps.astype(np.float32),
        dims=("image", "magnitude"),
        coords={"image": list(pictures.paths), "magnitude": wanted},
        name="distance",
        attrs={"transformation": name, "fill": fill, "seed": seed, "clip": int(clip)},
    )
