"""Keeps memory that a step has freed for the next one, on CPU.

XLA takes all temporaries of a step as one array. glibc gets an array of more than
32 MiB from the system and gives it back at once, so that every step touches every page
anew: 12,000 page faults, a quarter of the time, in a step of a small GPT.
"""

import ctypes
import platform

# Parameters of mallopt(3).
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -2, -4, -8


def keep_freed_memory() -> bool:
    """Makes the process keep what it frees, at the price of its largest size.

    Returns:
      Whether the C library is one that can be told so.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    settings = {
        _M_MMAP_MAX: 0,  # take nothing from the system by itself
        _M_TRIM_THRESHOLD: -1,  # give nothing back
        _M_TOP_PAD: 2**26,  # bytes taken beyond what is asked for
        _M_ARENA_MAX: 1,  # a thread's own heap would do none of this
    }
    return all([mallopt(name, value) for name, value in settings.items()])
