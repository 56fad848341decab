"""The processes that a launcher starts find each other as JAX would find them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from jaxtui.hosts import launchers
from tests.support.asking import sized_by_terminal
from tests.support.fake_launcher import variables
from tests.support.processes import wait_for
from tests.support.terminal import EXPLORER, Terminal

FAKE = [sys.executable, str(Path(__file__).parents[1] / "support" / "fake_launcher.py")]
SESSION = """
[devices]
platform = "cpu"
count = {count}

[program]
source = '''
def f(x):
    return lax.psum(x, "i")
'''

[[program.arguments]]
name = "x"
value = "arange({count}.0)"

[[program.layers]]
transform = "pmap"
axis_name = "i"
"""


@pytest.mark.long
@pytest.mark.parametrize("kind", ["srun", "mpirun"])
def test_a_job_is_known_by_what_jax_knows_it_by(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    from jax._src import clusters

    for name, text in variables(kind, 2, 4).items():
        monkeypatch.setenv(name, text)
    assert launchers.launcher() == {"srun": "Slurm", "mpirun": "Open MPI"}[kind]
    assert launchers.rank() == 2
    detect = clusters.ClusterEnv.auto_detect_unset_distributed_params
    address, processes, process, _ = detect(None, None, None, None, None, 5)
    assert launchers.job() == launchers.Job(processes, process, address)


@pytest.mark.parametrize(
    "environ",
    [
        {},
        variables("srun", 0, 1),
        variables("mpirun", 0, 1),
        {"SLURM_JOB_ID": "1", "SLURM_NTASKS": "4", "SLURM_PROCID": "0"},
        {"KUBERNETES_SERVICE_HOST": "10.0.0.1"},
        {"TPU_WORKER_ID": "0", "TPU_WORKER_HOSTNAMES": "one"},
    ],
)
def test_a_process_by_itself_is_in_no_job(environ: Mapping[str, str]) -> None:
    assert launchers.launcher(environ) == ""


def test_an_allocation_without_a_step_has_a_line_that_uses_all_of_it() -> None:
    assert launchers.allocation({"SLURM_JOB_ID": "1", "SLURM_JOB_NUM_NODES": "4"}) == (
        "srun --pty --nodes=4 jaxtui"
    )
    gpus = {"SLURM_JOB_ID": "1", "SLURM_NNODES": "2", "SLURM_GPUS_ON_NODE": "8"}
    assert launchers.allocation(gpus) == "srun --pty --nodes=2 --ntasks-per-node=8 jaxtui"
    assert launchers.allocation({"SLURM_JOB_ID": "1", "SLURM_JOB_NUM_NODES": "1"}) == ""
    assert launchers.allocation(variables("srun", 0, 4)) == ""
    assert launchers.allocation({}) == ""


def sessions(folder: Path, *counts: int) -> list[str]:
    """A session for each number of devices."""
    paths = [folder / f"{count}.toml" for count in counts]
    for path, count in zip(paths, counts, strict=True):
        path.write_text(SESSION.format(count=count))
    return list(map(str, paths))


def environment(folder: Path, job: int, **more: str) -> dict[str, str]:
    """The variables of a job of its own, with a key of its own."""
    own = {"XDG_DATA_HOME": str(folder), "FAKE_JOB": str(job)}
    return sized_by_terminal() | own | more


def ran(
    command: list[str], variables: dict[str, str], seconds: float = 100.0
) -> tuple[int, list[Any], str]:
    """The status of a command, the JSON objects that it prints, and its stderr."""
    done = subprocess.run(
        command, env=variables, capture_output=True, text=True, timeout=seconds, check=False
    )
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def values(report: Any) -> Any:
    return report["program"]["outputs"][0]["values"]


@pytest.mark.long
@pytest.mark.parametrize(("kind", "job"), [("srun", 101), ("mpirun", 202)])
def test_started_on_every_rank_the_first_prints_what_all_compute(
    tmp_path: Path, kind: str, job: int
) -> None:
    """Two sessions that need different engines, for which the other ranks stay."""
    command = [*FAKE, kind, "-n", "2", *EXPLORER, "run", "--json", *sessions(tmp_path, 4, 8)]
    status, reports, errors = ran(command, environment(tmp_path, job))
    assert status == 0, errors
    assert [values(report) for report in reports] == [[6.0] * 4, [28.0] * 8]
    assert [report["environment"]["process_count"] for report in reports] == [2, 2]
    key = tmp_path / "jaxtui" / "cluster.key"
    assert key.stat().st_mode & 0o777 == 0o600


@pytest.mark.long
def test_a_launcher_starts_as_many_as_asked_for(tmp_path: Path) -> None:
    launcher = " ".join([*FAKE, "mpirun", "-n", "{n}"])
    options = ["--processes", "2", "--hosts-command", launcher]
    command = [*EXPLORER, "run", "--json", *options, *sessions(tmp_path, 4)]
    status, [report], errors = ran(command, environment(tmp_path, 303))
    assert status == 0, errors
    assert values(report) == [6.0] * 4
    assert report["environment"]["process_count"] == 2


MPIRUN = "mpirun --allow-run-as-root --oversubscribe"


@pytest.mark.long
@pytest.mark.skipif(shutil.which("mpirun") is None, reason="Open MPI is not installed")
@pytest.mark.parametrize("by", ["the launcher", "jaxtui"])
def test_open_mpi_itself_starts_them(tmp_path: Path, by: str) -> None:
    run = [*EXPLORER, "run", "--json", *sessions(tmp_path, 4)]
    command = [*MPIRUN.split(), "-n", "2", *run]
    if by == "jaxtui":
        command = [*run, "--processes", "2", "--hosts-command", f"{MPIRUN} -n {{n}}"]
    status, [report], errors = ran(command, environment(tmp_path, 0))
    assert status == 0, errors
    assert values(report) == [6.0] * 4
    assert report["environment"]["process_count"] == 2


@pytest.mark.long
@pytest.mark.parametrize(
    ("launcher", "words"),
    [
        ("/nowhere/srun -n {n}", "cannot start /nowhere/srun: No such file"),
        ("sh -c 'echo no nodes >&2; exit 1'", "sh: it ended with status 1: no nodes"),
    ],
)
def test_a_launcher_that_fails_is_told(tmp_path: Path, launcher: str, words: str) -> None:
    options = ["--processes", "2", "--hosts-command", launcher]
    status, _, errors = ran(
        [*EXPLORER, "run", *options, *sessions(tmp_path, 4)], environment(tmp_path, 304)
    )
    assert status == 3
    assert words in errors


@pytest.mark.long
def test_another_secret_is_refused_and_told(tmp_path: Path) -> None:
    variables = environment(
        tmp_path,
        404,
        JAXTUI_CLUSTER_SECRET="0123456789abcdef",
        FAKE_OTHER_SECRET="fedcba9876543210",
    )
    command = [*FAKE, "srun", "-n", "2", *EXPLORER, "run", *sessions(tmp_path, 4)]
    started = subprocess.Popen(command, env=variables, stderr=subprocess.PIPE, text=True)
    assert started.stderr is not None
    with started.stderr as errors:
        told = next(line for line in errors if "secret" in line)
        assert "the secret is not that of process 0" in told
        started.send_signal(signal.SIGTERM)
        for pid in children_of(started.pid):
            os.kill(pid, signal.SIGTERM)
        started.wait()


def children_of(pid: int) -> list[int]:
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return list(map(int, listed.split()))


@pytest.mark.long
def test_a_process_that_does_not_come_is_told(
    tmp_path: Path,
) -> None:
    """After a minute; what is waited for is told after ten seconds."""
    variables = environment(tmp_path, 606, FAKE_ABSENT="1")
    command = [*FAKE, "srun", "-n", "3", *EXPLORER, "run", *sessions(tmp_path, 6)]
    status, _, errors = ran(command, variables)
    assert status == 3
    assert "waiting for process 1 of 3, which the launcher starts" in errors
    assert "process 1 of 3 did not come within 60 s: does the launcher start jaxtui" in errors


@pytest.mark.long
def test_the_end_of_a_rank_is_told_with_its_process(tmp_path: Path) -> None:
    variables = environment(tmp_path, 707, FAKE_MARK=str(tmp_path))
    [path] = sessions(tmp_path, 6)
    text = Path(path).read_text().replace("return lax", "import time; time.sleep(60); return lax")
    Path(path).write_text(text)
    command = [*FAKE, "mpirun", "-n", "3", *EXPLORER, "run", path]
    started = subprocess.Popen(command, env=variables, stderr=subprocess.PIPE, text=True)
    try:
        assert wait_for(lambda: len(attending(tmp_path, "--process=2 ")) == 1, 60)
        assert wait_for(lambda: ready(tmp_path), 60)
        os.kill(attending(tmp_path, "--process=2 ")[0], signal.SIGKILL)
        _, errors = started.communicate(timeout=30)
    finally:
        started.kill()
    assert "(process 2): the engine was killed" in errors, errors
    assert wait_for(lambda: not attending(tmp_path, ""), 20), attending(tmp_path, "")


def ready(folder: Path) -> bool:
    """Whether the first engine process talks to the coordinator, some time after its start."""
    [leader] = attending(folder, "--process=0 ")
    threads = len(list(Path(f"/proc/{leader}/task").iterdir()))
    return threads > 20


@pytest.mark.long
@pytest.mark.timeout(120)
def test_the_screen_is_in_the_first_rank_and_its_end_ends_the_others(tmp_path: Path) -> None:
    variables = environment(tmp_path, 505, XDG_STATE_HOME=str(tmp_path), FAKE_MARK=str(tmp_path))
    command = [*FAKE, "srun", "-n", "3", *EXPLORER, "--platform", "cpu", "--devices", "6"]
    with Terminal(command, environment=variables) as terminal:
        terminal.wait("53.")
        engines = attending(tmp_path, "jaxtui.engine")
        assert len(engines) == 3
        terminal.type("R")
        assert wait_for(lambda: not set(engines) & set(attending(tmp_path, "jaxtui.engine")), 20)
        assert wait_for(lambda: len(attending(tmp_path, "jaxtui.engine")) == 3, 30)
        assert len(attending(tmp_path, "--rank=")) == 2
        terminal.type("q")
        assert terminal.status() == 0
    assert wait_for(lambda: not attending(tmp_path, ""), 20), attending(tmp_path, "")


def attending(folder: Path, words: str) -> list[int]:
    """The processes of the job in `folder` whose command lines have these words."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            variables = (place / "environ").read_bytes().split(b"\0")
            line = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            if f"FAKE_MARK={folder}".encode() in variables and words in line:
                found.append(int(place.name))
    return found
