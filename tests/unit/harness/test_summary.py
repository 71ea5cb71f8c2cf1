"""What a run prints at its end, and reports tell: never more than can be read."""

from collections import Counter

from rnn_lockstep.tests.harness.report.content import backend_content, grouped
from rnn_lockstep.tests.harness.report.markdown import fenced, markdown
from rnn_lockstep.tests.harness.report.page import page
from rnn_lockstep.tests.harness.report.trends import Trends
from rnn_lockstep.tests.harness.scores import Score, Scores, in_short
from rnn_lockstep.tests.harness.summary import MOST_CAUSES, causes, told_of, told_shortly
from tests.unit.harness.test_scores import CASE, refused

MANY = ["no layer today"] * 9 + [f"no layer {k}" for k in range(3000)]


def failure(cause, size, kind="", saved=""):
    """What a failure says of itself, of a case of some size."""
    case = {"backend": "mine", "case": f"<Case {size}>", "saved": saved, "size": size}
    return {**case, "cause": cause, "kind": kind or cause}


def test_the_most_common_refusals_are_told_and_the_others_counted():
    lines = list(told_of("mine", refused(MANY)))
    assert len(lines) == 6
    assert lines[0] == "mine refused 9: no layer today"
    assert lines[-1] == "mine refused 2,996 more, for other reasons"
    assert list(told_of("mine", refused(["no", "no"]))) == ["mine refused 2: no"]


def test_known_failures_are_told_likewise():
    scores = refused([])
    for k in range(3000):
        scores.add_known_failure(CASE, f"wrong {k}")
    lines = list(told_of("mine", scores))
    assert len(lines) == 6
    assert lines[0] == "mine fails as is known, in 1 cases: wrong 0"
    assert lines[-1] == "mine fails as is known in 2,995 more cases"


def test_drift_of_what_matches_is_told_as_a_note():
    scores = refused([])
    scores.add_drift(CASE, "a.safetensors: right to the proven bound, but\x07")
    assert list(told_of("mine", scores)) == [
        "mine: note: drift in a.safetensors: right to the proven bound, but?"
    ]


def test_the_most_common_causes_are_told_and_the_others_counted():
    failures = [failure(f"wrong {k}\n\x1b[2J", 1) for k in [*range(3000), 7]]
    lines = list(causes(failures))
    assert len(lines) == MOST_CAUSES + 2
    assert lines[0] == "mine, in 2 tests: wrong 7 ?[2J"
    assert lines[-1] == f"and {3001 - MOST_CAUSES - 1:,} more tests, for other causes"


def test_of_several_tests_the_smallest_case_is_told():
    failures = [failure("U", size, saved=f"{size}.npz") for size in (500, 8, 90)]
    assert list(causes(failures)) == [
        "mine, in 3 tests: U",
        "  the smallest case of these: <Case 8>, saved: 8.npz",
    ]


def test_what_nobody_can_explain_is_told_once_for_each_kind():
    """Twenty elements are wrong, each at another place: one line for them all, and the smallest."""
    kind = "gru: wrong outputs: none of 9 known mistakes explains it"
    failures = [failure(f"none explains it: step {k} is wrong", k, kind=kind) for k in range(7, 27)]
    assert list(causes(failures)) == [
        "mine, in 20 tests: gru: wrong outputs: none of 9 known mistakes explains it, in various places",
        "  the smallest of these: none explains it: step 7 is wrong",
        "  the smallest case of these: <Case 7>",
    ]


def test_reports_tell_the_most_common_refusals_too():
    backend = backend_content("mine", "mine 1.0", "", refused(MANY), Trends())
    assert sum(backend["scores"][0]["refusals"].values()) == len(MANY)
    content = {
        **{name: [] for name in ("not_installed", "failures", "errors", "faults", "diagnosed")},
        **{"backends": [backend], "tests": {"passed": 0, "failed": 1, "skipped": 0}},
        **{"max_examples": 1, "seconds": 1.0, "exit_status": 1, "created": "today"},
    }
    for text in (page(content), markdown(content)):
        assert text.count("refused") < 10
        assert "refused 9: no layer today" in text
        assert "refused 2,996 more, for other reasons" in text


def test_messages_in_reports_do_nothing_to_who_reads_them():
    failure = {"backend": "mine", "test": "t", "saved": "", "reason": "", "cause": "\x1b[2J" * 10**6}
    failure["features"] = []
    [group] = grouped([{**failure, "message": "é\n  \x1b[2J" * 10**6}])
    assert group["cause"].isprintable()
    assert len(group["cause"]) < 400
    [message] = group["messages"]
    assert message["message"].startswith("é\n  ?[2Jé")
    assert len(message["message"]) < 30_000


def test_no_message_ends_its_own_frame():
    text = fenced("~~~~\nnot mine")
    assert text.splitlines()[0] == "~~~~~text"
    assert text.splitlines()[-1] == "~~~~~"


def test_without_more_words_a_backend_has_one_line_at_most():
    scores = refused(MANY)
    for k in range(3):
        scores.add_known_failure(CASE, f"wrong {k}")
    assert list(told_shortly("mine", scores, "masks")) == [
        "mine: refused 3,009 (no layer today), fails as is known in 3 cases (wrong 0), not tested on: masks"
    ]
    assert not list(told_shortly("mine", Scores()))


def test_the_short_table_has_a_row_for_each_cell_and_fits_a_terminal():
    scores = Scores()
    for dtype in ("float32", "float64", "float16", "bfloat16"):
        for what in ("", "grad", "train"):
            for cell in ("peephole_lstm", "lstm", "gru", "simple_rnn"):
                scores[f"{cell} {dtype} {what}".strip()] = Score(Counter(match=1000, refused=5), worst=0.25)
    lines = in_short({"torch": scores}, 80).splitlines()
    assert all(len(line.rstrip()) <= 80 for line in lines)
    rows = [line.split() for line in lines if "torch" in line]
    assert rows == [
        ["torch", cell, "12060", "12000", "0", "0", "0", "60", "0", "0.250"]
        for cell in ("simple_rnn", "gru", "lstm", "peephole_lstm")
    ]
