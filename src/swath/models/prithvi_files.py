"""Published sizes of Prithvi, what its pixels were scaled with, and how its files name their tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from swath.errors import FormatError
from swath.models.bands import Wanted
from swath.models.prithvi_net import Shape

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["BANDS", "LEVELS", "SIZES", "SOURCE", "STATISTICS", "guess", "named", "picked", "wanted"]

_BOTH = ("time", "place")
# Sizes as in the published code (terratorch, prithvi_mae.py and prithvi_vit.py); `tiny` has no published weights.
SIZES: dict[str, Shape] = {
    "v1-100m": Shape(768, 12, 12, frames=3),
    "v2-tiny-tl": Shape(192, 12, 3, frames=1, codes=_BOTH),
    "v2-100m-tl": Shape(768, 12, 12, frames=4, codes=_BOTH),
    "v2-300m": Shape(1024, 24, 16, frames=4),
    "v2-300m-tl": Shape(1024, 24, 16, frames=4, codes=_BOTH),
    "v2-600m": Shape(1280, 32, 16, patch=14, frames=4),
    "v2-600m-tl": Shape(1280, 32, 16, patch=14, frames=4, codes=_BOTH),
    "tiny": Shape(256, 4, 4, frames=1, decoder_dim=128, decoder_depth=4, decoder_heads=4),
}
# Blocks whose outputs the published decoders take.
LEVELS = {12: (2, 5, 8, 11), 24: (5, 11, 17, 23), 32: (7, 15, 23, 31)}
SOURCE = {name: f"https://huggingface.co/ibm-nasa-geospatial/Prithvi-EO-{part}" for name, part in (
    ("v1-100m", "1.0-100M"), ("v2-tiny-tl", "2.0-tiny-TL"), ("v2-100m-tl", "2.0-100M-TL"), ("v2-300m", "2.0-300M"),
    ("v2-300m-tl", "2.0-300M-TL"), ("v2-600m", "2.0-600M"), ("v2-600m-tl", "2.0-600M-TL"),
)}  # fmt: skip

# Landsat OLI and Sentinel-2 MSI lie within the reach of each other's centres; the wide near infrared (833 nm) does not.
BANDS: dict[str, Wanted] = {
    "BLUE": Wanted("BLUE", 487.0),
    "GREEN": Wanted("GREEN", 560.0),
    "RED": Wanted("RED", 660.0),
    "NIR_NARROW": Wanted("NIR_NARROW", 865.0, 20.0),
    "SWIR_1": Wanted("SWIR_1", 1611.0, 50.0),
    "SWIR_2": Wanted("SWIR_2", 2201.0, 80.0),
}

# Mean and deviation of reflectance x 10,000 in the order of BANDS, as the published configurations have them.
STATISTICS: dict[str, dict[str, tuple[float, ...]]] = {
    "v1": {
        "mean": (775.2290211032589, 1080.992780391705, 1228.5855250417867, 2497.2022620507532, 2204.2139147975554,
                 1610.8324823273745),
        "deviation": (1281.526139861424, 1270.0297974547493, 1399.4802505642526, 1368.3446143747644, 1291.6764008585435,
                      1154.505683480695),
    },
    "v2": {
        "mean": (1087.0, 1342.0, 1433.0, 2734.0, 1958.0, 1363.0),
        "deviation": (2248.0, 2179.0, 2178.0, 1850.0, 1242.0, 1049.0),
    },
}  # fmt: skip
# Tensors with a part for every band, and on which axis.
_BY_BAND = {"encoder.patch_embed.proj.weight": 1, "decoder.decoder_pred.weight": 0, "decoder.decoder_pred.bias": 0}


def wanted(bands: Sequence[str]) -> list[Wanted]:
    """The bands to look for in a scene: known ones by wavelength, others by name."""
    return [BANDS.get(name, Wanted(name)) for name in bands]


def named(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors of a published file under `encoder.` and `decoder.`, whichever of its forms the file has.

    Raises FormatError where two of its names mean the same tensor.
    """
    out: dict[str, Tensor] = {}
    for key, value in tensors.items():
        name = key.replace("_timm_module.", "")
        if not name.startswith(("encoder.", "decoder.")):
            behind = "decoder" in name or "_dec" in name or name == "mask_token"
            name = f"{'decoder' if behind else 'encoder'}.{name}"
        if name in out:
            raise FormatError(
                rule="a weights file names each tensor once", got=f"{key} again", remedy="keep one of them in the file"
            )
        out[name] = value
    return out


def guess(tensors: Mapping[str, Tensor]) -> str:
    """The published size that tensors (as `named` gives them) are of. Raises FormatError where they are of none."""
    token = tensors.get("encoder.cls_token")
    depth = 1 + max((int(k.split(".")[2]) for k in tensors if k.startswith("encoder.blocks.")), default=-1)
    dim = 0 if token is None else int(token.shape[-1])
    codes = _BOTH if "encoder.temporal_embed_enc.scale" in tensors else ()
    for name, shape in SIZES.items():
        if (shape.dim, shape.depth, shape.codes) == (dim, depth, codes):
            return name
    raise FormatError(
        rule=f"Prithvi's sizes are {', '.join(SIZES)}",
        got=f"width {dim}, {depth} blocks{', with dates and places' if codes else ''}",
        remedy="name size= and what differs from it",
    )


def picked(tensors: dict[str, Tensor], own: Mapping[str, Tensor], bands: Sequence[str]) -> dict[str, Tensor]:
    """The tensors for other bands than the published six: kernel columns and output values by name, in their order.

    own: the network's, whose fresh values a band keeps that the file does not know.
    """
    names = list(BANDS)
    out = dict(tensors)
    if list(bands) == names:
        return out
    for key, axis in _BY_BAND.items():
        fresh = own[key].clone()
        shape = list(fresh.shape)
        shape[axis] = shape[axis] // len(bands) * len(names)
        if key not in out or list(out[key].shape) != shape:
            continue  # strict loading says so
        # bands vary fastest on the axis
        new = fresh.unflatten(axis, (-1, len(bands))).movedim(axis + 1, 0)
        old = out[key].unflatten(axis, (-1, len(names))).movedim(axis + 1, 0)
        for i, band in enumerate(bands):
            if band in names:
                new[i] = old[names.index(band)]
        out[key] = fresh
    return out
