from __future__ import annotations

import threading

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st

from swath.errors import FormatError, GridError
from swath.sample import reader


class Counted:
    """A Ground whose pixels hold their own position; remembers what was read."""

    def __init__(self, shape, block=(64, 64)):
        self.shape, self.block, self.seen, self.lock = shape, block, [], threading.Lock()

    def read(self, rows, columns):
        with self.lock:
            self.seen.append((rows.start, rows.stop, columns.start, columns.stop))
        r, c = np.mgrid[rows, columns]
        return (np.stack([r, c]),)

    def valid_share(self, arrays):
        return float((arrays[0][1] % 200 < 100).mean())


def run(grounds, *, size=32, batch=8, seed=0, epoch=0, superblock=128, **options):
    blocks = reader.plan(grounds, size=size, seed=seed, epoch=epoch, superblock=superblock)
    return [c for part in reader.mixed(grounds, blocks, size=size, batch=batch, seed=seed, **options) for c in part]


@given(
    h=st.integers(40, 300), w=st.integers(40, 300), block=st.sampled_from([16, 50, 64, 300]), epoch=st.integers(0, 5)
)
@settings(max_examples=25)
def test_a_window_holds_the_pixels_of_its_own_position(h, w, block, epoch):
    for cut in run([Counted((h, w), (block, block))], epoch=epoch):
        assert cut.arrays[0].shape == (2, 32, 32)
        assert tuple(cut.arrays[0][:, 0, 0]) == (cut.row, cut.column)
        assert tuple(cut.arrays[0][:, -1, -1]) == (cut.row + 31, cut.column + 31)


@pytest.mark.parametrize(("shape", "block"), [((300, 300), (64, 64)), ((260, 500), (1, 500)), ((200, 200), (200, 200))])
def test_positions_are_flat_over_epochs(shape, block):
    from scipy.stats import chisquare

    size, rows, columns = 32, [], []
    for epoch in range(400):
        for part in reader.plan([Counted(shape, block)], size=size, seed=1, epoch=epoch, superblock=128):
            rows.append(part.corners[:, 0])
            columns.append(part.corners[:, 1])
    for values, n in ((np.concatenate(rows), shape[0]), (np.concatenate(columns), shape[1])):
        counts, _ = np.histogram(values, bins=20, range=(0, n - size + 1))
        expected = np.histogram(np.arange(n - size + 1), bins=20, range=(0, n - size + 1))[0] * len(values)
        assert chisquare(counts, expected / expected.sum() * counts.sum()).pvalue > 1e-4


def test_a_block_is_decoded_once_an_epoch_and_every_place_gives_its_share():
    grounds = [Counted((512, 512)), Counted((256, 512))]
    cuts = run(grounds, threads=2)
    for ground in grounds:
        seen = np.zeros(ground.shape, int)
        for r0, r1, c0, c1 in ground.seen:
            assert r0 % 64 == 0
            assert c0 % 64 == 0
            seen[r0:r1, c0:c1] += 1
        assert seen.max() == 1
    cuts += [c for epoch in range(1, 16) for c in run(grounds, epoch=epoch)]
    of_first = sum(c.ground == 0 for c in cuts)
    assert of_first / len(cuts) == pytest.approx(2 / 3, abs=0.02)
    assert len(cuts) / 16 == pytest.approx((512 * 512 + 256 * 512) / 32**2, rel=0.05)


def test_order_depends_on_seed_and_epoch_not_on_threads():
    grounds = [Counted((400, 400)), Counted((300, 300))]

    def places(**options):
        return [(c.ground, c.row, c.column) for c in run(grounds, **options)]

    assert places(threads=1) == places(threads=4) == places(threads=2)
    assert places(epoch=1) != places(epoch=0) != places(seed=1)


def test_a_batch_mixes_superblocks_and_grounds():
    grounds = [Counted((512, 512)) for _ in range(4)]
    blocks = reader.plan(grounds, size=32, seed=0, epoch=0, superblock=128)
    parts = list(reader.mixed(grounds, blocks, size=32, batch=8, seed=0))
    early = parts[: len(parts) * 3 // 4]
    assert all(len({c.superblock for c in part}) == 8 for part in early)
    assert np.mean([len({c.ground for c in part}) for part in early]) > 2.5


def test_windows_with_too_little_valid_are_drawn_again_or_left_out():
    ground = Counted((512, 512))
    cuts = run([ground], min_valid=0.8)
    assert len(cuts) > 20
    assert all(ground.valid_share(c.arrays) >= 0.8 for c in cuts)


def test_a_window_larger_than_its_scene_is_refused():
    with pytest.raises(GridError, match="window fits"):
        reader.plan([Counted((20, 20))], size=32, seed=0, epoch=0)


def tiff(path, shape=(300, 280), nodata=None):
    values = np.random.default_rng(0).integers(1, 4000, (3, *shape), dtype=np.uint16)
    if nodata is not None:
        values[:, :150] = nodata
    with rasterio.open(
        path, "w", driver="GTiff", height=shape[0], width=shape[1], count=3, dtype="uint16", tiled=True, blockxsize=64,
        blockysize=64, compress="deflate", crs="EPSG:32633", transform=Affine(10, 0, 4e5, 0, -10, 5e6), nodata=nodata,
    ) as file:  # fmt: skip
        file.write(values)
    return values


def test_tiff_windows_equal_the_file_and_handles_are_per_thread(tmp_path):
    values = tiff(tmp_path / "a.tif")
    ground = reader.Tiff(tmp_path / "a.tif")
    assert ground.block == (64, 64)
    main = reader.handle(tmp_path / "a.tif")
    assert reader.handle(tmp_path / "a.tif") is main
    other = []
    thread = threading.Thread(target=lambda: other.append(reader.handle(tmp_path / "a.tif")))
    thread.start()
    thread.join()
    assert other[0] is not main
    cuts = run([ground], threads=2)
    assert len(cuts) > 40
    for cut in cuts:
        np.testing.assert_array_equal(cut.arrays[0], values[:, cut.row : cut.row + 32, cut.column : cut.column + 32])


def test_after_a_read_in_this_process_another_process_opens_its_own_handle(tmp_path):
    import multiprocessing

    values = tiff(tmp_path / "a.tif")
    reader.Tiff(tmp_path / "a.tif").read(slice(0, 64), slice(0, 64))
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        got = pool.apply(_read_elsewhere, (str(tmp_path / "a.tif"),))
    np.testing.assert_array_equal(got, values[:, 64:128, :64])


def _read_elsewhere(path):
    return reader.Tiff(path).read(slice(64, 128), slice(0, 64))[0]


def test_a_handle_kept_under_another_process_number_is_not_used(tmp_path, monkeypatch):
    tiff(tmp_path / "a.tif")
    before = reader.handle(tmp_path / "a.tif")
    monkeypatch.setattr(reader.os, "getpid", lambda: -1)
    assert reader.handle(tmp_path / "a.tif") is not before


def test_nodata_counts_as_not_valid(tmp_path):
    tiff(tmp_path / "a.tif", nodata=0)
    ground = reader.Tiff(tmp_path / "a.tif")
    cuts = run([ground], min_valid=0.9)
    assert cuts
    assert min(c.row for c in cuts) >= 140


def test_a_missing_or_damaged_file_is_an_error_of_one_line(tmp_path):
    with pytest.raises(FormatError):
        reader.Tiff(tmp_path / "none.tif")
    tiff(tmp_path / "a.tif", shape=(640, 640))
    data = (tmp_path / "a.tif").read_bytes()
    (tmp_path / "a.tif").write_bytes(data[: len(data) // 2])
    with pytest.raises(FormatError):
        run([reader.Tiff(tmp_path / "a.tif")])


def test_small_places_give_their_share_by_area_too():
    grounds = [Counted((32, 32)), Counted((64, 64)), Counted((200, 200))]
    shown = np.zeros(3)
    for epoch in range(40):
        for block in reader.plan(grounds, size=32, seed=0, epoch=epoch, superblock=128):
            shown[block.ground] += len(block.corners)
    np.testing.assert_allclose(shown / 40, [1, 4, 200 * 200 / 32**2], rtol=0.05)


def test_the_number_of_windows_can_be_asked_for():
    grounds = [Counted((512, 512))]
    few, many = (
        sum(len(b.corners) for b in reader.plan(grounds, size=32, seed=0, epoch=0, superblock=128, per=per))
        for per in (4, 64)
    )
    assert many == pytest.approx(16 * few, rel=0.15)
    assert many == pytest.approx(64 * 16, rel=0.25)
