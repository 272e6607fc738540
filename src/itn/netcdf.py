"""Results on disk: NetCDF that is the same bytes for the same content, and carries its checksum.

A file begins with 512 bytes that HDF5 leaves to its user (the *user block*); here they hold the
SHA-256 of all that follows. It is compared before anything of the file is interpreted: HDF5's own
checksums (``fletcher32``) are of arrays alone, and a damaged header may keep it busy for ever.
"""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import h5netcdf
import h5py
import numpy as np
import xarray as xr
from xarray.backends import H5NetCDFStore

from itn.files import whole_file, writing
from itn.messages import UsageError

USER_BLOCK = 512  # bytes, the smallest that HDF5 allows
_START = b"itn sha256 "
_COMPRESSED = {"zlib": True, "complevel": 9, "shuffle": True}
_PACKED = _COMPRESSED | {
    "dtype": "uint16",
    "scale_factor": np.float32(1 / 65534),
    "_FillValue": np.uint16(65535),
}


def write_netcdf(content: xr.Dataset | xr.DataTree, path: str | Path) -> None:
    """Write a result; variables ``…softmax`` that have a magnitude are rounded to 16 bits."""
    path = Path(path)
    with whole_file(path) as unfinished, writing(path):
        try:
            _write(
                content if isinstance(content, xr.DataTree) else xr.DataTree(content), unfinished
            )
        except (TypeError, ValueError, AttributeError) as error:  # whatever is no table of numbers
            raise UsageError(f"{path} was not written: {error}") from error
        with unfinished.open("r+b") as file:
            file.seek(USER_BLOCK)
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            file.seek(0)
            file.write(_START + digest.encode() + b"\n")


def read_netcdf(path: str | Path) -> xr.DataTree:
    """Read a result, after `check`, into memory; packed values are right to within 1e-5."""
    path = Path(path)
    check(path)
    try:
        # Nested lists of dimensions are not worth a lock: the file is closed when this returns.
        with xr.open_datatree(path, engine="h5netcdf") as tree:
            return tree.load()
    except Exception as error:  # nothing of ours, however it came by a checksum
        raise UsageError(f"{path} is not readable as NetCDF: {error}") from error


def read_arrays(path: Path, names: Iterable[str]) -> dict[str, np.ndarray]:
    """Read some arrays of a result's root, which is fast, after `check`."""
    check(path)
    with h5py.File(path) as file:
        return {name: _unpacked(file[name]) for name in names}


def _unpacked(stored: h5py.Dataset) -> np.ndarray:
    values: np.ndarray = stored[()]
    if "scale_factor" not in stored.attrs:
        return values
    known = values != stored.attrs["_FillValue"]
    return np.where(known, values * stored.attrs["scale_factor"], np.nan)


def check(path: Path) -> None:
    """Raise a UsageError unless a file is there and is what its checksum says."""
    try:
        if not path.is_file():
            raise UsageError(f"no file {path}")
        with path.open("rb") as file:
            start = file.read(USER_BLOCK)
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    if not start.startswith(_START):
        raise UsageError(f"{path} has no checksum: it was not written by itn, or by an older one")
    if start != (_START + digest.encode() + b"\n").ljust(USER_BLOCK, b"\0"):
        raise UsageError(f"{path} is damaged: it is not what its checksum says")


def read_attributes(path: Path) -> dict[str, Any]:
    """Read the attributes of a result's root, which is fast, after `check`."""
    check(path)
    with h5py.File(path) as file:
        return dict(file.attrs)


def stored_array(path: Path, name: str) -> h5py.Dataset:
    """Open an array of a result, after `check`; what is asked of it is read when it is asked."""
    check(path)
    return h5py.File(path)[name]


def _write(tree: xr.DataTree, path: Path) -> None:
    # As `to_netcdf` does it, but without the times that HDF5 notes in the file otherwise.
    properties = _timeless(h5py.h5p.FILE_CREATE)
    properties.set_userblock(USER_BLOCK)
    access = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
    # As the NetCDF library does it; before version 1.8 no text was longer than 64 kB.
    access.set_libver_bounds(h5py.h5f.LIBVER_V18, h5py.h5f.LIBVER_LATEST)
    created = h5py.h5f.create(os.fsencode(path), h5py.h5f.ACC_TRUNC, fcpl=properties, fapl=access)
    with h5py.File(created) as file:
        for node in tree.descendants:
            name, group = node.path.encode(), _timeless(h5py.h5p.GROUP_CREATE)
            h5py.h5g.create(file.id, name, gcpl=group)
        for node in tree.subtree:
            dataset = node.to_dataset(inherit=False)
            encoding = {
                name: _PACKED if _is_packed(name, variable) else _COMPRESSED
                for name, variable in dataset.data_vars.items()
                if variable.dtype.kind in "fi" and variable.ndim
            }
            with h5netcdf.File(file, "a") as whole:
                dataset.dump_to_store(H5NetCDFStore(whole, group=node.path), encoding=encoding)


def _is_packed(name: object, variable: xr.DataArray) -> bool:
    """Tell whether a variable is rounded to 16 bits, which hold nothing but softmax."""
    if not str(name).endswith("softmax") or "magnitude" not in variable.dims:
        return False
    if variable.dtype.kind != "f":
        return False
    if (abs(variable - 0.5) > 0.5 + 1e-6).any():  # the last bits of a sum may exceed 1
        raise UsageError(
            f"{name} must be from 0 to 1, got {variable.min():g} to {variable.max():g}"
        )
    return True


def _timeless(kind: Any) -> Any:
    properties = h5py.h5p.create(kind)
    properties.set_obj_track_times(False)
    in_order = h5py.h5p.CRT_ORDER_TRACKED | h5py.h5p.CRT_ORDER_INDEXED  # which NetCDF requires
    properties.set_link_creation_order(in_order)
    properties.set_attr_creation_order(in_order)
    return properties
