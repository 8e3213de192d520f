"""The published configuration of the protocol (PANGAEA): sizes of its heads, and one step at batch 1."""

from __future__ import annotations

from typing import Any

__all__ = ["counts", "one_step"]


def counts() -> dict[str, int]:
    """Parameters of the head, of L-TAE and of the U-Net as published, made without memory."""
    import torch

    from swath.bench.features import parameters
    from swath.nn.ltae import LTAE
    from swath.nn.unet import UNet
    from swath.nn.upernet import UPerNet

    found = {}
    with torch.device("meta"):
        for name, width in (("ViT-S", 384), ("ViT-B", 768), ("ViT-L", 1024)):
            found[f"UPerNet 512 on {name}, 2 classes"] = parameters(UPerNet([width] * 4, 2))
        found["L-TAE, 768 channels"] = parameters(LTAE(768))
        for bands in (6, 11, 15):
            found[f"U-Net 64 to 512, {bands} bands"] = parameters(UNet(bands, 2))
    return found


def one_step() -> dict[str, Any]:
    """Shape and loss of UPerNet 512 on four maps of ViT-B at batch 1, and whether a plain SGD step moved it."""
    import torch

    from swath.nn.upernet import UPerNet

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        head = UPerNet([768] * 4, 2, norm="group")  # batch norm has no deviation at batch 1 under a pool of 1
        maps = [torch.randn(1, 768, 14, 14) for _ in range(4)]
        optimiser = torch.optim.SGD(head.parameters(), lr=1e-4)
        before = head.conv_seg.weight.detach().clone()
        output = head(maps, (224, 224))
        loss = torch.nn.functional.cross_entropy(output, torch.zeros(1, 224, 224, dtype=torch.long))
        loss.backward()
        optimiser.step()
    moved = bool((head.conv_seg.weight != before).any())
    return {"output": list(output.shape), "loss": round(float(loss.detach()), 4), "moved": moved}
