"""Registration of the plugins that a run's options ask for: reports, progress, saved cases and more."""

import os
from collections.abc import Callable, Sequence

import pytest

from rnn_lockstep.adapters import Adapter, load
from rnn_lockstep.adapters.one_line import in_one_line
from rnn_lockstep.adapters.safe_files import behind_links
from rnn_lockstep.adapters.saved_cases.saved_case import InvalidCase
from rnn_lockstep.adapters.workers.supervised import Supervised
from rnn_lockstep.tests.harness.anywhere import saving_folder
from rnn_lockstep.tests.harness.conformance_vectors import write_vectors
from rnn_lockstep.tests.harness.guarantees import MeasureGuarantees
from rnn_lockstep.tests.harness.known_failures import excuse
from rnn_lockstep.tests.harness.known_failures.draft import Draft
from rnn_lockstep.tests.harness.known_failures.entries import (
    InvalidKnownFailures,
    KnownFailure,
    read_entries,
)
from rnn_lockstep.tests.harness.known_failures.kept import NONE, kept
from rnn_lockstep.tests.harness.processes import Processes
from rnn_lockstep.tests.harness.progress import Progress, shows_progress
from rnn_lockstep.tests.harness.replay import TEST, Replay
from rnn_lockstep.tests.harness.report.reading import InvalidReport, read_report
from rnn_lockstep.tests.harness.saving import FOLDER, NAME, Saving
from rnn_lockstep.tests.harness.session import Session
from rnn_lockstep.tests.harness.shard import Shard
from rnn_lockstep.tests.harness.summary import LastWord

Known = tuple[str, KnownFailure]  # a backend that is tested, and what is known of it


def register(config: pytest.Config, session: Session) -> None:
    """Register a plugin for each option given. Raises pytest.UsageError where one cannot do its work."""
    plugins = config.pluginmanager
    save_vectors(config)
    plugins.register(Processes(session), "lockstep-processes")
    if (given := config.getoption("--shard")) is not None:
        plugins.register(Shard(config, given, session.names), "lockstep-part")
    known = register_known_failures(config, session)
    register_reports(config, session, known)
    if config.getoption("--lockstep-report") or config.option.verbose > 0:
        plugins.register(MeasureGuarantees(session), "lockstep-guarantees")
    if not config.getoption("--replay"):
        plugins.register(LastWord(session), "lockstep-last-word")
    if shows_progress(config):
        plugins.register(Progress(config), "lockstep-progress")
    register_cases(config)


def maker(config: pytest.Config) -> Callable[[str], Adapter]:
    """What makes the adapter of a name: in a process of its own, unless it is NumPy's or `--in-process`.

    Raises pytest.UsageError where the options contradict each other.
    """
    in_process, seconds = config.getoption("--in-process"), config.getoption("--case-timeout")
    if seconds <= 0:
        raise pytest.UsageError(f"--case-timeout is {seconds:g}, needs more than 0 seconds")
    if in_process and (elsewhere := [name for name in config.getoption("--backend") if "@" in name]):
        raise pytest.UsageError(f"--in-process does not go with {elsewhere[0]}, which runs elsewhere")
    live = config.getoption("capture") == "no"

    def make(name: str) -> Adapter:
        return load(name) if in_process or name == "numpy" else Supervised(name, seconds, live)

    return make


def register_reports(config: pytest.Config, session: Session, known: Sequence[Known]) -> None:
    """Register what writes reports, `--lockstep-report`, and sets this run beside another, `--against`.

    known: the backends and their entries, where failures are known.  Raises pytest.UsageError.
    """
    against = config.getoption("--against")
    if not config.getoption("--lockstep-report") and not against:
        return
    from rnn_lockstep.tests.harness.report.plugin import Reports
    from rnn_lockstep.tests.harness.report.records import NAME, Records

    config.pluginmanager.register(Records(known), NAME)
    config.pluginmanager.register(reports := Reports(config, session), "lockstep-report")
    if against and not hasattr(config, "workerinput"):
        try:
            reports.earlier = read_report(config.invocation_params.dir / against)
        except InvalidReport as error:
            raise pytest.UsageError(f"--against {error}") from None


def save_vectors(config: pytest.Config) -> None:
    """Write the conformance vectors, `--save-cases`, and have them replayed. Raises pytest.UsageError.

    The first process writes them, before it starts those of pytest-xdist.
    """
    folder = config.getoption("--save-cases")
    if folder is None:
        return
    if folder == "":
        raise pytest.UsageError("--save-cases needs the name of a folder")
    path = config.invocation_params.dir / folder
    try:
        if not hasattr(config, "workerinput"):
            write_vectors(path)
    except OSError as error:
        raise pytest.UsageError(f"--save-cases {folder}: {in_one_line(error)}") from None
    config.option.replay = [*config.option.replay, path]


def register_cases(config: pytest.Config) -> None:
    """Register what runs saved cases and nothing else, `--replay`; without it, what saves failing cases.

    Raises pytest.UsageError for a file that is no saved case.
    """
    paths = [config.invocation_params.dir / path for path in config.getoption("--replay")]
    if not paths:
        config.pluginmanager.register(Saving(saving_folder(config) / FOLDER), NAME)
        return
    config.option.replay = paths
    try:
        config.pluginmanager.register(Replay(paths), "lockstep-replay")
    except InvalidCase as error:
        raise pytest.UsageError(str(error)) from None
    config.args = [str(TEST)]


def register_known_failures(config: pytest.Config, session: Session) -> Sequence[Known]:
    """Register what excuses known failures, `--known-failures`, and what drafts a file of them.

    Without a file, those that are kept apply; their cases are run where the whole suite is.
    Returns the backends and their entries. Raises pytest.UsageError for a file that cannot be read, or not
    be written.
    """
    folder, plugins = config.invocation_params.dir, config.pluginmanager
    pairs: Sequence[Known] = ()
    path = config.getoption("--known-failures")
    if path != NONE and (path or not config.getoption("--replay")):
        if path:
            config.option.known_failures = folder / path
        try:
            entries = read_entries(folder / path) if path else kept(session.names)
        except InvalidKnownFailures as error:
            raise pytest.UsageError(str(error)) from None
        plugins.register(failing := excuse.ExcuseKnownFailures(entries, session), "lockstep-known-failures")
        pairs = failing.pairs
        whole = any((folder / argument) in excuse.TEST.parents for argument in config.args)
        if pairs and (path or whole):
            config.args.append(str(excuse.TEST))
            # pytest drops a file that lies in a folder it was given too, and looks in there by this.
            config.addinivalue_line("python_files", excuse.TEST.name)
    if path := config.getoption("--write-known-failures"):
        config.option.write_known_failures = draft = folder / path
        if os.path.lexists(draft) or draft.suffix != ".toml" or not os.path.isdir(draft.parent):
            raise pytest.UsageError(f"--write-known-failures {path}: needs a new .toml file in a folder")
        try:
            behind_links(draft)
        except OSError as error:
            raise pytest.UsageError(f"--write-known-failures {path}: {in_one_line(error)}") from None
        plugins.register(Draft(draft, session), "lockstep-draft")
    return pairs
