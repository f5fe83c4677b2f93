"""How the search is compiled, and where the compiled code is kept."""

import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, ParamSpec, TypeVar, cast

import numba
from numba import njit

P = ParamSpec("P")
R = TypeVar("R")

# Kernels allocate nothing, so they need no reference counts: leaving them out made proposing a move 11 ns instead of
# 660 ns, because Numba counts every array of a tuple at every access (measured with Numba 0.68 on 35 arrays).
_NO_REFERENCE_COUNTS: Final[Mapping[str, Any]] = {"_nrt": False}


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a function that only compiled code calls; it is copied into its callers and may not allocate."""
    return cast("Callable[P, R]", njit(inline="always", **_NO_REFERENCE_COUNTS)(function))


def entry_point(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a function that is called as such; it may not allocate, and other threads run while it does."""
    return cast("Callable[P, R]", njit(nogil=True, **_NO_REFERENCE_COUNTS)(function))


def keep_compiled(functions: tuple[Callable[..., object], ...], folder: Path) -> bool:
    """Keep what these entry points compile to in a folder, so that the next process need not compile.

    Call before the first use. The code is kept under a digest of the solver's sources: Numba itself notices only
    changes of the file a function stands in, not of those whose functions were copied into it.

    Returns
    -------
    bool
        `False` if the folder cannot be written to: then nothing is kept, and nothing else changes.
    """
    place = folder / _digest_of_sources()
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    if not os.access(place, os.W_OK):
        return False
    numba.config.CACHE_DIR = str(place)  # type: ignore[attr-defined]  # settings are set when Numba is imported
    for function in functions:
        function.enable_caching()  # type: ignore[attr-defined]  # a compiled function has it
    return True


def _digest_of_sources() -> str:
    digest = hashlib.sha256(numba.__version__.encode())
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]
