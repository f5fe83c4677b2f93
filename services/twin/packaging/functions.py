"""Functions of numpy that a target or a feature may be passed through."""

from collections.abc import Callable
from typing import Any

import numpy as np

from services.twin.packaging.errors import EstimatorUnsupported
from services.twin.packaging.graph import FLOAT_ROUNDING, GraphBuilder


def apply(builder: GraphBuilder, function: Any, source: str) -> str:
    """Add a function of one value.

    Raises
    ------
    EstimatorUnsupported
        If it is not one of those known here.
    """
    if function is None:
        return source
    if not isinstance(function, np.ufunc) or (add := _FUNCTIONS.get(function)) is None:
        raise EstimatorUnsupported(
            f"there is no exact conversion for the function {getattr(function, '__name__', repr(function))}",
            supported=[f"numpy.{known.__name__}" for known in _FUNCTIONS],
        )
    builder.allow(FLOAT_ROUNDING)
    return add(builder, source)


def _operator(name: str) -> Callable[[GraphBuilder, str], str]:
    return lambda builder, source: builder.add(name, [source])


def _one_more(builder: GraphBuilder, source: str) -> str:
    return builder.add("Log", [builder.add("Add", [source, builder.constant(1.0)])])


def _one_less(builder: GraphBuilder, source: str) -> str:
    return builder.add("Sub", [builder.add("Exp", [source]), builder.constant(1.0)])


_FUNCTIONS: dict[np.ufunc, Callable[[GraphBuilder, str], str]] = {
    np.abs: _operator("Abs"),
    np.exp: _operator("Exp"),
    np.expm1: _one_less,
    np.log: _operator("Log"),
    np.log1p: _one_more,
    np.sqrt: _operator("Sqrt"),
    np.square: lambda builder, source: builder.add("Mul", [source, source]),
}
