"""The answers of a live model to sequences: the verdict on each, and what explains wrong ones."""

from collections.abc import Iterator, Sequence

from rnn_lockstep.adapters.backends.contract import Facts
from rnn_lockstep.adapters.models.live import LiveLayer
from rnn_lockstep.adapters.models.live.way import INITIAL_STATE, LENGTHS
from rnn_lockstep.adapters.one_line import with_type
from rnn_lockstep.adapters.port.sequences import many_rows, sequences, telling
from rnn_lockstep.reference import Case, Trace, Verdict, check
from rnn_lockstep.reference.check.drift import Drift, judged_by_rounding
from rnn_lockstep.reference.diagnosis.diagnose import Answer, diagnose

ENOUGH = 3  # sequences in a row that prove nothing


def check_sequences(live: LiveLayer, count: int, seed: int) -> list[Verdict]:
    """The verdicts on answers to sequences, the smallest first, up to the first mismatch.

    Where of several nothing is proven, longer ones prove no more, and all but the longest are left out.
    """
    verdicts: list[Verdict] = []
    cases = sequences(live.layer, count, seed, **takes(live))
    for k, case in enumerate(cases):
        verdicts.append(check_answer(live, case))
        last = verdicts[-ENOUGH:]
        if is_wrong(last[-1]):
            break
        if len(last) == ENOUGH and all(map(is_unproven, last)):
            verdicts += [check_answer(live, case) for case in cases[k + 1 :][-1:]]
            break
    return verdicts


def is_wrong(verdict: Verdict) -> bool:
    """Tell whether an answer is wrong, or further off than rounding explains."""
    return verdict.status in ("mismatch", "drift")


def is_unproven(verdict: Verdict) -> bool:
    """Tell whether the proven bound says too little of an answer that is not wrong."""
    return verdict.status == "inconclusive" or (verdict.status == "match" and bool(verdict.reason))


def takes(live: LiveLayer) -> dict[str, bool]:
    """The options of `sequences`: whether the model can be given initial states, and lengths."""
    return {name: name in live.way.takes for name in (INITIAL_STATE, LENGTHS)}


def check_answer(live: LiveLayer, case: Case) -> Verdict:
    """The verdict on the answer to a case. An error that the model raises is a mismatch too."""
    return answered(live, case)[1]


def answered(live: LiveLayer, case: Case) -> tuple[Trace | None, Verdict]:
    """The answer to a case, None where the model raises an error, and the verdict on it."""
    try:
        trace = live.run(case)
    except Exception as error:  # the model's, whatever it is
        return None, Verdict(case, "mismatch", f"it raised {with_type(error)}")
    return trace, check_trace(live, case, trace)


def check_trace(live: LiveLayer, case: Case, trace: Trace) -> Verdict:
    """The verdict on what the model shows, with the errors that are declared of its framework."""
    return judge(live.facts, case, trace, live.unobserved)


def judge(facts: Facts, case: Case, trace: Trace, unobserved: Sequence[str]) -> Verdict:
    """The verdict on a trace of what has the declared errors of some facts.

    Of wide and deep layers the proven bound soon says nothing; what rounding does is known of them too.
    """
    arithmetic = facts.arithmetic(case.dtype)
    verdict = check(case, trace, arithmetic, unobserved=unobserved)
    if verdict.status == "inconclusive" and verdict.comparisons:
        return judged_by_rounding(verdict, trace, arithmetic)
    return verdict


def check_many_rows(live: LiveLayer, seed: int) -> tuple[list[Verdict], str]:
    """The verdicts on answers to a few larger sequences, and what they show together, if anything.

    That may be an error of a millionth in the weights, which lies within the proven bound.
    """
    whole, verdicts = Drift(), list[Verdict]()
    for case in many_rows(live.layer, seed, initial_state=INITIAL_STATE in live.way.takes):
        trace, verdict = answered(live, case)
        verdicts.append(verdict)
        if trace is None or is_wrong(verdict):
            return verdicts, ""
        whole.add(case, trace, live.facts.arithmetic(case.dtype))
    return verdicts, f"drift: {whole.reason}" if whole.reason else ""


def likely_cause(live: LiveLayer, wrong: Verdict, seed: int, unknown: str = "") -> str:
    """The explanation of a wrong answer together with others to the same weights.

    unknown: what is told where nothing explains it, in place of the verdict's reason.
    """
    cases = [wrong.case, *telling(live.layer, seed, **takes(live))]
    answers = list(wrong_answers(live, cases))
    if not answers:
        return wrong.reason
    diagnosis = diagnose(answers, live.facts.arithmetic(live.layer.dtype))
    return str(diagnosis) if diagnosis.explanations else f"{unknown or wrong.reason} ({diagnosis})"


def wrong_answers(live: LiveLayer, cases: Sequence[Case]) -> Iterator[Answer]:
    """The answers of the right form that are wrong."""
    for case in cases:
        try:
            trace = live.run(case)
        except Exception:  # told in a verdict of its own
            continue
        verdict = check_trace(live, case, trace)
        if verdict.status == "mismatch" and verdict.comparisons:
            yield Answer(case, trace)


def summary(live: LiveLayer, verdicts: Sequence[Verdict]) -> str:
    """A line that tells how many sequences were compared, of which sizes, and who ran them."""
    cases = [verdict.case for verdict in verdicts]
    sizes = f"up to {max(c.batch for c in cases)} rows and {max(c.time for c in cases)} steps"
    counts = {status: sum(v.status == status for v in verdicts) for status in ("match", "inconclusive")}
    words = [f"{counts['match']} match"]
    if by_rounding := sum(v.status == "match" and is_unproven(v) for v in verdicts):
        reason = next(v.reason for v in verdicts if v.status == "match" and v.reason)
        words.append(f"{by_rounding} of them {reason}")
    if nothing := counts["inconclusive"]:
        reason = next(v.reason for v in verdicts if v.status == "inconclusive")
        words.append(f"{nothing} prove nothing ({reason})")
    if is_wrong(verdicts[-1]):
        words.append("then one does not")
    ran = f"of {live.layer.dtype} asked of {live.way.name}"
    return f"{', '.join(words)}; {sizes}, {ran}; worst/bound {max(v.ratio for v in verdicts):.2g}"
