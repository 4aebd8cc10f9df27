"""Where a run computes, in what precision, and how its bits are made repeatable."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Generator
from torch.utils import deterministic

from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.core.recipe import BF16, FP32, stream_seed
from deepunlearn_cli.system import machine

FORWARD_CPU, FORWARD_CUDA = 500, 1000  # pictures per forward pass that keeps no gradient
KERNELS: Any = deterministic  # its types do not tell what it holds


def pick_device(name: str = "auto") -> torch.device:
    """The device behind `auto` (CUDA when it is there), `cpu`, `cuda` or `cuda:1`.

    Raises:
        UsageFailure: no such device on this machine.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError):
        raise UsageFailure(
            f"device {name!r} is not available here", "try --device cpu or --device auto"
        ) from None
    return device


def settle() -> None:
    """Threads lowered to what this process may really use (torch sees no container's quota), memory kept."""
    machine.keep_freed_memory()
    torch.set_num_threads(machine.threads(torch.get_num_threads()))


def forward_size(device: torch.device) -> int:
    """Pictures per forward pass without gradients: few, for a CPU's cache; many, for few CUDA launches."""
    return FORWARD_CUDA if device.type == "cuda" else FORWARD_CPU


def default_precision(device: torch.device) -> str:
    """bf16 where CUDA supports it, fp32 elsewhere."""
    return BF16 if device.type == "cuda" and torch.cuda.is_bf16_supported() else FP32


def describe(device: torch.device) -> str:
    """The device's own name: seconds are only compared between equal names."""
    if device.type == "cuda":
        return str(torch.cuda.get_device_name(device))
    return f"{_cpu_name()} x{torch.get_num_threads()}"


def _cpu_name() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:  # noqa: PTH123 - a kernel file, not a path
            return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def streams(seed: int) -> Callable[[str], Generator]:
    """A source of named random generators of a seed: one for each name, started once."""
    started: dict[str, Generator] = {}

    def stream(name: str) -> Generator:
        if name not in started:
            started[name] = torch.Generator().manual_seed(stream_seed(seed, name))
        return started[name]

    return stream


@contextmanager
def repeatable(seed: int, device: torch.device) -> Iterator[None]:
    """Same recipe, same bits: deterministic kernels, and dropout-like layers on the stream `layers`.

    The global generators and flags are as before afterwards.
    """
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices), _deterministic_kernels(), _deterministic_attention(device):
        torch.manual_seed(stream_seed(seed, "layers"))
        yield


@contextmanager
def _deterministic_kernels() -> Iterator[None]:
    # cuBLAS is only repeatable with a fixed workspace
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    before, filling = torch.get_deterministic_debug_mode(), KERNELS.fill_uninitialized_memory
    torch.set_deterministic_debug_mode("warn")
    KERNELS.fill_uninitialized_memory = False  # one more kernel for each new tensor, and nothing reads it
    try:
        yield
    finally:
        torch.set_deterministic_debug_mode(before)
        KERNELS.fill_uninitialized_memory = filling


def _deterministic_attention(device: torch.device) -> AbstractContextManager[None]:
    """On CUDA fused kernels add gradients up in any order, unless all that has no fixed one is an error."""
    if device.type != "cuda":
        return nullcontext()
    from torch.nn.attention import SDPBackend, sdpa_kernel

    return sdpa_kernel(SDPBackend.MATH)


def synchronize(device: torch.device) -> None:
    """Wait until the device has done all it was given, so that a clock can be read."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
