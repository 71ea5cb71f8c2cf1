"""The faults, each of which the parity suite must catch: `--backend tests.faults.catalogue:NAME`."""

from dataclasses import replace

from tests.faults.catalogue import (
    arithmetic,
    directions,
    gradients,
    gru,
    half,
    lengths,
    lstm,
    parameters,
    reverse,
    sequence,
    stacks,
    training,
)
from tests.faults.faulty import Fault

FAULTS: dict[str, Fault] = {
    name: replace(fault, name=name)
    for module in (
        parameters,
        sequence,
        arithmetic,
        gru,
        lstm,
        lengths,
        reverse,
        directions,
        stacks,
        half,
        gradients,
        training,
    )
    for name, fault in vars(module).items()
    if isinstance(fault, Fault)
}
globals().update(FAULTS)
