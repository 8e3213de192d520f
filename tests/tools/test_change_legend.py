from __future__ import annotations

import numpy as np
import pytest

from swath.errors import LabelError
from swath.tools.change_legend import BINARY, NO_CHANGE, kinds_of, of_classes, of_labels


@pytest.mark.parametrize(
    "names",
    [["0", "1"], ["0", "255"], ["no change", "change"], ["Unchanged", "changed"], ["stable", "yes"], ["1", "2"]],
)
def test_two_words_for_change_and_none_are_the_binary_legend(names):
    legend, codes = of_labels(names)
    assert legend == BINARY
    assert codes.tolist() == [NO_CHANGE, 2]


@pytest.mark.parametrize("arrow", [" to ", "->", " → ", ">"])
def test_kinds_by_two_classes_are_read_in_any_writing(arrow):
    legend, codes = of_labels([f"forest{arrow}bare", f"forest{arrow}forest", f"bare{arrow}town", "no change"])
    assert [(k.start, k.end) for k in legend.kinds] == [("forest", "bare"), ("bare", "town")]
    assert codes.tolist() == [2, NO_CHANGE, 3, NO_CHANGE]
    assert set(legend.classes) == {"forest", "bare", "town"}


def test_kinds_by_name_keep_their_names():
    legend, codes = of_labels(["built", "no change", "flooded"])
    assert [k.name for k in legend.kinds] == ["built", "flooded"]
    assert codes.tolist() == [2, NO_CHANGE, 3]
    assert kinds_of(["flooded", "0", "burnt"], legend) == [3, NO_CHANGE, -1]
    assert kinds_of(["1", "2", "3"], legend) == [1, 2, 3]


def test_labels_without_either_side_are_refused():
    for names in (["change", "built"], ["no change", "0"]):
        with pytest.raises(LabelError, match="did not"):
            of_labels(names)


def test_every_pair_of_classes_has_its_code_and_colour():
    legend = of_classes(["a", "b", "c"])
    codes = legend.codes()
    assert (np.diag(codes) == NO_CHANGE).all()
    assert sorted(codes[codes > 1].tolist()) == [2, 3, 4, 5, 6, 7]
    assert set(legend.colours) == set(legend.names)
    assert len(set(legend.colours.values())) == 7
    assert of_classes([str(i) for i in range(20)]).dtype == "uint16"
