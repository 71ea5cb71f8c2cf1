"""Arrays that carry something of their error beside their value, through a cell's own lines.

They ride by NumPy's `__array_ufunc__` and `__array_function__`; no formula is written twice.
A sum stays pending until a nonlinear operation closes it, so that what is said of it holds in any order.
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from rnn_lockstep.reference.bound.arithmetic import Arithmetic


class ErrorArray(NDArrayOperatorsMixin):
    """An array with a value, float64, and the arithmetic of the backend that it stands for.

    rules: what is done for a ufunc.  functions: for another function of NumPy, the array first.
    activation: for a nondecreasing function, its name and itself first.
    A kind of error makes its own `wrapped`, `closed`, `stored_again`, `as_rest`, `__setitem__` and `_each`.
    """

    rules: ClassVar[Mapping[np.ufunc, Callable[..., Any]]]
    functions: ClassVar[Mapping[Any, Callable[..., Any]]]
    activation: ClassVar[Callable[..., Any]]
    value: Any
    arithmetic: Arithmetic

    def wrapped(self, x: Any) -> Self:
        """The operand x as an array of this kind; plain numbers have no error."""
        raise NotImplementedError

    def closed(self) -> Self:
        """The pending sum, summed, with the error of the summation."""
        raise NotImplementedError

    def activated(self, name: str, function: Callable[[Any], Any]) -> Any:
        """The value of a nondecreasing function that backends have by this name."""
        return type(self).activation(name, function, self)

    def stored_again(self) -> Self:
        """The pending sum, of which a half type is stored once more on its way than other sums are."""
        raise NotImplementedError

    def as_rest(self, name: str) -> Self:
        """The values of the function `name`, from 0 to 1, of which a backend may have only 1 - value."""
        raise NotImplementedError

    def _each(self, change: Callable[[Any], Any]) -> Self:
        """Make the same change of form to the value and to all that belongs to it."""
        raise NotImplementedError

    @property
    def shape(self) -> tuple[int, ...]:
        return self.value.shape  # type: ignore[no-any-return]

    @property
    def T(self) -> Self:
        """The transpose."""
        return self._each(np.transpose)

    def __getitem__(self, index: Any) -> Self:
        """The part at an index."""
        return self._each(lambda array: array[index])

    def reshape(self, *shape: int) -> Self:
        return self._each(lambda array: array.reshape(shape))

    def swapaxes(self, a: int, b: int) -> Self:
        return self._each(lambda array: array.swapaxes(a, b))

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *operands: Any, **options: Any) -> Any:
        if ufunc not in self.rules or method != "__call__" or options:
            return NotImplemented
        return self.rules[ufunc](*(self.wrapped(x) for x in operands))

    def __array_function__(self, function: Any, types: Any, args: Any, options: Any) -> Any:
        known = self.functions.get(function)
        return known(self, *args, **options) if known else NotImplemented
