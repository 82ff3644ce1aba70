"""The device that a run takes, and half precision where its hardware multiplies in it."""

import re

import torch

from mars_lib import check


def multiplies_bfloat16(device_type: str) -> bool:
    """Whether a device type ("cpu", "cuda", "mps") computes in bfloat16 itself. Processors without
    AVX-512 and cards before Ampere emulate it, several times slower than float32.
    """
    if device_type == "cpu":
        return torch.ops.mkldnn._is_mkldnn_bf16_supported()
    if device_type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return True


def used(precision: str, device_type: str) -> str:
    """The precision that a run is computed in: the one that is asked for, but float32 in place of
    an emulated bfloat16.
    """
    emulated = precision == "bf16-mixed" and not multiplies_bfloat16(device_type)
    return "32-true" if emulated else precision


def choose_device(name: str) -> str:
    """cpu, cuda, cuda:N or mps for a device's name; "auto" takes CUDA where it is.

    Raises `InputError` for others, and for a device that is not there.
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
