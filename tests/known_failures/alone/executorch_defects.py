"""Bugs of ExecuTorch, in programs of torch.export alone. One that is mended fails here, strictly."""

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("executorch")

pytestmark = pytest.mark.filterwarnings("default")  # torch warns of what it does itself
NAN = "ExecuTorch 1.5.1, XNNPACK: https://github.com/tensorflow/tensorflow/issues/118391"


class Sigmoid(torch.nn.Module):
    def forward(self, x):
        return torch.sigmoid(x)


@pytest.mark.parametrize(
    "lowered_to_xnnpack",
    [False, pytest.param(True, marks=pytest.mark.xfail(raises=AssertionError, reason=NAN))],
)
def test_the_sigmoid_of_a_huge_number_is_0_or_1(lowered_to_xnnpack):
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower
    from executorch.runtime import Runtime

    x = torch.tensor([-1e38, -1e26, 1e26, 1e38])
    program = torch.export.export(Sigmoid(), (x,))
    partitioner = [XnnpackPartitioner()] if lowered_to_xnnpack else []
    made = to_edge_transform_and_lower(program, partitioner=partitioner).to_executorch()
    loaded = Runtime.get().load_program(made.buffer)
    assert loaded.load_method("forward").execute([x])[0].tolist() == [0, 0, 1, 1]
