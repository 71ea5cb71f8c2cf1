"""The order of the suite: what is wrong shows in small cases first, of whichever test."""

import pytest

LARGE = ("test_long_sequences", "test_sizes_on_boundaries")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put large cases behind all others, and last those of drift, where all of an answer may be right."""
    items.sort(key=lambda item: (item.path.name == "test_drift.py", item.name.partition("[")[0] in LARGE))
