"""Environments of other versions, made with venv and pip, and kept in the user's cache folder."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, packages_distributions, requires, version
from pathlib import Path
from tempfile import TemporaryDirectory

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from rnn_lockstep.adapters.backends.registry import BUILT_IN
from rnn_lockstep.adapters.one_line import in_one_line, printable

WORKER = ("numpy", "scipy", "ml_dtypes")  # what a worker under another interpreter imports
CACHES = {"darwin": "~/Library/Caches", "win32": "~/AppData/Local"}


class NotMade(Exception):
    """An environment that cannot be made. The message is one line: why."""


def cache_folder() -> Path:
    """The folder in which environments are kept: the user's cache folder's rnn-lockstep/environments."""
    caches = os.environ.get("XDG_CACHE_HOME") or CACHES.get(sys.platform, "~/.cache")
    return Path(caches).expanduser() / "rnn-lockstep" / "environments"


def packages_of(text: str) -> list[str]:
    """Split packages with their versions, as `--with` has them: "keras==3.12 tensorflow-cpu==2.20".

    Raises NotMade for what pip would not take for some.
    """
    packages = text.split()
    try:
        for package in packages:
            Requirement(package)
    except InvalidRequirement:
        packages = []
    if not packages:
        raise NotMade(f"{printable(text)!r} names no packages; needs some as in 'keras==3.12'")
    return packages


def backends_of(packages: Iterable[str]) -> list[str]:
    """The backends of packages: those of the same name, as keras or, where it has tags only, flax:nnx."""
    names = {canonicalize_name(Requirement(package).name) for package in packages}
    bases = {base for name in BUILT_IN if {base := name.partition(":")[0], distribution_of(base)} & names}
    return [name for name in BUILT_IN if name in bases or name.partition(":")[0] in bases - BUILT_IN.keys()]


@cache
def installed_modules() -> Mapping[str, list[str]]:
    """The installed distributions by the modules that they have, which takes a second to find out."""
    return packages_distributions()


def distribution_of(module: str) -> str:
    """The distribution that a module comes with, as installed or in our extras: tensorflow-cpu, dm-haiku."""
    if installed := installed_modules().get(module):
        return canonicalize_name(installed[0])
    ours = sorted({Requirement(each).name for each in requires("rnn-lockstep") or ()})
    return canonicalize_name(next((name for name in ours if module in re.split("[-_.]", name)), module))


def requirements(packages: Sequence[str], backends: Iterable[str]) -> list[str]:
    """List all that an environment needs in which packages are tried on backends.

    What else the backends need is as it is installed here, so that nothing but the packages is another.
    """
    given = {canonicalize_name(Requirement(package).name) for package in packages}
    modules = dict.fromkeys(
        module for name in backends if name in BUILT_IN for module in BUILT_IN[name].needs
    )
    found = [*WORKER, *packages]
    for module in modules:
        distribution = distribution_of(module)
        if not given & {distribution, canonicalize_name(module)}:
            found.append(as_here(distribution))
    return found


def as_here(distribution: str) -> str:
    """Ask for a distribution in the version that is installed here, if any is."""
    try:
        return f"{distribution}=={Version(version(distribution)).public}"
    except PackageNotFoundError:
        return distribution


def environment(needed: Sequence[str], folder: Path | None = None) -> Path:
    """Give the Python of an environment with all that is needed, made where it is not kept yet.

    It is made in a hidden folder that is moved when all is installed, and removed otherwise, also by Ctrl-C.
    Raises NotMade.
    """
    folder = folder or cache_folder()
    place = folder / name_of(needed)
    python = place / "bin" / "python"
    if python.exists():
        return python
    shutil.rmtree(place, ignore_errors=True)  # of a Python that is no more
    try:
        folder.mkdir(parents=True, exist_ok=True)
        remove_unfinished(folder)
        with TemporaryDirectory(dir=folder, prefix=f".{os.getpid()}-", ignore_cleanup_errors=True) as new:
            made = Path(new, place.name)
            run([sys.executable, "-m", "venv", "--symlinks", str(made)])
            run([str(made / "bin" / "python"), "-m", "pip", "install", "--quiet", *needed])
            if not python.exists():  # nobody else has made it meanwhile
                made.rename(place)
    except OSError as error:
        raise NotMade(in_one_line(error)) from None
    return python


def remove_unfinished(folder: Path) -> None:
    """Remove what a process that was killed has left: hidden folders that begin with its number."""
    for left in folder.glob(".*-*"):
        number = left.name[1:].partition("-")[0]
        if number.isdecimal() and not is_running(int(number)):
            shutil.rmtree(left, ignore_errors=True)


def is_running(process: int) -> bool:
    """Tell whether a process is there, whoever's it is."""
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True


def name_of(needed: Sequence[str]) -> str:
    """Name an environment's folder: "keras-3.12-0123456789", the same for the same packages and Python."""
    own = [each for each in needed if each not in WORKER][:1]
    readable = re.sub(r"[^\w.]+", "-", own[0] if own else "plain", flags=re.ASCII)[:40]
    everything = f"{sorted(needed)} {sys.version} {sys.base_prefix}"
    return f"{readable}-{hashlib.sha256(everything.encode()).hexdigest()[:10]}"


def run(command: Sequence[str]) -> None:
    """Run a command to its end, quietly. Raises NotMade with what it says is wrong."""
    outside = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    done = subprocess.run(command, env=outside, capture_output=True, text=True, errors="replace")
    if done.returncode:
        raise NotMade(
            error_in(done.stderr + done.stdout) or f"{command[2]} ended with code {done.returncode}"
        )


def error_in(text: str) -> str:
    """The line in which pip says what is wrong: which packages conflict, or else its last error."""
    errors = [line.removeprefix("ERROR:").strip() for line in text.splitlines() if line.startswith("ERROR:")]
    conflict = [line for line in errors if line.startswith("Cannot install")]
    return printable((conflict or errors[-1:] or text.strip().splitlines()[-1:] or [""])[0])
