"""The same random numbers on every device."""

import torch
from torch.overrides import TorchFunctionMode

DRAWN = {torch.rand, torch.randn, torch.randint}


class SameNumbers(TorchFunctionMode):
    """Draws on the CPU what is asked of a generator of a card, and moves it there."""

    def __init__(self):
        super().__init__()
        self.generators = {}

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        generator = kwargs.get("generator")
        if generator is None or generator.device.type == "cpu":
            return function(*args, **kwargs)
        # Each goes on where it was; kept, so that no other takes its place.
        _, ours = self.generators.setdefault(
            id(generator),
            (generator, torch.Generator().manual_seed(generator.initial_seed())),
        )
        kwargs["generator"] = ours
        if function is torch.Tensor.normal_:
            drawn = torch.empty(args[0].shape).normal_(*args[1:], **kwargs)
            return args[0].copy_(drawn)
        assert function in DRAWN, function
        device = kwargs.pop("device")
        return function(*args, **kwargs).to(device)
