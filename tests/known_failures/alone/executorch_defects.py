"""Bugs of ExecuTorch, on a module of torch alone. One that is mended fails here, strictly."""

import signal
import subprocess
import sys

import pytest

pytest.importorskip("executorch")

EMPTY = """
import torch
from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
from executorch.exir import to_edge_transform_and_lower
from executorch.runtime import Runtime

module, inputs = torch.nn.{name}(2, 3, batch_first=True).eval(), torch.zeros({rows}, 4, 2)
partitioner = [XnnpackPartitioner()] if {xnnpack} else []
lowered = to_edge_transform_and_lower(torch.export.export(module, (inputs,)), partitioner=partitioner)
program = Runtime.get().load_program(lowered.to_executorch().buffer)
print("rows:", program.load_method("forward").execute([inputs])[0].shape[0])
"""


@pytest.mark.parametrize("name", ["RNN", "GRU", "LSTM"])
@pytest.mark.parametrize("xnnpack", [True, False])
@pytest.mark.parametrize("rows", [1, 0])
def test_a_batch_without_rows_does_not_end_the_process(name, xnnpack, rows, request):
    if rows == 0:
        reason = "ExecuTorch 1.5.1 ends the process; not reported"
        request.applymarker(pytest.mark.xfail(raises=AssertionError, reason=reason, strict=True))
    code = EMPTY.format(name=name, xnnpack=xnnpack, rows=rows)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode not in (-signal.SIGABRT, -signal.SIGSEGV), done.stderr[-500:]
    assert f"rows: {rows}" in done.stdout
