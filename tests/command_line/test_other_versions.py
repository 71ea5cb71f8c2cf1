"""Other versions of frameworks, in environments made for it with pip; the scheduled workflow runs this."""

import os
import re
import subprocess
import sys
import venv
from importlib.util import find_spec

import pytest

from tests.command_line.running import as_a_user, run_pytest

ASKED = "LOCKSTEP_SCHEDULED"  # a variable of the environment
OTHERS = {
    "keras": ("keras==3.12.0", "tensorflow-cpu==2.20.0"),
    "jax": ("jax==0.8.0", "jaxlib==0.8.0"),
}
NEEDED = ("numpy", "scipy", "ml_dtypes")
TESTS = "notebook or test_every_step or test_gradients or test_reverse"

pytestmark = [
    pytest.mark.skipif(ASKED not in os.environ, reason=f"downloads 700 MB; set {ASKED}=1 to run it"),
    pytest.mark.skipif(find_spec("keras") is None, reason="it is compared with the Keras that is installed"),
]


def test_two_versions_run_side_by_side(tmp_path):
    for name, packages in OTHERS.items():
        venv.create(tmp_path / name, with_pip=True, symlinks=True)
        install = [tmp_path / name / "bin" / "python", "-m", "pip", "install", "--quiet", *NEEDED, *packages]
        subprocess.run(install, check=True)
    backends = ["keras", *(f"{name}@{tmp_path}/{name}/bin/python" for name in OTHERS)]
    asked = [f"--backend={name}" for name in backends]
    run = run_pytest("tests/parity", "--max-examples=5", "-k", TESTS, *asked, in_process=False)
    print(run.stdout)
    assert run.returncode == 0, run.stdout
    assert "skipped" not in run.stdout.splitlines()[-1]
    for name, (package, *_) in OTHERS.items():
        version = package.partition("==")[2]
        assert re.search(
            rf"^lockstep: {name}@\S+ {re.escape(version)}\b.*, Python 3\.\d+\.\d+$", run.stdout, re.M
        )
        assert re.search(rf"^ {re.escape(version)} ", run.stdout, re.M)  # in the table


def test_what_changed_from_one_version_to_the_next_is_told(tmp_path):
    versions = [f"--with=jax=={version}" for version in ("0.8.0", "999", "0.10.2")]
    options = (
        "--page=matrix.html",
        "--",
        "-k",
        "simple_rnn and test_every_step and not regime",
        "--max-examples=5",
    )
    command = [sys.executable, "-m", "rnn_lockstep.adapters", "matrix", *versions, *options]
    for _ in range(2):  # the second time with the environments that are made
        run = subprocess.run(
            command,
            cwd=tmp_path,
            env=as_a_user(XDG_CACHE_HOME=str(tmp_path / "cache")),
            capture_output=True,
            text=True,
        )
        print(run.stdout, run.stderr)
        assert run.returncode == 1  # as one could not be tested
        assert "jax==999: not tested: No matching distribution found for jax==999\n" in run.stderr
        assert re.search(r"^ jax +0\.8\.0 +0\.10\.2 +new +none", run.stdout, re.M)
        assert re.search(r"^ +other bits +\d+ of \d+ cases", run.stdout, re.M)
    assert len(os.listdir(tmp_path / "cache" / "rnn-lockstep" / "environments")) == 2
    assert "0.8.0" in (tmp_path / "matrix.html").read_text()
