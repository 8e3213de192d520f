"""What an Encoder keeps: shapes, masks, and indifference to what must not matter."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.batch import Batch, Needs, Tokens, array
from swath.errors import SwathError
from swath.sample.loader import take
from swath.testing.rules import run

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["RULES", "check_encoder"]

_CLOSE = 1e-4


def says_what_it_needs(encoder: Any, batch: Batch) -> str:
    """`needs` is a Needs, and the batch that it is checked with fits it."""
    if not isinstance(getattr(encoder, "needs", None), Needs):
        return "no `needs` of type swath.batch.Needs"
    lacking = set(encoder.needs.bands) - {b.name for p in batch.pixels.values() for b in p.bands}
    return f"the batch lacks {sorted(lacking)}" if lacking else ""


def gives_tokens_of_one_shape(encoder: Any, batch: Batch) -> str:
    """One Tokens a level; values (B, N, D), valid (B, N), day (B, N), position (B, N, 2), N = T * h * w on a grid."""
    tokens = encoder.encode(batch, levels=(-1,))
    if len(tokens) != 1 or not isinstance(tokens[0], Tokens):
        return "encode(batch, levels=(-1,)) gives a list of one Tokens"
    t = tokens[0]
    b, n, _ = t.values.shape
    shapes = (tuple(t.valid.shape), tuple(t.day.shape), tuple(t.position.shape))
    if b != len(batch) or shapes != ((b, n), (b, n), (b, n, 2)):
        return f"values {tuple(t.values.shape)}, valid, day, position {shapes} for {len(batch)} examples"
    return f"shape {t.shape} is not {n} tokens" if t.shape is not None and int(np.prod(t.shape)) != n else ""


def gives_numbers(encoder: Any, batch: Batch) -> str:
    """Every value of a valid token is finite."""
    t = encoder.encode(batch)[0]
    return "" if np.isfinite(array(t.values)[array(t.valid)]).all() else "valid tokens hold NaN or infinity"


def gives_the_same_twice(encoder: Any, batch: Batch) -> str:
    """The same input gives the same numbers."""
    return _apart(encoder.encode(batch)[0], encoder.encode(batch)[0], "a second time", exact=True)


def ignores_what_is_not_valid(encoder: Any, batch: Batch) -> str:
    """Values that are not valid change nothing, NaN among them."""
    rng = np.random.default_rng(0)
    pixels = {}
    for name, p in batch.pixels.items():
        wild = rng.choice(np.array([np.nan, np.inf, -1e6, 1e6], np.float32), p.values.shape)
        pixels[name] = replace(p, values=np.where(p.valid, p.values, wild))
    return _apart(
        encoder.encode(replace(batch, pixels=pixels))[0], encoder.encode(batch)[0], "with other invalid values"
    )


def follows_the_bands(encoder: Any, batch: Batch) -> str:
    """Bands in another order, with their descriptions, change nothing."""
    rng = np.random.default_rng(1)
    pixels = {}
    for name, p in batch.pixels.items():
        order = rng.permutation(len(p.bands))
        pixels[name] = replace(
            p, values=p.values[:, :, order], valid=p.valid[:, :, order], bands=tuple(p.bands[i] for i in order)
        )
    return _apart(encoder.encode(replace(batch, pixels=pixels))[0], encoder.encode(batch)[0], "with bands permuted")


def treats_examples_alone(encoder: Any, batch: Batch) -> str:
    """A batch of one equals its place in a batch."""
    whole = encoder.encode(batch)[0]
    for i in range(len(batch)):
        alone = encoder.encode(take(batch, [i]))[0]
        one = Tokens(whole.values[i : i + 1], whole.valid[i : i + 1], whole.day, whole.position, whole.shape)
        if text := _apart(alone, one, f"for example {i} alone"):
            return text
    return ""


def leaves_its_input_alone(encoder: Any, batch: Batch) -> str:
    """The batch is the same afterwards."""
    before = {name: (p.values.copy(), p.valid.copy()) for name, p in batch.pixels.items()}
    encoder.encode(batch)
    same = all(
        np.array_equal(p.values, before[name][0], equal_nan=True) and np.array_equal(p.valid, before[name][1])
        for name, p in batch.pixels.items()
    )
    return "" if same else "encode changes the batch that it is given"


def refuses_digital_numbers(encoder: Any, batch: Batch) -> str:
    """Where it names quantities, others are refused with a SwathError."""
    if not encoder.needs.quantity or "digital_number" in encoder.needs.quantity:
        return ""
    pixels = {
        name: replace(p, bands=tuple(replace(b, quantity="digital_number") for b in p.bands))
        for name, p in batch.pixels.items()
    }
    try:
        encoder.encode(replace(batch, pixels=pixels))
    except SwathError:
        return ""
    return "digital numbers are taken for physical values"


def _apart(a: Tokens, b: Tokens, when: str, *, exact: bool = False) -> str:
    valid = array(b.valid)
    if not np.array_equal(array(a.valid), valid):
        return f"other tokens are valid {when}"
    difference = np.abs(array(a.values)[valid] - array(b.values)[valid])
    worst = float(difference.max()) if difference.size else 0.0
    limit = 0.0 if exact else _CLOSE * max(1.0, float(np.abs(array(b.values)[valid]).max(initial=0.0)))
    return f"values differ by {worst:.2g} {when}" if not worst <= limit else ""


RULES: tuple[Callable[[Any, Batch], str], ...] = (
    says_what_it_needs, gives_tokens_of_one_shape, gives_numbers, gives_the_same_twice, ignores_what_is_not_valid,
    follows_the_bands, treats_examples_alone, leaves_its_input_alone, refuses_digital_numbers,
)  # fmt: skip


def check_encoder(encoder: Any, batch: Batch) -> None:
    """Run RULES over an Encoder with a NumPy Batch that suits it (two examples or more, some values not valid).

    Raises SwathError that names every broken rule.
    """
    run(f"the encoder {type(encoder).__name__}", RULES, encoder, batch)
