"""Files that appear whole, leftovers of a kill, and locks between processes."""

import subprocess
import sys
import time

import pytest

from itn.files import one_at_a_time, scratch_folder, sha256_of, whole_file
from itn.messages import UsageError

HOLD = """
import sys, time
from pathlib import Path
from itn.files import {function}
with {function}(Path(sys.argv[1]), *sys.argv[2:]):
    print("held", flush=True)
    time.sleep(60)
"""


def holder(function, path, *more):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD.format(function=function), str(path), *more],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "held\n"
    return process


def test_a_file_that_was_not_finished_is_not_there(tmp_path):
    target = tmp_path / "deep" / "a.txt"
    with pytest.raises(RuntimeError), whole_file(target) as unfinished:
        unfinished.write_text("half")
        raise RuntimeError
    assert list(target.parent.iterdir()) == []


def test_what_is_there_stays_until_the_new_one_is_complete(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("old")
    with whole_file(target) as unfinished:
        unfinished.write_text("new")
        assert target.read_text() == "old"
    assert target.read_text() == "new"


def test_leftovers_of_a_kill_go_and_those_of_the_living_stay(tmp_path):
    target = tmp_path / "a.nc"
    dead, alive = holder("scratch_folder", target), holder("scratch_folder", target)
    assert len(list(tmp_path.iterdir())) == 2
    dead.kill()
    dead.communicate()
    with scratch_folder(target):
        assert len(list(tmp_path.iterdir())) == 2  # that of the living, and our own
    assert len(list(tmp_path.iterdir())) == 1
    alive.kill()
    alive.communicate()
    with scratch_folder(tmp_path / "a.nc.other"):
        assert len(list(tmp_path.iterdir())) == 2  # another file's is left alone
    with scratch_folder(target):
        pass
    assert list(tmp_path.iterdir()) == []


def test_the_second_waits_and_says_so(tmp_path, capsys):
    first = holder("one_at_a_time", tmp_path / "lock", "a thing")
    killer = subprocess.Popen(
        [sys.executable, "-c", f"import os, time; time.sleep(1); os.kill({first.pid}, 9)"]
    )
    start = time.monotonic()
    with one_at_a_time(tmp_path / "lock", "the training"):
        assert time.monotonic() - start > 0.5
    assert capsys.readouterr().err == "itn: another process is at the training; waiting for it\n"
    first.communicate()
    killer.wait()


def test_where_nothing_can_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    for use in (scratch_folder, lambda path: one_at_a_time(path, "")):
        with pytest.raises(UsageError, match="cannot be written to"), use(tmp_path / "file" / "a"):
            pass


def test_sha256_of(tmp_path):
    (tmp_path / "x").write_bytes(b"abc")
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert sha256_of(tmp_path / "x") == expected
