"""Sen2LCZ: local climate zones of windows of 320 m from ten bands of Sentinel-2, with its published Keras weights.

Qiu et al. 2020, "Multilevel Feature Fusion-Based CNN for Local Climate Zone Classification From Sentinel-2 Images"
(IEEE JSTARS 13, 2793); the file of ChunpingQiu/benchmark-on-So2SatLCZ42-dataset-a-simple-tour (MIT), trained on So2Sat
LCZ42 (Zhu et al. 2020). Four blocks of four convolutions, a classifier after each, their probabilities averaged.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from swath.batch import Batch, Needs, Pixels, Tokens
from swath.errors import BandError, FormatError, GridError
from swath.models.presto_input import S2, Part, parts_of, plain, plausible
from swath.models.published import fill
from swath.models.weights import Facts, check

__all__ = ["COLOURS", "NAMES", "WINDOW", "Sen2LCZ"]

WINDOW = 32
NAMES = (
    "compact high-rise", "compact mid-rise", "compact low-rise", "open high-rise", "open mid-rise", "open low-rise",
    "lightweight low-rise", "large low-rise", "sparsely built", "heavy industry", "dense trees", "scattered trees",
    "bush, scrub", "low plants", "bare rock or paved", "bare soil or sand", "water",
)  # fmt: skip
COLOURS = (  # as maps of local climate zones are usually drawn (WUDAPT)
    (145, 6, 19), (217, 8, 28), (255, 10, 34), (197, 79, 30), (255, 102, 40), (255, 152, 94), (253, 237, 63),
    (187, 187, 187), (255, 203, 171), (86, 86, 86), (0, 106, 24), (0, 169, 38), (98, 132, 50), (181, 218, 127),
    (0, 0, 0), (252, 247, 177), (101, 107, 250),
)  # fmt: skip
_WIDTHS = (16, 32, 64, 128)
_HEADS = ("dense_1", "dense_2", "dense_5", "dense_4")  # after blocks 1 to 4; dense_5 is the third, dense_4 the last
_PARTS = (Part("S2", ("toa_reflectance", "reflectance"), S2, tuple(range(10)), plain),)


class Sen2LCZ(nn.Module):
    """The Encoder and the classifier: a token for every window of 32 x 32 pixels (10 m) and date.

    Levels 0 to 3 are the means that the four classifiers see (32, 64, 128 and 128 wide); -1 is the last.
    """

    def __init__(self) -> None:
        super().__init__()
        self.config: dict[str, Any] = {}
        self.width, self.patch = 2 * _WIDTHS[2], WINDOW
        self.facts: Facts | None = None
        self.needs = Needs(quantity=("toa_reflectance", "reflectance"), size=WINDOW, levels=(0, 1, 2, -1))
        convolutions: list[nn.Conv2d] = []
        channels = len(S2)
        for width in _WIDTHS:
            for _ in range(4):
                convolutions.append(nn.Conv2d(channels, width, 3, padding="same"))
                channels = width
            channels = 2 * width
        self.convolutions = nn.ModuleList(convolutions)
        self.norms = nn.ModuleList(_norm(c.out_channels) for c in convolutions)
        self.heads = nn.ModuleList(nn.Linear(w, len(NAMES)) for w in (32, 64, 128, 128))
        self.dropout = nn.Dropout(0.2)

    @classmethod
    def read(cls, path: str | Path) -> Sen2LCZ:
        """The published Keras file (HDF5, by name), every tensor of it once. Raises FormatError that names what differs."""
        model = cls()
        fill(model, _keras(path), _published, name="sen2lcz")
        model.facts = Facts(
            model="sen2lcz",
            config={},
            quantity=("toa_reflectance",),
            bands=tuple(w.name for w in S2),
            gsd=(10.0, 10.0),
            trained_on="So2Sat LCZ42: Sentinel-2 of 42 cities, patches of 320 m, 17 local climate zones",
            licence="MIT",
            source="ChunpingQiu/benchmark-on-So2SatLCZ42-dataset-a-simple-tour, results/_32_weights.best.hdf5",
        )
        return model.eval()

    @classmethod
    def example(cls) -> tuple[Sen2LCZ, Batch]:
        """One with random weights and a made Batch that suits it, for `swath.testing`."""
        from swath.earth.sensor import sensor

        rng = np.random.default_rng(0)
        bands = sensor("sentinel-2a-l1c").bands
        values = rng.uniform(0, 0.5, (2, 1, len(bands), WINDOW, 2 * WINDOW)).astype(np.float32)
        valid = np.ones(values.shape, bool)
        valid[0, 0, :, 3, 40] = False
        pixels = Pixels(values, valid, bands, 10.0, np.full((2, 1), 18_000.0), np.full((2, 2), np.nan))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return cls().eval(), Batch({"sentinel-2a-l1c": pixels})

    def features(self, x: Tensor) -> list[Tensor]:
        """What each classifier sees of reflectance (N, 10, 32, 32): four means (N, 32), (N, 64), (N, 128), (N, 128)."""
        means = []
        for block in range(4):
            for i in range(4 * block, 4 * block + 4):
                x = self.norms[i](self.convolutions[i](x)).relu()
            if block < 3:
                x = torch.cat([nn.functional.max_pool2d(x, 2), nn.functional.avg_pool2d(x, 2)], 1)
            if block in (1, 2):
                x = self.dropout(x)
            means.append(x.mean((-2, -1)))
        return means

    def heads_of(self, x: Tensor) -> list[Tensor]:
        """The probabilities of the four classifiers, each (N, 17)."""
        return [head(mean).softmax(-1) for head, mean in zip(self.heads, self.features(x), strict=True)]

    def forward(self, x: Tensor) -> Tensor:
        """Probability of each zone for windows of reflectance (N, 10, 32, 32): (N, 17), the mean of the four."""
        return torch.stack(self.heads_of(x)).mean(0)

    def encode(self, batch: Batch, levels: Sequence[int] = (-1,)) -> list[Tokens]:
        """A token for every window and date: values (B, T * h * w, 128), NumPy in, NumPy out (no gradients).

        valid where all ten bands are, in all of the window. Raises UnitError, BandError for what it cannot read, GridError
        unless the sides are multiples of 32.
        """
        plain_ = isinstance(next(iter(batch.pixels.values())).values, np.ndarray)
        check(batch, self.needs, name="sen2lcz")
        batch = batch.to(str(self.heads[0].weight.device))
        if any(not -1 <= level < 4 for level in levels):
            raise ValueError(f"levels of sen2lcz are 0 to 3, or -1; got {list(levels)}")
        pixels, bands = self.bands(batch)
        b, t, _, height, width = pixels.values.shape
        if height % WINDOW or width % WINDOW:
            raise GridError(
                rule=f"sen2lcz reads windows of {WINDOW} x {WINDOW} pixels of 10 m",
                got=f"{height} x {width} pixels",
                remedy="cut the window to a multiple (maps and embeddings do)",
            )
        h, w = height // WINDOW, width // WINDOW
        values = torch.where(pixels.valid[:, :, bands], pixels.values[:, :, bands], 0.0)
        parts = (
            values.reshape(b, t, 10, h, WINDOW, w, WINDOW).permute(0, 1, 3, 5, 2, 4, 6).reshape(-1, 10, WINDOW, WINDOW)
        )
        seen = pixels.valid[:, :, bands].reshape(b, t, 10, h, WINDOW, w, WINDOW).all(-1).all(4).all(2)
        with torch.set_grad_enabled(torch.is_grad_enabled() and not plain_):
            rows = [self.features(part) for part in torch.split(parts, 256)]
        means = [torch.cat([row[level] for row in rows]) for level in levels]
        y, x = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
        position = torch.stack([y, x], -1).reshape(1, 1, h * w, 2).expand(b, t, -1, -1).reshape(b, -1, 2)
        day = pixels.day[:, :, None].expand(b, t, h * w).reshape(b, -1)
        tokens = [Tokens(m.reshape(b, t * h * w, -1), seen.reshape(b, -1), day, position, (t, h, w)) for m in means]
        if not plain_:
            return tokens
        return [Tokens(t.values.numpy(), t.valid.numpy(), t.day.numpy(), t.position.numpy(), t.shape) for t in tokens]

    def bands(self, batch: Batch) -> tuple[Pixels, list[int]]:
        """The sensor that has all ten bands, and where they stand in it. Raises BandError where none has, UnitError."""
        served = parts_of(batch, _PARTS, name="sen2lcz")
        found = {sensor: {column: band for _, column, band in rows} for sensor, rows in served.items()}
        best = max(found, key=lambda name: len(found[name]))
        if lacking := [w.name for i, w in enumerate(S2) if i not in found[best]]:
            raise BandError(
                rule=f"sen2lcz reads ten bands of Sentinel-2: {', '.join(w.name for w in S2)}",
                got=f"{best} without {', '.join(lacking)}",
                remedy="give a scene with all of them",
            )
        plausible(batch, {best: served[best]}, name="sen2lcz")
        return batch.pixels[best], [found[best][i] for i in range(10)]


def _norm(width: int) -> nn.BatchNorm2d:
    norm = nn.BatchNorm2d(width, eps=1e-3)
    norm.num_batches_tracked = None
    return norm


def _keras(path: str | Path) -> dict[str, Tensor]:
    """{layer/name: tensor} of a Keras file of weights, kernels turned as torch has them. Raises FormatError."""
    import h5py

    found: dict[str, Tensor] = {}

    def take(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset):
            key = f"{name.split('/')[0]}/{name.split('/')[-1].removesuffix(':0')}"
            values = torch.from_numpy(np.asarray(item))
            found[key] = values.permute(3, 2, 0, 1) if values.ndim == 4 else values.T if values.ndim == 2 else values

    try:
        with h5py.File(path, "r") as file:
            file.visititems(take)
    except OSError as error:
        raise FormatError(
            rule="the weights of sen2lcz are an HDF5 file of Keras",
            got=f"{Path(path).name}: {str(error).splitlines()[0][:120]}",
            remedy="download the file anew",
        ) from error
    return found


_NORM = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}


def _published(key: str) -> list[str]:
    """The name of a tensor in the published file."""
    part, number, name = key.split(".")
    if part == "norms":
        return [f"batch_normalization_{int(number) + 1}/{_NORM[name]}"]
    layer = _HEADS[int(number)] if part == "heads" else f"conv2d_{int(number) + 1}"
    return [f"{layer}/{'kernel' if name == 'weight' else 'bias'}"]
