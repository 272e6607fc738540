"""Downloads from a server on this machine that breaks off, stalls, errs and lies."""

import hashlib
import http.server
import re
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from itn.messages import UsageError
from itn.zoo import downloads
from itn.zoo.downloads import download

CONTENT = np.random.default_rng(0).bytes(300_000)
CHECKSUM = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"


class Server(http.server.ThreadingHTTPServer):
    """Serves `content`; each request takes the next of `faults`, then there are none."""

    daemon_threads = True
    content = CONTENT
    ranges = True  # whether it can start in the middle

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.faults, self.requests, self.release = [], [], threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}/file.bin"

    def handle_error(self, request, client_address):
        pass  # the client has left


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        asked = self.headers.get("Range")
        server.requests.append(asked)
        fault = server.faults.pop(0) if server.faults else None
        content, start = server.content, 0
        if isinstance(fault, int):
            self.send_error(fault)
            return
        if fault == "wrong bytes":
            content = content[:-1] + bytes([content[-1] ^ 1])
        if asked and server.ranges and fault != "ignores the range":
            start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1])
            if start >= len(content):
                self.send_error(416)
                return
        part = content[start:]
        announced = {"says too much": len(part) + 5000, "says too little": len(part) - 5000,
                     "says enormous": 10**12}.get(fault, len(part))  # fmt: skip
        self.send_response(206 if start else 200)
        if start:
            first = start + 7 if fault == "another range" else start
            self.send_header("Content-Range", f"bytes {first}-{len(content) - 1}/{len(content)}")
        if fault not in ("says nothing", "never ends"):
            self.send_header("Content-Length", str(announced))
        self.end_headers()
        if fault == "breaks off":
            part = part[: len(part) // 2]
        elif fault == "breaks off at once":
            part = b""
        self.wfile.write(part[: len(part) // 3] if fault == "stalls" else part)
        if fault == "stalls":
            self.wfile.flush()
            server.release.wait(10)
        while fault == "never ends":
            self.wfile.write(bytes(100_000))

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    served = Server()
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(downloads, "PAUSE", 0.01)
    monkeypatch.setattr(downloads, "TIMEOUT", 0.4)
    thread = threading.Thread(target=served.serve_forever, args=(0.01,))
    thread.start()
    yield served
    served.release.set()
    served.shutdown()
    thread.join()
    served.server_close()


@pytest.fixture
def get(server, tmp_path):
    """Download to ``target`` by way of ``part``."""

    def get(max_bytes=10**6, progress=False):
        download(server.url, CHECKSUM, tmp_path / "place" / "target", tmp_path / "part",
                 max_bytes=max_bytes, progress=progress)  # fmt: skip
        return (tmp_path / "place" / "target").read_bytes()

    return get


def contents(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_a_file_is_downloaded_once(server, get, tmp_path, capfd):
    assert get() == CONTENT and server.requests == [None]
    assert get() == CONTENT and server.requests == [None]
    assert contents(tmp_path) == ["place", "place/target"]
    assert capfd.readouterr() == ("", "")


def test_the_progress_is_shown_without_folders(get, tmp_path, capfd):
    get(progress=True)
    shown = capfd.readouterr().err
    assert "target: 100%" in shown and "300k/300k" in shown and str(tmp_path) not in shown


@pytest.mark.parametrize(
    ("faults", "requests"),
    [
        (["breaks off"], [None, "bytes=150000-"]),
        (["breaks off", "breaks off"], [None, "bytes=150000-", "bytes=225000-"]),
        (["stalls"], [None, "bytes=100000-"]),
        (["breaks off", 503, "stalls"], [None, "bytes=150000-", "bytes=150000-", "bytes=200000-"]),
        (["breaks off", "ignores the range"], [None, "bytes=150000-"]),
        (["breaks off", "another range"], [None, "bytes=150000-", None]),
        (["says nothing"], [None]),
        (["says too much"], [None, "bytes=300000-"]),
        (["breaks off", "says too much"], [None, "bytes=150000-", "bytes=300000-"]),
        (["breaks off at once"] * 3, [None] * 4),
        ([503, 429, 500], [None] * 4),
    ],
)
def test_what_goes_wrong_once_is_made_good(server, get, tmp_path, faults, requests):
    server.faults = list(faults)
    assert get() == CONTENT
    assert server.requests == requests
    assert contents(tmp_path) == ["place", "place/target"]


@pytest.mark.parametrize(
    ("fault", "complaint", "kept"),
    [
        (
            "wrong bytes",
            "not the expected .* sha256:[0-9a-f]{64} but got [0-9a-f]{64}",
            False,
        ),
        ("says too little", "not the expected file", False),
        ("never ends", "sends more than 1,000,000 bytes", False),
        ("says enormous", "sends more than 1,000,000 bytes", False),
        ("breaks off at once", "ended too early", True),
        ("stalls", "timed out", True),
        (404, "HTTP 404", True),
        (403, "HTTP 403", True),
        (500, "HTTP 500", True),
    ],
)
def test_what_always_goes_wrong_leaves_nothing_in_place(
    server, get, tmp_path, fault, complaint, kept
):
    server.faults = [fault] * 30
    server.ranges = fault != "stalls"  # otherwise it would get on, third by third
    with pytest.raises((UsageError, OSError), match=complaint):
        get()
    assert not (tmp_path / "place").exists()
    assert (tmp_path / "part").exists() == kept
    assert len(server.requests) <= 5
    # And nothing of it is in the way later.
    server.faults, server.ranges = [], True
    assert get() == CONTENT


def test_a_download_that_was_stopped_goes_on(server, get, tmp_path):
    (tmp_path / "part").write_bytes(CONTENT[:123_456])
    assert get() == CONTENT
    assert server.requests == ["bytes=123456-"]


def test_a_part_of_another_file_is_thrown_away(server, get, tmp_path):
    (tmp_path / "part").write_bytes(CONTENT[:1000] + b"damaged" + CONTENT[1007:2000])
    assert get() == CONTENT
    assert server.requests == ["bytes=2000-", None]


def test_a_complete_part_is_recognized(server, get, tmp_path):
    (tmp_path / "part").write_bytes(CONTENT)
    assert get() == CONTENT
    assert server.requests == ["bytes=300000-"]
    (tmp_path / "place" / "target").unlink()
    (tmp_path / "part").write_bytes(CONTENT + b"more")
    assert get() == CONTENT
    assert server.requests[1:] == ["bytes=300004-", None]


def test_no_server_is_explained(get, server, monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        server.url = f"http://127.0.0.1:{taken.getsockname()[1]}/"
        with pytest.raises(OSError, match="refused"):
            get()


def test_two_at_the_same_time_download_once(server, get):
    pytest.importorskip("fcntl")
    server.faults = ["stalls"]  # so that the second comes while the first is at it
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(get)
        time.sleep(0.1)
        second = pool.submit(get)
        assert first.result(20) == second.result(20) == CONTENT
    assert server.requests == [None, "bytes=100000-"]


def test_what_downloads_is_imported_when_something_is_downloaded():
    code = "import sys, itn, itn.zoo.catalog; print({'pooch', 'requests'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "set()\n", done.stderr
