"""Which plugins a run has beside its session: reports, progress, saved cases."""

from pathlib import Path

import pytest

from rnn_lockstep.adapters.one_line import in_one_line
from rnn_lockstep.adapters.saved_cases.saved_case import InvalidCase
from rnn_lockstep.tests.harness import replay
from rnn_lockstep.tests.harness.known_failures.draft import Draft
from rnn_lockstep.tests.harness.known_failures.entries import InvalidKnownFailures, known_failures
from rnn_lockstep.tests.harness.known_failures.run import KnownFailures
from rnn_lockstep.tests.harness.progress import Progress, wanted
from rnn_lockstep.tests.harness.saving import FOLDER, NAME, Saving
from rnn_lockstep.tests.harness.session import Session
from rnn_lockstep.tests.harness.vectors import Vectors

TESTS = Path(__file__).parent


def register(config: pytest.Config, session: Session) -> None:
    """Register those that the options ask for. Raises pytest.UsageError when one cannot do its work."""
    plugins = config.pluginmanager
    if config.getoption("--lockstep-report"):
        from rnn_lockstep.tests.harness.report.plugin import Reports

        plugins.register(Reports(config, session), "lockstep-report")
    if wanted(config):
        plugins.register(Progress(config), "lockstep-progress")
    save_cases(config)
    replay_cases(config)
    know_failures(config, session)


def save_cases(config: pytest.Config) -> None:
    """Paths become absolute, for pytest-xdist's processes too."""
    folder = config.getoption("--save-cases")
    if folder is None:
        return
    if folder == "":
        raise pytest.UsageError("--save-cases needs the name of a folder")
    config.option.save_cases = config.invocation_params.dir / folder
    try:
        config.pluginmanager.register(Vectors(config.option.save_cases), "lockstep-vectors")
    except OSError as error:
        raise pytest.UsageError(f"--save-cases {folder}: {in_one_line(error)}") from None


def replay_cases(config: pytest.Config) -> None:
    """The cases of `--replay` and nothing else; without it failing cases are saved."""
    paths = [config.invocation_params.dir / path for path in config.getoption("--replay")]
    if not paths:
        config.pluginmanager.register(Saving(config.rootpath / FOLDER), NAME)
        return
    config.option.replay = paths
    try:
        config.pluginmanager.register(replay.Replay(paths), "lockstep-replay")
    except InvalidCase as error:
        raise pytest.UsageError(str(error)) from None
    config.args = [replay.__file__]


def know_failures(config: pytest.Config, session: Session) -> None:
    """Those of `--known-failures`, and a draft of such a file."""
    folder, plugins = config.invocation_params.dir, config.pluginmanager
    if path := config.getoption("--known-failures"):
        config.option.known_failures = folder / path
        try:
            entries = known_failures(folder / path)
        except InvalidKnownFailures as error:
            raise pytest.UsageError(str(error)) from None
        plugins.register(failing := KnownFailures(entries, session), "lockstep-known-failures")
        if failing.entries:
            config.args.append(str(TESTS / "known_failures" / "run.py"))
    if path := config.getoption("--write-known-failures"):
        config.option.write_known_failures = draft = folder / path
        if draft.exists() or draft.suffix != ".toml" or not draft.parent.is_dir():
            raise pytest.UsageError(f"--write-known-failures {path}: needs a new .toml file in a folder")
        plugins.register(Draft(draft, session), "lockstep-draft")
