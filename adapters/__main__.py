"""`python -m adapters show FILE` and `python -m adapters convert SOURCE TARGET`."""

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from rnn_lockstep.adapters.models.files.table import FORMATS, WRITABLE, read_model
from rnn_lockstep.adapters.models.options import parsed
from rnn_lockstep.adapters.models.recurrent_layer import InvalidModel
from rnn_lockstep.adapters.models.show import shown
from rnn_lockstep.adapters.port.convert import convert

WIDTH_IN_A_FILE = 120  # columns of the table where there is no terminal


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0, or 1 with one line on standard error."""
    asked = parser().parse_args(arguments)
    try:
        if asked.command == "show":
            width = shutil.get_terminal_size((WIDTH_IN_A_FILE, 24)).columns
            print(shown(read_model(asked.file), width), end="")
        else:
            options = parsed(asked.set)
            for line in convert(
                asked.source, asked.target, layer=asked.layer, options=options, force=asked.force
            ):
                print(line)
            print(f"{asked.target}: written, and walked beside {asked.source}")
    except InvalidModel as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m adapters", description="Recurrent layers in model files.")
    commands = made.add_subparsers(dest="command", required=True)
    show = commands.add_parser("show", help="list a model file's recurrent layers")
    show.add_argument("file", type=Path, help=f"one of {', '.join(FORMATS)}")
    change = commands.add_parser(
        "convert", help="move them to another framework's file, which is left only if it computes the same"
    )
    change.add_argument("source", type=Path, help=f"one of {', '.join(FORMATS)}")
    change.add_argument("target", type=Path, help=f"one of {', '.join(WRITABLE)}")
    change.add_argument("--layer", metavar="NAME", help="this one only")
    change.add_argument("--force", action="store_true", help="replace the target where it exists")
    change.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="OPTION=VALUE",
        help="what the source does not tell, activation=relu say; repeatable",
    )
    return made


if __name__ == "__main__":
    sys.exit(main())
