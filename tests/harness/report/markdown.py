"""The report for a job's summary on GitHub, which takes 1 MiB of Markdown."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from rnn_lockstep.tests.harness.report.content import Content, headline, quantity, ratio, refusals, short

LIMIT = 1_000_000  # bytes; what is longer, GitHub does not show at all
COUNTS = ("cases", "match", "mismatch", "drift", "inconclusive", "refused")
HEADER = f"| backend | layer | {' | '.join(COUNTS)} | worst/bound | median bound |"
RATES = (("kill-rate", "faults", "killed"), ("diagnosed", "diagnosed", "named"))


def markdown(content: Content) -> str:
    """Write headline, table and failures, as many of these as there is room for."""
    return fitting(blocks(content))


def fitting(blocks: Iterable[str]) -> str:
    """Put together the blocks that there is room for, and tell how many are left off."""
    shown, size, left_off = [], 0, 0
    for block in blocks:
        if size + len(block.encode()) < LIMIT:
            shown.append(block)
            size += len(block.encode())
        else:
            left_off += 1
    if left_off:
        shown.append(f"\n{left_off} more are left off, for which there is no room here.\n")
    return "".join(shown)


def blocks(content: Content) -> Iterator[str]:
    """Write the parts that can be left off one by one."""
    tests = content["tests"]
    yield f"## Lockstep: {escaped(headline(content))}\n\n"
    yield (
        f"{quantity(tests['passed'], 'test')} passed, {tests['failed']} failed, {tests['skipped']} skipped; "
        f"{content['max_examples']:,} examples, {content['seconds']:.0f} s.\n\n"
    )
    if content["backends"]:
        yield HEADER + "\n|---|---|" + "--:|" * 7 + "\n"
        yield "".join(row(b["name"], score) for b in content["backends"] for score in b["scores"]) + "\n"
    for backend in content["backends"]:
        yield f"- {escaped(backend['name'])}: {escaped(backend['facts'])}\n"
        reasons, more = refusals(backend)
        for reason, count in reasons.items():
            yield f"  - refused {count:,}: {escaped(reason)}\n"
        if more:
            yield f"  - refused {more:,} more, for other reasons\n"
        if backend["not_tested"]:
            yield f"  - not tested on: {escaped(backend['not_tested'])}\n"
    for name in content["not_installed"]:
        yield f"- {escaped(name)} is not installed and was not tested\n"
    for rate, families, found in RATES:
        if content[families]:
            numbers = (sum(family[key] for family in content[families]) for key in (found, "planted"))
            yield f"- {rate}: {' of '.join(map(str, numbers))} planted faults\n"
    for group in content["failures"]:
        yield failure(group)
    if content["errors"]:
        yield "\n### Other failures\n\n"
    for error in content["errors"]:
        yield f"- `{error['test']}`\n\n{fenced(error['message'])}\n"


def row(backend: str, score: dict[str, Any]) -> str:
    layer = f"{score['cell']} {score['dtype']}" + (f" {score['of']}" if score["of"] != "answers" else "")
    counts = [f"{score[key]:,}" for key in COUNTS]
    cells = [escaped(backend), layer, *counts, ratio(score["worst_over_bound"]), short(score["median_bound"])]
    return f"| {' | '.join(cells)} |\n"


def failure(group: dict[str, Any]) -> str:
    """Write a cause with its first message; the others are folded."""
    heading = f"{group['backend']}: {group['cause']}"
    first, *others = (message_with_tests(message) for message in group["messages"])
    text = f"\n### {escaped(heading)}\n\n{quantity(group['count'], 'failure')}.\n\n{first}"
    if others:
        text += f"\n<details><summary>{quantity(len(others), 'other message')}</summary>\n\n"
        text += "\n".join(others) + "\n</details>\n"
    return text


def message_with_tests(message: dict[str, Any]) -> str:
    lines = [f"- `{test}`" for test in message["tests"]]
    lines += [f"- saved: `{path}`" for path in message["saved"]]
    return fenced(message["message"]) + "\n" + "\n".join(lines) + "\n"


def fenced(text: str) -> str:
    """Write a text as it is, between lines that it does not have itself."""
    fence = "~" * max(4, 1 + max(map(len, re.findall("~+", text)), default=0))
    return f"{fence}text\n{text}\n{fence}\n"


def escaped(text: str) -> str:
    """Escape what Markdown or a table would read as its own, on one line."""
    for character in "\\`*_<>|#[]":
        text = text.replace(character, "\\" + character)
    return " ".join(text.split())
