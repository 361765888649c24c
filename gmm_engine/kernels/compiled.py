"""The kernels of EM as compiled loops over tiles of rows.

A tile holds T rows feature-major, so that every loop runs along rows: contiguous,
aligned, and eight numbers at a time where the machine can. Within a tile the log joint
densities are (K, T). All kernels are in this one file, because numba's cache looks at
the file of a function, but not at those of the functions it calls.

Tiles are multiples of 32 rows, the group in which generated code works: beyond the last
row of a tile weights are zero. Features are padded with zeros to P, a multiple of four.
The kernels share `rows` (n, D), `weights` (n,) or (0,) for none, `center` and `scale`
(D,) of the frame, `means` (K, P), and by `kind` of moments the whiteners and the sums
of second moments:

FULL: (K, P, P), lower triangular · POOLED: (1, P, P), and `means` are whitened, as are
the sums · DIAGONAL: (K, 1, P) · TRACE: (K, 1, 1).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]  # no stubs
from numba import types
from numba.core import cgutils as _cgutils

from gmm_engine.kernels.jit import compiled, compiled_exactly, vector_code
from gmm_engine.types import FloatArray, IntArray

FULL, POOLED, DIAGONAL, TRACE = range(4)
# Up to so many features all second moments of a component fit the registers.
FEW = 5
cgutils: Any = _cgutils  # its functions have no types
FARTHEST = 1e140
_LOG2_E = 1.4426950408889634
_LN2_HIGH = 0.693147180369123816490
_LN2_LOW = 1.90821492927058770002e-10
# Adding it to a small number leaves that number, rounded, in the last bits.
_ROUNDER = 6755399441055744.0
# 1 / n! from n = 12 down to 0.
_EXP_SERIES = [1.0 / math.factorial(n) for n in range(12, -1, -1)]


class _Vectors:
    """Builds LLVM code on vectors of eight numbers, which stay in registers."""

    width = 8

    def __init__(self, context: Any, builder: Any) -> None:
        self.context, self.builder = context, builder
        self.type = ir.VectorType(ir.DoubleType(), self.width)

    def data(self, array_type: Any, array: Any) -> Any:
        """Return the pointer to the first number of an array."""
        make = self.context.make_array(array_type)
        return make(self.context, self.builder, array).data

    def number(self, value: int) -> Any:
        return ir.Constant(ir.IntType(64), value)

    def equal(self, number: Any, value: int) -> Any:
        return self.builder.icmp_signed("==", number, self.number(value))

    def offset(self, *terms: Any) -> Any:
        """Return a sum of indices."""
        total = terms[0]
        for term in terms[1:]:
            total = self.builder.add(total, term)
        return total

    def load(self, pointer: Any, offset: Any) -> Any:
        place = self._place(pointer, offset)
        return self.builder.load(place, align=8)

    def store(self, vector: Any, pointer: Any, offset: Any) -> None:
        self.builder.store(vector, self._place(pointer, offset), align=8)

    def _place(self, pointer: Any, offset: Any) -> Any:
        place = self.at(pointer, offset)
        return self.builder.bitcast(place, self.type.as_pointer())

    def at(self, pointer: Any, offset: Any) -> Any:
        """Return the pointer to a number."""
        return self.builder.gep(pointer, [offset])

    def load_number(self, pointer: Any, offset: Any) -> Any:
        return self.builder.load(self.at(pointer, offset))

    def spread(self, number: Any) -> Any:
        """Return a vector of eight times the same number."""
        undefined = ir.Constant(self.type, ir.Undefined)
        single = self.builder.insert_element(
            undefined, number, ir.Constant(ir.IntType(32), 0)
        )
        return self.shuffled(single, undefined, [0] * self.width)

    def variables(self, n: int) -> list[Any]:
        """Return places for n vectors, which LLVM turns into registers."""
        return [cgutils.alloca_once(self.builder, self.type) for _ in range(n)]

    def add_product(self, place: Any, a: Any, b: Any) -> None:
        """place += a * b"""
        self.builder.store(self.fused(a, b, self.builder.load(place)), place)

    def fused(self, a: Any, b: Any, c: Any) -> Any:
        """Return a * b + c, which LLVM may round once."""
        product = self.builder.fmul(a, b, flags=["contract"])
        return self.builder.fadd(product, c, flags=["contract"])

    def constant(self, value: float) -> Any:
        return ir.Constant(self.type, [value] * self.width)

    def larger(self, a: Any, b: Any) -> Any:
        """Return the larger of a and b; b where one is not a number."""
        return self.builder.select(self.builder.fcmp_ordered(">", a, b), a, b)

    def smaller(self, a: Any, b: Any) -> Any:
        return self.builder.select(self.builder.fcmp_ordered("<", a, b), a, b)

    def shuffled(self, a: Any, b: Any, indices: list[int]) -> Any:
        """Return numbers of a and b by their places, those of b after those of a."""
        mask = ir.Constant(ir.VectorType(ir.IntType(32), len(indices)), indices)
        return self.builder.shuffle_vector(a, b, mask)

    def exp(self, x: Any) -> Any:
        """Return e^x for x <= 0, to 2 units in the last place; 3e-261 below -600.

        x = k ln 2 + r, and a polynomial in r. The bound keeps products with the result
        from becoming subnormal, which would make them a hundred times slower.
        """
        builder = self.builder
        x = self.larger(x, self.constant(-600.0))
        rounder = self.constant(_ROUNDER)
        rounded = self.fused(x, self.constant(_LOG2_E), rounder)
        minus_k = builder.fsub(rounder, rounded)
        r = self.fused(minus_k, self.constant(_LN2_HIGH), x)
        r = self.fused(minus_k, self.constant(_LN2_LOW), r)
        power = self.constant(_EXP_SERIES[0])
        for coefficient in _EXP_SERIES[1:]:
            power = self.fused(power, r, self.constant(coefficient))
        # The last bits of `rounded` hold k, which belongs into the exponent.
        bits = ir.VectorType(ir.IntType(64), self.width)
        fifty_two = ir.Constant(bits, [52] * self.width)
        exponent = builder.shl(builder.bitcast(rounded, bits), fifty_two)
        raised = builder.add(builder.bitcast(power, bits), exponent)
        return builder.bitcast(raised, self.type)

    def sums(self, vectors: list[Any]) -> Any:
        """Return the vector of the sums of eight vectors, by pairs."""
        while len(vectors) > 1:
            vectors = [
                self._paired(vectors[i], vectors[i + 1], self.width // len(vectors))
                for i in range(0, len(vectors), 2)
            ]
        return vectors[0]

    def add_four(self, vector: Any, first: int, pointer: Any, offset: Any) -> None:
        """Add four of the vector's numbers to four that are in memory."""
        added = self.shuffled(vector, vector, [first + i for i in range(4)])
        place = self.at(pointer, offset)
        place = self.builder.bitcast(place, added.type.as_pointer())
        old = self.builder.load(place, align=8)
        self.builder.store(self.builder.fadd(old, added), place, align=8)

    def add_totals(self, places: list[Any], numbers: list[Any]) -> None:
        """Add the sum of each vector's numbers to one that is in memory."""
        zero = self.constant(0.0)
        for start in range(0, len(places), self.width):
            some = places[start : start + self.width]
            vectors = [self.builder.load(place) for place in some]
            total = self.sums(vectors + [zero] * (self.width - len(vectors)))
            for u, number in enumerate(numbers[start : start + self.width]):
                lane = ir.Constant(ir.IntType(32), u)
                added = self.builder.extract_element(total, lane)
                old = self.builder.load(number)
                self.builder.store(self.builder.fadd(old, added), number)

    def _paired(self, a: Any, b: Any, step: int) -> Any:
        """Return a and b added to half their length, interleaved by `step`."""
        builder, width = self.builder, self.width
        low = [i for i in range(width) if not i & step]
        picked = []
        for shift in (0, step):
            indices = [0] * width
            for i in low:
                indices[i], indices[i + step] = i + shift, width + i + shift
            picked.append(self.shuffled(a, b, indices))
        return builder.fadd(picked[0], picked[1])


@vector_code
def _load_few(
    typing_context: Any,
    rows: Any,
    start: Any,
    center: Any,
    scale: Any,
    z: Any,
    n_features: Any,
    n_vectors: Any,
) -> Any:
    """Bring rows of at most FEW features into the frame, transposed, eight at a time.

    The numbers of eight rows lie in as many vectors as there are features; each
    feature's are picked from one vector after the other.
    """
    signature = types.void(rows, start, center, scale, z, n_features, n_vectors)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        v = _Vectors(context, builder)
        rows_type, _, center_type, scale_type, z_type, *_ = signature.args
        z_array = context.make_array(z_type)(context, builder, arguments[4])
        zs, tile = z_array.data, builder.extract_value(z_array.shape, 1)
        data, centers, scales = (
            v.data(kind, array)
            for kind, array in (
                (rows_type, arguments[0]),
                (center_type, arguments[2]),
                (scale_type, arguments[3]),
            )
        )

        def feature(i: int, n: int, loaded: list[Any]) -> Any:
            """Return the i-th number of each of eight rows of n."""
            picked = loaded[0]
            places = [divmod(t * n + i, v.width) for t in range(v.width)]
            for m, vector in enumerate(loaded):
                mask = [
                    v.width + lane if source == m else t
                    for t, (source, lane) in enumerate(places)
                ]
                picked = v.shuffled(picked, vector, mask)
            return picked

        def load(n: int) -> None:
            frame = [
                (
                    v.spread(v.load_number(centers, v.number(i))),
                    v.spread(v.load_number(scales, v.number(i))),
                )
                for i in range(n)
            ]
            first = builder.mul(arguments[1], v.number(n))
            with cgutils.for_range(builder, arguments[6]) as loop:
                place = v.offset(first, builder.mul(loop.index, v.number(8 * n)))
                loaded = [
                    v.load(data, v.offset(place, v.number(8 * m))) for m in range(n)
                ]
                row = builder.mul(loop.index, v.number(8))
                for i, (c, s) in enumerate(frame):
                    x = builder.fdiv(builder.fsub(feature(i, n, loaded), c), s)
                    x = v.larger(v.constant(-FARTHEST), x)
                    x = v.smaller(v.constant(FARTHEST), x)
                    v.store(x, zs, v.offset(builder.mul(tile, v.number(i)), row))

        for n in range(1, FEW + 1):
            with builder.if_then(v.equal(arguments[5], n)):
                load(n)
        return context.get_dummy_value()

    return signature, generate


@vector_code
def _joint_of_few(
    typing_context: Any,
    z: Any,
    means: Any,
    whiteners: Any,
    constants: Any,
    joint: Any,
    n_features: Any,
    n_groups: Any,
) -> Any:
    """joint[k] = constants[k] - ½ ‖whiteners[k] @ (z - means[k])‖², lower triangular.

    Of at most FEW features, 32 rows a group.
    """
    signature = types.void(z, means, whiteners, constants, joint, n_features, n_groups)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        v = _Vectors(context, builder)
        z_type, means_type, w_type, c_type, joint_type, *_ = signature.args
        z_array = context.make_array(z_type)(context, builder, arguments[0])
        means_array = context.make_array(means_type)(context, builder, arguments[1])
        zs, tile = z_array.data, builder.extract_value(z_array.shape, 1)
        n_components, padded = (
            builder.extract_value(means_array.shape, axis) for axis in range(2)
        )
        ws, cs = v.data(w_type, arguments[2]), v.data(c_type, arguments[3])
        joints = v.data(joint_type, arguments[4])
        minus_half = v.constant(-0.5)

        def fill(k: Any, n: int) -> None:
            """Fill the line of component k, of n features."""
            line, rows = builder.mul(k, padded), builder.mul(k, tile)
            block = builder.mul(line, padded)
            center = [
                v.spread(v.load_number(means_array.data, v.offset(line, v.number(i))))
                for i in range(n)
            ]
            factors = {
                (i, j): v.spread(
                    v.load_number(
                        ws,
                        v.offset(block, builder.mul(padded, v.number(i)), v.number(j)),
                    )
                )
                for i in range(n)
                for j in range(i + 1)
            }
            constant = v.spread(v.load_number(cs, k))
            n_steps = builder.mul(arguments[6], v.number(4))
            with cgutils.for_range(builder, n_steps) as loop:
                row = builder.mul(loop.index, v.number(8))
                x = [
                    builder.fsub(
                        v.load(zs, v.offset(builder.mul(tile, v.number(i)), row)),
                        center[i],
                    )
                    for i in range(n)
                ]
                squares = None
                for i in range(n):
                    y = builder.fmul(factors[i, 0], x[0])
                    for j in range(1, i + 1):
                        y = v.fused(factors[i, j], x[j], y)
                    squares = (
                        builder.fmul(y, y)
                        if squares is None
                        else v.fused(y, y, squares)
                    )
                value = v.fused(squares, minus_half, constant)
                v.store(value, joints, v.offset(rows, row))

        for n in range(1, FEW + 1):
            with (
                builder.if_then(v.equal(arguments[5], n)),
                cgutils.for_range(builder, n_components) as components,
            ):
                fill(components.index, n)
        return context.get_dummy_value()

    return signature, generate


@vector_code
def _joint_of_many(
    typing_context: Any,
    z: Any,
    offsets: Any,
    whiteners: Any,
    constants: Any,
    joint: Any,
    n_features: Any,
    n_groups: Any,
) -> Any:
    """joint[k] = constants[k] - ½ ‖whiteners[k] @ z - offsets[k]‖², 32 rows a group.

    Four features by 32 rows are summed up in 16 registers; of the last features there
    may be fewer.
    """
    signature = types.void(
        z, offsets, whiteners, constants, joint, n_features, n_groups
    )

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        v = _Vectors(context, builder)
        z_type, b_type, w_type, c_type, joint_type, *_ = signature.args
        z_array = context.make_array(z_type)(context, builder, arguments[0])
        b_array = context.make_array(b_type)(context, builder, arguments[1])
        zs, tile = z_array.data, builder.extract_value(z_array.shape, 1)
        bs, ws = b_array.data, v.data(w_type, arguments[2])
        n_components, padded = (
            builder.extract_value(b_array.shape, axis) for axis in range(2)
        )
        cs, joints = v.data(c_type, arguments[3]), v.data(joint_type, arguments[4])
        zero = v.constant(0.0)
        minus_half = v.constant(-0.5)
        squares, sums = v.variables(4), v.variables(16)
        four = v.number(4)
        n_blocks = builder.sdiv(arguments[5], four)
        whole = builder.mul(n_blocks, four)
        n_left = builder.sub(arguments[5], whole)

        def add_squares(k: Any, row: Any, i: Any, height: int) -> None:
            """Add those of `height` features from i on."""
            first = v.offset(builder.mul(k, padded), i)
            for r in range(height):
                start = v.spread(v.load_number(bs, v.offset(first, v.number(r))))
                for u in range(4):
                    builder.store(builder.fneg(start), sums[4 * r + u])
            end = builder.add(i, v.number(height))
            with cgutils.for_range(builder, end) as features:
                j = features.index
                place = v.offset(builder.mul(j, tile), row)
                loaded = [
                    v.load(zs, v.offset(place, v.number(8 * u))) for u in range(4)
                ]
                for r in range(height):
                    line = builder.mul(v.offset(first, v.number(r)), padded)
                    factor = v.spread(v.load_number(ws, v.offset(line, j)))
                    for u in range(4):
                        v.add_product(sums[4 * r + u], factor, loaded[u])
            for r in range(height):
                for u in range(4):
                    whitened = builder.load(sums[4 * r + u])
                    v.add_product(squares[u], whitened, whitened)

        def fill(k: Any, row: Any) -> None:
            """Fill 32 rows of component k."""
            for place in squares:
                builder.store(zero, place)
            with cgutils.for_range(builder, n_blocks) as blocks:
                add_squares(k, row, builder.mul(blocks.index, four), 4)
            for height in (1, 2, 3):
                with builder.if_then(v.equal(n_left, height)):
                    add_squares(k, row, whole, height)
            constant = v.spread(v.load_number(cs, k))
            place = v.offset(builder.mul(k, tile), row)
            for u in range(4):
                value = v.fused(builder.load(squares[u]), minus_half, constant)
                v.store(value, joints, v.offset(place, v.number(8 * u)))

        with (
            cgutils.for_range(builder, n_components) as components,
            cgutils.for_range(builder, arguments[6]) as groups,
        ):
            fill(components.index, builder.mul(groups.index, v.number(32)))
        return context.get_dummy_value()

    return signature, generate


@vector_code
def _add_outer(
    typing_context: Any,
    out: Any,
    v: Any,
    z: Any,
    i: Any,
    j: Any,
    height: Any,
    n_groups: Any,
) -> Any:
    """out[i:i+height, j:j+4] += v[i:i+height] @ z[j:j+4].T over n_groups of 32 rows."""
    signature = types.void(out, v, z, i, j, height, n_groups)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vectors = _Vectors(context, builder)
        out_type, v_type, z_type, *_ = signature.args
        out_array = context.make_array(out_type)(context, builder, arguments[0])
        z_array = context.make_array(z_type)(context, builder, arguments[2])
        padded = builder.extract_value(out_array.shape, 1)
        tile = builder.extract_value(z_array.shape, 1)
        vs, zs = vectors.data(v_type, arguments[1]), z_array.data
        i, j = arguments[3], arguments[4]
        sums = vectors.variables(16)
        zero = vectors.constant(0.0)
        n_vectors = builder.mul(arguments[6], vectors.number(4))

        def add(height: int) -> None:
            for place in sums:
                builder.store(zero, place)
            with cgutils.for_range(builder, n_vectors) as loop:
                row = builder.mul(loop.index, vectors.number(8))
                left, right = (
                    [
                        vectors.load(
                            pointer,
                            vectors.offset(
                                builder.mul(
                                    vectors.offset(first, vectors.number(r)), tile
                                ),
                                row,
                            ),
                        )
                        for r in range(n)
                    ]
                    for pointer, first, n in ((vs, i, height), (zs, j, 4))
                )
                for a in range(height):
                    for b in range(4):
                        vectors.add_product(sums[4 * a + b], left[a], right[b])
            for a in range(height):
                if a % 2 == 0:
                    total = vectors.sums(
                        [builder.load(place) for place in sums[4 * a : 4 * a + 8]]
                    )
                line = builder.mul(vectors.offset(i, vectors.number(a)), padded)
                place = vectors.offset(line, j)
                vectors.add_four(total, 4 * (a % 2), out_array.data, place)

        for height in (1, 2, 3, 4):
            with builder.if_then(vectors.equal(arguments[5], height)):
                add(height)
        return context.get_dummy_value()

    return signature, generate


@vector_code
def _add_moments_of_few(
    typing_context: Any,
    z: Any,
    joint: Any,
    means: Any,
    counts: Any,
    first: Any,
    second: Any,
    n_features: Any,
    n_groups: Any,
) -> Any:
    """Add Σ r, Σ r x and the lower triangle of Σ r x xᵀ, x = z - mean, r = joint[k].

    Of at most FEW features: the sums of a component stay in registers. Beyond the last
    row r has to be zero, up to 32 a group.
    """
    signature = types.void(z, joint, means, counts, first, second, n_features, n_groups)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        v = _Vectors(context, builder)
        z_type, joint_type, means_type, *sums_types, _, _ = signature.args
        z_array = context.make_array(z_type)(context, builder, arguments[0])
        means_array = context.make_array(means_type)(context, builder, arguments[2])
        zs, tile = z_array.data, builder.extract_value(z_array.shape, 1)
        centers, joints = means_array.data, v.data(joint_type, arguments[1])
        n_components, padded = (
            builder.extract_value(means_array.shape, axis) for axis in range(2)
        )
        counted, firsts, seconds = (
            v.data(kind, array)
            for kind, array in zip(sums_types, arguments[3:6], strict=True)
        )
        zero = v.constant(0.0)

        def add(k: Any, n: int) -> None:
            """Add the sums of component k, of n features."""
            pairs = [(i, j) for i in range(n) for j in range(i + 1)]
            # A sum has to wait for itself: of few sums several are kept.
            n_sets = {1: 4, 2: 2}.get(n, 1)
            n_sums = 1 + n + len(pairs)
            sets = [v.variables(n_sums) for _ in range(n_sets)]
            for places in sets:
                for place in places:
                    builder.store(zero, place)
            line = builder.mul(k, padded)
            center = [
                v.spread(v.load_number(centers, v.offset(line, v.number(i))))
                for i in range(n)
            ]
            rows = builder.mul(k, tile)
            n_steps = builder.mul(arguments[7], v.number(4 // n_sets))
            with cgutils.for_range(builder, n_steps) as loop:
                for u, places in enumerate(sets):
                    row = builder.mul(loop.index, v.number(8 * n_sets))
                    row = v.offset(row, v.number(8 * u))
                    share = v.load(joints, v.offset(rows, row))
                    loaded = [
                        v.load(zs, v.offset(builder.mul(tile, v.number(i)), row))
                        for i in range(n)
                    ]
                    x = [
                        builder.fsub(one, c)
                        for one, c in zip(loaded, center, strict=True)
                    ]
                    weighted = [builder.fmul(share, one) for one in x]
                    for place, term in zip(places, [share, *weighted], strict=False):
                        builder.store(builder.fadd(builder.load(place), term), place)
                    for place, (i, j) in zip(places[1 + n :], pairs, strict=True):
                        v.add_product(place, weighted[i], x[j])
            block = builder.mul(line, padded)
            numbers = [
                v.at(counted, k),
                *(v.at(firsts, v.offset(line, v.number(i))) for i in range(n)),
                *(
                    v.at(
                        seconds,
                        v.offset(block, builder.mul(padded, v.number(i)), v.number(j)),
                    )
                    for i, j in pairs
                ),
            ]
            for places in sets:
                v.add_totals(places, numbers)

        for n in range(1, FEW + 1):
            with (
                builder.if_then(v.equal(arguments[6], n)),
                cgutils.for_range(builder, n_components) as components,
            ):
                add(components.index, n)
        return context.get_dummy_value()

    return signature, generate


@compiled
def _add_outers(
    out: FloatArray, weighted: FloatArray, z: FloatArray, n_features: int, n_groups: int
) -> None:
    """out += weighted @ z.T, the lower triangle of blocks.

    Sixteen weighted features stay in the first-level cache while those of z pass by,
    so that each of these comes from farther away only once for four blocks.
    """
    for first in range(0, n_features, 16):
        end = min(first + 16, n_features)
        for j in range(0, end, 4):
            for i in range(max(first, j), end, 4):
                height = min(4, n_features - i)
                _add_outer(out, weighted, z, i, j, height, n_groups)


@vector_code
def _share_groups(
    typing_context: Any,
    joint: Any,
    shares: Any,
    largest: Any,
    total: Any,
    n_groups: Any,
) -> Any:
    """Turn log joint densities into shares of each row, 32 rows a group.

    joint[k] becomes shares · e^(joint[k] - largest) / total, with the largest of each
    row taken out, and total the sum of the exponentials.
    """
    signature = types.void(joint, shares, largest, total, n_groups)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        v = _Vectors(context, builder)
        joint_type, *row_types, _ = signature.args
        array = context.make_array(joint_type)(context, builder, arguments[0])
        joints, one = array.data, v.number(1)
        n_components, tile = (
            builder.extract_value(array.shape, axis) for axis in range(2)
        )
        shared, maxima, totals = (
            v.data(kind, row)
            for kind, row in zip(row_types, arguments[1:4], strict=True)
        )
        most, sum_of = v.variables(2)
        n_vectors = builder.mul(arguments[4], v.number(4))
        with cgutils.for_range(builder, n_vectors) as loop:
            row = builder.mul(loop.index, v.number(8))
            builder.store(v.load(joints, row), most)
            with cgutils.for_range(builder, n_components, start=one) as others:
                place = v.offset(builder.mul(others.index, tile), row)
                builder.store(v.larger(v.load(joints, place), builder.load(most)), most)
            maximum = builder.load(most)
            v.store(maximum, maxima, row)
            builder.store(v.constant(0.0), sum_of)
            with cgutils.for_range(builder, n_components) as components:
                place = v.offset(builder.mul(components.index, tile), row)
                power = v.exp(builder.fsub(v.load(joints, place), maximum))
                v.store(power, joints, place)
                builder.store(builder.fadd(builder.load(sum_of), power), sum_of)
            total = builder.load(sum_of)
            v.store(total, totals, row)
            factor = builder.fdiv(v.load(shared, row), total)
            with cgutils.for_range(builder, n_components) as components:
                place = v.offset(builder.mul(components.index, tile), row)
                share = builder.fmul(v.load(joints, place), factor)
                v.store(share, joints, place)
        return context.get_dummy_value()

    return signature, generate


@vector_code
def _split_exponent(typing_context: Any, number: Any) -> Any:
    """k and m in [1, 2) with number = m · 2^k, of a positive number."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        bits = ir.IntType(64)
        whole = builder.bitcast(arguments[0], bits)
        biased = builder.lshr(whole, ir.Constant(bits, 52))
        exponent = builder.sub(biased, ir.Constant(bits, 1023))
        rest = builder.and_(whole, ir.Constant(bits, (1 << 52) - 1))
        mantissa = builder.or_(rest, ir.Constant(bits, 1023 << 52))
        parts = (
            builder.sitofp(exponent, ir.DoubleType()),
            builder.bitcast(mantissa, ir.DoubleType()),
        )
        return context.make_tuple(builder, signature.return_type, parts)

    pair = types.UniTuple(types.float64, 2)  # type: ignore[no-untyped-call]
    return pair(types.float64), generate


@compiled_exactly
def _log(x: float) -> float:
    """Return ln x for normal x > 0, to 2 units in the last place; vectorized.

    x = m · 2^k, and with s = (m - 1) / (m + 1) the series 2 (s + s³/3 + s⁵/5 + …), the
    polynomial after s interpolated at Chebyshev's nodes.
    """
    k, m = _split_exponent(x)
    is_large = m > 1.4142135623730951
    m = 0.5 * m if is_large else m
    k = k + 1.0 if is_large else k
    f = m - 1.0
    s = f / (2.0 + f)
    q = s * s
    p = 0.14616449685043406
    p = p * q + 0.15331721600556042
    p = p * q + 0.18182889125261723
    p = p * q + 0.2222221113479508
    p = p * q + 0.28571428625975487
    p = p * q + 0.39999999999899505
    p = p * q + 0.666666666666667
    # Not 2 s + …, which would round s: f comes as it is.
    half = 0.5 * f * f
    return float(k * _LN2_HIGH - ((half - (s * (half + p * q) + k * _LN2_LOW)) - f))


@compiled
def _tile_of(n_lines: int, tile: int) -> FloatArray:
    """Return zeros (n_lines, tile) that start at a multiple of 64 bytes.

    numba takes care of 32 only, so that every vector of eight numbers may lie across
    two lines of the cache: such a tile takes up to half as long again, by chance.
    """
    flat = np.zeros(n_lines * tile + 8)
    first = (-flat.ctypes.data % 64) // 8
    return flat[first : first + n_lines * tile].reshape((n_lines, tile))


@compiled
def _copy(source: FloatArray, target: FloatArray) -> None:
    """target[...] = source, which numba takes a second to compile for each pair."""
    flat, filled = source.ravel(), target.ravel()
    for i in range(len(flat)):
        filled[i] = flat[i]


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
    n_features, n_done = rows.shape[1], 0
    if n_features <= FEW:
        _load_few(rows, start, center, scale, z, n_features, n // 8)
        n_done = n - n % 8
    for i in range(n_features):
        z_i, c, s = z[i], center[i], 1.0 / scale[i]
        for t in range(n_done, n):
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
def _joint_full(
    z: FloatArray,
    n: int,
    n_features: int,
    means: FloatArray,
    whiteners: FloatArray,
    offsets: FloatArray,
    log_constants: FloatArray,
    joint: FloatArray,
) -> None:
    """Log joint densities with a lower triangular whitener for each component."""
    n_groups = _groups(n)
    if n_features <= FEW:
        _joint_of_few(z, means, whiteners, log_constants, joint, n_features, n_groups)
    else:
        _joint_of_many(
            z, offsets, whiteners, log_constants, joint, n_features, n_groups
        )


@compiled
def _groups(n: int) -> int:
    """How many groups of 32 rows hold n rows."""
    return (n + 31) // 32


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


@compiled_exactly
def _share_out(
    joint: FloatArray,
    n: int,
    shares: FloatArray,
    largest: FloatArray,
    total: FloatArray,
) -> None:
    """Turn log joint densities of n rows into their shares.

    Exactly, for another order of operations would round nothing in the exponential.
    """
    _share_groups(joint, shares, largest, total, _groups(n))


@compiled
def _weigh_rows(
    weights: FloatArray, start: int, n: int, row_weights: FloatArray
) -> None:
    """Fill the weights of n rows from `start` on, then zeros to the group's end."""
    for t in range(n):
        row_weights[t] = weights[start + t] if len(weights) > 0 else 1.0
    row_weights[n : 32 * _groups(n)] = 0.0


@compiled
def _normalize(
    joint: FloatArray,
    n: int,
    row_weights: FloatArray,
    largest: FloatArray,
    total: FloatArray,
) -> float:
    """Turn joint into weighted responsibilities; return the summed log-likelihood."""
    _share_out(joint, n, row_weights, largest, total)
    log_likelihood = 0.0
    for t in range(n):
        log_likelihood += row_weights[t] * (largest[t] + _log(total[t]))
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
    weighted: FloatArray,
    first: FloatArray,
    second: FloatArray,
) -> None:
    """Add the moments of one component; second gets its lower triangle of blocks.

    About the mean on one side only: Σ r (z - m) zᵀ = Σ r (z - m)(z - m)ᵀ + f mᵀ. The
    last term is taken off at the end; it is small, for f is.
    """
    n_groups = _groups(n)
    for i in range(n_features):
        z_i, v_i, m = z[i], weighted[i], mean[i]
        f = 0.0
        for t in range(n):
            v = r[t] * (z_i[t] - m)
            v_i[t] = v
            f += v
        v_i[n : 32 * n_groups] = 0.0
        first[i] += f
    _add_outers(second, weighted, z, n_features, n_groups)


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
    offsets: FloatArray,
    log_constants: FloatArray,
    factors: FloatArray,
    whitened: FloatArray,
    squares: FloatArray,
    joint: FloatArray,
) -> None:
    """Log joint densities of a tile, of any kind."""
    if kind == FULL:
        _joint_full(z, n, n_features, means, whiteners, offsets, log_constants, joint)
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
    is_few = kind == FULL and n_features <= FEW
    z = _tile_of(padded, tile)
    joint = _tile_of(n_components, tile)
    # What a kind does not need has no lines: to clear them takes its time.
    centred = _tile_of(padded if kind == POOLED else 0, tile)
    squares = _tile_of(n_components if kind in (POOLED, TRACE) else 0, tile)
    has_outers = kind == POOLED or (kind == FULL and not is_few)
    weighted = _tile_of(padded if has_outers else 0, tile)
    row_weights, largest, total = np.empty(tile), np.empty(tile), np.empty(tile)
    factors = _factors(kind, n_components, whiteners)
    offsets = _offsets(kind, means, whiteners)
    log_likelihood = 0.0
    for start in range(0, n_rows, tile):
        n = min(tile, n_rows - start)
        _weigh_rows(weights, start, n, row_weights)
        _load(rows, start, n, center, scale, z)
        _joint(
            kind,
            z,
            n,
            n_features,
            means,
            whiteners,
            offsets,
            log_constants,
            factors,
            centred,
            squares,
            joint,
        )
        log_likelihood += _normalize(joint, n, row_weights, largest, total)
        if is_few:
            _add_moments_of_few(
                z, joint, means, counts, first, second, n_features, _groups(n)
            )
            continue
        for k in range(n_components):
            mean, r = means[k], joint[k]
            counts[k] += _sum(r, n)
            if kind == FULL:
                _add_moments_full(
                    z, n, n_features, mean, r, weighted, first[k], second[k]
                )
            elif kind == DIAGONAL:
                _add_moments_diagonal(z, n, mean, r, first[k], second[k, 0])
            elif kind == POOLED:
                _add_first_moments(centred, n, mean, r, first[k])
            else:
                _add_first_moments(z, n, mean, r, first[k])
                second[k, 0, 0] += _dot(r, squares[k], n)
        if kind == POOLED:
            _weigh(centred, n, row_weights, weighted)
            _add_outers(second[0], weighted, centred, n_features, _groups(n))
    if kind == FULL and not is_few:
        _finish_about_means(means, first, second)
    return log_likelihood


@compiled
def _finish_about_means(
    means: FloatArray, first: FloatArray, second: FloatArray
) -> None:
    """Move the right side of second to the means, for sums that started at zero."""
    n_components, padded = means.shape
    for k in range(n_components):
        for i in range(padded):
            for j in range(i + 1):
                second[k, i, j] -= first[k, i] * means[k, j]


@compiled
def _offsets(kind: int, means: FloatArray, whiteners: FloatArray) -> FloatArray:
    """W_k means_k, (K, P), where each component has a matrix."""
    n_components, padded = means.shape
    offsets = np.zeros((n_components, padded))
    if kind == FULL:
        for k in range(n_components):
            for i in range(padded):
                for j in range(i + 1):
                    offsets[k, i] += whiteners[k, i, j] * means[k, j]
    return offsets


@compiled
def _weigh(
    z: FloatArray, n: int, row_weights: FloatArray, weighted: FloatArray
) -> None:
    """weighted = w z, feature by feature, and zero to the end of the group."""
    n_rows = 32 * _groups(n)
    for i in range(len(z)):
        z_i, out = z[i], weighted[i]
        for t in range(n_rows):
            out[t] = row_weights[t] * z_i[t]


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
    z = _tile_of(padded, tile)
    whitened = _tile_of(padded if kind == POOLED else 0, tile)
    joint = _tile_of(n_components, tile)
    squares = _tile_of(n_components if kind in (POOLED, TRACE) else 0, tile)
    ones, largest, total = np.ones(tile), np.empty(tile), np.empty(tile)
    factors = _factors(kind, n_components, whiteners)
    offsets = _offsets(kind, means, whiteners)
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
            offsets,
            log_constants,
            factors,
            whitened,
            squares,
            joint,
        )
        if len(labels) > 0:
            _find_largest(joint, n, largest, labels[start : start + n])
        if len(densities) > 0 or len(probabilities) > 0:
            _share_out(joint, n, ones, largest, total)
        if len(densities) > 0:
            for t in range(n):
                densities[start + t] = largest[t] + _log(total[t])
        if len(probabilities) > 0:
            for t in range(n):
                for k in range(n_components):
                    probabilities[start + t, k] = joint[k, t]


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


@compiled
def _cholesky(matrix: FloatArray, n: int, factor: FloatArray) -> bool:
    """Fill the lower triangular factor of matrix[:n, :n]; False if there is none."""
    for j in range(n):
        pivot = matrix[j, j]
        for k in range(j):
            pivot -= factor[j, k] * factor[j, k]
        if not pivot > 1e-13 * matrix[j, j]:
            return False
        root = math.sqrt(pivot)
        factor[j, j] = root
        for i in range(j + 1, n):
            entry = matrix[i, j]
            for k in range(j):
                entry -= factor[i, k] * factor[j, k]
            factor[i, j] = entry / root
    return True


@compiled
def _invert_lower(factor: FloatArray, n: int, inverse: FloatArray) -> float:
    """Fill the inverse of a lower triangular matrix; returns ln of its determinant."""
    log_determinant = 0.0
    for j in range(n):
        inverse[j, j] = 1.0 / factor[j, j]
        log_determinant += math.log(inverse[j, j])
        for i in range(j + 1, n):
            entry = 0.0
            for k in range(j, i):
                entry -= factor[i, k] * inverse[k, j]
            inverse[i, j] = entry / factor[i, i]
    return log_determinant


@compiled
def whiten(
    matrices: FloatArray, whiteners: FloatArray, log_determinants: FloatArray
) -> int:
    """Fill inverse Cholesky factors; returns the first that there is none of, or -1."""
    n_features = matrices.shape[1]
    factor = np.zeros((n_features, n_features))
    for k in range(len(matrices)):
        if not _cholesky(matrices[k], n_features, factor):
            return int(k)
        log_determinants[k] = _invert_lower(factor, n_features, whiteners[k])
    return -1


@compiled
def _whiten_all(
    kind: int,
    n_features: int,
    weights: FloatArray,
    means: FloatArray,
    covariances: FloatArray,
    floor: FloatArray,
    whitened_means: FloatArray,
    whiteners: FloatArray,
    log_constants: FloatArray,
) -> bool:
    """Prepare a density; False where a covariance is below the floor."""
    n_components, padded = means.shape
    constant = -0.5 * n_features * math.log(2 * math.pi)
    for k in range(n_components):
        log_constants[k] = math.log(weights[k]) + constant
    _copy(means, whitened_means)
    if kind in (FULL, POOLED):
        factor = np.zeros((padded, padded))
        margin = np.empty((n_features, n_features))
        for k in range(len(covariances)):
            for i in range(n_features):
                for j in range(n_features):
                    margin[i, j] = covariances[k, i, j]
                margin[i, i] -= floor[i]
            if not _cholesky(margin, n_features, factor):
                return False
            if not _cholesky(covariances[k], n_features, factor):
                return False
            log_determinant = _invert_lower(factor, n_features, whiteners[k])
            if kind == FULL:
                log_constants[k] += log_determinant
            else:
                log_constants += log_determinant
        if kind == POOLED:
            for k in range(n_components):
                for i in range(n_features):
                    y = 0.0
                    for j in range(i + 1):
                        y += whiteners[0, i, j] * means[k, j]
                    # Too far out for moments about the origin.
                    if not abs(y) < 1e3:
                        return False
                    whitened_means[k, i] = y
        return True
    if kind == DIAGONAL:
        for k in range(n_components):
            for i in range(n_features):
                if not covariances[k, 0, i] > floor[i]:
                    return False
                whiteners[k, 0, i] = 1.0 / math.sqrt(covariances[k, 0, i])
                log_constants[k] += math.log(whiteners[k, 0, i])
        return True
    least = floor[:n_features].mean()
    for k in range(n_components):
        if not covariances[k, 0, 0] > least:
            return False
        whiteners[k, 0, 0] = 1.0 / math.sqrt(covariances[k, 0, 0])
        log_constants[k] += n_features * math.log(whiteners[k, 0, 0])
    return True


@compiled
def _sandwich(lower: FloatArray, matrix: FloatArray) -> FloatArray:
    """lower @ matrix @ lower.T"""
    n = len(lower)
    half, out = np.zeros((n, n)), np.zeros((n, n))
    for i in range(n):
        for k in range(i + 1):
            for j in range(n):
                half[i, j] += lower[i, k] * matrix[k, j]
    for i in range(n):
        for j in range(n):
            for k in range(j + 1):
                out[i, j] += half[i, k] * lower[j, k]
    return out


@compiled
def _maximize(
    kind: int,
    n_features: int,
    counts: FloatArray,
    first: FloatArray,
    second: FloatArray,
    whitened_means: FloatArray,
    whiteners: FloatArray,
    weights: FloatArray,
    means: FloatArray,
    covariances: FloatArray,
) -> bool:
    """M-step in place; False where a component has lost its rows."""
    n_components = len(weights)
    n = n_features
    total = counts.sum()
    for k in range(n_components):
        if not counts[k] > 1e-10 * total:
            return False
        weights[k] = counts[k] / total
    if kind == POOLED:
        # Back from whitened coordinates: the inverse of a triangular matrix again.
        unwhitener = np.zeros(whiteners[0].shape)
        _invert_lower(whiteners[0], n, unwhitener)
        pooled = np.zeros((n, n))
        for i in range(n):
            for j in range(i + 1):
                s = second[0, i, j]
                for k in range(n_components):
                    nu_i, nu_j = whitened_means[k, i], whitened_means[k, j]
                    f_i, f_j = first[k, i], first[k, j]
                    s -= counts[k] * nu_i * nu_j + nu_i * f_j + f_i * nu_j
                    s -= f_i * f_j / counts[k]
                pooled[i, j] = pooled[j, i] = s / total
        left = unwhitener[:n, :n].copy()
        pooled = _sandwich(left, pooled)
        for i in range(n):
            for j in range(n):
                covariances[0, i, j] = pooled[i, j]
        for k in range(n_components):
            for i in range(n):
                shift = 0.0
                for j in range(i + 1):
                    shift += left[i, j] * first[k, j]
                means[k, i] += shift / counts[k]
        return True
    for k in range(n_components):
        count = counts[k]
        if kind == FULL:
            for i in range(n):
                for j in range(i + 1):
                    s = second[k, i, j] - first[k, i] * first[k, j] / count
                    covariances[k, i, j] = covariances[k, j, i] = s / count
        elif kind == DIAGONAL:
            for i in range(n):
                s = second[k, 0, i] - first[k, i] * first[k, i] / count
                covariances[k, 0, i] = s / count
        else:
            s = second[k, 0, 0]
            for i in range(n):
                s -= first[k, i] * first[k, i] / count
            covariances[k, 0, 0] = s / (count * n)
        for i in range(n):
            means[k, i] += first[k, i] / count
    return True


@compiled
def iterate(
    kind: int,
    tile: int,
    rows: FloatArray,
    row_weights: FloatArray,
    center: FloatArray,
    scale: FloatArray,
    floor: FloatArray,
    n_iter: int,
    tol: float,
    weights: FloatArray,
    means: FloatArray,
    covariances: FloatArray,
    log_likelihoods: FloatArray,
) -> int:
    """EM in place, without leaving compiled code, until it gains less than tol.

    Fills log_likelihoods (n_iter + 1,) and returns how many of them; -1 where a
    component collapses or dies, which only the careful M-step can mend.
    """
    n_features = rows.shape[1]
    whitened_means = means.copy()
    whiteners = np.zeros(covariances.shape)
    log_constants = np.empty(len(weights))
    counts = np.empty(len(weights))
    first, second = np.empty(means.shape), np.empty(covariances.shape)
    total = float(len(rows)) if len(row_weights) == 0 else row_weights.sum()
    for iteration in range(n_iter + 1):
        if not _whiten_all(
            kind,
            n_features,
            weights,
            means,
            covariances,
            floor,
            whitened_means,
            whiteners,
            log_constants,
        ):
            return -1
        counts[:] = 0.0
        first[:] = 0.0
        second[:] = 0.0
        log_likelihoods[iteration] = accumulate(
            kind,
            tile,
            rows,
            row_weights,
            center,
            scale,
            whitened_means,
            whiteners,
            log_constants,
            counts,
            first,
            second,
        )
        if iteration > 0:
            gain = log_likelihoods[iteration] - log_likelihoods[iteration - 1]
            if gain <= tol * total:
                return iteration + 1
        if iteration < n_iter and not _maximize(
            kind,
            n_features,
            counts,
            first,
            second,
            whitened_means,
            whiteners,
            weights,
            means,
            covariances,
        ):
            return -1
    return n_iter + 1


@compiled
def _distances_to(z: FloatArray, center: FloatArray, out: FloatArray) -> None:
    """Squared distances of points (D, n) to a center."""
    for t in range(len(out)):
        out[t] = 0.0
    for i in range(len(center)):
        z_i, c = z[i], center[i]
        for t in range(len(out)):
            out[t] += (z_i[t] - c) * (z_i[t] - c)


@compiled
def _drawn(cumulative: FloatArray, uniform: float) -> int:
    """An index with probability proportional to the steps of a cumulative sum."""
    index = np.searchsorted(cumulative, uniform * cumulative[-1], side="right")
    return int(min(index, len(cumulative) - 1))


@compiled
def k_means(
    points: FloatArray,
    weights: FloatArray,
    uniforms: FloatArray,
    n_iter: int,
    centers: FloatArray,
    labels: IntArray,
) -> int:
    """k-means++ seeds from uniforms (K, candidates), then n_iter of Lloyd's steps.

    Fills centers (K, D) and labels (n,); returns the number of distinct seeds found.
    """
    n_rows, n_features = points.shape
    n_components, n_candidates = uniforms.shape
    z = points.T.copy()
    closest = np.full(n_rows, np.inf)
    trial, best = np.empty(n_rows), np.empty(n_rows)
    cumulative = np.cumsum(weights)
    for k in range(n_components):
        best_total, chosen = np.inf, -1
        for c in range(n_candidates if k > 0 else 1):
            candidate = _drawn(cumulative, uniforms[k, c])
            _distances_to(z, points[candidate], trial)
            total = 0.0
            for t in range(n_rows):
                trial[t] = min(closest[t], trial[t])
                total += weights[t] * trial[t]
            if total < best_total:
                best_total, chosen = total, candidate
                _copy(trial, best)
        _copy(points[chosen], centers[k])
        _copy(best, closest)
        if best_total == 0.0:
            if k + 1 < n_components:
                return k + 1
        else:
            cumulative = np.cumsum(weights * closest)
    counts = np.empty(n_components)
    for iteration in range(n_iter + 1):
        for t in range(n_rows):
            closest[t] = np.inf
        for k in range(n_components):
            _distances_to(z, centers[k], trial)
            for t in range(n_rows):
                is_nearer = trial[t] < closest[t]
                labels[t] = k if is_nearer else labels[t]
                closest[t] = trial[t] if is_nearer else closest[t]
        if iteration < n_iter:
            moved = np.zeros(centers.shape)
            counts[:] = 0.0
            for t in range(n_rows):
                counts[labels[t]] += weights[t]
                for i in range(n_features):
                    moved[labels[t], i] += weights[t] * points[t, i]
            for k in range(n_components):
                if counts[k] > 0:
                    for i in range(n_features):
                        centers[k, i] = moved[k, i] / counts[k]
    return int(n_components)


@compiled
def _label_moments(
    points: FloatArray,
    weights: FloatArray,
    labels: IntArray,
    counts: FloatArray,
    means: FloatArray,
    second: FloatArray,
) -> None:
    """Fill counts (K,), means (K, D) and scatter (K, D, D) of labelled points."""
    n_rows, n_features = points.shape
    counts[:] = 0.0
    means[:] = 0.0
    second[:] = 0.0
    for t in range(n_rows):
        k, w = labels[t], weights[t]
        counts[k] += w
        for i in range(n_features):
            means[k, i] += w * points[t, i]
    for k in range(len(counts)):
        if counts[k] > 0:
            means[k] /= counts[k]
    centred = np.empty(n_features)
    for t in range(n_rows):
        k, w = labels[t], weights[t]
        for i in range(n_features):
            centred[i] = points[t, i] - means[k, i]
        for i in range(n_features):
            v, row = w * centred[i], second[k, i]
            for j in range(n_features):
                row[j] += v * centred[j]


@compiled
def rows_of(
    points: FloatArray,
    weights: FloatArray,
    responsibilities: FloatArray,
    log_densities: FloatArray,
    components: IntArray,
    least: float,
    own_points: FloatArray,
    own_weights: FloatArray,
    ends: IntArray,
    log_likelihoods: FloatArray,
) -> None:
    """Fill the rows of which each component has more than a `least` part, in turn.

    Those of the c-th end at ends[c]. `own_weights` are v, the weights times the
    component's part; log_likelihoods[c] is Σ v ln(part · density).
    """
    n = 0
    for c in range(len(components)):
        total = 0.0
        for t in range(len(points)):
            part = responsibilities[t, components[c]]
            v = weights[t] * part
            if part > least and v > 0.0:
                for i in range(points.shape[1]):
                    own_points[n, i] = points[t, i]
                own_weights[n] = v
                total += v * (_log(part) + log_densities[t])
                n += 1
        ends[c] = n
        log_likelihoods[c] = total


@compiled
def axis_moments(
    points: FloatArray,
    weights: FloatArray,
    bounds: IntArray,
    means: FloatArray,
    axes: FloatArray,
    most: float,
    seconds: FloatArray,
    fourths: FloatArray,
) -> None:
    """Fill Σ w s² and Σ w s⁴ of s = (x - mean) @ axes, (C, D), with no s² above most.

    The c-th component has the rows from bounds[c, 0] to bounds[c, 1]; axes are
    (C, D, D).
    """
    n_features, tile = points.shape[1], 64
    z, scores = np.empty((n_features, tile)), np.empty(tile)
    seconds[:] = 0.0
    fourths[:] = 0.0
    for c in range(len(bounds)):
        for start in range(bounds[c, 0], bounds[c, 1], tile):
            n = min(tile, bounds[c, 1] - start)
            for t in range(n):
                for i in range(n_features):
                    z[i, t] = points[start + t, i] - means[c, i]
            for a in range(n_features):
                scores[:] = 0.0
                for i in range(n_features):
                    z_i, share = z[i], axes[c, i, a]
                    for t in range(n):
                        scores[t] += share * z_i[t]
                second, fourth = 0.0, 0.0
                for t in range(n):
                    square = min(scores[t] * scores[t], most)
                    weighted = weights[start + t] * square
                    second += weighted
                    fourth += weighted * square
                seconds[c, a] += second
                fourths[c, a] += fourth


@compiled
def runs_on_parts(
    kind: int,
    tile: int,
    points: FloatArray,
    row_weights: FloatArray,
    bounds: IntArray,
    center: FloatArray,
    scale: FloatArray,
    floor: FloatArray,
    n_iter: int,
    weights: FloatArray,
    means: FloatArray,
    covariances: FloatArray,
    log_likelihoods: FloatArray,
) -> None:
    """EM in place from several starts, each on its own rows, as `iterate` does.

    The s-th has the rows from bounds[s, 0] to bounds[s, 1]; log_likelihoods[s] is the
    last, or minus infinity where a component collapsed.
    """
    told = np.empty(n_iter + 1)
    for s in range(len(bounds)):
        first, last = bounds[s, 0], bounds[s, 1]
        n_done = iterate(
            kind,
            tile,
            points[first:last],
            row_weights[first:last],
            center,
            scale,
            floor,
            n_iter,
            0.0,
            weights[s],
            means[s],
            covariances[s],
            told,
        )
        log_likelihoods[s] = told[n_done - 1] if n_done > 0 else -np.inf


@compiled
def start_of_labels(
    kind: int,
    points: FloatArray,
    row_weights: FloatArray,
    labels: IntArray,
    weights: FloatArray,
    means: FloatArray,
    covariances: FloatArray,
) -> None:
    """Fill the parameters of labelled points, in the layout of `iterate`.

    A component with few rows borrows from the average covariance, as if it had seen
    D + 1 rows of that besides: on the edge of collapse it would stay there.
    """
    n_rows, n = points.shape
    n_components = len(weights)
    counts, centers = np.empty(n_components), np.empty((n_components, n))
    scatter = np.empty((n_components, n, n))
    _label_moments(points, row_weights, labels, counts, centers, scatter)
    # Each has some share of the rows.
    least = 1e-10 * counts.sum()
    for k in range(n_components):
        counts[k] = max(counts[k], least)
    total = counts.sum()
    pooled = np.zeros((n, n))
    covariances[:] = 0.0
    for k in range(n_components):
        weights[k] = counts[k] / total
        for i in range(n):
            means[k, i] = centers[k, i]
            for j in range(n):
                pooled[i, j] += scatter[k, i, j] / total
    for k in range(n_components):
        borrowed = 1.0 if kind == POOLED else (n + 1.0) / (weights[k] * n_rows + n + 1)
        for i in range(n):
            for j in range(n):
                own = (1.0 - borrowed) * scatter[k, i, j] / counts[k]
                blended = own + borrowed * pooled[i, j]
                if kind == FULL:
                    covariances[k, i, j] = blended
                elif kind == POOLED:
                    covariances[0, i, j] = blended
                elif kind == DIAGONAL and i == j:
                    covariances[k, 0, i] = blended
                elif kind == TRACE and i == j:
                    covariances[k, 0, 0] += blended / n


@compiled
def runs_from_k_means(
    kind: int,
    tile: int,
    points: FloatArray,
    scaled: FloatArray,
    row_weights: FloatArray,
    uniforms: FloatArray,
    n_lloyd: int,
    center: FloatArray,
    scale: FloatArray,
    floor: FloatArray,
    n_iter: int,
    tol: float,
    starts: tuple[FloatArray, FloatArray, FloatArray],
    ends: tuple[FloatArray, FloatArray, FloatArray],
    log_likelihoods: FloatArray,
    n_done: IntArray,
) -> int:
    """EM from several starts by k-means++, each with its uniforms (S, K, candidates).

    Fills parameters at the starts and where EM led, each with a leading axis S, as
    `iterate` does; returns the least number of distinct seeds found.
    """
    n_components = uniforms.shape[1]
    centers = np.empty((n_components, points.shape[1]))
    labels = np.zeros(len(points), dtype=np.int64)
    n_distinct = n_components
    for s in range(len(uniforms)):
        found = k_means(scaled, row_weights, uniforms[s], n_lloyd, centers, labels)
        n_distinct = min(n_distinct, found)
        if found < n_components:
            break
        weights, means, covariances = starts[0][s], starts[1][s], starts[2][s]
        start_of_labels(kind, points, row_weights, labels, weights, means, covariances)
        _copy(weights, ends[0][s])
        _copy(means, ends[1][s])
        _copy(covariances, ends[2][s])
        n_done[s] = iterate(
            kind,
            tile,
            points,
            row_weights,
            center,
            scale,
            floor,
            n_iter,
            tol,
            ends[0][s],
            ends[1][s],
            ends[2][s],
            log_likelihoods[s],
        )
    return int(n_distinct)


@compiled_exactly
def ranges(rows: FloatArray, minima: FloatArray, maxima: FloatArray) -> bool:
    """Fill minima and maxima (D,) of rows; False if an entry is not finite."""
    n_rows, n_features = rows.shape
    _copy(rows[0], minima)
    _copy(rows[0], maxima)
    zero = 0.0
    for t in range(n_rows):
        for i in range(n_features):
            x = rows[t, i]
            # Zero for a finite number, else not a number; which stays.
            zero += x * 0.0
            minima[i] = min(minima[i], x)
            maxima[i] = max(maxima[i], x)
    return bool(zero == 0.0)


@compiled
def power_sums(
    rows: FloatArray,
    weights: FloatArray,
    center: FloatArray,
    scale: FloatArray,
    first: FloatArray,
    second: FloatArray,
) -> None:
    """Add the weighted sums of z and z² in a frame to first and second (D,)."""
    n_rows, n_features = rows.shape
    inverse = 1.0 / scale
    for t in range(n_rows):
        w = weights[t] if len(weights) > 0 else 1.0
        for i in range(n_features):
            z = (rows[t, i] - center[i]) * inverse[i]
            first[i] += w * z
            second[i] += w * z * z


@compiled
def color(
    samples: FloatArray, labels: IntArray, means: FloatArray, factors: FloatArray
) -> None:
    """Turn standard normal rows into rows of their components, in place."""
    n_rows, n_features = samples.shape
    for t in range(n_rows):
        k, row = labels[t], samples[t]
        mean, factor = means[k], factors[k]
        # From the last feature down, since each needs those before it untouched.
        for i in range(n_features - 1, -1, -1):
            y = 0.0
            for j in range(i + 1):
                y += factor[i, j] * row[j]
            row[i] = mean[i] + y
