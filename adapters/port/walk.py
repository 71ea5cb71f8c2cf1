"""A port walked beside the oracle: its answers to sequences judged, and what explains wrong ones."""

from collections.abc import Iterator, Sequence

from rnn_lockstep.adapters.models.live import Port
from rnn_lockstep.adapters.models.live.model import INITIAL_STATE, LENGTHS
from rnn_lockstep.adapters.port.sequences import sequences, telling
from rnn_lockstep.adapters.safe_files import in_one_line
from rnn_lockstep.reference import Case, Trace, Verdict, check
from rnn_lockstep.reference.diagnosis.diagnose import Answer, diagnose

ENOUGH = 3  # sequences in a row that prove nothing


def walk(port: Port, count: int, seed: int) -> list[Verdict]:
    """The verdicts on a port's answers to sequences, the smallest first, up to the first mismatch.

    Where several prove nothing, longer ones prove no more, and are left out.
    """
    verdicts: list[Verdict] = []
    for case in sequences(port.layer, count, seed, **taken(port)):
        verdicts.append(judged(port, case))
        last = [verdict.status for verdict in verdicts[-ENOUGH:]]
        if last[-1] == "mismatch" or last == ["inconclusive"] * ENOUGH:
            break
    return verdicts


def taken(port: Port) -> dict[str, bool]:
    """What it can be given, as `sequences` takes it."""
    return {name: name in port.live.takes for name in (INITIAL_STATE, LENGTHS)}


def judged(port: Port, case: Case) -> Verdict:
    """The verdict on a port's answer to a case. What it raises is a mismatch too."""
    try:
        trace = port.run(case)
    except Exception as error:  # theirs, whatever it is
        return Verdict(case, "mismatch", f"it raised {type(error).__name__}: {in_one_line(error)}")
    return check_of(port, case, trace)


def check_of(port: Port, case: Case, trace: Trace) -> Verdict:
    """The check of what the port shows, with the errors that it declares."""
    return check(case, trace, port.facts.arithmetic(case.dtype), unobserved=port.unobserved)


def likely_cause(port: Port, wrong: Verdict, seed: int) -> str:
    """What explains a wrong answer together with others to the same weights."""
    cases = [wrong.case, *telling(port.layer, seed, **taken(port))]
    answers = list(wrong_answers(port, cases))
    if not answers:
        return wrong.reason
    diagnosis = diagnose(answers, port.facts.arithmetic(port.layer.dtype))
    return str(diagnosis) if diagnosis.explanations else f"{wrong.reason} ({diagnosis})"


def wrong_answers(port: Port, cases: Sequence[Case]) -> Iterator[Answer]:
    """The answers of the right form that are wrong."""
    for case in cases:
        try:
            trace = port.run(case)
        except Exception:  # it says so in a verdict of its own
            continue
        verdict = check_of(port, case, trace)
        if verdict.status == "mismatch" and verdict.comparisons:
            yield Answer(case, trace)


def summary(port: Port, verdicts: Sequence[Verdict]) -> str:
    """How many sequences were compared, of which sizes, and who ran them."""
    cases = [verdict.case for verdict in verdicts]
    sizes = f"up to {max(c.batch for c in cases)} rows and {max(c.time for c in cases)} steps"
    counts = {status: sum(v.status == status for v in verdicts) for status in ("match", "inconclusive")}
    words = [f"{counts['match']} match"]
    if nothing := counts["inconclusive"]:
        reason = next(v.reason for v in verdicts if v.status == "inconclusive")
        words.append(f"{nothing} prove nothing ({reason})")
    if verdicts[-1].status == "mismatch":
        words.append("then one does not")
    ran = f"of {port.layer.dtype} asked of {port.live.name}"
    return f"{', '.join(words)}; {sizes}, {ran}; worst/bound {max(v.ratio for v in verdicts):.2g}"
