"""The order of the suite: what is wrong shows in the small cases of the other tests first."""

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests of drift last: their cases are large, and all of an answer there may be right."""
    items.sort(key=lambda item: item.path.name == "test_drift.py")
