"""Results on disk: the same bytes, a checksum, and what is damaged is refused before it is read."""

import subprocess
import sys
import time

import h5netcdf
import numpy as np
import pytest
import xarray as xr

from itn.messages import UsageError
from itn.netcdf import USER_BLOCK, read_attributes, read_netcdf, write_netcdf

CONTENT = xr.DataTree.from_dict(
    {
        "/": xr.Dataset(attrs={"recipe": "long " * 30_000}),  # more than HDF5 1.6 allowed
        "/a": xr.Dataset(
            {"softmax": (("image", "magnitude"), np.linspace(0, 1, 6).reshape(2, 3))},
            coords={"image": ["ä/1.png", "b/$2.png"]},
        ),
        "/a/b": xr.Dataset({"count": ("x", [1, 2]), "share": ("x", [0.5, np.nan])}),
    }
)


def test_what_was_written_is_read(tmp_path):
    write_netcdf(CONTENT, tmp_path / "deep" / "a.nc")
    found = read_netcdf(tmp_path / "deep" / "a.nc")
    np.testing.assert_allclose(found["a"].softmax, CONTENT["a"].softmax, atol=1e-5)
    found["a"]["softmax"] = CONTENT["a"]["softmax"]
    xr.testing.assert_identical(found, CONTENT)
    assert read_attributes(tmp_path / "deep" / "a.nc") == CONTENT.attrs


def test_reading_and_writing_again_gives_the_same_bytes_whenever_and_in_whatever_process(tmp_path):
    write_netcdf(CONTENT, tmp_path / "a.nc")
    time.sleep(1.1)  # HDF5 notes times in seconds
    code = (
        "import sys; from itn.netcdf import *; write_netcdf(read_netcdf(sys.argv[1]), sys.argv[2])"
    )
    subprocess.run([sys.executable, "-c", code, tmp_path / "a.nc", tmp_path / "b.nc"], check=True)
    assert (tmp_path / "a.nc").read_bytes() == (tmp_path / "b.nc").read_bytes()


def test_other_software_reads_it(tmp_path):
    write_netcdf(CONTENT, tmp_path / "a.nc")
    with h5netcdf.File(tmp_path / "a.nc") as file:
        assert file["a/b/count"][:].tolist() == [1, 2]
    with xr.open_datatree(tmp_path / "a.nc", engine="h5netcdf") as tree:
        assert tree["a/b"].share.sizes == {"x": 2}


@pytest.mark.parametrize("where", ["checksum", "header", "anywhere"])
def test_one_flipped_bit_is_refused(tmp_path, where):
    path = tmp_path / "a.nc"
    write_netcdf(CONTENT, path)
    whole = path.read_bytes()
    random = np.random.default_rng(0)
    first, last = {
        "checksum": (0, USER_BLOCK),
        "header": (USER_BLOCK, USER_BLOCK + 100),
        "anywhere": (USER_BLOCK, len(whole)),
    }[where]
    for position in random.integers(first, last, 40):
        changed = bytearray(whole)
        changed[position] ^= 1 << int(random.integers(8))
        path.write_bytes(changed)
        with pytest.raises(UsageError, match=r"a\.nc (is damaged|has no checksum)"):
            read_netcdf(path)


@pytest.mark.parametrize("length", [0, 100, USER_BLOCK, 5000])
def test_what_was_cut_off_is_refused(tmp_path, length):
    write_netcdf(CONTENT, tmp_path / "a.nc")
    (tmp_path / "a.nc").write_bytes((tmp_path / "a.nc").read_bytes()[:length])
    with pytest.raises(UsageError, match=r"a\.nc (is damaged|has no checksum)"):
        read_netcdf(tmp_path / "a.nc")


def test_a_file_without_a_checksum_is_refused(tmp_path):
    CONTENT["a"].to_dataset().to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    with pytest.raises(UsageError, match="has no checksum"):
        read_netcdf(tmp_path / "a.nc")
