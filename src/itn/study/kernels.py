"""Kernels of notebooks, forked from one process that has imported what most notebooks need.

Starting Python and importing that takes longer than most notebooks run. Only where there are
handles of processes, which is on Linux; elsewhere every kernel starts anew.
"""

import asyncio
import atexit
import gc
import importlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
from functools import cache
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

from jupyter_client.provisioning.factory import KernelProvisionerFactory
from jupyter_client.provisioning.local_provisioner import LocalProvisioner

from itn import study

# Beside all that notebooks ask `itn.study` for. No Keras and no backend: their threads would not
# survive a fork. Those of the linear algebra of NumPy and SciPy end before each fork, and begin
# again when they are needed.
PRELOADED = (
    "ipykernel.kernelapp",
    "ipykernel.debugger",
    "matplotlib_inline.backend_inline",
    "myst_nb.ext.glue",
)
OBJECTS = 100_000  # made until Python looks for garbage, a fifth of the time of drawing otherwise
NAME = "itn-forked"
GROUP = "jupyter_client.kernel_provisioners"
_asking = threading.Lock()


class ForkedProvisioner(LocalProvisioner):
    """Starts kernels by a fork where that works, otherwise as usual."""

    process: Any

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> Any:
        """Start a kernel; after the interpreter come its connection file and that for errors."""
        first = cmd.index(sys.executable) + 1
        request = {
            "files": cmd[first : first + 2],
            "environment": kwargs["env"],
            "folder": str(kwargs["cwd"]),
        }
        number = await asyncio.to_thread(_fork, request)
        if not number:
            return await super().launch_kernel(cmd, **kwargs)
        self.process = _Forked(number)
        self.pid = self.pgid = number
        return self.connection_info


class _Forked:
    """What Jupyter asks of a process, for one that is not this one's child."""

    stdin = stdout = stderr = None

    def __init__(self, number: int) -> None:
        self.pid = number
        self._handle = os.pidfd_open(number)

    def __del__(self) -> None:
        os.close(self._handle)

    def poll(self) -> int | None:
        return 0 if select.select([self._handle], [], [], 0)[0] else None

    def wait(self) -> int:
        select.select([self._handle], [], [])
        return 0

    def send_signal(self, number: int) -> None:
        signal.pidfd_send_signal(self._handle, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def provisioner() -> dict[str, Any]:
    """Say in the metadata of a kernel that it is to be forked."""
    factory = KernelProvisionerFactory.instance()
    factory.provisioners[NAME] = EntryPoint(NAME, f"{__name__}:{ForkedProvisioner.__name__}", GROUP)
    return {"kernel_provisioner": {"provisioner_name": NAME}}


def _fork(request: dict[str, Any]) -> int:
    """Ask for a kernel; return its process number, 0 if there is none."""
    try:
        os.close(os.pidfd_open(os.getpid()))
        with _asking:
            server = _server()
            print(json.dumps(request), file=server.stdin, flush=True)
            return int(server.stdout.readline() or 0)
    except (AttributeError, OSError):
        return 0


@cache
def _server() -> Any:
    # Read when the packages are imported, by all kernels alike.
    settings = {
        "MATPLOTLIBRC": os.devnull,
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "PYTHONHASHSEED": "0",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",  # or the debugger, which nobody asks for, warns
    }
    # As in a kernel, a file of the working folder hides no package.
    code = (
        f"import sys; sys.path[:] = filter(None, sys.path); import {__name__} as own; own.serve()"
    )
    server = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | settings,
        start_new_session=True,  # Ctrl-C is the runner's
        text=True,
    )
    atexit.register(server.communicate)  # closes its input, at which it ends
    return server


def serve() -> None:
    """Fork a kernel for each line of the standard input, and write its process number."""
    os.environ["JPY_PARENT_PID"] = str(os.getpid())  # read when imported: kernels end with it
    import pandas

    for name in PRELOADED:
        importlib.import_module(name)
    for name in dir(study):
        getattr(study, name)  # which imports its module
    _rehearse()
    pandas.options.display.max_columns = 20  # as in a kernel; it took this process for a terminal
    gc.freeze()
    gc.set_threshold(OBJECTS)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them: the system buries them
    for line in sys.stdin:
        number = os.fork()
        if not number:
            _become_kernel(**json.loads(line))
            break
        try:  # past Python's stream, which would keep what nobody reads until the end
            os.write(1, f"{number}\n".encode())
        except BrokenPipeError:  # the runner was stopped meanwhile; the kernel ends with us
            break


def _rehearse() -> None:
    """Read a result and draw it, for what is imported, or found out, only then."""
    import numpy as np
    import xarray as xr

    from itn.netcdf import read_netcdf, write_netcdf
    from itn.plots import Figure, as_drawing
    from itn.study.sources import code_hash

    code_hash("itn.screening")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "one.nc")
        write_netcdf(xr.Dataset({"text": ("x", ["one"]), "number": ("x", np.ones(1))}), path)
        read = read_netcdf(path).to_dataset()
    figure = Figure(layout="constrained")
    figure.subplots().plot(read.x, read.number, label=read.text.item())
    figure.legend()
    as_drawing(figure)
    read.to_dataframe().to_csv()


def _become_kernel(files: list[str], environment: dict[str, str], folder: str) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    connection, errors = files
    log = os.open(errors, os.O_WRONLY | os.O_CREAT)
    for own, other in enumerate((os.open(os.devnull, os.O_RDONLY), log, log)):
        os.dup2(other, own)
    from ipykernel.kernelapp import launch_new_instance

    sys.argv[1:] = ["-f", connection, "--log-level=ERROR"]
    launch_new_instance()
