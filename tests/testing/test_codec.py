"""The rules of codecs: ours keeps them, broken ones are named."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import swath.codec
from swath.errors import SwathError
from swath.testing import check_codec


def test_our_codec_keeps_the_rules():
    check_codec(swath.codec)


class Careless:
    """Rounds without a thought and believes any bytes."""

    @staticmethod
    def encode(values, valid=None, max_error=None):
        valid = np.ones(values.shape, bool) if valid is None else valid
        return pickle.dumps((np.round(values.astype(np.float32), -1).astype(values.dtype), valid))

    @staticmethod
    def decode(data):
        return pickle.loads(data)


def test_a_careless_codec_is_told_which_rules_it_breaks():
    with pytest.raises(SwathError) as error:
        check_codec(Careless(), kinds=("uint16", "int16"))
    for rule in ("keeps_every_bit_without_an_error", "keeps_the_bound", "refuses_damage"):
        assert rule in str(error.value)
