"""PyTorch's memory for scripts that time it: freed blocks stay with the process and large ones are in huge pages. Without,
glibc gives every activation back to the kernel and takes it again, zeroed page by page (docs/optimizations.md has what it
is worth)."""

import os
import sys

ALLOCATOR = {"GLIBC_TUNABLES": "glibc.malloc.mmap_threshold=4294967296:glibc.malloc.trim_threshold=17179869184:"
                               "glibc.malloc.top_pad=67108864:glibc.malloc.arena_max=1",
             "THP_MEM_ALLOC_ENABLE": "1"}


def keep_memory():
    """Starts the script again, before it imports torch, if its memory is not set up so."""
    if any(os.environ.get(name) != value for name, value in ALLOCATOR.items()):
        os.environ.update(ALLOCATOR)
        os.execv(sys.executable, [sys.executable, *sys.argv])
