"""What screening costs: time and memory, measured and extrapolated."""

import json
from typing import Any

import pandas as pd

from itn.messages import UsageError
from itn.study.pages import MISSING
from itn.study.profiles import FigureParameters, project_folder


def cost_table(parameters: FigureParameters) -> pd.DataFrame:
    """Tabulate what screening costs, measured and extrapolated, as the benchmark has found it.

    Processor seconds per thousand passes; hours of a core for the rotation of 50 pictures, days
    for all transformations of 50,000. Time is extrapolated by the multiplications, memory by the
    size of the weights; NaN where nothing was measured.
    """
    costs = _measured(parameters)
    found = pd.DataFrame.from_dict(costs["networks"], orient="index").rename_axis("network")
    reference = found.loc[costs["reference"]]
    seconds = reference.seconds * found.multiplications / reference.multiplications
    best = found.seconds.fillna(seconds)
    memory = reference.memory + 4 * (found.parameters - reference.parameters)  # float32
    return pd.DataFrame(
        {
            "pixels": found.input_size,
            "10⁹ multiplications": found.multiplications / 1e9,
            "10⁶ parameters": found.parameters / 1e6,
            "seconds measured": 1000 * found.seconds,
            "seconds extrapolated": 1000 * seconds,
            "GB measured": found.memory / 1e9,
            "GB extrapolated": memory / 1e9,
            "hours for one class": best * costs["passes"]["rotation"] * 50 / 3600,
            "days for everything": best * sum(costs["passes"].values()) * 50_000 / 86_400,
        }
    )


def cost_conditions(parameters: FigureParameters) -> pd.DataFrame:
    """Say in one row where costs were measured, and how many passes a picture needs."""
    costs = _measured(parameters)
    row = {
        "machine": costs["machine"],
        "batch size": costs["batch_size"],
        "rotation passes": costs["passes"]["rotation"],
        "all passes": sum(costs["passes"].values()),
    }
    return pd.DataFrame([row], index=["costs"])


def cost_texts(table: pd.DataFrame) -> pd.DataFrame:
    """Write costs as a page shows them, to two digits or whole."""
    return table.map(_short, na_action="ignore").fillna(MISSING)


def _measured(parameters: FigureParameters) -> dict[str, Any]:
    path = project_folder() / "results" / parameters.profile / "costs.json"
    if not path.is_file():
        raise UsageError(f"no results/{parameters.profile}/costs.json: run benchmarks/costs.py")
    costs: dict[str, Any] = json.loads(path.read_text())
    return costs


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.2g}"
