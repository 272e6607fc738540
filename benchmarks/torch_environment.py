"""The environment of PyTorch, which is no part of the project: made once, in the cache."""

import hashlib
import subprocess
import sys
from pathlib import Path

REQUIREMENTS = Path(__file__).with_name("torch_requirements.txt")


def torch_python(cache: Path) -> Path | str:
    """Return the Python of the environment, made if need be, or in one line why there is none."""
    wanted = hashlib.sha256(REQUIREMENTS.read_bytes() + sys.version.encode()).hexdigest()
    folder = cache / f"torch-{wanted[:12]}"
    python, done = folder / "bin" / "python", folder / ".installed"
    if not done.exists():
        print(f"making the environment of PyTorch in {folder} …", flush=True)
        pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
        try:
            # Some systems' Python cannot put pip into it; ours installs into it from outside.
            _run([sys.executable, "-m", "venv", "--clear", "--without-pip", str(folder)])
            _run([*pip, "--requirement", str(REQUIREMENTS)])
        except (OSError, subprocess.CalledProcessError) as error:
            said = (getattr(error, "stderr", "") or str(error)).strip().splitlines()
            return f"no PyTorch: its environment could not be made: {said[-1]}"
        done.touch()
    return python


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)
