"""What a lane a day could save: the hours' blocks of eight days eliminated in vectors of eight, beside one day's as the kernel does it.

    python benchmarks/lanes.py --cases 9x3,13x4,20x6

A case is PROSUMERSxSTORES with 24 hours. Vectors are a type of their own, so that nothing hangs on whether LLVM sees that a loop can be
vectorised. The kernel may contract and reorder; a third version does everything in the order of the lanes, and must give their bits.
Times are wall time, the fifth part of the calls that was quickest: a call takes microseconds, which nobody interrupts.
"""

# Numba hands its own objects to what makes code, by position.
# ruff: noqa: ARG001
# mypy: disable-error-code="no-untyped-def,no-untyped-call,misc"

from __future__ import annotations

import argparse
import json
import operator
import time
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from clearing import machine
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.core.datamodel import models
from numba.core.typing.templates import ConcreteTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, register_model

from gridtoll.envs.market.exact.compiled.side_by_side import eliminate_hours

_WIDTH: Final = 8
_HOURS: Final = 24
_SHIFT: Final = 1e-10
_CALLS: Final = 200
_VECTOR: Final = ir.VectorType(ir.DoubleType(), _WIDTH)
_STRICT: Final = {"nogil": True, "error_model": "numpy"}


class LanesType(types.Type):
    """Numba's type of a number of each of eight days."""

    def __init__(self) -> None:
        super().__init__("Lanes")


LANES: Final = LanesType()


@register_model(LanesType)
class LanesModel(models.PrimitiveModel):
    """A vector register."""

    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _VECTOR)


def _compute(function: Callable[..., object], instruction: str) -> None:
    """Let an operator on lanes be one instruction."""

    @lower_builtin(function, LANES, LANES)
    def lower(context, builder, sig, args):
        return getattr(builder, instruction)(*args)

    @infer_global(function)
    class Template(ConcreteTemplate):
        cases = (signature(LANES, LANES, LANES),)


for _function, _instruction in ((operator.add, "fadd"), (operator.sub, "fsub"), (operator.mul, "fmul")):
    _compute(_function, _instruction)


def _place(context, builder, kind, array, index):
    data = context.make_array(kind)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [builder.mul(index, ir.Constant(index.type, _WIDTH))]), _VECTOR.as_pointer())


@intrinsic
def at(typing, array, index):
    """Return row ``index`` of an array of shape (*, 8)."""

    def code(context, builder, sig, args):
        return builder.load(_place(context, builder, sig.args[0], args[0], args[1]), align=8)

    return LANES(array, types.int64), code


@intrinsic
def put(typing, array, index, value):
    """Write row ``index`` of an array of shape (*, 8)."""

    def code(context, builder, sig, args):
        builder.store(args[2], _place(context, builder, sig.args[0], args[0], args[1]), align=8)
        return context.get_dummy_value()

    return types.void(array, types.int64, value), code


@intrinsic
def inverse_root(typing, value):
    """Return 1/√ of every lane."""

    def code(context, builder, sig, args):
        root = cgutils.get_or_insert_function(builder.module, ir.FunctionType(_VECTOR, [_VECTOR]), f"llvm.sqrt.v{_WIDTH}f64")
        return builder.fdiv(ir.Constant(_VECTOR, [1.0] * _WIDTH), builder.call(root, args))

    return LANES(value), code


@njit(**_STRICT)
def eliminate_lanes(matrix, shift, n, n_owners):
    """Eliminate the hours' blocks of eight days, ``matrix`` (T·M·M, 8), in place; ``shift`` (1, 8) is added to the diagonals."""
    size = n + n_owners + 1
    for hour in range(0, len(matrix), size * size):
        for i in range(n + n_owners):
            row = hour + i * size
            put(matrix, row + i, at(matrix, row + i) + at(shift, 0))
            for j in range(i + 1):
                total, other, depth = at(matrix, row + j), hour + j * size, min(j, n)
                for k in range(0, depth - 1, 2):
                    total = total - (at(matrix, row + k) * at(matrix, other + k) + at(matrix, row + k + 1) * at(matrix, other + k + 1))
                if depth % 2 == 1:
                    total = total - at(matrix, row + depth - 1) * at(matrix, other + depth - 1)
                if j < min(i, n):
                    total = total * at(matrix, other + j)
                elif i < n:
                    total = inverse_root(total)
                put(matrix, row + j, total)


def main() -> None:
    """Measure, and print a line per case."""
    parser = argparse.ArgumentParser(description="Measure elimination in lanes.")
    parser.add_argument("--cases", default="9x3,13x4,20x6", help="PROSUMERSxSTORES (default: %(default)s)")
    options = parser.parse_args()
    print(machine())
    for case in options.cases.split(","):
        n, n_owners = map(int, case.split("x"))
        print(json.dumps({"case": case, **measure(n, n_owners)}), flush=True)


def measure(n: int, n_owners: int) -> dict[str, float]:
    """Return microseconds of a day's blocks: as the kernel eliminates them, in strict order, and in lanes; and whether bits are equal."""
    size = n + n_owners + 1
    blocks = np.random.default_rng(n).normal(size=(_WIDTH, _HOURS, size, size))
    blocks = blocks @ blocks.transpose(0, 1, 3, 2) + size * np.eye(size)
    days = [np.ascontiguousarray(each.transpose(1, 2, 0)) for each in blocks]
    lanes, shift = np.ascontiguousarray(blocks.transpose(1, 2, 3, 0)).reshape(-1, _WIDTH), np.full((1, _WIDTH), _SHIFT)
    strict = njit(**_STRICT)(eliminate_hours.py_func)
    together = lanes.copy()
    eliminate_lanes(together, shift, n, n_owners)
    used = np.tril(np.ones((size, size), dtype=bool))[:-1, :-1]
    equal = True
    for day, found in zip(days, np.moveaxis(together.reshape(_HOURS, size, size, _WIDTH), 3, 0), strict=True):
        alone = day.copy()
        strict(alone, n, n_owners, _SHIFT)
        equal &= np.array_equal(alone[:-1, :-1][used], found.transpose(1, 2, 0)[:-1, :-1][used])
    row = {
        "kernel_us": _quick(lambda matrix: eliminate_hours(matrix, n, n_owners, _SHIFT), days[0]),
        "strict_us": _quick(lambda matrix: strict(matrix, n, n_owners, _SHIFT), days[0]),
        "lane_us": _quick(lambda matrix: eliminate_lanes(matrix, shift, n, n_owners), lanes) / _WIDTH,
    }
    return row | {"ratio": row["kernel_us"] / row["lane_us"], "bits_equal": float(equal)}


def _quick(call: Callable[[Any], object], matrix: Any) -> float:
    taken = []
    for _ in range(_CALLS):
        fresh = matrix.copy()
        began = time.perf_counter()
        call(fresh)
        taken.append(time.perf_counter() - began)
    return 1e6 * float(np.percentile(taken, 20))


if __name__ == "__main__":
    main()
