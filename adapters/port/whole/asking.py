"""Two whole models asked: which questions the source takes, and what both answer."""

from collections.abc import Sequence

import numpy as np

from rnn_lockstep.adapters.models.recurrent_layer import InvalidModel
from rnn_lockstep.adapters.one_line import with_type
from rnn_lockstep.adapters.port.whole.inputs import Example
from rnn_lockstep.adapters.port.whole.model import Run, WholeModel


class CannotAsk(Exception):
    """The target answers none of the source's inputs, or cannot be asked here. The message is one line."""


def taken(
    source: WholeModel, examples: Sequence[Example], needed: bool = True
) -> tuple[list[Example], list[Run], list[str]]:
    """The examples that the source answers, its answers, and a note on those that it does not.

    Raises InvalidModel where it answers none and some are needed.
    """
    found, runs, failed = list[Example](), list[Run](), dict[str, str]()
    for example in examples:
        try:
            runs.append(source.run(example))
        except Exception as error:  # the model's, whatever it is
            failed.setdefault(example.size, with_type(error))
        else:
            found.append(example)
    first = next(iter(failed.values()), "")
    if needed and not found:
        told = f"the source, given inputs {next(iter(failed))}, raised {first}"
        raise InvalidModel(f"{told}; --inputs, --batch and --time tell what it takes")
    return found, runs, [f"the source does not answer inputs {', '.join(failed)}: {first}"] if failed else []


def answered(model: WholeModel, example: Example) -> Run:
    """The answer of the source in float32. Raises InvalidModel where it raises."""
    try:
        return model.run(example)
    except Exception as error:  # the model's, whatever it is
        told = f"the source in float32, given inputs {example.size}, raised {with_type(error)}"
        raise InvalidModel(told) from None


def asked_all(target: WholeModel, examples: Sequence[Example]) -> tuple[list[Run], str]:
    """The answers of the target, and what is wrong where it answers some only. Raises CannotAsk."""
    answers: list[tuple[str, Run]] = []
    failed = ""
    for example in examples:
        try:
            answers.append((example.size, target.run(example)))
        except InvalidModel as error:  # what cannot be asked here is no mistake of the port's
            raise CannotAsk(f"given inputs {example.size}, the target cannot be asked: {error}") from None
        except Exception as error:  # the model's, whatever it is
            failed = failed or f"given inputs {example.size}, it raised {with_type(error)}"
    if failed and not answers:
        raise CannotAsk(failed)
    if failed and (sizes := ", ".join(dict.fromkeys(size for size, _ in answers))):
        failed = f"{failed}; it answered {sizes}"
    return [answer for _, answer in answers], failed


def in_both(
    source: WholeModel, own: Run, example: Example
) -> tuple[WholeModel | None, WholeModel, list[str]]:
    """The source in float64, None where it cannot be, and in float32; and notes."""
    is_wide = any(array.dtype == np.float64 for array in own.outputs)
    try:
        other = source.in_float(32 if is_wide else 64)
        other.run(example)
    except Exception as error:  # the model's, whatever it is
        return None, source, [f"the source cannot be run in float64: {with_type(error)}"]
    return (source, other, []) if is_wide else (other, source, [])
