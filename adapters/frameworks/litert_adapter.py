"""LiteRT: Keras's layers as TensorFlow's converter makes them, run by LiteRT's interpreter."""

from dataclasses import replace
from typing import Any

from rnn_lockstep.adapters.frameworks.keras_adapter import KerasAdapter
from rnn_lockstep.adapters.frameworks.keras_engines import Call, Signature, TensorFlow
from rnn_lockstep.reference import Case, Trace
from rnn_lockstep.reference.oracle.validation import Array


class LiteRt(KerasAdapter):
    """Drives a model for each case, as weights are constants of it: a loop of plain operators.

    The interpreter leaves what it can to XNNPACK, or nothing with the tag `builtin`.
    """

    def __init__(self, tag: str = "") -> None:
        super().__init__()
        self.engine = Converter(without_xnnpack=bool(tag))
        self.facts = replace(
            self.facts,
            name=f"litert:{tag}" if tag else "litert",
            version=f"{self.engine.version} ({self.facts.version})",
            device="cpu",
            settings=f"1 thread, {'without' if tag else 'with'} XNNPACK",
            dtypes=("float32",),
            gradients=False,
        )

    def run(self, case: Case) -> Trace:
        """Run the case in a model of its own; see `Adapter.run`."""
        self.facts.need(case)
        return super().run(case)


class Converter(TensorFlow):
    """TensorFlow as an engine of Keras, with a model of LiteRT in the place of a graph."""

    def __init__(self, without_xnnpack: bool) -> None:
        super().__init__()
        import ai_edge_litert
        from ai_edge_litert import interpreter

        kernels = interpreter.OpResolverType
        self.version = ai_edge_litert.__version__
        self.interpreter = interpreter.Interpreter
        self.kernels = kernels.BUILTIN_WITHOUT_DEFAULT_DELEGATES if without_xnnpack else kernels.AUTO

    def compiled(self, function: Call, signature: Signature) -> Call:
        """A function that converts and runs: arrays whose shapes are given, the weights, are constants."""
        free = [k for k, (shape, _) in enumerate(signature) if None in shape]

        def converted(*arrays: Any) -> Any:
            """The answer of a model made for these arrays alone."""
            graph = self._graph(function, arrays, free)
            model = self.tensorflow.lite.TFLiteConverter.from_concrete_functions([graph]).convert()
            answers = self._answers(model, [self.array(arrays[k]) for k in free])
            return self.tensorflow.nest.pack_sequence_as(graph.structured_outputs, answers)

        return converted

    def _graph(self, function: Call, arrays: Any, free: list[int]) -> Any:
        """Trace the graph of a function whose arguments are the `free` ones alone."""
        tf = self.tensorflow

        def of_some(*given: Any) -> Any:
            everything = list(arrays)
            for k, array in zip(free, given, strict=True):
                everything[k] = array
            return function(*everything)

        specs = [tf.TensorSpec(arrays[k].shape, arrays[k].dtype, f"given{n}") for n, k in enumerate(free)]
        return tf.function(of_some, input_signature=specs, autograph=False).get_concrete_function()

    def _answers(self, model: bytes, given: list[Array]) -> list[Array]:
        """The outputs of a model in order."""
        interpreter = self.interpreter(
            model_content=model, num_threads=1, experimental_op_resolver_type=self.kernels
        )
        interpreter.allocate_tensors()
        for detail in interpreter.get_input_details():
            interpreter.set_tensor(detail["index"], given[int(detail["name"].removeprefix("given"))])
        interpreter.invoke()
        return [interpreter.get_tensor(detail["index"]) for detail in interpreter.get_output_details()]

    def array(self, tensor: Any) -> Array:
        """The array of a tensor of TensorFlow; a model's answer is one already."""
        return tensor if hasattr(tensor, "__array_interface__") else super().array(tensor)

    def refusal(self, case: Case) -> str:
        """See `Engine.refusal`."""
        return super().refusal(case) or ("Invalid tensor size." if case.batch == 0 else "")
