"""Screenings as they are stored: written, read, and parts of them selected. Needs no backend."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from itn.messages import UsageError, unknown
from itn.netcdf import read_netcdf, write_netcdf


def save_screening(screening: xr.Dataset, path: str | Path) -> None:
    """Write a screening as NetCDF, with softmax values rounded to 16 bits: same one, same bytes.

    Parameters
    ----------
    screening : xarray.Dataset
        Result of `itn.screen`.
    path : str or Path
        File to write, ending in ``.nc``; its folder is made if need be.

    Examples
    --------
    >>> import tempfile
    >>> screening = load_screening("results/imagenet/squeezenet_blur.nc")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_screening(screening, Path(folder, "blur.nc"))
    ...     load_screening(Path(folder, "blur.nc")).identical(screening)
    True
    """
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
    if "mean_softmax" not in screening:
        raise UsageError(f"{path} is not a screening: it has no mean_softmax")
    if screening.mean_softmax.isnull().any():
        raise UsageError(f"{path} holds softmax that is not a number: screen again")
    return screening


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
        With these categories and their images alone.

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
    for category in categories:
        if category not in names:
            raise unknown("class", category, names)
    indices = [names.index(category) for category in categories]
    members = [np.flatnonzero(screening.label.values == index) for index in indices]
    selected = screening.isel(category=indices, image=np.concatenate(members))
    selected["label"] = ("image", np.repeat(np.arange(len(indices)), [len(m) for m in members]))
    return selected.assign_attrs(pictures=selected.sizes["image"])
