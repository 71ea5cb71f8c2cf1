"""Tables of recurrent layers: their sizes and conventions, with a mark at those that are assumed."""

from collections.abc import Sequence
from io import StringIO

from rich.console import Console
from rich.table import Table

from rnn_lockstep.adapters.models.recurrent_layer import Found, RecurrentLayer, unread
from rnn_lockstep.adapters.one_line import printable

COLUMNS = ("layer", "cell", "in -> hidden", "layers", "biases", "dtype", "parameters", "conventions")
NUMBERS = ("layers", "biases", "parameters")


def shown(found: Sequence[Found], width: int) -> str:
    """The table as a text of a width in columns, with lines below on what the file does not tell.

    Layers that cannot be read are below it, each with the reason.
    """
    layers = [layer for layer in found if isinstance(layer, RecurrentLayer)]
    table = Table(box=None, pad_edge=False)
    for column in COLUMNS:
        table.add_column(column, justify="right" if column in NUMBERS else "left", overflow="fold")
    for layer in layers:
        counts = (str(layer.layers), str(layer.biases), str(layer.dtype), f"{layer.parameters:,}")
        table.add_row(printable(layer.name), layer.cell, layer.sizes, *counts, ", ".join(conventions(layer)))
    text = StringIO()
    console = Console(file=text, width=width, highlight=False, markup=False, emoji=False)
    if layers:
        console.print(table)
    if any("?" in convention for layer in layers for convention in conventions(layer)):
        console.print("? the file does not tell: this is what is usual, and --set OPTION=VALUE another")
    for odd in unread(found):
        console.print(f"{printable(odd.name)} cannot be read: {printable(odd.reason)}", soft_wrap=True)
    return text.getvalue()


def conventions(layer: RecurrentLayer) -> list[str]:
    """The options that decide the answer, in words; those that are assumed have a question mark."""
    of_cell = {
        "activation": layer.activation,
        "recurrent_activation": f"gates {layer.recurrent_activation}",
        "reset_after": f"reset {'after' if layer.reset_after else 'before'} U",
    }
    said = {
        **{name: of_cell[name] for name in layer.record.options},
        "merge_mode": f"bidirectional, {layer.merge_mode}" if layer.merge_mode else "",
        "reverse": "backwards" if layer.reverse else "",
        "outputs_reversed": "outputs in the order of the steps" if layer.outputs_reversed else "",
        "stateful": "keeps its state from call to call" if layer.stateful else "",
        "return_sequences": "all outputs" if layer.return_sequences else "last output only",
    }
    return [f"{words}{'?' * (name in layer.assumed)}" for name, words in said.items() if words]
