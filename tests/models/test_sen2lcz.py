"""Sen2LCZ: the published Keras file, its golden values, and the published confusion matrix."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from swath.batch import Batch  # noqa: E402
from swath.errors import BandError, FormatError, GridError, UnitError  # noqa: E402
from swath.models import load  # noqa: E402
from swath.models.sen2lcz import NAMES, Sen2LCZ, _keras, _published  # noqa: E402

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "50-so2sat-lcz.json").read_text())
FILE = "weights/sen2lcz/sen2lcz_32.hdf5"


@pytest.fixture(scope="module")
def network(shared):
    return Sen2LCZ.read(shared / FILE)


def test_heads_and_their_mean_agree_with_the_golden_values(network):
    i = np.arange(2 * 32 * 32 * 10, dtype=np.float64).reshape(2, 32, 32, 10)
    x = torch.tensor(0.15 + 0.1 * np.sin(0.01 * i)).float().permute(0, 3, 1, 2)
    with torch.no_grad():
        heads, mean, features = network.heads_of(x), network(x), network.features(x)
    keys = ("head1_dense_1", "head2_dense_2", "head3_dense_5", "final_dense_4")
    for found, key in zip(heads, keys, strict=True):
        np.testing.assert_allclose(found, GOLDEN[key], atol=1e-5)
    np.testing.assert_allclose(mean, GOLDEN["output_mean_of_four"], atol=1e-5)
    assert [f.shape[1] for f in features] == [32, 64, 128, 128]


def windows(path):
    import rasterio

    with rasterio.open(path) as file:
        dn = file.read().astype(np.float32)
    x = dn[[1, 2, 3, 4, 5, 6, 7, 8, 11, 12]]
    parts = [x[:, i : i + 32, j : j + 32] for i in range(0, x.shape[1] - 31, 32) for j in range(0, x.shape[2] - 31, 32)]
    return np.stack([p for p in parts if (p > 0).all()]) / 10_000


@pytest.mark.parametrize("name", GOLDEN["real_chips"])
def test_classes_of_real_chips_agree_with_the_golden_counts(network, shared, name):
    expected = GOLDEN["real_chips"][name]
    x = windows(shared / name)
    assert len(x) == expected["windows_32px_nonoverlapping_all_bands_positive"]
    with torch.no_grad():
        found = network(torch.tensor(x)).numpy()
    codes, counts = np.unique(found.argmax(1) + 1, return_counts=True)
    assert {str(c): int(n) for c, n in zip(codes, counts, strict=True)} == expected["class_counts"]
    assert found.max(1).mean() == pytest.approx(expected["mean_max_probability"], abs=1e-5)


def test_every_key_of_the_file_is_used_exactly_once(network, shared):
    keys = _keras(shared / FILE)
    used = [name for key in network.state_dict() for name in _published(key)]
    assert sorted(used) == sorted(keys)
    assert sum(v.numel() for v in keys.values()) == 793_348


def test_a_file_with_other_keys_is_refused_with_their_names(shared, tmp_path):
    import h5py

    other = tmp_path / "other.hdf5"
    shutil.copyfile(shared / FILE, other)
    with h5py.File(other, "r+") as file:
        file.move("dense_4", "dense_9")
    with pytest.raises(FormatError, match=r"missing dense_4/bias, dense_4/kernel; extra dense_9"):
        Sen2LCZ.read(other)
    (tmp_path / "text.hdf5").write_text("no such thing")
    with pytest.raises(FormatError, match="HDF5"):
        Sen2LCZ.read(tmp_path / "text.hdf5")


def test_the_published_confusion_gives_the_published_scores(shared):
    import scipy.io

    from swath.metric import classes

    found = scipy.io.loadmat(shared / "weights/sen2lcz/test_results.mat")
    truth, predicted = found["y_testV"].ravel().astype(int), found["y_pre"].ravel().astype(int)
    low = min(truth.min(), predicted.min())
    matrix = classes.confusion(predicted - low, truth - low, len(NAMES))
    expected = GOLDEN["published_test"]
    np.testing.assert_array_equal(matrix.sum(), expected["n"])
    published = np.array(expected["confusion_rows_truth"])
    assert np.array_equal(matrix.T, published)
    assert float(classes.overall(matrix)) == pytest.approx(0.6937, abs=1e-4)
    assert float(classes.kappa(matrix)) == pytest.approx(0.6644, abs=1e-4)
    assert float(classes.balanced(matrix)) == pytest.approx(expected["mean_recall"], abs=1e-4)


def test_windows_with_a_missing_pixel_are_not_valid_and_bands_follow_their_names():
    model, batch = Sen2LCZ.example()
    tokens = model.encode(batch, levels=(0, -1))
    assert tokens[0].values.shape == (2, 2, 32)
    assert tokens[1].values.shape == (2, 2, 128)
    assert tokens[1].valid.tolist() == [[True, False], [True, True]]
    assert tokens[1].shape == (1, 1, 2)


def test_what_it_cannot_read_is_refused_in_words():
    model, batch = Sen2LCZ.example()
    p = batch.pixels["sentinel-2a-l1c"]
    few = Batch({"s2": replace(p, values=p.values[:, :, :4], valid=p.valid[:, :, :4], bands=p.bands[:4])})
    with pytest.raises(BandError, match="without B5, B6"):
        model.encode(few)
    with pytest.raises(GridError, match="32 x 32"):
        model.encode(Batch({"s2": replace(p, values=p.values[..., :40], valid=p.valid[..., :40])}))
    with pytest.raises(UnitError, match="between 0 and 1"):
        model.encode(Batch({"s2": replace(p, values=p.values * 10_000)}))
    surface = tuple(replace(b, quantity="reflectance") for b in p.bands)
    with pytest.warns(UserWarning, match="top of the atmosphere"):
        model.encode(Batch({"s2": replace(p, bands=surface)}))


def test_it_is_found_by_name(shared, monkeypatch):
    monkeypatch.setenv("SWATH_WEIGHTS", str(shared / "weights"))
    assert load("sen2lcz").facts.licence == "MIT"
