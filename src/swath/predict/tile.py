"""Windows over a scene: cores that cover every pixel once, halos that models need around them."""

from __future__ import annotations

from dataclasses import dataclass

from swath.cube.blocks import BLOCK

__all__ = ["Tile", "choose_size", "tiles"]

_WINDOW_BYTES = 96 << 20  # what the pixels of one window may take as float32 and masks


@dataclass(frozen=True, slots=True)
class Tile:
    """One window: the core that is written, and the read part (core + halo, cut at the scene's edge)."""

    index: int
    rows: slice
    columns: slice
    read_rows: slice
    read_columns: slice

    @property
    def inside(self) -> tuple[slice, slice]:
        """Where the core lies inside what was read."""
        top, left = self.rows.start - self.read_rows.start, self.columns.start - self.read_columns.start
        height, width = self.rows.stop - self.rows.start, self.columns.stop - self.columns.start
        return slice(top, top + height), slice(left, left + width)

    @property
    def pixels(self) -> int:
        """Pixels of the core."""
        count: int = (self.rows.stop - self.rows.start) * (self.columns.stop - self.columns.start)
        return count


def tiles(shape: tuple[int, int], *, size: int = BLOCK, halo: int = 0, strip: int | None = None) -> list[Tile]:
    """Windows of `size` pixels over (H, W): every pixel in one core; `halo` pixels around it where the scene has them.

    strip: how many windows wide the strips are in which they come (top to bottom, then the next strip), so that
    neighbours are read while they are still at hand; None means whole rows. `index` counts row by row in any order.
    """
    height, width = shape
    across, down = -(-width // size), -(-height // size)
    strip = across if strip is None else max(1, strip)
    found = []
    for left in range(0, across, strip):
        for i in range(down):
            for j in range(left, min(left + strip, across)):
                rows = slice(i * size, min(height, (i + 1) * size))
                columns = slice(j * size, min(width, (j + 1) * size))
                found.append(
                    Tile(
                        index=i * across + j,
                        rows=rows,
                        columns=columns,
                        read_rows=slice(max(0, rows.start - halo), min(height, rows.stop + halo)),
                        read_columns=slice(max(0, columns.start - halo), min(width, columns.stop + halo)),
                    )
                )
    return found


def choose_size(shape: tuple[int, int], layers: int, *, halo: int = 0) -> int:
    """A window side that fits the memory and gives a small scene some windows to share out; a power of two, 64 to 512.

    layers: dates x bands of all cubes, and planes that a function makes of them. The side depends on the input alone,
    never on the machine: so do the bytes.
    """
    size = BLOCK

    def pixels(size: int) -> int:
        return min(size + 2 * halo, shape[0]) * min(size + 2 * halo, shape[1])

    while size > 64 and pixels(size) * layers * 9 > _WINDOW_BYTES and size > 2 * halo:
        size //= 2
    while size > 128 and size >= 8 * halo and -(-shape[0] // size) * -(-shape[1] // size) < 4:
        size //= 2
    return size
