"""What the benchmarks say of the machine they run on."""

import os
import platform
from pathlib import Path

from itn.provenance import installed_version


def processor() -> str:
    """Return the name of the processor, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(": ")[2] for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def machine(*packages: str) -> str:
    """Say in one line what computes: processor, cores that may be used, versions."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    half = "with" if _has_bfloat16() else "without"
    versions = ", ".join(f"{name} {installed_version(name)}" for name in packages)
    return f"{processor()}, {cores} cores, {half} bfloat16, {versions}"


def _has_bfloat16() -> bool:
    try:
        return "avx512_bf16" in Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
