"""The processes that a launcher has started on every host, found as JAX finds them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from typing import NamedTuple

from jaxtui.wire import early

_SECONDS = 120.0

# What a launcher gives each process, for those that JAX knows: all variables that have to be there,
# and which of them is the number of processes, if any is.
_KNOWN: list[tuple[str, tuple[str, ...], str]] = [
    (
        "Slurm",
        ("SLURM_JOB_ID", "SLURM_STEP_NODELIST", "SLURM_PROCID", "SLURM_LOCALID", "SLURM_NTASKS"),
        "SLURM_NTASKS",
    ),
    (
        "Open MPI",
        ("OMPI_MCA_orte_hnp_uri", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
        "OMPI_COMM_WORLD_SIZE",
    ),
    ("Kubernetes", ("KUBERNETES_SERVICE_HOST", "JOB_COMPLETION_INDEX"), ""),
    ("Cloud TPU", ("TPU_WORKER_ID", "TPU_WORKER_HOSTNAMES"), ""),
]


class NotFound(Exception):
    """JAX does not find the other processes; the message is a clause."""


class Job(NamedTuple):
    """The job of this process: how many there are, which one this is, and where process 0 is."""

    processes: int
    process: int
    coordinator: str


def launcher(environ: Mapping[str, str] = os.environ) -> str:
    """The launcher that has started this process as one of several, "" for none."""
    for name, needed, number in _KNOWN:
        if not all(environ.get(variable) for variable in needed):
            continue
        if number and environ[number] == "1":
            continue
        if name == "Cloud TPU" and "," not in environ["TPU_WORKER_HOSTNAMES"]:
            continue
        return name
    return ""


def allocation(environ: Mapping[str, str] = os.environ) -> str:
    """The line that uses all nodes of a Slurm allocation in which no step has begun, else ""."""
    nodes = environ.get("SLURM_JOB_NUM_NODES", environ.get("SLURM_NNODES", ""))
    if "SLURM_JOB_ID" not in environ or "SLURM_STEP_NODELIST" in environ:
        return ""
    if not nodes.isdecimal() or int(nodes) < 2:
        return ""
    # JAX gives each process of a node one of its GPUs.
    gpus = environ.get("SLURM_GPUS_ON_NODE", "")
    tasks = f"--ntasks-per-node={gpus} " if gpus.isdecimal() and int(gpus) > 1 else ""
    return f"srun --pty --nodes={nodes} {tasks}jaxtui"


def rank(environ: Mapping[str, str] = os.environ) -> int | None:
    """The number that a launcher, of whatever kind, has given this process; None for none."""
    names = ("SLURM_PROCID", "OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "FLUX_TASK_RANK")
    found = (environ.get(name, "") for name in names)
    return next((int(text) for text in found if text.isdecimal()), None)


def job() -> Job:
    """The job of this process, as JAX's own detection has it. Raises NotFound."""
    ran = subprocess.run(
        [*early.command(), "--job"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=_SECONDS,
        check=False,
    )
    words = ran.stdout.decode("utf-8", "replace").split()
    if ran.returncode == 0 and len(words) == 3 and words[0].isdecimal() and words[1].isdecimal():
        return Job(int(words[0]), int(words[1]), words[2])
    last = ran.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
    raise NotFound(" ".join(last) or f"status {ran.returncode}")
