"""The report for programs: strict JSON, as schema.json describes it."""

import json
from math import isinf
from pathlib import Path
from typing import Any

from rnn_lockstep.tests.harness.report.content import Content

SCHEMA = Path(__file__).with_name("schema.json")


def as_json(content: Content) -> str:
    return json.dumps(strict(content), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def strict(value: Any) -> Any:
    """Put infinite numbers in words, which `float` reads and JavaScript's `Number`."""
    if isinstance(value, dict):
        return {key: strict(each) for key, each in value.items()}
    if isinstance(value, list):
        return [strict(each) for each in value]
    return "Infinity" if isinstance(value, float) and isinf(value) else value
