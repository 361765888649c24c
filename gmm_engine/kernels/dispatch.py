"""The kernels, loaded when the first one is needed."""

from __future__ import annotations

from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING

from gmm_engine.kernels.density import Density

if TYPE_CHECKING:
    from gmm_engine.kernels.fast import Kernel


def kernel_for(density: Density) -> Kernel:
    """Return the compiled kernels of a density."""
    kernel: Kernel = compiled_kernels().Kernel(density)
    return kernel


@cache
def compiled_kernels() -> ModuleType:
    """Return `gmm_engine.kernels.fast`."""
    # numba takes a third of a second and 60 MB; whoever only imports the engine, to
    # name its types or to put a fit into a queue, should not pay that.
    from gmm_engine.kernels import fast

    return fast


@cache
def compiled_runs() -> ModuleType:
    """Return `gmm_engine.kernels.runs`, which is loaded as late."""
    from gmm_engine.kernels import runs

    return runs
