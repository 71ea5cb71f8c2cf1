"""The harness: it draws cases, runs them on a backend, keeps the score and tells the result."""

if __name__ != "rnn_lockstep.tests.harness":  # or else there would be two copies of everything
    raise ImportError(f"the import name is rnn_lockstep.tests.harness, not {__name__}")
