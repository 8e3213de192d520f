"""Models by name: those of swath, and encoders that other packages bring."""

from __future__ import annotations

import pytest

from swath.errors import SwathError


def test_encoders_of_other_packages_are_found_by_their_entry_point(monkeypatch):
    from importlib import metadata

    from swath import models

    point = metadata.EntryPoint(name="theirs", value="collections:OrderedDict", group="swath.encoders")
    monkeypatch.setattr(metadata, "entry_points", lambda group: [point] if group == "swath.encoders" else [])
    assert models.load("theirs") == {}
    with pytest.raises(SwathError, match="theirs"):
        models.load("nobodys")


def test_the_encoder_that_comes_with_swath_has_two_names():
    pytest.importorskip("torch")
    from swath import models

    assert models.load("swath-tiny").config == models.load("tiny").config
    assert models.load("random:swath-tiny").config == models.load("tiny").config
