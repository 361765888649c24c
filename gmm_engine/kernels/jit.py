"""Compilation by numba: one decorator with the options that all kernels share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import llvmlite.binding as llvm  # type: ignore[import-untyped]  # no stubs
import numba
from numba.core import config
from numba.extending import intrinsic

F = TypeVar("F", bound=Callable[..., Any])

# What the optimizer may change: the order of sums, and the sign of zero. Not here:
# nnan and ninf, since rows and components may be infinitely far away.
_FAST = {"reassoc", "contract", "nsz", "arcp"}


def _prefer_wide_vectors() -> None:
    """Let LLVM use 512-bit registers, half as fast again here as its default of 256.

    The setting holds for all code that numba compiles in this process from now on, and
    numba's cache tells the two apart.
    """
    if getattr(config, "CPU_FEATURES", None) is None:
        features = llvm.get_host_cpu_features().flatten()
        if "+avx512f" in features:
            setattr(config, "CPU_FEATURES", f"{features},-prefer-256-bit")  # noqa: B010


def compiled(function: F) -> F:
    """Compile a kernel when it is first called, and keep the code on disk."""
    return _compile(function, fastmath=_FAST)


def compiled_exactly(function: F) -> F:
    """Compile, but keep the order of operations: only fused multiply-adds."""
    return _compile(function, fastmath={"contract"})


def vector_code(function: Callable[..., Any]) -> Any:
    """Make a function that writes its own LLVM code; kernels call it as any other."""
    return intrinsic(function)


def _compile(function: F, **options: Any) -> F:
    options |= {"nogil": True, "error_model": "numpy"}
    try:
        dispatcher: Any = numba.njit(cache=True, **options)(function)
    except RuntimeError:
        # No folder to keep compiled code in is writable: compile in each process.
        dispatcher = numba.njit(**options)(function)
    return dispatcher  # type: ignore[no-any-return]


_prefer_wide_vectors()
