"""Softmax, means and covariance of heatmaps in one pass over the logits: the kernels behind `decode.expectation`.

A cell costs one exponential and three sums: into the map of the last two axes (summed over the first axis), into the
same map weighted by the first axis's coordinate, and into the total of its own plane. From these 2 h w + d numbers per
joint follow all means and covariances. Nothing is written but those numbers, which stay in the first-level cache.

There is no pass for the maximum. The reference that is subtracted is the largest of a joint's first cells; if some
other cell is so much larger that float32 could overflow (60 in the logits), the joint is done again with the true one.
What is 86 below the reference counts as exp(-86) instead of less. NaN and +inf in a joint make all its results NaN, as
does a joint that is -inf throughout.

``exp(t) = 2^n 2^r`` with ``n = round(t log2 e)``, r in [-1/2, 1/2], a polynomial of degree 5 for 2^r (relative error
2e-7 with rounding) and 2^n put together from integer bits. Loops over cells vectorise: sums into maps are independent
of each other, and the one true reduction is allowed to be reordered (`_reordered_sum`), which is the only freedom taken
with floating point.

Planes of a volume lie apart in memory, and a block of cells of one is short: no hardware prefetcher follows that, so
the kernel fetches ahead itself (a quarter less time on volumes of 64^3).
"""

from __future__ import annotations

from typing import Any, no_type_check

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

_BLOCK = 256
"""Cells of a plane worked on at a time: both maps of the block stay in the first-level cache."""
_AHEAD = 8
"""Planes by which fetching is ahead."""
_LINE = 16
"""Floats of a cache line."""

_LOG2_E = np.float32(1.4426950408889634)
_ROUND = np.float32(3 << 22)  # adding it rounds to an integer, which then are the lowest bits
_BIAS = np.float32((3 << 22) + 127)
_LOWEST, _HIGHEST = np.float32(-86), np.float32(80)
_OVERFLOW = np.float32(1e26)  # exp(60)
_NO_CELL = np.float32(-3.4e38)
# Least squares at Chebyshev nodes, relative error 8e-8 before rounding.
_C0, _C1, _C2 = np.float32(1.0000001), np.float32(0.69314694), np.float32(0.24022122)
_C3, _C4, _C5 = np.float32(0.055507425), np.float32(0.00967546), np.float32(0.0013266971)


@intrinsic
def _multiply_add(context: Any, a: Any, b: Any, c: Any) -> Any:
    """a b + c, in one instruction where there is one."""
    real = ir.FloatType()

    def code(_: Any, builder: Any, __: Any, arguments: Any) -> Any:
        kind = ir.FunctionType(real, [real] * 3)
        return builder.call(builder.module.declare_intrinsic("llvm.fmuladd", [real], kind), arguments)

    return types.float32(types.float32, types.float32, types.float32), code


@intrinsic
def _reordered_sum(context: Any, a: Any, b: Any) -> Any:
    """a + b that may be reordered with others of its kind, as a sum of vectors has to be."""

    def code(_: Any, builder: Any, __: Any, arguments: Any) -> Any:
        return builder.fadd(*arguments, flags=("reassoc",))

    return types.float32(types.float32, types.float32), code


@intrinsic
def _larger(context: Any, a: Any, b: Any) -> Any:
    """The larger of two, either one if one of them is NaN: a maximum that vectorises."""

    def code(_: Any, builder: Any, __: Any, arguments: Any) -> Any:
        flags = ("nnan", "nsz")
        return builder.select(builder.fcmp_ordered(">", *arguments, flags=flags), *arguments, flags=flags)

    return types.float32(types.float32, types.float32), code


@intrinsic
def _power_of_two(context: Any, rounded: Any) -> Any:
    """2^n from n + `_BIAS`: the lowest bits are moved to where the exponent is."""

    def code(_: Any, builder: Any, __: Any, arguments: Any) -> Any:
        integer = ir.IntType(32)
        bits = builder.shl(builder.bitcast(arguments[0], integer), integer(23))
        return builder.bitcast(bits, ir.FloatType())

    return types.float32(types.float32), code


@intrinsic
def _as_float(context: Any, value: Any) -> Any:
    """A logit: float32 as it is, the bits of a bfloat16 (uint16) as float32."""
    if value == types.float32:
        return types.float32(value), lambda _, __, ___, arguments: arguments[0]

    def code(_: Any, builder: Any, __: Any, arguments: Any) -> Any:
        integer = ir.IntType(32)
        return builder.bitcast(builder.shl(builder.zext(arguments[0], integer), integer(16)), ir.FloatType())

    return types.float32(value), code


@intrinsic
def _fetch(context: Any, array: Any, index: Any) -> Any:
    """Ask for a cache line; an address that is not there is no error."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        byte, integer = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [byte, integer, integer, integer])
        address = builder.bitcast(builder.gep(data, [arguments[1]]), byte)
        prefetch = builder.module.declare_intrinsic("llvm.prefetch", [byte], kind)
        builder.call(prefetch, [address, integer(0), integer(2), integer(1)])
        return context.get_dummy_value()

    return types.void(array, index), code


@no_type_check
@njit(inline="always")
def _exp(t):
    """exp(t) within [`_LOWEST`, `_HIGHEST`], beyond it that of the border; NaN stays NaN."""
    t = _LOWEST if t < _LOWEST else t
    t = _HIGHEST if t > _HIGHEST else t
    biased = _multiply_add(t, _LOG2_E, _BIAS)
    r = _multiply_add(t, _LOG2_E, -(biased - _BIAS))
    p = _multiply_add(_C5, r, _C4)
    p = _multiply_add(p, r, _C3)
    p = _multiply_add(p, r, _C2)
    p = _multiply_add(p, r, _C1)
    return _multiply_add(p, r, _C0) * _power_of_two(biased)


@no_type_check
@njit(inline="always")
def _first_plane(logits, reference, total):
    """Exponentials of a block of the first plane into `total`; their sum."""
    found = np.float32(0)
    for i in range(logits.size):
        e = _exp(_as_float(logits[i]) - reference)
        total[i] = e
        found = _reordered_sum(found, e)
    return found


@no_type_check
@njit(inline="always")
def _next_plane(logits, reference, total, weighted, z):
    """Exponentials of a block of another plane added to `total` and, times z, to `weighted`; their sum."""
    found = np.float32(0)
    for i in range(logits.size):
        e = _exp(_as_float(logits[i]) - reference)
        found = _reordered_sum(found, e)
        total[i] += e
        weighted[i] = _multiply_add(z, e, weighted[i])
    return found


@no_type_check
@njit(inline="always")
def _volume(logits, start, step, reference, z, total, weighted, planes):
    """One joint's maps and plane totals; `weighted` counts z from the first plane. Whether float32 was enough."""
    bins, cells = planes.size, total.size
    block = _BLOCK if bins > 1 else cells
    for d in range(bins):
        planes[d] = 0
    for a in range(0, cells, block):
        b = min(a + block, cells)
        planes[0] += _first_plane(logits[start + a : start + b], reference, total[a:b])
        for i in range(a, b if bins > 1 else a):
            weighted[i] = 0
        for d in range(1, bins):
            ahead = d + _AHEAD
            at = start + a + ahead * step if ahead < bins else start + b + (ahead - bins) * step
            for i in range(0, b - a, _LINE):
                _fetch(logits, at + i)
            plane = logits[start + d * step + a : start + d * step + b]
            planes[d] += _next_plane(plane, reference, total[a:b], weighted[a:b], np.float32(z[d] - z[0]))
    enough = True
    for d in range(bins):
        enough = enough and planes[d] < _OVERFLOW
    return enough


@no_type_check
@njit(inline="always")
def _largest(logits, start, step, bins, cells):
    top = _NO_CELL
    for d in range(bins):
        plane = logits[start + d * step : start + d * step + cells]
        for i in range(cells):
            top = _larger(_as_float(plane[i]), top)
    return top


@no_type_check
@njit(inline="always")
def _means(total, ys, xs):
    """Of y and x; and the sum of the map."""
    every, y, x = np.float32(0), np.float32(0), np.float32(0)
    for i in range(total.size):
        every = _reordered_sum(every, total[i])
        y = _reordered_sum(y, total[i] * ys[i])
        x = _reordered_sum(x, total[i] * xs[i])
    return y / every, x / every, every


@no_type_check
@njit(inline="always")
def _plane_moments(total, weighted, ys, xs, y, x, volume):
    """Sums over a map around (y, x): y, x, yy, yx, xx, and zy, zx from `weighted` if it is there (`volume`)."""
    sy, sx, syy, syx = np.float32(0), np.float32(0), np.float32(0), np.float32(0)
    sxx, szy, szx = np.float32(0), np.float32(0), np.float32(0)
    for i in range(total.size):
        dy, dx = ys[i] - y, xs[i] - x
        ty, tx = total[i] * dy, total[i] * dx
        sy, sx = _reordered_sum(sy, ty), _reordered_sum(sx, tx)
        syy, syx = _reordered_sum(syy, ty * dy), _reordered_sum(syx, ty * dx)
        sxx = _reordered_sum(sxx, tx * dx)
    for i in range(total.size if volume else 0):
        szy = _reordered_sum(szy, weighted[i] * (ys[i] - y))
        szx = _reordered_sum(szx, weighted[i] * (xs[i] - x))
    return sy, sx, syy, syx, sxx, szy, szx


@no_type_check
@njit(inline="always")
def _finish(total, weighted, planes, ys, xs, z, mean, spread):
    """Means and covariance of (z, y, x) from the maps; y and x are corrected by what float32 left of their offsets."""
    y, x, every = _means(total, ys, xs)
    sy, sx, syy, syx, sxx, szy, szx = _plane_moments(total, weighted, ys, xs, y, x, planes.size > 1)
    ey, ex, depth, all_depth, variance = sy / every, sx / every, 0.0, 0.0, 0.0
    for d in range(z.size):
        all_depth += planes[d]
        depth += planes[d] * z[d]
    depth /= all_depth
    for d in range(z.size):
        variance += planes[d] * (z[d] - depth) ** 2
    mean[0], mean[1], mean[2] = depth, np.float64(y) + ey, np.float64(x) + ex
    spread[0, 0] = variance / all_depth
    spread[1, 1], spread[1, 2], spread[2, 2] = syy / every - ey * ey, syx / every - ey * ex, sxx / every - ex * ex
    height = depth - z[0]
    spread[0, 1], spread[0, 2] = szy / every - height * ey, szx / every - height * ex
    spread[1, 0], spread[2, 0], spread[2, 1] = spread[0, 1], spread[0, 2], spread[1, 2]


def scratch_size(z: int, y: int, x: int) -> int:
    """Floats of scratch that `moments_kernel` needs for heatmaps of so many planes, rows and columns."""
    return 4 * y * x + z


@no_type_check
@njit(cache=True, nogil=True, error_model="numpy", _nrt=False)
def moments_kernel(logits, starts, step, z, y, x, scratch, mean, spread, prob):
    """Means (n, 3) and covariances (n, 3, 3) of the axes z, y, x of n heatmaps, into `mean` and `spread`.

    Args:
        logits: everything in memory that the heatmaps lie in, flat: float32, or bfloat16 as uint16.
        starts: (n,) where each begins. Rows follow each other, planes are `step` apart.
        z, y, x: float64 coordinates of the cells; one cell for an axis that is not there.
        scratch: float32, of `scratch_size`.
        mean, spread: float64 results.
        prob: float32 (n, h w), the softmax itself, if there are no planes and it is wanted; else empty.
    """
    cells, bins = y.size * x.size, z.size
    total, weighted = scratch[:cells], scratch[cells : 2 * cells]
    ys, xs, planes = scratch[2 * cells : 3 * cells], scratch[3 * cells : 4 * cells], scratch[4 * cells :]
    for i in range(cells):
        ys[i], xs[i] = y[i // x.size], x[i % x.size]
    for j in range(starts.size):
        start, enough = starts[j], False
        reference = _largest(logits, start, step, 1, min(cells, _BLOCK))
        for _ in range(2):
            if not enough:
                enough = _volume(logits, start, step, reference, z, total, weighted, planes)
                if not enough:
                    reference = _largest(logits, start, step, bins, cells)
        if reference == _NO_CELL:
            mean[j] = np.nan
            spread[j] = np.nan
        else:
            _finish(total, weighted, planes, ys, xs, z, mean[j], spread[j])
        if prob.size > 0:
            share = np.float32(np.nan) if reference == _NO_CELL else np.float32(1) / planes[0]
            for i in range(cells):
                prob[j, i] = total[i] * share
