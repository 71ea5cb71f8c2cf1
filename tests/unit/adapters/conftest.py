"""Backends in pytest's own process: these tests look into adapters, and ask frameworks themselves."""

import sys

import pytest

from rnn_lockstep.adapters import UnknownBackend, load
from rnn_lockstep.tests.harness.backend import Backend


@pytest.fixture(scope="session")
def backend(request: pytest.FixtureRequest) -> Backend:
    """Each backend under test in turn. Fails the test where it cannot be made."""
    try:
        return Backend(request.param, load(request.param))
    except UnknownBackend as error:
        reason = str(error)
    pytest.fail(reason, pytrace=False)


@pytest.fixture(scope="session", autouse=True)
def compiled_once(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Let JAX keep what it compiles: many tests have the same program, some of them in every call.

    In a folder of this process, as it does not write so that another could read meanwhile.
    """
    if jax := sys.modules.get("jax"):  # some test here has imported it
        jax.config.update("jax_compilation_cache_dir", str(tmp_path_factory.mktemp("jax")))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
