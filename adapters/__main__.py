"""The command `rnn-lockstep`, also `python -m rnn_lockstep.adapters`: show, convert, check, test and more."""

import argparse
import shutil
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from rnn_lockstep.adapters.models.files.table import FORMATS, WRITABLE, found_in
from rnn_lockstep.adapters.models.options import parsed
from rnn_lockstep.adapters.models.recurrent_layer import InvalidModel
from rnn_lockstep.adapters.models.show import shown
from rnn_lockstep.adapters.one_line import printable
from rnn_lockstep.adapters.port.check import EXAMPLES
from rnn_lockstep.adapters.port.convert import convert
from rnn_lockstep.adapters.port.lockstep import Question
from rnn_lockstep.adapters.port.verdict import UNUSABLE, WRONG, exit_code
from rnn_lockstep.adapters.port.whole.check import EXAMPLES as WHOLE_EXAMPLES
from rnn_lockstep.adapters.port.whole.inputs import SYNTAX

WIDTH_IN_A_FILE = 120  # columns of the table where there is no terminal
FILES = ", ".join(FORMATS)
BUILT_ON_TOP = {  # commands whose arguments are read there
    "test": "rnn_lockstep.tests.harness.anywhere",
    "merge-reports": "rnn_lockstep.tests.harness.merging",
    "matrix": "rnn_lockstep.tests.harness.matrix.command",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return the exit code.

    It is 0 where all is well, and 1 where it is not. An error is one line on standard error; the code is
    1 then too. Those of `check` are `port.exit_code`'s, and those of `test` and `merge-reports` pytest's.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    if module := BUILT_ON_TOP.get(given[0] if given else ""):  # the one call from here to that
        return int(import_module(module).main(given[1:]))
    asked = parse(given)
    try:
        return int(asked.run(asked))
    except InvalidModel as error:
        print(f"error: {error}", file=sys.stderr)
        return UNUSABLE if asked.run is run_check else 1


def run_show(asked: argparse.Namespace) -> int:
    """Print the recurrent layers of a model file."""
    width = shutil.get_terminal_size((WIDTH_IN_A_FILE, 24)).columns
    print(shown(found_in(asked.file), width), end="")
    return 0


def run_convert(asked: argparse.Namespace) -> int:
    """Move the layers of model files to another's."""
    options = parsed(asked.set)
    for line in convert(asked.source, asked.target, layer=asked.layer, options=options, force=asked.force):
        print(line)
    sources = " and ".join(printable(source) for source in asked.source)
    print(f"{printable(asked.target)}: written, and walked beside {sources}")
    return 0


def run_check(asked: argparse.Namespace) -> int:
    """Print the verdict on a port; right is one whose weights and answers both are."""
    sys.path.insert(0, str(Path.cwd()))  # where package.module:name is looked up
    names = ("layer", "source_layer", "target_layer", "inputs", "batch", "time")
    given = {name: getattr(asked, name) for name in names}
    question = Question(asked.source, asked.target, options=parsed(asked.set), **given)
    verdict = question.verdict(asked.max_examples)
    wrong_weights = question.diff.cause if question.diff else ""
    if verdict and wrong_weights:
        print(f"weights: {wrong_weights}")
    print(verdict)
    return WRONG if wrong_weights else exit_code(verdict)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the arguments. Raises SystemExit where they are wrong, with the code of their command."""
    try:
        return parser().parse_args(arguments)
    except SystemExit as stop:  # argparse knows one code only
        raise SystemExit(UNUSABLE if stop.code and arguments[:1] == ["check"] else stop.code) from None


def parser() -> argparse.ArgumentParser:
    """Make the parser; each command leaves the function that runs it in `run`."""
    made = argparse.ArgumentParser(
        prog="rnn-lockstep", description="Do two recurrent networks really compute the same thing?"
    )
    commands = made.add_subparsers(dest="command", required=True)

    show = commands.add_parser("show", help="list a model file's recurrent layers")
    show.add_argument("file", type=Path, help=f"one of {FILES}")
    show.set_defaults(run=run_show)

    change = commands.add_parser(
        "convert", help="move them to another framework's file, which is left only if it computes the same"
    )
    change.add_argument("source", type=Path, nargs="+", help=f"one of {FILES}; of several, all layers")
    change.add_argument("target", type=Path, help=f"one of {', '.join(WRITABLE)}")
    change.add_argument("--layer", metavar="NAME", action="append", help="this one only; repeatable")
    change.add_argument("--force", action="store_true", help="replace the target where it exists")
    add_set(change, "what the source does not tell")
    change.set_defaults(run=run_convert)

    check = commands.add_parser("check", help="check a port: does the target compute what the source does?")
    what = f"a model file ({FILES}), or package.module:name of a live model or what builds one"
    check.add_argument("source", help=what)
    check.add_argument("target", help="the port: the same, or a function's name")
    check.add_argument("--layer", metavar="NAME", help="the recurrent layer, where there are several")
    check.add_argument("--source-layer", metavar="NAME", help="the source's, where it has another name")
    check.add_argument("--target-layer", metavar="NAME", help="the target's, where it has another name")
    check.add_argument(
        "--max-examples",
        type=at_least_one,
        metavar="N",
        help=f"how many sequences (default: {EXAMPLES}), or of whole models inputs ({WHOLE_EXAMPLES})",
    )
    check.add_argument("--inputs", metavar="SPECIFICATION", help=f"what the whole models take: {SYNTAX}")
    check.add_argument("--batch", type=at_least_one, metavar="N", help="the only batch size that they take")
    check.add_argument("--time", type=at_least_one, metavar="N", help="the only number of steps")
    add_set(check, "what a model file does not tell")
    check.set_defaults(run=run_check)

    commands.add_parser("test", help="test a backend: pytest's options, and --backend package.module:Class")
    commands.add_parser("merge-reports", help="make one report of those of shards, --to PATH")
    commands.add_parser("matrix", help="test other versions, and show what changed and how each stands")
    return made


def add_set(command: argparse.ArgumentParser, what: str) -> None:
    """Add the option for what a file does not tell."""
    command.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="OPTION=VALUE",
        help=f"{what}, for example activation=relu; repeatable",
    )


def at_least_one(text: str) -> int:
    """Read a count. Raises argparse.ArgumentTypeError for less than 1, and ValueError."""
    if int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text}, needs at least 1")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
