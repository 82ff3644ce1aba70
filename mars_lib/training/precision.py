"""Half precision where the hardware multiplies in it."""

import torch


def multiplies_bfloat16(device_type: str) -> bool:
    """Whether a device type ("cpu", "cuda", "mps") computes in bfloat16 itself. Processors without AVX-512 and cards before Ampere emulate it, several times slower
    than float32."""
    if device_type == "cpu":
        return torch.ops.mkldnn._is_mkldnn_bf16_supported()
    if device_type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return True


def used(precision: str, device_type: str) -> str:
    """The precision that a run is computed in: the one that is asked for, but float32 in place of an emulated bfloat16."""
    emulated = precision == "bf16-mixed" and not multiplies_bfloat16(device_type)
    return "32-true" if emulated else precision
