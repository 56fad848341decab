"""Acts as `srun` or `mpirun` on one host: `python fake_launcher.py KIND -n N COMMAND...`.

Gives each process the variables that the real one gives it, by which JAX finds the others. The
first has the terminal, as with `srun --pty`; the words of all come out here.
"""

from __future__ import annotations

import os
import subprocess
import sys

JOB = "61437"  # another one than that of real jobs, to have ports of its own


def variables(kind: str, rank: int, processes: int) -> dict[str, str]:
    """What process number `rank` is told."""
    if kind == "srun":
        return {
            "SLURM_JOB_ID": os.environ.get("FAKE_JOB", JOB),
            "SLURM_STEP_NODELIST": "localhost,other[1-3]",
            "SLURM_NTASKS": str(processes),
            "SLURM_PROCID": str(rank),
            "SLURM_LOCALID": str(rank),
        }
    job = int(os.environ.get("FAKE_JOB", JOB)) * 4096
    return {
        "OMPI_MCA_orte_hnp_uri": f"{job}.0;tcp://127.0.0.1,10.148.0.1:34911",
        "OMPI_COMM_WORLD_SIZE": str(processes),
        "OMPI_COMM_WORLD_RANK": str(rank),
        "OMPI_COMM_WORLD_LOCAL_RANK": str(rank),
    }


def main() -> None:
    """Start the processes and wait for all; the status is the first that is not 0."""
    kind, option, number, *command = sys.argv[1:]
    assert option == "-n"
    started = []
    absent = os.environ.get("FAKE_ABSENT", "")
    for rank in range(int(number)):
        if str(rank) == absent:
            continue
        environment = {**os.environ, **variables(kind, rank, int(number))}
        if rank and "FAKE_OTHER_SECRET" in os.environ:
            environment["JAXTUI_CLUSTER_SECRET"] = os.environ["FAKE_OTHER_SECRET"]
        stdin = subprocess.DEVNULL if rank else None
        started.append(subprocess.Popen(command, env=environment, stdin=stdin))
    statuses = [process.wait() for process in started]
    sys.exit(next((abs(status) for status in statuses if status), 0))


if __name__ == "__main__":
    main()
