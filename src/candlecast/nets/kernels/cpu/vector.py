"""A vector of float32 lanes as a Numba value, so that kernels written in Python keep their sums in machine registers.

LLVM does not find a register tile in scalar loops. Here a `Vector` is one LLVM vector: `+ - *` and `fma` act per lane and
round once, exactly as written (no fast-math), so results do not depend on how LLVM inlines or schedules.
"""

import operator
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.typing.templates import ConcreteTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, models, register_model

from candlecast.nets.kernels.hashing import FIRST, SECOND
from candlecast.process import compiling

LANES = 16 if llvm.get_host_cpu_features().get("avx512f") else 8
_FLOATS = ir.VectorType(ir.FloatType(), LANES)
_INTS = ir.VectorType(ir.IntType(32), LANES)

_Function = Callable[..., Any]
_HERE = Path(__file__).parent
_CALLED = (
    *sorted(_HERE.glob("*.py")),
    _HERE.parent / "hashing.py",
    _HERE.parent / "mask.py",
)  # any kernel may call into any file of these


def internal(function: _Function) -> _Function:
    """A function for compiled code to call."""
    return compiling.internal(function)


def inlined(function: _Function) -> _Function:
    """A function that is pasted into the compiled code that calls it."""
    return compiling.internal(function, is_inlined=True)


def compiled(*signature: str) -> Callable[[_Function], _Function]:
    """A kernel that calls functions of this package: compiled at import for a signature, and at its first call without."""
    return compiling.compiled(*signature, calls=_CALLED)


def _code(types_and_code: _Function) -> _Function:
    """Code for LLVM as a function of compiled code; literal arguments, as counts, are known to it."""
    return intrinsic(prefer_literal=True)(types_and_code)


class _VectorType(types.Type):
    def __init__(self) -> None:
        super().__init__(name=f"Vector{LANES}")


vector = _VectorType()


@register_model(_VectorType)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager, typ) -> None:
        super().__init__(manager, typ, _FLOATS)


def _define_operator(function, instruction: str) -> None:
    """Make `function` of two vectors the named LLVM instruction."""

    @infer_global(function)  # pyright: ignore[reportOptionalCall]
    class _Typing(ConcreteTemplate):
        cases: ClassVar = [signature(vector, vector, vector)]

    @lower_builtin(function, vector, vector)
    def _lower(context, builder, sig, args):
        return getattr(builder, instruction)(*args)


for _function, _instruction in (
    (operator.add, "fadd"),
    (operator.sub, "fsub"),
    (operator.mul, "fmul"),
    (operator.truediv, "fdiv"),
):
    _define_operator(_function, _instruction)


def _splat(builder, scalar):
    """A vector of which every lane is `scalar`."""
    kind = ir.VectorType(scalar.type, LANES)
    one = builder.insert_element(ir.Constant(kind, ir.Undefined), scalar, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(one, ir.Constant(kind, ir.Undefined), ir.Constant(_INTS, [0] * LANES))


def _fma(builder, a, b, c):
    kind = ir.FunctionType(_FLOATS, [_FLOATS] * 3)
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, f"llvm.fma.v{LANES}f32"), (a, b, c))


def _shuffle(builder, a, b, lanes):
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(ir.IntType(32), len(lanes)), lanes))


def _sum_lanes(builder, parts):
    """The sums over lanes of all parts, in order, side by side in as few vectors as hold them.

    Halving all groups of two vectors at once takes a quarter of the work of one part after the other.
    """
    group = LANES
    while group > 1:
        low = [first + n for first in range(0, 2 * LANES, group) for n in range(group // 2)]
        high = [n + group // 2 for n in low]
        parts = [*parts, parts[-1]] if len(parts) % 2 else parts
        parts = [
            builder.fadd(_shuffle(builder, a, b, low), _shuffle(builder, a, b, high))
            for a, b in zip(parts[::2], parts[1::2], strict=True)
        ]
        group //= 2
    return parts


def _pointer(context, builder, kinds, values):
    """Address of array[index]; a missing trailing index counts as 0."""
    array_type, index_type = kinds
    array = context.make_array(array_type)(context, builder, values[0])
    indices = cgutils.unpack_tuple(builder, values[1])
    indices = [context.cast(builder, i, t, types.intp) for i, t in zip(indices, index_type, strict=True)]
    indices += [context.get_constant(types.intp, 0)] * (array_type.ndim - len(indices))
    return cgutils.get_item_pointer(context, builder, array_type, array, indices, wraparound=False)


def _vector_pointer(*place):
    builder = place[1]
    return builder.bitcast(_pointer(*place), _FLOATS.as_pointer())


@_code
def load(typingctx, array, index):
    """The lanes from array[index] on."""

    def generate(context, builder, sig, args):
        return builder.load(_vector_pointer(context, builder, sig.args, args), align=4)

    return vector(array, index), generate


@_code
def store(typingctx, value, array, index):
    """Write the lanes from array[index] on."""

    def generate(context, builder, sig, args):
        builder.store(args[0], _vector_pointer(context, builder, sig.args[1:], args[1:]), align=4)
        return context.get_dummy_value()

    return types.void(value, array, index), generate


@_code
def prefetch(typingctx, array, index):
    """Have the lanes from array[index] on in the cache by the time that they are read."""

    def generate(context, builder, sig, args):
        place = builder.bitcast(_pointer(context, builder, sig.args, args), cgutils.voidptr_t)
        kind = ir.FunctionType(ir.VoidType(), [cgutils.voidptr_t, *[ir.IntType(32)] * 3])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        reading, nearest, data = (ir.Constant(ir.IntType(32), number) for number in (0, 3, 1))
        builder.call(function, (place, reading, nearest, data))
        return context.get_dummy_value()

    return types.void(array, index), generate


@_code
def splat(typingctx, scalar):
    """A vector of which every lane is `scalar`."""

    def generate(context, builder, sig, args):
        return _splat(builder, context.cast(builder, args[0], sig.args[0], types.float32))

    return vector(scalar), generate


@_code
def fma(typingctx, a, b, c):
    """a b + c, rounded once."""

    def generate(context, builder, sig, args):
        return _fma(builder, *args)

    return vector(vector, vector, vector), generate


@_code
def clamp(typingctx, a, low, high):
    """a held between two vectors; NaN stays NaN."""

    def generate(context, builder, sig, args):
        a, low, high = args
        a = builder.select(builder.fcmp_ordered("<", high, a), high, a)
        return builder.select(builder.fcmp_ordered(">", low, a), low, a)

    return vector(vector, vector, vector), generate


@_code
def dropped(typingctx, value, place, threshold, scale):
    """Lanes times `scale` where the hash of place + lane is at least `threshold`, times 0 elsewhere: see `mask.masked`."""

    def generate(context, builder, sig, args):
        value, place, threshold, scale = args

        def folded(bits, count):
            return builder.xor(bits, builder.lshr(bits, ir.Constant(_INTS, [count] * LANES)))

        bits = builder.add(_splat(builder, place), ir.Constant(_INTS, list(range(LANES))))
        bits = builder.mul(folded(bits, 16), ir.Constant(_INTS, [FIRST] * LANES))
        bits = builder.mul(folded(bits, 15), ir.Constant(_INTS, [SECOND] * LANES))
        is_kept = builder.icmp_unsigned(">=", folded(bits, 16), _splat(builder, threshold))
        zero = ir.Constant(_FLOATS, [0.0] * LANES)
        return builder.select(is_kept, builder.fmul(value, _splat(builder, scale)), builder.fmul(value, zero))

    return vector(vector, types.uint32, types.uint32, types.float32), generate


@_code
def power_of_two(typingctx, a):
    """2^n from a = 1.5 2^23 + n, whose last bits hold the integer n, |n| < 127."""

    def generate(context, builder, sig, args):
        bits = builder.bitcast(args[0], _INTS)
        exponent = builder.shl(bits, ir.Constant(_INTS, [23] * LANES))
        return builder.bitcast(builder.add(exponent, ir.Constant(_INTS, [0x3F800000] * LANES)), _FLOATS)

    return vector(vector), generate


@_code
def zeros(typingctx, count):
    """A tuple of `count` vectors of zeros, to sum into."""
    length = count.literal_value

    def generate(context, builder, sig, args):
        return cgutils.pack_array(builder, [ir.Constant(_FLOATS, [0.0] * LANES)] * length)

    return types.UniTuple(vector, length)(count), generate


@_code
def add_scaled(typingctx, sums, array, index, value):
    """sums[n] + array[index + n] value for every n: a column of weights times one row of lanes."""

    def generate(context, builder, sig, args):
        weights = _pointer(context, builder, sig.args[1:3], args[1:3])
        parts = [
            _fma(builder, _splat(builder, builder.load(cgutils.gep_inbounds(builder, weights, n))), args[3], part)
            for n, part in enumerate(cgutils.unpack_tuple(builder, args[0]))
        ]
        return cgutils.pack_array(builder, parts)

    return sums(sums, array, index, value), generate


@_code
def add_outer(typingctx, sums, a, a_index, b, b_index, columns):
    """sums[m columns + n] + a[a_index + m] b[b_index + n] for every m, n, where a and b are arrays of rows of lanes."""
    width = columns.literal_value

    def generate(context, builder, sig, args):
        parts = cgutils.unpack_tuple(builder, args[0])

        def rows(first, count):
            place = _vector_pointer(context, builder, sig.args[first : first + 2], args[first : first + 2])
            return [builder.load(cgutils.gep_inbounds(builder, place, n), align=4) for n in range(count)]

        left, right = rows(1, len(parts) // width), rows(3, width)
        products = ((m, n) for m in left for n in right)
        return cgutils.pack_array(builder, [_fma(builder, m, n, s) for s, (m, n) in zip(parts, products, strict=True)])

    return sums(sums, a, a_index, b, b_index, columns), generate


@_code
def store_sums(typingctx, sums, array, index, columns):
    """Write the sum over lanes of sums[m columns + n] to array[index + (m, n)]; at most two vectors of them."""
    width = columns.literal_value

    def generate(context, builder, sig, args):
        kind = ir.VectorType(ir.FloatType(), width)
        place = _pointer(context, builder, sig.args[1:3], args[1:3])
        array = context.make_array(sig.args[1])(context, builder, args[1])
        stride = cgutils.unpack_tuple(builder, array.strides)[0]
        totals = _sum_lanes(builder, cgutils.unpack_tuple(builder, args[0]))
        for m in range(sig.args[0].count // width):
            row = _shuffle(builder, totals[0], totals[-1], [m * width + n for n in range(width)])
            builder.store(row, builder.bitcast(place, kind.as_pointer()), align=4)
            place = cgutils.pointer_add(builder, place, stride)
        return context.get_dummy_value()

    return types.void(sums, array, index, columns), generate


_MAGIC = np.float32(1.5 * 2**23)  # added and subtracted, it rounds to an integer
_LOG2_E = np.float32(1.44269504)
_LN2_HIGH = np.float32(0.693359375)  # exact in few bits: n times it is exact
_LN2_LOW = np.float32(-2.12194440e-4)
# q with expm1(r) = r + r^2 q(r) on |r| <= ln(2) / 2: minimax, relative error 1.3e-8
_Q0 = np.float32(0.49999998144053887)
_Q1 = np.float32(0.16666543177271442)
_Q2 = np.float32(0.04166720178187036)
_Q3 = np.float32(0.008366580438915031)
_Q4 = np.float32(0.0013882510186047673)


@inlined
def _exponential(x):
    """(s, p) with exp(x) = s (1 + p), s a power of two and p = expm1 of the small rest; |x| <= 87."""
    rounded = fma(x, splat(_LOG2_E), splat(_MAGIC))
    n = rounded - splat(_MAGIC)
    r = fma(n, splat(-_LN2_LOW), fma(n, splat(-_LN2_HIGH), x))
    q = fma(fma(fma(fma(splat(_Q4), r, splat(_Q3)), r, splat(_Q2)), r, splat(_Q1)), r, splat(_Q0))
    return power_of_two(rounded), fma(q, r * r, r)


@inlined
def sigmoid(x):
    """1 / (1 + exp(-x)), to about one unit in the last place."""
    s, p = _exponential(clamp(splat(np.float32(0)) - x, splat(np.float32(-87)), splat(np.float32(87))))
    return splat(np.float32(1)) / (fma(s, p, s) + splat(np.float32(1)))


@inlined
def tanh(x):
    """expm1(2 x) / (expm1(2 x) + 2), to about one unit in the last place, small x included."""
    s, p = _exponential(clamp(x + x, splat(np.float32(-20)), splat(np.float32(20))))
    e = fma(s, p, s - splat(np.float32(1)))
    return e / (e + splat(np.float32(2)))
