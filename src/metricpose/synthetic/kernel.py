"""How the numba kernels of this package are compiled."""

from __future__ import annotations

from typing import Any, no_type_check

from numba import njit

_OPTIONS: dict[str, Any] = {
    "cache": True,
    "nogil": True,
    "error_model": "numpy",  # division by zero gives inf: no branch per division
    # Kernels allocate nothing; without reference counting, passing arrays to small functions costs no atomic operations
    # (four times faster shading).
    "_nrt": False,
}


@no_type_check
def kernel(function):
    """Compile a function that works on given arrays and allocates none; the result is cached on disk.

    No fast-math: results do not depend on how wide a machine's vectors are.
    """
    return njit(**_OPTIONS)(function)


@no_type_check
def inlined(function):
    """A kernel that is copied into each place that calls it, for those that take many arrays."""
    return njit(**_OPTIONS, forceinline=True)(function)
