"""Workers of a scheduler: the same bytes as on one machine, whoever is killed meanwhile."""

import ast
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import distributed
import numpy as np
import pytest
import typer
from toy_project import write_pictures, write_profile

from itn.classifiers import save_classifier
from itn.curves import load_screening
from itn.keras_settings import configured_backend
from itn.messages import UsageError
from itn.study import shards, workers
from itn.study.archive import archive
from itn.study.command_line import app, main
from itn.study.inputs import check_inputs, inputs_of
from itn.study.profiles import FigureParameters
from itn.study.screenings import screening_request
from itn.study.shards import group

TOY = FigureParameters(profile="toy")
OTHER_BACKEND = "jax" if configured_backend() == "tensorflow" else "tensorflow"
WANTED = [(TOY, "rotation"), (TOY, "noise")]

# Keras writes .keras files so.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture(scope="module")
def project(tmp_path_factory, conv_classifier):
    """A project whose network is a file, of which every process finds its own copy."""
    folder = tmp_path_factory.mktemp("project")
    network = save_classifier(conv_classifier, folder / "conv.keras")
    write_pictures(folder / "pictures", "abc", count=6)
    write_pictures(folder / "pictures", "d", count=4)  # which fill no batch of 6
    write_profile(folder, networks=[str(network)], classes=[*"cbad"], highlights=["a"])
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield folder


@pytest.fixture(scope="module")
def alone(project):
    """The bytes that a run without workers writes."""
    found = {}
    for one in WANTED:
        request = screening_request(*one)
        archive(request)
        found[request.archive.name] = request.archive.read_bytes()
    return found


@pytest.fixture(scope="module")
def cluster():
    options = {"processes": True, "n_workers": 2, "threads_per_worker": 1}
    with distributed.LocalCluster(**options, dashboard_address=":0", silence_logs=50) as started:
        yield started


@pytest.fixture
def nothing_there(project):
    shutil.rmtree(project / "results", ignore_errors=True)


def archived(cluster, force=False):
    done = list(workers.archive_on_workers(cluster.scheduler_address, WANTED, force))
    assert [written for _, written in done] == [True, True]
    return {request.archive.name: request.archive.read_bytes() for request, _ in done}


def parts(project):
    return list(project.glob("results/.cache/*.state/shards/*.nc"))


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited for too long"
        time.sleep(0.01)


def test_workers_write_the_bytes_of_a_run_on_one_machine(alone, cluster, nothing_there, capsys):
    assert archived(cluster) == alone
    said = capsys.readouterr()
    assert f"dashboard: {cluster.dashboard_link}" in said.out and "6/6" in said.err
    done = workers.archive_on_workers(cluster.scheduler_address, WANTED)
    assert [written for _, written in done] == [False, False]


def test_a_killed_worker_changes_no_byte(project, alone, cluster, nothing_there):
    killed = []

    def kill_one_that_works():
        wait_for(lambda: parts(project))
        with distributed.Client(cluster.scheduler_address, set_as_default=False) as client:
            at_work = next(address for address, keys in client.processing().items() if keys)
            killed.append(client.run(os.getpid, workers=[at_work])[at_work])
            os.kill(killed[0], signal.SIGKILL)

    killer = threading.Thread(target=kill_one_that_works)
    killer.start()
    assert archived(cluster) == alone
    killer.join()
    assert killed and not Path("/proc", str(killed[0])).exists()


@pytest.fixture(scope="module")
def killed_client(project, cluster, tmp_path_factory):
    """Kill a run on workers as soon as a shard is finished; return what it has left."""
    shutil.rmtree(project / "results", ignore_errors=True)
    command = [sys.executable, "-c", "from itn.study.command_line import app, main; main()"]
    arguments = ["screen", "--profile", "toy", "--scheduler", cluster.scheduler_address]
    names = [one for _, name in WANTED for one in ("--transformation", name)]
    with subprocess.Popen([*command, *arguments, *names], stdout=subprocess.DEVNULL) as client:
        wait_for(lambda: parts(project))
        client.kill()
    return shutil.copytree(project / "results", tmp_path_factory.mktemp("killed") / "results")


@pytest.fixture
def kept(project, killed_client, nothing_there):
    """How many shards were finished when the client was killed; they are there again."""
    shutil.copytree(killed_client, project / "results")
    return len(parts(project))


def test_what_was_computed_before_the_client_was_killed_is_kept(alone, cluster, kept, monkeypatch):
    sent = Counter()
    submit = workers._Workers._submit

    def counted(self, function, plan):
        sent[function.__name__] += 1
        return submit(self, function, plan)

    monkeypatch.setattr(workers._Workers, "_submit", counted)
    assert archived(cluster) == alone
    assert 1 <= kept < 6 and sent == {"outline": 1, "screen_shard": 6 - kept}


def test_a_run_without_workers_goes_on_from_what_they_have_left(project, alone, kept, monkeypatch):
    begun = {path.parents[1].name for path in parts(project)}
    screened = []
    screen_shard = shards.screen_shard

    def stopped_once(shard, *given, **options):
        screened.append(shard["transformation"])
        if len(screened) == 2:
            raise KeyboardInterrupt
        return screen_shard(shard, *given, **options)

    monkeypatch.setattr(shards, "screen_shard", stopped_once)
    for one in WANTED:
        request = screening_request(*one)
        while not request.archive.exists():
            with suppress(KeyboardInterrupt):
                archive(request)
        assert request.archive.read_bytes() == alone[request.archive.name]
    of_one = 6 // len(WANTED)
    assert 1 <= kept < 6 and len(begun) in (1, 2)
    assert len(screened) == max(of_one * len(begun) - kept, 1) + (len(screened) > 1)
    assert not list(project.glob("results/.cache/*.state"))


def test_workers_place_adaptive_magnitudes_as_one_machine_does(project, cluster, nothing_there):
    given = TOY.model_copy(update={"magnitudes": "adaptive", "precision": 0.05})
    request = screening_request(given, "contrast")
    archive(request)
    expected = request.archive.read_bytes()
    screened = load_screening(request.archive)
    assert "screened" in screened  # not the same magnitudes for all classes
    shutil.rmtree(project / "results")
    list(workers.archive_on_workers(cluster.scheduler_address, [(given, "contrast")]))
    assert request.archive.read_bytes() == expected


def test_an_error_at_one_worker_ends_it_all_in_one_line(cluster, nothing_there, monkeypatch):
    cut = shards.cut

    def elsewhere(parameters, recipe, *plans):
        device = {"device": "gpu:0 (mips)"} if recipe["transformation"] == "noise" else {}
        return [shard | device for shard in cut(parameters, recipe, *plans)]

    monkeypatch.setattr(shards, "cut", elsewhere)
    with pytest.raises(UsageError, match=r"^worker tcp://\S+ computes on cpu\S* \(.*mips\)$"):
        archived(cluster)


def test_workers_that_do_not_fit_are_named_before_anything_is_computed(project, tmp_path):
    package = Path(workers.__file__).parents[1]
    shutil.copytree(package, tmp_path / "itn", ignore=shutil.ignore_patterns("weights", "*.pyc"))
    with (tmp_path / "itn" / "ops.py").open("a") as file:
        file.write("\nSOMETHING = 'else'\n")
    others = [
        ("", {"KERAS_BACKEND": OTHER_BACKEND}),
        ("", {"PYTHONPATH": str(tmp_path)}),
        ("sys.modules['itn'] = None;", {}),
    ]
    with distributed.LocalCluster(
        n_workers=0, processes=False, protocol="tcp", dashboard_address=":0", silence_logs=50
    ) as empty:
        started = [
            subprocess.Popen(
                [
                    sys.executable,
                    "-c",
                    f"import sys; {first} from distributed.cli.dask_worker import main; main()",
                    empty.scheduler_address,
                    *("--no-dashboard", "--no-nanny", "--nthreads", "1"),
                ],
                env=os.environ | more,
                cwd=tmp_path,
                stderr=subprocess.DEVNULL,
            )
            for first, more in others
        ]
        try:
            empty.wait_for_workers(3, timeout=60)
            with pytest.raises(UsageError) as raised:
                archived(empty)
        finally:
            for process in started:
                process.kill()
                process.wait()
    line = str(raised.value)
    assert line.count("worker tcp://") == 3 and "\n" not in line
    assert "cannot load this version of the package itn: ModuleNotFoundError(" in line
    assert re.search(r"has another version: sources \(\w{8} there, \w{8} now\)", line)
    assert re.search(rf"{configured_backend()} \(none there, [\d.]+ now\), {OTHER_BACKEND} ", line)


def test_a_worker_without_the_pictures_is_named(cluster, monkeypatch):
    def elsewhere(parameters, recipe):
        inputs = inputs_of(parameters, recipe)
        return inputs | {"pictures": inputs["pictures"] | {"source": "/not/there"}}

    monkeypatch.setattr(workers, "inputs_of", elsewhere)
    problem = r"^worker \S+ \(and 1 more\) there is no folder /not/there$"
    with pytest.raises(UsageError, match=problem):
        archived(cluster)


def test_files_are_compared_with_those_that_are_meant(project, tmp_path):
    request = screening_request(*WANTED[0])
    inputs = json.loads(json.dumps(inputs_of(TOY, request.recipe)))  # it travels
    check_inputs(inputs)
    copied = shutil.copytree(project / "pictures", tmp_path / "pictures")
    inputs["pictures"]["source"] = str(copied)
    check_inputs(inputs)
    shutil.copy(copied / "a" / "1.png", copied / "a" / "2.png")
    with pytest.raises(UsageError, match=r"^has other files: classes a files \(\w{8} there, "):
        check_inputs(inputs)
    inputs["pictures"]["source"] = str(project / "pictures")
    inputs["hashes"]["network_file_sha256"] = "0" * 64
    with pytest.raises(UsageError, match=r"^has other files: network_file_sha256 \(\w{8} there"):
        check_inputs(inputs)


def test_small_classes_are_shared_out_among_those_that_fill_a_batch():
    """So that every shard has batches of the size that all together have."""
    rng = np.random.default_rng(0)
    for _ in range(50):
        counts = {f"class {i}": int(n) for i, n in enumerate(rng.integers(1, 40, 12))}
        batch_size = min(16, max(counts.values()))
        groups = group(counts, batch_size)
        assert sorted(name for one in groups for name in one) == sorted(counts)
        assert {min(16, max(counts[name] for name in one)) for one in groups} == {batch_size}


@pytest.mark.parametrize(
    ("address", "line"),
    [
        ("tcp://127.0.0.1:1", "itn: no scheduler answers at tcp://127.0.0.1:1 in 0.2 s"),
        ("nonsense", "itn: 'nonsense' is no address like tcp://host:8786: "),
    ],
)
def test_a_scheduler_that_cannot_be_reached(project, monkeypatch, address, line):
    monkeypatch.setattr(workers, "ANSWER", 0.2)
    assert run_main(monkeypatch, "--scheduler", address).startswith(line)


def test_a_scheduler_without_workers(project, monkeypatch):
    monkeypatch.setattr(workers, "PATIENCE", 0.1)
    with distributed.LocalCluster(
        n_workers=0, processes=False, protocol="tcp", dashboard_address=":0", silence_logs=50
    ) as empty:
        said = run_main(monkeypatch, "--scheduler", empty.scheduler_address)
        assert said == f"itn: no worker has come to {empty.scheduler_address} in 0.1 s"


def test_without_the_extra_it_is_said_how_to_install_it(project, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    monkeypatch.delitem(sys.modules, "itn.study.workers")
    said = run_main(monkeypatch, "--scheduler", "tcp://127.0.0.1:1")
    assert said == "itn: --scheduler needs more packages: pip install 'itn[cluster]'"


def test_the_script_for_slurm_is_python_and_its_command_one_of_ours():
    page = (Path(__file__).parents[2] / "book" / "run_on_imagenet.md").read_text("utf-8")
    (script,) = re.findall(r"^```python\n([^`]*SLURMCluster[^`]*)^```$", page, re.MULTILINE)
    assigned = (node for node in ast.walk(ast.parse(script)) if isinstance(node, ast.Assign))
    (command,) = (node.value for node in assigned if ast.unparse(node.targets[0]) == "command")
    words = [ast.unparse(word).strip("'") for word in command.elts]
    options = {option for each in screen_profile_options() for option in each.opts}
    assert words[:2] == ["itn", "screen"] and {"--profile", "--scheduler"} <= options & set(words)


def screen_profile_options():
    return typer.main.get_command(app).commands["screen"].params


def run_main(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["itn", "screen", "--profile", "toy", *arguments])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert "\n" not in str(stopped.value.code)
    return str(stopped.value.code)
