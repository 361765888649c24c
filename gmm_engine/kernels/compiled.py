"""The kernels of EM as compiled loops over tiles of rows.

A tile holds T rows feature-major, so that every loop runs along rows: contiguous, and
eight numbers at a time where the machine can. Within a tile the log joint densities are
(K, T). All kernels are in this one file, because numba's cache looks at the file of a
function, but not at those of the functions it calls.

Features are padded with zeros to P, a multiple of four. The kernels share `rows`
(n, D), `weights` (n,) or (0,) for none, `center` and `scale` (D,) of the frame, `means`
(K, P), and by `kind` of moments the whiteners and the sums of second moments:

FULL: (K, P, P), lower triangular · POOLED: (1, P, P), and `means` are whitened, as are
the sums · DIAGONAL: (K, 1, P) · TRACE: (K, 1, 1).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]  # no stubs
from numba import types
from numba.extending import intrinsic

from gmm_engine.kernels.jit import compiled, compiled_exactly
from gmm_engine.types import FloatArray, IntArray

FULL, POOLED, DIAGONAL, TRACE = range(4)
FARTHEST = 1e140
_LOG2_E = 1.4426950408889634
_LN2_HIGH = 0.693147180369123816490
_LN2_LOW = 1.90821492927058770002e-10
# Adding it to a small number leaves that number, rounded, in the last bits.
_ROUNDER = 6755399441055744.0


@intrinsic
def _times_power_of_two(typing_context: Any, number: Any, rounded: Any) -> Any:
    """number · 2^k, where the last bits of `rounded` hold k."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        bits = ir.IntType(64)
        exponent = builder.shl(
            builder.bitcast(arguments[1], bits), ir.Constant(bits, 52)
        )
        raised = builder.add(builder.bitcast(arguments[0], bits), exponent)
        return builder.bitcast(raised, ir.DoubleType())

    return types.float64(types.float64, types.float64), generate


@compiled_exactly
def _exp(x: float) -> float:
    """Return e^x for x <= 0, to 2 units in the last place; 3e-261 below -600.

    x = k ln 2 + r, and a polynomial in r: loops with it are vectorized, unlike those
    with math.exp. The bound keeps products with the result from becoming subnormal,
    which would make them a hundred times slower.
    """
    x = max(x, -600.0)
    rounded = x * _LOG2_E + _ROUNDER
    k = rounded - _ROUNDER
    r = (x - k * _LN2_HIGH) - k * _LN2_LOW
    p = 2.0876756987868099e-9
    p = p * r + 2.5052108385441719e-8
    p = p * r + 2.7557319223985891e-7
    p = p * r + 2.7557319223985893e-6
    p = p * r + 2.4801587301587302e-5
    p = p * r + 1.9841269841269841e-4
    p = p * r + 1.3888888888888889e-3
    p = p * r + 8.3333333333333332e-3
    p = p * r + 4.1666666666666664e-2
    p = p * r + 1.6666666666666666e-1
    p = p * r + 0.5
    p = p * r + 1.0
    p = p * r + 1.0
    scale: Any = _times_power_of_two  # called without the typing context
    return float(scale(p, rounded))


@compiled
def _load(
    rows: FloatArray,
    start: int,
    n: int,
    center: FloatArray,
    scale: FloatArray,
    z: FloatArray,
) -> None:
    """Bring n rows into the frame, transposed into z (P, T)."""
    for i in range(rows.shape[1]):
        z_i, c, s = z[i], center[i], 1.0 / scale[i]
        for t in range(n):
            z_i[t] = min(max((rows[start + t, i] - c) * s, -FARTHEST), FARTHEST)


@compiled
def _add_product(
    out: FloatArray, matrix: FloatArray, z: FloatArray, i: int, j: int, n: int
) -> None:
    """out (4, n) += matrix[i:i+4, j:j+4] @ z[j:j+4]: 16 numbers stay in registers."""
    a0, a1, a2, a3 = out[0], out[1], out[2], out[3]
    z0, z1, z2, z3 = z[j], z[j + 1], z[j + 2], z[j + 3]
    m0, m1, m2, m3 = matrix[i], matrix[i + 1], matrix[i + 2], matrix[i + 3]
    m00, m01, m02, m03 = m0[j], m0[j + 1], m0[j + 2], m0[j + 3]
    m10, m11, m12, m13 = m1[j], m1[j + 1], m1[j + 2], m1[j + 3]
    m20, m21, m22, m23 = m2[j], m2[j + 1], m2[j + 2], m2[j + 3]
    m30, m31, m32, m33 = m3[j], m3[j + 1], m3[j + 2], m3[j + 3]
    for t in range(n):
        x0, x1, x2, x3 = z0[t], z1[t], z2[t], z3[t]
        a0[t] += m00 * x0 + m01 * x1 + m02 * x2 + m03 * x3
        a1[t] += m10 * x0 + m11 * x1 + m12 * x2 + m13 * x3
        a2[t] += m20 * x0 + m21 * x1 + m22 * x2 + m23 * x3
        a3[t] += m30 * x0 + m31 * x1 + m32 * x2 + m33 * x3


@compiled
def _add_outer(
    out: FloatArray, v: FloatArray, z: FloatArray, i: int, j: int, n: int
) -> None:
    """out[i:i+4, j:j+4] += v[i:i+4] @ z[j:j+4].T: 16 sums stay in registers."""
    s00 = s01 = s02 = s03 = s10 = s11 = s12 = s13 = 0.0
    s20 = s21 = s22 = s23 = s30 = s31 = s32 = s33 = 0.0
    v0, v1, v2, v3 = v[i], v[i + 1], v[i + 2], v[i + 3]
    z0, z1, z2, z3 = z[j], z[j + 1], z[j + 2], z[j + 3]
    for t in range(n):
        x0, x1, x2, x3 = z0[t], z1[t], z2[t], z3[t]
        y = v0[t]
        s00 += y * x0
        s01 += y * x1
        s02 += y * x2
        s03 += y * x3
        y = v1[t]
        s10 += y * x0
        s11 += y * x1
        s12 += y * x2
        s13 += y * x3
        y = v2[t]
        s20 += y * x0
        s21 += y * x1
        s22 += y * x2
        s23 += y * x3
        y = v3[t]
        s30 += y * x0
        s31 += y * x1
        s32 += y * x2
        s33 += y * x3
    o0, o1, o2, o3 = out[i], out[i + 1], out[i + 2], out[i + 3]
    o0[j] += s00
    o0[j + 1] += s01
    o0[j + 2] += s02
    o0[j + 3] += s03
    o1[j] += s10
    o1[j + 1] += s11
    o1[j + 2] += s12
    o1[j + 3] += s13
    o2[j] += s20
    o2[j + 1] += s21
    o2[j + 2] += s22
    o2[j + 3] += s23
    o3[j] += s30
    o3[j + 1] += s31
    o3[j + 2] += s32
    o3[j + 3] += s33


@compiled
def _centre(z: FloatArray, mean: FloatArray, n: int, out: FloatArray) -> None:
    """out = z - mean, feature by feature."""
    for i in range(len(mean)):
        z_i, out_i, m = z[i], out[i], mean[i]
        for t in range(n):
            out_i[t] = z_i[t] - m


@compiled
def _joint_full(
    z: FloatArray,
    n: int,
    n_features: int,
    means: FloatArray,
    whiteners: FloatArray,
    log_constants: FloatArray,
    centred: FloatArray,
    four: FloatArray,
    joint: FloatArray,
) -> None:
    """Log joint densities with a lower triangular whitener for each component."""
    for k in range(len(means)):
        mean, w, out, c = means[k], whiteners[k], joint[k], log_constants[k]
        if n_features == 1:
            z0, m0, w00 = z[0], mean[0], w[0, 0]
            for t in range(n):
                y0 = (z0[t] - m0) * w00
                out[t] = c - 0.5 * (y0 * y0)
        elif n_features == 2:
            z0, z1, m0, m1 = z[0], z[1], mean[0], mean[1]
            w00, w10, w11 = w[0, 0], w[1, 0], w[1, 1]
            for t in range(n):
                x0, x1 = z0[t] - m0, z1[t] - m1
                y0, y1 = w00 * x0, w10 * x0 + w11 * x1
                out[t] = c - 0.5 * (y0 * y0 + y1 * y1)
        elif n_features == 3:
            z0, z1, z2 = z[0], z[1], z[2]
            m0, m1, m2 = mean[0], mean[1], mean[2]
            w00, w10, w11 = w[0, 0], w[1, 0], w[1, 1]
            w20, w21, w22 = w[2, 0], w[2, 1], w[2, 2]
            for t in range(n):
                x0, x1, x2 = z0[t] - m0, z1[t] - m1, z2[t] - m2
                y0, y1 = w00 * x0, w10 * x0 + w11 * x1
                y2 = w20 * x0 + w21 * x1 + w22 * x2
                out[t] = c - 0.5 * (y0 * y0 + y1 * y1 + y2 * y2)
        elif n_features == 4:
            z0, z1, z2, z3 = z[0], z[1], z[2], z[3]
            m0, m1, m2, m3 = mean[0], mean[1], mean[2], mean[3]
            w00, w10, w11 = w[0, 0], w[1, 0], w[1, 1]
            w20, w21, w22 = w[2, 0], w[2, 1], w[2, 2]
            w30, w31, w32, w33 = w[3, 0], w[3, 1], w[3, 2], w[3, 3]
            for t in range(n):
                x0, x1, x2, x3 = z0[t] - m0, z1[t] - m1, z2[t] - m2, z3[t] - m3
                y0, y1 = w00 * x0, w10 * x0 + w11 * x1
                y2 = w20 * x0 + w21 * x1 + w22 * x2
                y3 = w30 * x0 + w31 * x1 + w32 * x2 + w33 * x3
                out[t] = c - 0.5 * ((y0 * y0 + y1 * y1) + (y2 * y2 + y3 * y3))
        else:
            _centre(z, mean, n, centred)
            for t in range(n):
                out[t] = c
            for i in range(0, means.shape[1], 4):
                four[:, :n] = 0.0
                for j in range(0, i + 4, 4):
                    _add_product(four, w, centred, i, j, n)
                _subtract_half_squares(four, n, out)


@compiled
def _subtract_half_squares(four: FloatArray, n: int, out: FloatArray) -> None:
    y0, y1, y2, y3 = four[0], four[1], four[2], four[3]
    for t in range(n):
        out[t] -= 0.5 * (
            (y0[t] * y0[t] + y1[t] * y1[t]) + (y2[t] * y2[t] + y3[t] * y3[t])
        )


@compiled
def _joint_diagonal(
    z: FloatArray,
    n: int,
    means: FloatArray,
    whiteners: FloatArray,
    log_constants: FloatArray,
    joint: FloatArray,
) -> None:
    """Log joint densities with a reciprocal deviation for each feature."""
    for k in range(len(means)):
        mean, w, out, c = means[k], whiteners[k, 0], joint[k], log_constants[k]
        for t in range(n):
            out[t] = c
        for i in range(0, means.shape[1], 4):
            z0, z1, z2, z3 = z[i], z[i + 1], z[i + 2], z[i + 3]
            m0, m1, m2, m3 = mean[i], mean[i + 1], mean[i + 2], mean[i + 3]
            w0, w1, w2, w3 = w[i], w[i + 1], w[i + 2], w[i + 3]
            for t in range(n):
                y0, y1 = (z0[t] - m0) * w0, (z1[t] - m1) * w1
                y2, y3 = (z2[t] - m2) * w2, (z3[t] - m3) * w3
                out[t] -= 0.5 * ((y0 * y0 + y1 * y1) + (y2 * y2 + y3 * y3))


@compiled
def _squared_distances(
    z: FloatArray, n: int, means: FloatArray, squares: FloatArray
) -> None:
    """‖z - mean‖² of each component, (K, T)."""
    for k in range(len(means)):
        mean, out = means[k], squares[k]
        for t in range(n):
            out[t] = 0.0
        for i in range(0, means.shape[1], 4):
            z0, z1, z2, z3 = z[i], z[i + 1], z[i + 2], z[i + 3]
            m0, m1, m2, m3 = mean[i], mean[i + 1], mean[i + 2], mean[i + 3]
            for t in range(n):
                y0, y1, y2, y3 = z0[t] - m0, z1[t] - m1, z2[t] - m2, z3[t] - m3
                out[t] += (y0 * y0 + y1 * y1) + (y2 * y2 + y3 * y3)


@compiled
def _whiten_tile(z: FloatArray, n: int, whitener: FloatArray, out: FloatArray) -> None:
    """out (P, T) = whitener @ z, lower triangular."""
    for i in range(0, len(whitener), 4):
        four = out[i : i + 4]
        four[:, :n] = 0.0
        for j in range(0, i + 4, 4):
            _add_product(four, whitener, z, i, j, n)


@compiled
def _exponentiate(
    joint: FloatArray, n: int, largest: FloatArray, total: FloatArray
) -> None:
    """Take out the largest of each row and exponentiate; total (T,) sums the row."""
    row = joint[0]
    for t in range(n):
        largest[t] = row[t]
    for k in range(1, len(joint)):
        row = joint[k]
        for t in range(n):
            largest[t] = max(largest[t], row[t])
    for t in range(n):
        total[t] = 0.0
    for k in range(len(joint)):
        row = joint[k]
        for t in range(n):
            e = _exp(row[t] - largest[t])
            row[t] = e
            total[t] += e


@compiled
def _normalize(
    joint: FloatArray,
    n: int,
    tile_weights: FloatArray,
    largest: FloatArray,
    total: FloatArray,
) -> float:
    """Turn joint into weighted responsibilities; return the summed log-likelihood."""
    _exponentiate(joint, n, largest, total)
    log_likelihood = 0.0
    if len(tile_weights) == 0:
        for t in range(n):
            log_likelihood += largest[t]
        # One logarithm for eight rows: each total is between 1 and K.
        whole = n - n % 8
        for t in range(0, whole, 8):
            product = 1.0
            for u in range(t, t + 8):
                product *= total[u]
            log_likelihood += math.log(product)
        for t in range(whole, n):
            log_likelihood += math.log(total[t])
        for t in range(n):
            total[t] = 1.0 / total[t]
    else:
        for t in range(n):
            w = tile_weights[t]
            log_likelihood += w * (largest[t] + math.log(total[t]))
            total[t] = w / total[t]
    for k in range(len(joint)):
        row = joint[k]
        for t in range(n):
            row[t] *= total[t]
    return log_likelihood


@compiled
def _sum(row: FloatArray, n: int) -> float:
    total = 0.0
    for t in range(n):
        total += row[t]
    return total


@compiled
def _add_moments_full(
    z: FloatArray,
    n: int,
    n_features: int,
    mean: FloatArray,
    r: FloatArray,
    centred: FloatArray,
    weighted: FloatArray,
    first: FloatArray,
    second: FloatArray,
) -> None:
    """Add the moments of one component; second gets its lower triangle of blocks."""
    if n_features == 1:
        z0, m0 = z[0], mean[0]
        f0 = s00 = 0.0
        for t in range(n):
            x0 = z0[t] - m0
            v0 = r[t] * x0
            f0 += v0
            s00 += v0 * x0
        first[0] += f0
        second[0, 0] += s00
    elif n_features == 2:
        z0, z1, m0, m1 = z[0], z[1], mean[0], mean[1]
        f0 = f1 = s00 = s10 = s11 = 0.0
        for t in range(n):
            x0, x1 = z0[t] - m0, z1[t] - m1
            v0, v1 = r[t] * x0, r[t] * x1
            f0 += v0
            f1 += v1
            s00 += v0 * x0
            s10 += v1 * x0
            s11 += v1 * x1
        first[0] += f0
        first[1] += f1
        second[0, 0] += s00
        second[1, 0] += s10
        second[1, 1] += s11
    elif n_features == 3:
        z0, z1, z2 = z[0], z[1], z[2]
        m0, m1, m2 = mean[0], mean[1], mean[2]
        f0 = f1 = f2 = s00 = s10 = s11 = s20 = s21 = s22 = 0.0
        for t in range(n):
            x0, x1, x2 = z0[t] - m0, z1[t] - m1, z2[t] - m2
            v0, v1, v2 = r[t] * x0, r[t] * x1, r[t] * x2
            f0 += v0
            f1 += v1
            f2 += v2
            s00 += v0 * x0
            s10 += v1 * x0
            s11 += v1 * x1
            s20 += v2 * x0
            s21 += v2 * x1
            s22 += v2 * x2
        first[0] += f0
        first[1] += f1
        first[2] += f2
        second[0, 0] += s00
        second[1, 0] += s10
        second[1, 1] += s11
        second[2, 0] += s20
        second[2, 1] += s21
        second[2, 2] += s22
    elif n_features == 4:
        z0, z1, z2, z3 = z[0], z[1], z[2], z[3]
        m0, m1, m2, m3 = mean[0], mean[1], mean[2], mean[3]
        f0 = f1 = f2 = f3 = s00 = s10 = s11 = s20 = s21 = s22 = 0.0
        s30 = s31 = s32 = s33 = 0.0
        for t in range(n):
            x0, x1, x2, x3 = z0[t] - m0, z1[t] - m1, z2[t] - m2, z3[t] - m3
            v0, v1, v2, v3 = r[t] * x0, r[t] * x1, r[t] * x2, r[t] * x3
            f0 += v0
            f1 += v1
            f2 += v2
            f3 += v3
            s00 += v0 * x0
            s10 += v1 * x0
            s11 += v1 * x1
            s20 += v2 * x0
            s21 += v2 * x1
            s22 += v2 * x2
            s30 += v3 * x0
            s31 += v3 * x1
            s32 += v3 * x2
            s33 += v3 * x3
        first[0] += f0
        first[1] += f1
        first[2] += f2
        first[3] += f3
        second[0, 0] += s00
        second[1, 0] += s10
        second[1, 1] += s11
        second[2, 0] += s20
        second[2, 1] += s21
        second[2, 2] += s22
        second[3, 0] += s30
        second[3, 1] += s31
        second[3, 2] += s32
        second[3, 3] += s33
    else:
        for i in range(len(mean)):
            z_i, x_i, v_i, m = z[i], centred[i], weighted[i], mean[i]
            f = 0.0
            for t in range(n):
                x = z_i[t] - m
                v = r[t] * x
                x_i[t] = x
                v_i[t] = v
                f += v
            first[i] += f
        for i in range(0, len(mean), 4):
            for j in range(0, i + 4, 4):
                _add_outer(second, weighted, centred, i, j, n)


@compiled
def _add_moments_diagonal(
    z: FloatArray,
    n: int,
    mean: FloatArray,
    r: FloatArray,
    first: FloatArray,
    second: FloatArray,
) -> None:
    """Add the moments of one component, feature by feature."""
    for i in range(0, len(mean), 4):
        z0, z1, z2, z3 = z[i], z[i + 1], z[i + 2], z[i + 3]
        m0, m1, m2, m3 = mean[i], mean[i + 1], mean[i + 2], mean[i + 3]
        f0 = f1 = f2 = f3 = s0 = s1 = s2 = s3 = 0.0
        for t in range(n):
            x0, x1, x2, x3 = z0[t] - m0, z1[t] - m1, z2[t] - m2, z3[t] - m3
            v0, v1, v2, v3 = r[t] * x0, r[t] * x1, r[t] * x2, r[t] * x3
            f0 += v0
            f1 += v1
            f2 += v2
            f3 += v3
            s0 += v0 * x0
            s1 += v1 * x1
            s2 += v2 * x2
            s3 += v3 * x3
        first[i] += f0
        first[i + 1] += f1
        first[i + 2] += f2
        first[i + 3] += f3
        second[i] += s0
        second[i + 1] += s1
        second[i + 2] += s2
        second[i + 3] += s3


@compiled
def _add_first_moments(
    z: FloatArray, n: int, mean: FloatArray, r: FloatArray, first: FloatArray
) -> None:
    """Add the first moments of one component."""
    for i in range(0, len(mean), 4):
        z0, z1, z2, z3 = z[i], z[i + 1], z[i + 2], z[i + 3]
        m0, m1, m2, m3 = mean[i], mean[i + 1], mean[i + 2], mean[i + 3]
        f0 = f1 = f2 = f3 = 0.0
        for t in range(n):
            f0 += r[t] * (z0[t] - m0)
            f1 += r[t] * (z1[t] - m1)
            f2 += r[t] * (z2[t] - m2)
            f3 += r[t] * (z3[t] - m3)
        first[i] += f0
        first[i + 1] += f1
        first[i + 2] += f2
        first[i + 3] += f3


@compiled
def _dot(a: FloatArray, b: FloatArray, n: int) -> float:
    total = 0.0
    for t in range(n):
        total += a[t] * b[t]
    return total


@compiled
def _joint_isotropic(
    squares: FloatArray,
    n: int,
    factors: FloatArray,
    log_constants: FloatArray,
    joint: FloatArray,
) -> None:
    """Log joint densities from squared distances and one factor W² for each row."""
    for k in range(len(joint)):
        square, out, c, factor = squares[k], joint[k], log_constants[k], factors[k]
        for t in range(n):
            out[t] = c - 0.5 * factor * square[t]


@compiled
def _joint(
    kind: int,
    z: FloatArray,
    n: int,
    n_features: int,
    means: FloatArray,
    whiteners: FloatArray,
    log_constants: FloatArray,
    factors: FloatArray,
    whitened: FloatArray,
    four: FloatArray,
    squares: FloatArray,
    joint: FloatArray,
) -> None:
    """Log joint densities of a tile, of any kind."""
    if kind == FULL:
        _joint_full(
            z, n, n_features, means, whiteners, log_constants, whitened, four, joint
        )
    elif kind == DIAGONAL:
        _joint_diagonal(z, n, means, whiteners, log_constants, joint)
    else:
        if kind == POOLED:
            _whiten_tile(z, n, whiteners[0], whitened)
            _squared_distances(whitened, n, means, squares)
        else:
            _squared_distances(z, n, means, squares)
        _joint_isotropic(squares, n, factors, log_constants, joint)


@compiled
def _factors(kind: int, n_components: int, whiteners: FloatArray) -> FloatArray:
    """W² of each component where distances are isotropic."""
    factors = np.ones(n_components)
    if kind == TRACE:
        for k in range(n_components):
            factors[k] = whiteners[k, 0, 0] ** 2
    return factors


@compiled
def accumulate(
    kind: int,
    tile: int,
    rows: FloatArray,
    weights: FloatArray,
    center: FloatArray,
    scale: FloatArray,
    means: FloatArray,
    whiteners: FloatArray,
    log_constants: FloatArray,
    counts: FloatArray,
    first: FloatArray,
    second: FloatArray,
) -> float:
    """Add the E-step's sums over rows to counts (K,), first (K, P) and second.

    Moments are about the means, but POOLED second moments about the origin. Returns
    the log-likelihood of the rows in the frame.
    """
    n_rows, n_features = rows.shape
    n_components, padded = means.shape
    z = np.zeros((padded, tile))
    # Also the whitened rows, where one whitener serves all components.
    centred = np.empty((padded, tile))
    weighted = np.empty((padded, tile))
    joint = np.empty((n_components, tile))
    squares = np.empty((n_components, tile))
    four = np.empty((4, tile))
    largest, total = np.empty(tile), np.empty(tile)
    factors = _factors(kind, n_components, whiteners)
    log_likelihood = 0.0
    for start in range(0, n_rows, tile):
        n = min(tile, n_rows - start)
        tile_weights = weights[start : start + n]
        _load(rows, start, n, center, scale, z)
        _joint(
            kind,
            z,
            n,
            n_features,
            means,
            whiteners,
            log_constants,
            factors,
            centred,
            four,
            squares,
            joint,
        )
        log_likelihood += _normalize(joint, n, tile_weights, largest, total)
        for k in range(n_components):
            mean, r = means[k], joint[k]
            counts[k] += _sum(r, n)
            if kind == FULL:
                _add_moments_full(
                    z, n, n_features, mean, r, centred, weighted, first[k], second[k]
                )
            elif kind == DIAGONAL:
                _add_moments_diagonal(z, n, mean, r, first[k], second[k, 0])
            elif kind == POOLED:
                _add_first_moments(centred, n, mean, r, first[k])
            else:
                _add_first_moments(z, n, mean, r, first[k])
                second[k, 0, 0] += _dot(r, squares[k], n)
        if kind == POOLED:
            _weigh(centred, n, tile_weights, weighted)
            for i in range(0, padded, 4):
                for j in range(0, i + 4, 4):
                    _add_outer(second[0], weighted, centred, i, j, n)
    return log_likelihood


@compiled
def _weigh(
    z: FloatArray, n: int, tile_weights: FloatArray, weighted: FloatArray
) -> None:
    """weighted = w z, feature by feature."""
    for i in range(len(z)):
        z_i, out = z[i], weighted[i]
        if len(tile_weights) == 0:
            for t in range(n):
                out[t] = z_i[t]
        else:
            for t in range(n):
                out[t] = tile_weights[t] * z_i[t]


@compiled
def evaluate(
    kind: int,
    tile: int,
    rows: FloatArray,
    center: FloatArray,
    scale: FloatArray,
    means: FloatArray,
    whiteners: FloatArray,
    log_constants: FloatArray,
    densities: FloatArray,
    labels: IntArray,
    probabilities: FloatArray,
) -> None:
    """Fill log densities (n,), labels (n,) and probabilities (n, K) of rows.

    An output of length zero is left out.
    """
    n_rows, n_features = rows.shape
    n_components, padded = means.shape
    z = np.zeros((padded, tile))
    whitened = np.empty((padded, tile))
    joint = np.empty((n_components, tile))
    squares = np.empty((n_components, tile))
    four = np.empty((4, tile))
    largest, total = np.empty(tile), np.empty(tile)
    factors = _factors(kind, n_components, whiteners)
    for start in range(0, n_rows, tile):
        n = min(tile, n_rows - start)
        _load(rows, start, n, center, scale, z)
        _joint(
            kind,
            z,
            n,
            n_features,
            means,
            whiteners,
            log_constants,
            factors,
            whitened,
            four,
            squares,
            joint,
        )
        if len(labels) > 0:
            _find_largest(joint, n, largest, labels[start : start + n])
        if len(densities) > 0 or len(probabilities) > 0:
            _exponentiate(joint, n, largest, total)
        if len(densities) > 0:
            for t in range(n):
                densities[start + t] = largest[t] + math.log(total[t])
        if len(probabilities) > 0:
            for t in range(n):
                inverse = 1.0 / total[t]
                for k in range(n_components):
                    probabilities[start + t, k] = joint[k, t] * inverse


@compiled
def _find_largest(
    joint: FloatArray, n: int, largest: FloatArray, labels: IntArray
) -> None:
    """The component with the largest entry of each row, the first of equals."""
    for t in range(n):
        largest[t] = joint[0, t]
        labels[t] = 0
    for k in range(1, len(joint)):
        row = joint[k]
        for t in range(n):
            is_larger = row[t] > largest[t]
            labels[t] = k if is_larger else labels[t]
            largest[t] = row[t] if is_larger else largest[t]
