"""What a screening is told, on disk."""

import os
import tempfile
from contextlib import closing

import numpy as np
import pytest

from itn.messages import UsageError
from itn.softmax_sheets import Sheets


def test_a_sheet_begins_as_nan_and_keeps_what_is_written(tmp_path):
    with closing(Sheets(tmp_path, [2, 3], (4, 5))) as sheets:
        for category, count in ((0, 2), (1, 3)):
            sheet = sheets.rows(category, 0, count)
            assert sheet.shape == (count, 4, 5) and np.isnan(sheet).all()
            sheets.rows(category, 1, count)[0, 2] = category
        assert sheets.rows(0, 0, 2)[1, 2].tolist() == [0] * 5
    with closing(Sheets(tmp_path, [2, 3], (4, 5))) as again:
        again.begin(1)  # blanks nothing that is kept
        assert np.isnan(again.rows(1, 0, 1)).all()
        assert again.rows(1, 1, 3)[0, 2].tolist() == [1] * 5
    assert sorted(each.name for each in tmp_path.iterdir()) == ["0.softmax", "1.softmax"]


def test_a_scratch_sheet_is_blank_for_each_category_and_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with closing(Sheets(None, [3, 2], (4, 5))) as sheets:
        sheets.begin(0)
        sheets.rows(0, 0, 3)[:] = 1
        assert (sheets.rows(0, 2, 3) == 1).all()
        sheets.begin(1)
        assert sheets.rows(1, 0, 2).shape == (2, 4, 5) and np.isnan(sheets.rows(1, 0, 2)).all()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kept", [False, True])
def test_the_space_is_really_there_from_the_start(tmp_path, monkeypatch, kept):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    reserved = []
    usual = os.posix_fallocate
    monkeypatch.setattr(
        os, "posix_fallocate", lambda *given: reserved.append(given[2]) or usual(*given)
    )
    with closing(Sheets(tmp_path if kept else None, [1000, 50], (5, 50))) as sheets:
        assert reserved == ([10**6, 50_000] if kept else [10**6])
        files = [path.stat() for path in tmp_path.iterdir()] or [
            os.fstat(file.fileno()) for file in sheets.files
        ]
        largest = max(files, key=lambda each: each.st_size)
        assert largest.st_size == 10**6 and largest.st_blocks * 512 >= 10**6


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path):
    with pytest.raises(UsageError, match=r"screening needs 1e-05 GB in .*none: No such file"):
        Sheets(tmp_path / "none", [25], (10, 10))
