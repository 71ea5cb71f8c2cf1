"""Shards of a run, and their reports merged, are the run: no test twice, and none lost or taken for run."""

import json
import subprocess
import sys
from copy import deepcopy
from pathlib import Path

import jsonschema
import pytest

from rnn_lockstep.tests.harness.merging import Merging
from rnn_lockstep.tests.harness.report.as_json import SCHEMA
from rnn_lockstep.tests.harness.report.part import lacks
from tests.command_line.running import ROOT, as_a_user, run_pytest

WRONG = "tests.faults.catalogue:bias_dropped_of_a_simple_rnn"
BROKEN = "theirs:Broken"
BACKEND = """
class Broken:
    def __init__(self):
        raise RuntimeError("no licence")
"""
TESTS = ("tests/parity/test_lengths.py", "tests/parity/test_reverse.py", "--max-examples", "5")
OF_TIME = ("created", "seconds", "cases_per_second")


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The folder with the reports of a whole run and of its two shards, one of them in two processes."""
    folder = tmp_path_factory.mktemp("shards")
    (folder / "theirs.py").write_text(BACKEND)
    backends = [f"--backend={name}" for name in (WRONG, "numpy", BROKEN)]
    for name, *options in (("whole",), ("1", "--shard=1/2"), ("2", "--shard=2/2", "-n2")):
        report = f"--lockstep-report={folder / name}.json"
        run = run_pytest(*TESTS, *backends, *options, report, python_path=folder)
        assert run.returncode == 1, run.stdout + run.stderr
        if options:
            assert f"lockstep: shard {name}/2: " in run.stdout
    return folder


@pytest.fixture(scope="module")
def shards(written):
    return [content(written / f"{number}.json") for number in (1, 2)]


def content(path):
    return json.loads(Path(path).read_text(), parse_constant=pytest.fail)


def merged(folder, *names):
    """Merge reports as a user does; give the run and what it wrote."""
    command = [sys.executable, "-m", "rnn_lockstep.adapters", "merge-reports", *names]
    command += ["--to", "all.json", "--to", "all.md"]
    run = subprocess.run(command, cwd=folder, env=as_a_user(), capture_output=True, text=True)
    assert "lockstep: report: " in run.stdout, run.stdout + run.stderr
    return run, content(folder / "all.json"), (folder / "all.md").read_text()


def without_times(value):
    if isinstance(value, dict):
        return {key: without_times(each) for key, each in value.items() if key not in OF_TIME}
    return [without_times(each) for each in value] if isinstance(value, list) else value


def test_shards_have_every_test_once_and_as_many_of_a_backend(shards):
    one, two = (shard["part"]["shards"][0]["tests"] for shard in shards)
    assert not {*one} & {*two}
    for name in (WRONG, "numpy", BROKEN):
        counts = [sum(name in test for test in tests) for tests in (one, two)]
        assert min(counts) > 0
        assert max(counts) - min(counts) <= 1
    assert shards[0]["part"]["suite"] == shards[1]["part"]["suite"]


def test_a_shard_does_not_look_like_the_whole(shards):
    for shard, missing in zip(shards, (2, 1), strict=True):
        assert lacks(shard["part"]) == f"1 of 2 shards, without shard {missing}"
        jsonschema.validate(shard, json.loads(SCHEMA.read_text()))


def test_all_shards_merged_are_the_whole(written):
    run, found, text = merged(written, "2.json", "1.json")
    assert run.returncode == 1, run.stdout + run.stderr
    whole = content(written / "whole.json")
    assert found["part"]["missing"] == found["part"]["not_run"] == []
    assert sum(found["tests"].values()) == sum(whole["tests"].values())
    assert found["tests"]["passed"] == whole["tests"]["passed"]
    for name in ("backends", "not_installed", "max_examples", "exit_status"):
        assert without_times(found[name]) == without_times(whole[name]), name
    assert sorted(by_cause(found)) == sorted(by_cause(whole))
    assert "shards" not in text.splitlines()[0]
    broken = [line for line in run.stdout.splitlines() if "no licence" in line and "were not run" in line]
    count = sum(BROKEN in test for shard in found["part"]["shards"] for test in shard["tests"])
    assert broken[0].endswith(f"; {count} tests of it were not run")


def by_cause(report):
    return [(group["backend"], group["cause"], group["count"]) for group in report["failures"]]


def test_a_merge_without_all_shards_says_so_and_fails(written, shards):
    folder = written
    passed = right(shards[0])
    (folder / "right.json").write_text(json.dumps(passed))
    run, found, text = merged(folder, "right.json")
    assert run.returncode == 2, run.stdout + run.stderr
    lost = passed["part"]["not_run"]
    told = f"1 of 2 shards, without shard 2, without {len(lost)} tests that did not run"
    assert f"lockstep: this is not the whole run: {told}" in run.stdout
    assert f"lockstep: not run: {lost[0]}" in run.stdout
    assert text.startswith(f"## Lockstep: {told}: 1 backend")
    assert found["part"]["missing"] == [2]
    assert found["part"]["not_run"] == lost
    assert [backend["name"] for backend in found["backends"]] == ["numpy"]


def right(shard):
    """The report of a shard that was interrupted when it had tested one backend, which is right."""
    made = deepcopy(shard)
    made["part"]["reports"] = [each for each in made["part"]["reports"] if "[numpy" in each["nodeid"]]
    ran = {each["nodeid"] for each in made["part"]["reports"]}
    made["part"]["shards"][0]["exit_status"] = 2
    made["part"]["not_run"] = [each for each in made["part"]["shards"][0]["tests"] if each not in ran]
    return made


def otherwise(shard, **changes):
    return {**shard, **changes}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda one: one, "shard 1 is there more than once"),
        (lambda one: otherwise(one, max_examples=7), "have another --max-examples"),
        (lambda one: otherwise(one, part={**one["part"], "suite": "0"}), "are of different runs"),
        (lambda one: otherwise(one, part={**one["part"], "suite": ""}), "ended before it had any tests"),
        (lambda one: otherwise(one, part=None), "is not the report of a run with --shard"),
        (lambda one: {"created": "today"}, "is no report of --lockstep-report NAME.json"),
        (
            lambda one: otherwise(one, backends=[{**b, "facts": "new"} for b in one["backends"]]),
            "different things",
        ),
    ],
)
def test_reports_that_do_not_belong_together_are_not_merged(shards, tmp_path, change, told):
    (tmp_path / "one.json").write_text(json.dumps(shards[0]))
    (tmp_path / "other.json").write_text(json.dumps(change(shards[0])))
    with pytest.raises(pytest.UsageError, match=told):
        Merging(["one.json", "other.json"], tmp_path)


def test_a_shard_that_there_is_not_is_wrong_usage():
    run = run_pytest("tests/parity/test_lengths.py", "--backend=numpy", "--shard=9/8")
    assert run.returncode == 4
    assert "--shard is '9/8', needs one of several: 1/8 to 8/8" in run.stderr
    assert str(ROOT) not in run.stderr
