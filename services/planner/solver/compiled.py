"""How the search is compiled, for which processors, and where the compiled code is kept."""

import contextlib
import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, ParamSpec, TypeVar, cast

import numba
from numba import njit
from numba.core.codegen import get_host_cpu_features

P = ParamSpec("P")
R = TypeVar("R")

# Kernels allocate nothing, so they need no reference counts: leaving them out made proposing a move 11 ns instead of
# 660 ns, because Numba counts every array of a tuple at every access (measured with Numba 0.68 on 35 arrays).
# No code of another language calls them either.
_LEAN: Final[Mapping[str, Any]] = {"_nrt": False, "no_cfunc_wrapper": True}
# Python never calls these: what would take their arguments from Python, an array at a time, was a large part of all
# that had to be compiled.
_INSIDE: Final[Mapping[str, Any]] = {**_LEAN, "no_cpython_wrapper": True}

# Level 3 of the x86-64 psABI, which Intel's large processors have had since 2013 (Haswell) and AMD's since 2017 (Zen).
# Code for it runs on all of these, so that an image can bring it along. What code for one of them alone may gain was
# less than one run of the search differed from the next.
_BASELINE: Final = "x86-64-v3"
_FEATURES_OF_BASELINE: Final = frozenset(
    "+" + name
    for name in (
        *("cx16", "popcnt", "sahf", "sse3", "sse4.1", "sse4.2", "ssse3"),
        *("avx", "avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe", "xsave"),
    )
)

# Compiled code that came along with the sources, as in an image; see `keep_compiled`.
SHIPPED: Final = Path(__file__).with_name("shipped")


def has_baseline(features: str) -> bool:
    """Whether a processor can run code for the baseline.

    Parameters
    ----------
    features
        What it can do as LLVM writes it: `"+avx2,-avx512f"`.
    """
    return _FEATURES_OF_BASELINE.issubset(features.split(","))


# Numba reads this once, when the first function is decorated below or by whoever imports this. Its own default is the
# very processor it runs on, for whose features it looks in everything it keeps.
if numba.config.CPU_NAME is None and has_baseline(get_host_cpu_features()):  # type: ignore[attr-defined,no-untyped-call]
    numba.config.CPU_NAME, numba.config.CPU_FEATURES = _BASELINE, ""  # type: ignore[attr-defined]


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a function that only compiled code calls; it is copied into its callers and may not allocate."""
    # Copied by LLVM, and not with `inline="always"`: there Numba copies first and then works out the types of every
    # copy, which makes compiling take longer.
    return cast("Callable[P, R]", njit(forceinline=True, **_INSIDE)(function))


def subroutine(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a function that only compiled code calls, once for all its callers; it may not allocate."""
    return cast("Callable[P, R]", njit(**_INSIDE)(function))


def entry_point(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a function that is called as such; it may not allocate, and other threads run while it does."""
    return cast("Callable[P, R]", njit(nogil=True, **_LEAN)(function))


def keep_compiled(functions: tuple[Callable[..., object], ...], folder: Path, shipped: Path = SHIPPED) -> bool:
    """Keep what these entry points compile to in a folder, so that the next process need not compile.

    Call before the first use. The code is kept under a digest of the solver's sources: Numba itself notices only
    changes of the file a function stands in, not of those whose functions were copied into it.

    Parameters
    ----------
    folder
        Where the code is kept.
    shipped
        A folder of this kind whose code is taken over where it was compiled from the same sources. Numba uses of it
        what fits the processor and compiles the rest; it needs a folder that it can write to, hence the copy.

    Returns
    -------
    bool
        `False` if the folder cannot be written to, or others could have put code there: then nothing is kept or taken
        from it, and nothing else changes.
    """
    digest = _digest_of_sources()
    place = folder / digest
    try:
        _make(place, shipped / digest)
        usable = _is_ones_own(place) and os.access(place, os.W_OK)
    except OSError:
        return False
    if not usable:
        return False
    numba.config.CACHE_DIR = str(place)  # type: ignore[attr-defined]  # settings are set when Numba is imported
    for function in functions:
        function.enable_caching()  # type: ignore[attr-defined]  # a compiled function has it
    return True


def _make(place: Path, shipped: Path) -> None:
    if place.exists() or not shipped.is_dir():
        place.mkdir(parents=True, exist_ok=True)
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent) as scratch:
        copy = shutil.copytree(shipped, Path(scratch) / "copy", copy_function=shutil.copyfile)
        # There whole or not at all; another process that starts at the same time may have been faster.
        with contextlib.suppress(OSError):
            copy.rename(place)


def _is_ones_own(place: Path) -> bool:
    # What lies there is run. Its name is no secret, and the folder around it may be everybody's, as `/tmp` is.
    status = place.stat()
    return status.st_uid == os.geteuid() and not status.st_mode & stat.S_IWOTH


def _digest_of_sources() -> str:
    digest = hashlib.sha256(numba.__version__.encode())
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]
