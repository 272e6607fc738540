"""Screenings as they are stored: written, read, and parts of them selected. Needs no backend."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import xarray as xr

from itn.messages import UsageError, unknown
from itn.netcdf import read_netcdf, write_netcdf

PARTS = {  # of a screening, each over its dimensions
    "softmax": ("image", "magnitude"),
    "rival_softmax": ("image", "rank", "magnitude"),
    "predicted": ("image", "magnitude"),
    "mean_softmax": ("category", "magnitude", "class"),
    "rival": ("category", "rank"),
    "target": ("category",),
    "label": ("image",),
    **{name: (name,) for name in ("image", "magnitude", "category", "class")},
}
POOLED = {"place": ("image", "magnitude")} | {  # parts of one whose pictures are pooled
    name: dimensions
    for name, dimensions in PARTS.items()
    if name not in ("rival_softmax", "mean_softmax", "rival")
}
SCREENED = ("category", "magnitude")  # dimensions of `screened`, which most screenings lack
SOFTMAX = ("softmax", "rival_softmax", "mean_softmax")
INDICES = {
    "label": "category",
    **dict.fromkeys(("predicted", "place", "rival", "target"), "class"),
}


def save_screening(screening: xr.Dataset, path: str | Path) -> None:
    """Write a screening as NetCDF, with softmax values rounded to 16 bits: same one, same bytes.

    Parameters
    ----------
    screening : xarray.Dataset
        Result of `itn.screen`.
    path : str or Path
        File to write, ending in ``.nc``; its folder is made if need be.

    Raises
    ------
    UsageError
        If it is no screening, or nothing can be written there; what was there stays.

    Examples
    --------
    >>> import tempfile
    >>> screening = load_screening("results/imagenet/squeezenet_blur.nc")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_screening(screening, Path(folder, "blur.nc"))
    ...     load_screening(Path(folder, "blur.nc")).identical(screening)
    True
    """
    _check(screening, str(path), "was not written: that is no screening")
    write_netcdf(screening, path)


def load_screening(path: str | Path) -> xr.Dataset:
    """Read a screening written by `save_screening` into memory.

    Parameters
    ----------
    path : str or Path
        NetCDF file.

    Returns
    -------
    xarray.Dataset
        As returned by `itn.screen`, softmax values to within 1e-5.

    Raises
    ------
    UsageError
        If there is no such file, it is damaged, no screening, or holds what is not a number.

    Examples
    --------
    >>> load_screening("missing.nc")
    Traceback (most recent call last):
    itn.messages.UsageError: no file missing.nc
    """
    screening = read_netcdf(path).to_dataset()
    _check(screening, str(path), "is not a screening")
    return screening


def _check(screening: xr.Dataset, path: str, problem: str) -> None:
    """Refuse what lacks a part of a screening, or holds what no network says."""
    if not isinstance(screening, xr.Dataset):
        raise UsageError(f"{path} {problem}, but {type(screening).__name__}")
    if (lacking := _lacking(screening)) is not None:
        raise UsageError(f"{path} {problem}: it has no {lacking}")
    for name in _present(SOFTMAX, screening):
        if not np.array_equal(~np.isnan(screening[name].values), screened_values(screening, name)):
            raise UsageError(f"{path} holds softmax that is not a number: screen again")


def _lacking(screening: xr.Dataset) -> str | None:
    """Name what a screening should have and this does not: a part, or possible values of it."""
    parts = POOLED if "place" in screening.variables else PARTS
    for name, dimensions in parts.items():
        if name not in screening.variables:
            return name
        if screening[name].dims != dimensions:
            return f"{name} over {', '.join(dimensions)}"
    if "screened" in screening and (
        screening.screened.dims != SCREENED or screening.screened.dtype != bool
    ):
        return f"screened that is true or false over {', '.join(SCREENED)}"
    for name in _present(INDICES, screening):
        of, index = INDICES[name], screening[name].values
        if name == "predicted" and "screened" in screening:  # -1 where it was not, and only there
            none = np.where(index == -1, 0, -1)
            index = np.where(screened_values(screening, name), index, none)
        if index.dtype.kind not in "iu" or not ((index >= 0) & (index < screening.sizes[of])).all():
            return f"{name} that counts through its {of}"
    for name in _present(SOFTMAX, screening):
        if screening[name].dtype.kind != "f":
            return f"{name} in floating point"
    return "transformation" if "transformation" not in screening.attrs else None


def _present(names: Iterable[str], screening: xr.Dataset) -> list[str]:
    return [name for name in names if name in screening.variables]


def select_categories(screening: xr.Dataset, categories: Sequence[str]) -> xr.Dataset:
    """Return the part of a screening that belongs to some of its categories.

    Parameters
    ----------
    screening : xarray.Dataset
        Result of `screen`.
    categories : sequence of str
        Names of categories, in the order wanted.

    Returns
    -------
    xarray.Dataset
        With these categories and their images alone, each once.

    Raises
    ------
    UsageError
        If one of them was not screened; the message names the closest.

    Examples
    --------
    >>> screening = load_screening("results/imagenet/squeezenet_blur.nc")
    >>> select_categories(screening, ["tick"]).sizes["image"]
    49
    """
    names = screening.category.values.tolist()
    if not len(categories):
        raise UsageError("categories is empty: name at least one")
    categories = list(dict.fromkeys(categories))
    for category in categories:
        if category not in names:
            raise unknown("class", category, names)
    indices = [names.index(category) for category in categories]
    members = [np.flatnonzero(screening.label.values == index) for index in indices]
    selected = screening.isel(category=indices, image=np.concatenate(members))
    selected["label"] = ("image", np.repeat(np.arange(len(indices)), [len(m) for m in members]))
    selected = selected.assign_attrs(pictures=selected.sizes["image"])
    if "screened" not in selected:
        return selected
    selected = selected.isel(magnitude=was_screened(selected).any(axis=0))
    return selected.drop_vars("screened") if was_screened(selected).all() else selected


def join_categories(
    parts: list[xr.Dataset], label: np.ndarray, names: Mapping[str, Sequence[str]]
) -> xr.Dataset:
    """Put screenings of one category each together, over the magnitudes of all of them.

    The list is emptied, so that nothing is held twice; `names` are the other coordinates.
    """
    magnitudes = np.unique(np.concatenate([part.magnitude.values for part in parts]))
    screened = np.array([np.isin(magnitudes, part.magnitude.values) for part in parts])
    whole: dict[Hashable, tuple[tuple[Hashable, ...], np.ndarray]] = {}
    for category in range(len(parts)):
        part = parts.pop(0).reindex(magnitude=magnitudes, fill_value={"predicted": -1})
        for name, variable in part.data_vars.items():
            rows = np.flatnonzero(label == category) if "image" in variable.dims else [category]
            if name not in whole:
                count = len(label) if "image" in variable.dims else len(screened)
                values = np.empty((count, *variable.shape[1:]), variable.dtype)
                whole[name] = variable.dims, values
            whole[name][1][rows] = variable.values
    whole["label"] = ("image",), label
    if not screened.all():
        whole["screened"] = SCREENED, screened
    return xr.Dataset(whole, coords={"magnitude": magnitudes, **names})


def was_screened(screening: xr.Dataset) -> npt.NDArray[np.bool_]:
    """Tell of each category at which magnitudes it was looked at; mostly that is at all."""
    if "screened" in screening:
        return np.asarray(screening.screened.values)
    return np.ones([screening.sizes[name] for name in SCREENED], bool)


def screened_values(screening: xr.Dataset, name: str) -> npt.NDArray[np.bool_]:
    """Tell which values of a part over magnitudes were looked at, in the shape of that part."""
    part, screened = screening[name], was_screened(screening)
    if "image" in part.dims:
        screened = screened[screening.label.values]
    axes = [axis for axis, each in enumerate(part.dims) if each in ("rank", "class")]
    return np.broadcast_to(np.expand_dims(screened, axes), part.shape)
