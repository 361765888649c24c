"""Arrays of numbers in JSON, checked leaf by leaf so that a mistake has a place."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from service.api.wording import shown
from service.domain.wording import counted
from service.errors import Place


def check_numbers(
    value: object, pointer: str, dimensions: Sequence[int]
) -> Place | None:
    """Return the first place where `value` is no full array of finite numbers."""
    shape = _shape(value)
    if len(shape) not in dimensions:
        wanted = " or ".join(str(d) for d in dimensions)
        return Place(
            f"Expected numbers nested {wanted} deep, got {_kind(value, shape)}; give "
            "lists of numbers.",
            pointer,
        )
    return next(_mistakes(value, pointer, shape), None)


def _shape(value: object) -> list[int]:
    shape = []
    while isinstance(value, list):
        shape.append(len(value))
        value = value[0] if value else None
    return shape


def _kind(value: object, shape: list[int]) -> str:
    if shape:
        return f"lists nested {len(shape)} deep"
    return shown(value)


def _mistakes(value: object, pointer: str, shape: Sequence[int]) -> Iterator[Place]:
    if not shape:
        if type(value) not in (int, float) or not math.isfinite(value):  # type: ignore[arg-type]
            yield Place(f"Expected a finite number, got {shown(value)}.", pointer)
    elif not isinstance(value, list) or len(value) != shape[0] or not value:
        wanted = counted(shape[0], "item") if shape[0] else "one or more items"
        got = len(value) if isinstance(value, list) else shown(value)
        yield Place(
            f"Expected a list of {wanted} like the lists before it, got {got}.",
            pointer,
        )
    else:
        for index, item in enumerate(value):
            yield from _mistakes(item, f"{pointer}/{index}", shape[1:])
