"""The device that a run computes on, and half precision where its hardware computes in it."""

import re

import torch

from mars_lib import check


def multiplies_bfloat16(device_type: str) -> bool:
    """Tell whether a device type ("cpu", "cuda", "mps") computes in bfloat16 itself.

    Processors without AVX-512 and cards before Ampere emulate it, several times slower than
    float32.
    """
    if device_type == "cpu":
        return torch.ops.mkldnn._is_mkldnn_bf16_supported()
    if device_type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return True


def used(precision: str, device_type: str) -> str:
    """Return the precision of a run: the one asked for, but float32 for an emulated bfloat16.

    Args:
        precision: "32-true", "bf16-mixed" or "16-mixed".
        device_type: "cpu", "cuda" or "mps".
    """
    emulated = precision == "bf16-mixed" and not multiplies_bfloat16(device_type)
    return "32-true" if emulated else precision


def half_precision(device: str) -> str:
    """The half precision that a device computes in: "16-mixed" where it emulates bfloat16."""
    return "bf16-mixed" if multiplies_bfloat16(device.partition(":")[0]) else "16-mixed"


def choose_device(name: str) -> str:
    """Check the name of a device, and choose one for "auto": CUDA where it is there, else the CPU.

    Args:
        name: "cpu", "cuda", "cuda:N", "mps" or "auto".

    Raises:
        InputError: for other names, and for a device that is not there.
    """
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if not re.fullmatch(r"cpu|mps|cuda(:\d+)?", name):
        check.fail("device", f"is {name!r}", "use cpu, cuda, mps or auto, or a card as cuda:0")
    kind, _, number = name.partition(":")
    if kind == "cuda" and not torch.cuda.is_available():
        check.fail("device", f"{name} is not there", "use --device cpu, or install a CUDA driver")
    if number and int(number) >= torch.cuda.device_count():
        check.fail(
            "device",
            f"{name} is not there",
            f"use one from cuda:0 to cuda:{torch.cuda.device_count() - 1}",
        )
    if kind == "mps" and not torch.backends.mps.is_available():
        check.fail("device", "mps is not there", "use --device cpu; mps is for Apple's processors")
    return name
