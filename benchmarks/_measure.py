"""Time and peak memory of steps that run side by side, and the machine that they ran on.

A step is a callable without arguments that leaves nothing behind. On a CPU, time is the CPU time of the process with
one thread: that of the calling thread, and of any thread that a step hands work to, whatever else the machine does.
A GPU is timed by its events. The least of several rounds counts; in each, the steps run in another order, with the
floor, which all are compared to, between them.

How glibc gets its buffers decides both, so it is chosen for each (`Cpu`): memory is measured while every buffer
is mapped by itself, so that a freed one is gone at once, and time while none is, so that a freed one is used again
(as on a GPU) and no step pays for the kernel's zeroing of pages.
"""

from __future__ import annotations

import ctypes
import gc
import math
import os
import platform
import random
import sys
import time
from collections.abc import Callable, Hashable, Mapping
from datetime import date
from pathlib import Path
from typing import TypeVar

import torch

Name = TypeVar("Name", bound=Hashable)
Step = Callable[[], object]

LINUX = sys.platform == "linux"
FLOOR_EVERY = 6
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_MMAP_MAX = -1, -3, -4  # <malloc.h>
MAPPED = 128 << 10  # bytes from which a buffer is mapped


class Cpu:
    """One thread of the CPU; a growth of resident memory can be told on Linux alone."""

    dtypes = (torch.float32,)

    def __init__(self) -> None:
        torch.set_num_threads(1)

    @property
    def name(self) -> str:
        return (
            f"{_cpu_model()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {torch.get_num_threads()} thread"
        )

    def peak(self, step: Step) -> float:
        """Return the bytes by which a step raises the resident memory at its worst."""
        if not LINUX:
            return math.nan
        gc.collect()
        gc.freeze()  # what is loaded by now need not be looked through again
        _map_each_buffer()
        Path("/proc/self/clear_refs").write_text("5")  # the high-water mark falls to what is resident now
        before = _status("VmRSS")
        step()
        return _status("VmHWM") - before

    def seconds(self, step: Step) -> float:
        """Return the CPU time of a step."""
        if LINUX:
            _map_no_buffer()
        started = time.process_time()
        step()
        return time.process_time() - started


class Cuda:
    """The current GPU."""

    dtypes = (torch.float32, torch.bfloat16)

    @property
    def name(self) -> str:
        return f"{torch.cuda.get_device_name()}, CUDA {torch.version.cuda}"

    def peak(self, step: Step) -> float:
        """Return the bytes that a step has allocated at its worst."""
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        step()
        return torch.cuda.max_memory_allocated() - before

    def seconds(self, step: Step) -> float:
        """Return the time of a step between two events of the stream."""
        started, ended = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        torch.cuda.synchronize()
        started.record()
        step()
        ended.record()
        ended.synchronize()
        return started.elapsed_time(ended) / 1000


DEVICES = {"cpu": Cpu, "cuda": Cuda}


def fastest(device: Cpu | Cuda, steps: Mapping[Name, Step], floor: Name, rounds: int) -> dict[Name, float]:
    """Return the least seconds of each step over shuffled rounds, the floor timed again after every few steps."""
    order = [name for name in steps if name != floor]
    times: dict[Name, list[float]] = {name: [] for name in steps}
    shuffle = random.Random(0).shuffle
    for position in range(rounds):
        print(f"round {position + 1} of {rounds}", end="\r", file=sys.stderr, flush=True)
        shuffle(order)
        for start in range(0, max(len(order), 1), FLOOR_EVERY):
            for name in (floor, *order[start : start + FLOOR_EVERY]):
                times[name].append(device.seconds(steps[name]))
    return {name: min(seconds) for name, seconds in times.items()}


def machine(device: Cpu | Cuda) -> str:
    """Return what a figure must be read with: the device, the versions and the day."""
    return (
        f"{device.name}; torch {torch.__version__}, Python {platform.python_version()}, "
        f"{platform.system()} {platform.machine()}; {date.today().isoformat()}"
    )


def _map_each_buffer() -> None:
    """Let malloc map every buffer by itself: no free chunk of its heap may be left that would do for one."""
    libc = _glibc()
    libc.mallopt(M_MMAP_MAX, 1 << 16)
    libc.mallopt(M_MMAP_THRESHOLD, MAPPED)
    libc.malloc_trim(0)
    for size in (MAPPED << power for power in reversed(range(9))):
        while not _is_mapped(libc.malloc(size)):
            pass  # the chunk is kept, and takes no memory as long as nobody writes to it


def _is_mapped(buffer: int) -> bool:
    """Read the flag IS_MMAPPED in the header of a buffer."""
    return bool(ctypes.c_size_t.from_address(buffer - ctypes.sizeof(ctypes.c_size_t)).value & 2)


def _map_no_buffer() -> None:
    """Let malloc keep every buffer that is freed in its heap."""
    libc = _glibc()
    libc.mallopt(M_MMAP_MAX, 0)
    libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def _glibc() -> ctypes.CDLL:
    libc = ctypes.CDLL(None)
    libc.malloc.restype = ctypes.c_void_p
    libc.malloc.argtypes = [ctypes.c_size_t]
    return libc


def _status(field: str) -> int:
    """Return a field of this process in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:")) * 1024


def _cpu_model() -> str:
    if LINUX:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()
