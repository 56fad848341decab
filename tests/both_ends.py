"""Run the tests at both ends of the supported range: `python tests/both_ends.py [OPTION...]`.

For each end it looks for an interpreter (on the PATH, in pyenv), makes an environment with that
JAX under `.venv/ends/`, and runs pytest there with the options given. An end without an
interpreter is skipped and said so; if none is found, that is a failure.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class End:
    """One end of the range: an interpreter and the release of JAX to run on it."""

    python: str
    jax: str

    @property
    def folder(self) -> Path:
        return ROOT / ".venv" / "ends" / f"jax-{self.jax}-{self.python}"

    def interpreter(self) -> str | None:
        """A working interpreter of this version, None when there is none.

        One on the PATH may be a shim that leads nowhere; pyenv keeps more than are on the PATH.
        """
        pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
        places = [shutil.which(self.python), *sorted(pyenv.glob(f"*/bin/{self.python}"))]
        for found in filter(None, places):
            asked = [str(found), "-c", "import sys; print(sys.executable)"]
            answer = subprocess.run(asked, capture_output=True, text=True, check=False)
            if answer.returncode == 0:
                return answer.stdout.strip()
        return None

    def prepare(self, interpreter: str) -> Path:
        """The environment's own interpreter, with this JAX and the tests' needs installed."""
        python = self.folder / "bin" / "python"
        if not python.exists():
            subprocess.run([interpreter, "-m", "venv", str(self.folder)], check=True)
        pinned = [f"jax=={self.jax}", f"jaxlib=={self.jax}"]
        install = [str(python), "-m", "pip", "install", "-q", "-e", f"{ROOT}[test]", *pinned]
        subprocess.run(install, check=True)
        return python


ENDS = (End("python3.11", "0.6.1"), End("python3.13", "0.12.0.1"))


def main(options: list[str]) -> int:
    """Test every end; the exit status is 0 when at least one ran and all that ran passed."""
    results: dict[str, str] = {}
    for end in ENDS:
        name = f"JAX {end.jax} on {end.python}"
        interpreter = end.interpreter()
        if interpreter is None:
            results[name] = "skipped: no such interpreter"
            continue
        print(f"== {name}", flush=True)
        python = end.prepare(interpreter)
        ran = subprocess.run([str(python), "-m", "pytest", *options], cwd=ROOT, check=False)
        results[name] = "passed" if ran.returncode == 0 else f"failed: status {ran.returncode}"
    for name, result in results.items():
        print(f"{name}: {result}")
    passed = [result for result in results.values() if result == "passed"]
    failed = [result for result in results.values() if result.startswith("failed")]
    return 0 if passed and not failed else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
