"""Tables of numbers on their way in and out, whatever their format on the wire."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gmm_engine.types import FloatArray, IntArray


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Rows that a client sent, (n_samples, n_features), all finite."""

    rows: FloatArray
    columns: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class ArrayResult:
    """Arrays that answer a query: named in JSON, side by side as columns elsewhere.

    Each array is (n,) or (n, m). `columns` names the columns of all arrays in order;
    a one-dimensional array is one column.
    """

    arrays: Mapping[str, FloatArray | IntArray]
    columns: tuple[str, ...]
