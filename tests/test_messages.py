"""What is said to the user is short enough to be seen, and says the helpful part first."""

from pathlib import Path

import nbformat
import papermill

from itn.messages import unknown


def test_a_long_list_is_shortened_behind_the_closest() -> None:
    names = [f"network_{number:03}" for number in range(300)]
    said = str(unknown("network", "netwrok_299", names, "profiles/mine.yaml: "))
    start = "profiles/mine.yaml: unknown network 'netwrok_299'; closest: 'network_299'; possible: "
    assert said.startswith(f"{start}network_000, network_001, ")
    assert said.endswith(", … (300 in all)")
    assert len(said) < len(start) + 220
    assert said.count(",") < 20


def test_a_list_that_fits_is_whole() -> None:
    said = str(unknown("fill", 3, ["zeros", "edge"]))
    assert said == "unknown fill '3'; possible: zeros, edge"


def test_a_bar_is_one_output(tmp_path: Path) -> None:
    imports = "import time\nfrom itn.messages import Progress"
    bar = f"{imports}\nfor _ in Progress(range(20)):\n    time.sleep(0.1)"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(bar)])
    nbformat.write(notebook, tmp_path / "bar.ipynb")
    executed = papermill.execute_notebook(
        tmp_path / "bar.ipynb", tmp_path / "out.ipynb", kernel_name="python3", progress_bar=False
    )
    (output,) = executed.cells[0].outputs
    assert output.data["text/plain"].startswith("100%")
    assert "20/20" in output.data["text/plain"]
