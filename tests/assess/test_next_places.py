"""Where to label next: places in doubt, apart from labels and from one another."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio

from swath.assess.next_places import next_places


def doubtful(folder: Path, share: np.ndarray) -> None:
    """probability.tif of (K, H, W) shares, and a doubt.tif without anything unlike."""

    k, h, w = share.shape
    with rasterio.open(
        folder / "probability.tif", "w", driver="GTiff", height=h, width=w, count=k, dtype="uint8", nodata=255
    ) as f:
        f.write(np.rint(share * 250).astype(np.uint8))
    with rasterio.open(folder / "doubt.tif", "w", driver="GTiff", height=h, width=w, count=2, dtype="uint8") as f:
        f.write(np.stack([np.ones((h, w)), np.zeros((h, w))]).astype(np.uint8))


@pytest.mark.filterwarnings("ignore:Dataset has no geotransform")
def test_next_places_lie_in_doubt_apart_from_labels_and_from_one_another(tmp_path: Path):
    rng = np.random.default_rng(0)
    share = np.zeros((3, 200, 300))
    share[0] = 0.98
    share[1:] = 0.01
    for r, c, other in ((40, 50, 1), (120, 60, 2), (60, 200, 1), (150, 220, 2), (100, 150, 1), (30, 270, 2)):
        share[0, r - 10 : r + 10, c - 10 : c + 10] = 0.45
        share[other, r - 10 : r + 10, c - 10 : c + 10] = 0.44
    share += 0.005 * rng.random(share.shape)
    doubtful(tmp_path, np.clip(share, 0, 1))
    found = next_places(tmp_path, [(40, 50)], near=20)
    assert len(found) == 5
    at = np.array([(p.row, p.column) for p in found])
    apart = np.hypot(*(at[:, None] - at[None]).T)
    assert apart[~np.eye(5, dtype=bool)].min() > 40
    assert np.hypot(*(at - (40, 50)).T).min() > 20
    assert {p.b for p in found} | {p.a for p in found} == {0, 1, 2}
    for p in found:
        assert 0.4 < p.pb <= p.pa < 0.5


@pytest.mark.filterwarnings("ignore:Dataset has no geotransform")
def test_a_map_in_no_doubt_has_no_next_places(tmp_path: Path):
    share = np.stack([np.ones((50, 50)), np.zeros((50, 50))])
    doubtful(tmp_path, share)
    assert next_places(tmp_path, []) == []
