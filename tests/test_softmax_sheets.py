"""What a screening is told, on disk."""

import os
import tempfile
from contextlib import closing

import numpy as np
import pytest

from itn.messages import UsageError
from itn.softmax_sheets import Sheets

FOUR, TWO = np.arange(4.0), np.array([0.5, 1.5])  # magnitudes


def test_a_sheet_begins_as_nan_and_keeps_what_is_written(tmp_path):
    with closing(Sheets(tmp_path, [2, 3], FOUR, 5)) as sheets:
        for category, count in ((0, 2), (1, 3)):
            sheet = sheets.open(category, FOUR)
            assert sheet.rows(0, count).shape == sheet.shape == (count, 4, 5)
            assert np.isnan(sheet.rows(0, count)).all()
            sheet.rows(1, count)[0, 2] = category
        assert sheets.open(0, FOUR).rows(1, 2)[0, 2].tolist() == [0] * 5
    with closing(Sheets(tmp_path, [2, 3], FOUR, 5)) as again:
        assert np.isnan(again.open(1, FOUR).rows(0, 1)).all()
        assert again.open(1, FOUR).rows(0, 3)[1, 2].tolist() == [1] * 5
    assert len(list(tmp_path.iterdir())) == 2


def test_a_scratch_sheet_is_blank_for_each_category_and_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with closing(Sheets(None, [3, 2], FOUR, 5)) as sheets:
        sheets.open(0, FOUR).rows(0, 3)[:] = 1
        sheet = sheets.open(1, FOUR)
        assert sheet.shape == (2, 4, 5) and np.isnan(sheet.rows(0, 2)).all()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kept", [False, True])
def test_a_category_may_have_several_sheets(tmp_path, kept):
    with closing(Sheets(tmp_path if kept else None, [3, 2], FOUR, 5)) as sheets:
        for category, count in ((1, 2), (0, 3)):
            first = sheets.open(category, FOUR)
            first.rows(0, count)[:] = 1
            second = sheets.open(category, TWO)
            assert second.shape == (count, 2, 5) and np.isnan(second.rows(0, count)).all()
            second.rows(0, count)[:] = 2
            assert (first.rows(0, count) == 1).all() and (second.rows(1, count) == 2).all()
        if kept:
            assert (sheets.open(1, TWO).rows(0, 2) == 2).all()


@pytest.mark.parametrize("kept", [False, True])
def test_the_space_is_really_there_from_the_start(tmp_path, monkeypatch, kept):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    reserved = []
    usual = os.posix_fallocate
    monkeypatch.setattr(
        os, "posix_fallocate", lambda *given: reserved.append(given[2]) or usual(*given)
    )
    five = np.arange(5.0)
    with closing(Sheets(tmp_path if kept else None, [1000, 50], five, 50)) as sheets:
        assert reserved == ([10**6, 50_000] if kept else [10**6])
        files = [path.stat() for path in tmp_path.iterdir()] or [
            os.fstat(file.fileno()) for file in sheets.files
        ]
        largest = max(files, key=lambda each: each.st_size)
        assert largest.st_size == 10**6 and largest.st_blocks * 512 >= 10**6
        for category in (1, 0):
            sheets.open(category, five)
        assert len(reserved) == 1 + kept
        sheets.open(0, TWO)  # beside the first one, before anything is written to it
        assert reserved[1 + kept :] == ([400_000] if kept else [1_400_000])


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path):
    with pytest.raises(UsageError, match=r"screening needs 1e-05 GB in .*none: No such file"):
        Sheets(tmp_path / "none", [25], np.arange(10.0), 10)
