"""Freed memory stays with the process."""

import subprocess
import sys

import pytest

_PROGRAM = """
import resource, sys
import numpy as np
from research.training import allocator

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

kept = allocator.keep_freed_memory()
np.ones(2**24)  # 128 MiB: more than glibc keeps by itself
before = faults()
for _ in range(3):
    np.ones(2**24)
print(int(kept), faults() - before)
"""


def test_a_large_array_is_not_taken_from_the_system_again():
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=True
    )
    kept, faults = map(int, done.stdout.split())
    if not kept:
        pytest.skip("the C library is not glibc")
    assert faults < 3000  # 98,304 otherwise
