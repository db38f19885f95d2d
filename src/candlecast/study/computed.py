"""`Computed`: a property that is computed once, and kept by copies that differ in nothing it depends on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, Self, TypeVar, overload

T = TypeVar("T")
PLAIN = (bool, int, float, str)


class Computed(Generic[T]):
    """A property of a frozen dataclass with a field `computed`, a dict that `dataclasses.replace` hands to the copy.

    A kept value is valid while each of the `inputs`, attributes by name, is the same object, or an equal number or text. So
    a copy with other costs computes its backtest again, and one with another trial count does not.

    >>> from dataclasses import dataclass, field, replace
    >>> @dataclass(frozen=True)
    ... class Square:
    ...     side: float
    ...     name: str = ""
    ...     computed: dict = field(default_factory=dict)
    ...     @computed_of("side")
    ...     def area(self):
    ...         print("computed")
    ...         return self.side**2
    >>> square = Square(2.0)
    >>> square.area, replace(square, name="b").area
    computed
    (4.0, 4.0)
    >>> replace(square, side=3.0).area
    computed
    9.0
    """

    def __init__(self, compute: Callable[[Any], T], inputs: tuple[str, ...]) -> None:
        self._compute, self._inputs = compute, inputs
        self._name = compute.__name__
        self.__doc__ = compute.__doc__

    @overload
    def __get__(self, owner: None, kind: type | None = None) -> Self: ...

    @overload
    def __get__(self, owner: object, kind: type | None = None) -> T: ...

    def __get__(self, owner: Any, kind: type | None = None) -> T | Self:
        if owner is None:
            return self
        inputs = tuple(getattr(owner, name) for name in self._inputs)
        known = owner.computed.get(self._name)
        if known is None or not all(map(_is_same, known[0], inputs)):
            known = inputs, self._compute(owner)
            owner.computed[self._name] = known
        return known[1]


def computed_of(*inputs: str) -> Callable[[Callable[[Any], T]], Computed[T]]:
    """Decorates a method without parameters as `Computed` from these attributes."""
    return lambda compute: Computed(compute, inputs)


def _is_same(before: object, now: object) -> bool:
    return before is now or (type(before) is type(now) and isinstance(now, PLAIN) and before == now)
