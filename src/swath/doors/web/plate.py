"""The map as it is seen, as a picture to show around: title, layers, legend, scale bar, and what it is of."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.doors.web import picture
from swath.report import draw

if TYPE_CHECKING:
    from swath.doors.web.scenes import OpenScene
    from swath.doors.web.session import Session

__all__ = ["Plate", "composed", "drawn", "scale_bar", "zoom_for"]

LONG, MOST = 2048, 4096
"""The long side of the map in a picture: at least half of LONG where pixels must be repeated, at most MOST."""
INK, SOFT, LINE, PAPER, EMPTY = (23, 32, 29), (76, 88, 83), (203, 208, 201), (255, 255, 255), (231, 233, 228)
_FONT = Path(__file__).with_name("static") / "vendor" / "inter-latin.woff2"


Mark = tuple[str, Sequence[Sequence[tuple[float, float]]]]
"""A label: its colour, and rings of (x, y) in pixels of the picture's map; one ring of one place is a point."""


@dataclass(frozen=True)
class Plate:
    """What is written around a map. legends: (title, entries) where an entry is (kind, name, value): colour and its
    "#rrggbb", disc and its colour, hatch, or ramp and (ramp's name, text at its low end, text at its high end).
    """

    title: str
    remark: str
    legends: Sequence[tuple[str, Sequence[tuple[str, str, Any]]]]
    notes: Sequence[str] = ()
    marks: Sequence[Mark] = ()


def zoom_for(rows: float, columns: float) -> int:
    """The power of two by which a window is enlarged (or, below 0, made smaller) to fill a picture."""
    long = max(rows, columns, 1.0)
    return max(-24, min(6, math.floor(math.log2(LONG / long)))) if long <= LONG else -math.ceil(math.log2(long / MOST))


def composed(
    session: Session, scene: OpenScene, window: Sequence[float], layers: Sequence[Mapping[str, Any]]
) -> np.ndarray:
    """(h, w, 4) uint8 of layers over one another, the first uppermost, in a window (rows, then columns, of the grid).

    layers: {"id", "opacity", "params": {show, date, lo, hi, bands, class}}. Enlarged or made smaller by a power of two, so
    that pixels stay whole and the hatch is as on the page. Raises Missing, SwathError.
    """
    view = scene.view
    r0, r1, c0, c1 = (float(v) for v in window)
    zoom = zoom_for(r1 - r0, c1 - c0)
    times = 2.0**zoom
    top, left = max(0, round(r0 * times)), max(0, round(c0 * times))
    bottom = min(math.ceil(view.shape[0] * times), round(r1 * times))
    right = min(math.ceil(view.shape[1] * times), round(c1 * times))
    size = (max(1, bottom - top), max(1, right - left))
    part = picture.window(view.shape, zoom, (top, left), size)
    out = np.zeros((*size, 4), np.float32)
    if part is None:
        return out.astype(np.uint8)
    for asked in reversed(layers):
        params = {str(k): str(v) for k, v in dict(asked.get("params") or {}).items() if v is not None}
        pixels = picture.layer_pixels(session.layers, scene.id, str(asked["id"]), part, params)
        if pixels is not None:
            draw.over(out, pixels, float(asked.get("opacity", 1.0)))
    found: np.ndarray = np.rint(out).astype(np.uint8)
    return found


def scale_bar(ground: float, most: float, *, metric: bool = True) -> tuple[float, str]:
    """(length in picture pixels, text) of a round length of at most `most` picture pixels.

    ground: size of a picture pixel in metres, or in pixels of the scene where it has no metres.
    """
    room = most * ground
    power = 10.0 ** math.floor(math.log10(room))
    length = next(k * power for k in (5, 2, 1) if k * power <= room)
    if not metric:
        return length / ground, f"{length:g} {'pixel' if length == 1 else 'pixels'}"
    return length / ground, f"{length / 1000:g} km" if length >= 1000 else f"{length:g} m"


@lru_cache(maxsize=64)
def _font(size: int, weight: int, plain: bool) -> Any:
    from PIL import ImageFont

    if plain:
        try:
            font = ImageFont.truetype(str(_FONT), size)
            font.set_variation_by_axes([weight])
        except (OSError, ValueError):
            pass
        else:
            return font
    import matplotlib

    name = "DejaVuSans-Bold.ttf" if weight > 500 else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name), size)


class _Pen:
    """Words on a picture; letters that the page's typeface lacks are set in DejaVu."""

    def __init__(self, image: Any) -> None:
        from PIL import ImageDraw

        self.draw = ImageDraw.Draw(image)

    def text(self, x: float, y: float, words: str, size: int, *, weight: int = 400, fill: Any = INK) -> float:
        """Write with the baseline's top at y; gives the width."""
        font = self.font(words, size, weight)
        self.draw.text((x, y), words, fill=fill, font=font, anchor="la")
        return float(font.getlength(words))

    @staticmethod
    def font(words: str, size: int, weight: int) -> Any:
        known = all(ord(c) < 0x100 or c in "\u2009\u2013\u2014\u2019\u2212\u2026" for c in words)
        return _font(size, weight, known)

    def width(self, words: str, size: int, weight: int = 400) -> float:
        return float(self.font(words, size, weight).getlength(words))

    def cut(self, words: str, size: int, room: float, weight: int = 400) -> str:
        """The words, shortened to a width."""
        if self.width(words, size, weight) <= room:
            return words
        while words and self.width(words + "\u2026", size, weight) > room:
            words = words[:-1]
        return words.rstrip() + "\u2026"


def drawn(pixels: np.ndarray, plate: Plate, *, ground: float, metric: bool = True) -> bytes:
    """The picture as PNG. pixels: (h, w, 4) of the map; ground, metric: of one of them, as for `scale_bar`."""
    from PIL import Image

    height, width = pixels.shape[:2]
    k = max(1.0, min(2.5, max(height, width) / 1000))
    size = {name: round(v * k) for name, v in {"gap": 24, "title": 24, "text": 14, "row": 24, "swatch": 14}.items()}
    gap, text = size["gap"], size["text"]
    probe = _Pen(Image.new("RGB", (8, 8)))
    column = _column(probe, plate, size)
    top = gap + round(size["title"] * 1.3) + round(text * 1.5) + gap // 2
    below = round(text * 1.5) * max(1, len(plate.notes)) + gap
    tall = max(height, _legend_height(plate, size))
    least = round(480 * k)
    body = max(width, least)
    image = Image.new("RGB", (gap + body + (gap + column if column else 0) + gap, top + tall + gap // 2 + below), PAPER)
    pen = _Pen(image)
    room = image.width - 2 * gap
    pen.text(gap, gap, pen.cut(plate.title, size["title"], room, 650), size["title"], weight=650)
    pen.text(gap, gap + size["title"] * 1.35, pen.cut(plate.remark, text, room), text, fill=SOFT)
    shown = Image.new("RGB", (width, height), EMPTY)
    shown.paste(Image.fromarray(pixels[..., :3]), mask=Image.fromarray(pixels[..., 3]))
    _marks(shown, plate.marks, max(4, round(5 * k)))
    image.paste(shown, (gap, top))
    pen.draw.rectangle((gap - 1, top - 1, gap + width, top + height), outline=LINE)
    _legend(pen, plate, gap + body + gap, top, column, size)
    foot = top + tall + gap // 2
    bar = scale_bar(ground, min(width, 2 * least) * 0.3, metric=metric)
    _bar(pen, gap, foot, bar, size)
    for i, note in enumerate(plate.notes):
        at = gap + bar[0] + pen.width(bar[1], text) + 2 * gap
        words = pen.cut(note, text, image.width - gap - at)
        pen.text(image.width - gap - pen.width(words, text), foot + i * text * 1.5, words, text, fill=SOFT)
    stream = io.BytesIO()
    image.save(stream, "PNG", optimize=False, compress_level=6)
    return stream.getvalue()


def _marks(ground: Any, marks: Sequence[Mark], radius: int) -> None:
    """Discs and outlines in the classes' colours, with a light and a dark casing, three times as fine and made smaller."""
    from PIL import Image, ImageDraw

    if not marks:
        return
    fine = 3 if max(ground.size) * 3 <= 8192 else 1
    layer = Image.new("RGBA", (ground.width * fine, ground.height * fine), (0, 0, 0, 0))
    pen, unit = ImageDraw.Draw(layer), radius * fine
    ring = max(2, round(unit * 0.35))
    for colour, rings in marks:
        for places in rings:
            line = [(x * fine, y * fine) for x, y in places]
            if len(line) > 1:
                for wide, ink in ((ring * 3, (23, 32, 29, 160)), (ring * 2, (255, 255, 255, 255)), (ring, colour)):
                    pen.line(line, fill=ink, width=wide, joint="curve")
                continue
            x, y = line[0]
            for more, ink in ((1.35, (23, 32, 29, 160)), (1.2, (255, 255, 255, 255)), (0.85, colour)):
                pen.ellipse((x - unit * more, y - unit * more, x + unit * more, y + unit * more), fill=ink)
    small = layer.resize(ground.size, Image.Resampling.LANCZOS) if fine > 1 else layer
    ground.paste(small, mask=small.getchannel("A"))


def _bar(pen: _Pen, x: float, y: float, bar: tuple[float, str], size: Mapping[str, int]) -> None:
    length, words = bar
    line, drop = max(2, round(size["text"] / 7)), round(size["text"] * 0.4)
    base = y + round(size["text"] * 0.9)
    pen.draw.line([(x, base - drop), (x, base), (x + length, base), (x + length, base - drop)], fill=INK, width=line)
    pen.text(x + length + size["gap"] / 2, y, words, size["text"])


def _column(pen: _Pen, plate: Plate, size: Mapping[str, int]) -> int:
    """The width that the legend needs; 0 without one."""
    words = [pen.width(title, size["text"], 600) for title, _ in plate.legends]
    words += [pen.width(name, size["text"]) + 2 * size["swatch"] for _, rows in plate.legends for _, name, _ in rows]
    return min(round(max(words, default=0)) + size["swatch"], 24 * size["text"])


def _legend_height(plate: Plate, size: Mapping[str, int]) -> int:
    return sum(size["row"] * (1 + len(rows)) + size["gap"] // 2 for _, rows in plate.legends)


def _legend(pen: _Pen, plate: Plate, x: float, y: float, room: int, size: Mapping[str, int]) -> None:
    side, text = size["swatch"], size["text"]
    for title, rows in plate.legends:
        pen.text(x, y, pen.cut(title, text, room, 600), text, weight=600)
        y += size["row"]
        for kind, name, value in rows:
            at = y + round(text * 0.1)
            if kind == "ramp":
                ramp, low, high = value
                _ramp(pen, (x, at, x + min(room, 9 * text), at + side), ramp)
                pen.text(x, at + side + 2, low, round(text * 0.85), fill=SOFT)
                end = x + min(room, 9 * text) - pen.width(high, round(text * 0.85))
                pen.text(end, at + side + 2, high, round(text * 0.85), fill=SOFT)
                y += side
            else:
                box = (x, at, x + side, at + side)
                if kind == "disc":
                    pen.draw.ellipse(box, fill=value, outline=SOFT, width=max(1, side // 8))
                else:
                    pen.draw.rectangle(box, fill=value if kind == "colour" else EMPTY)
                if kind == "hatch":
                    _hatch(pen, box)
                if kind != "disc":
                    pen.draw.rectangle(box, outline=LINE)
                pen.text(x + side * 1.7, y, pen.cut(name, text, room - side * 1.7), text)
            y += size["row"]
        y += size["gap"] // 2


def _ramp(pen: _Pen, box: tuple[float, float, float, float], name: str) -> None:
    table = draw.ramp(name)
    wide = round(box[2] - box[0])
    for i in range(wide):
        pen.draw.line(
            [(box[0] + i, box[1]), (box[0] + i, box[3])], fill=tuple(int(v) for v in table[i * 255 // max(1, wide - 1)])
        )
    pen.draw.rectangle(box, outline=LINE)


def _hatch(pen: _Pen, box: tuple[float, float, float, float]) -> None:
    side = round(box[2] - box[0]) + 1
    pattern = draw.hatch_colours()[draw.hatch(np.ones((side, side), bool), 0, 0)]
    for i in range(side):
        for j in range(side):
            r, g, b, a = (int(v) for v in pattern[i, j])
            if a > 60:
                pen.draw.point((box[0] + j, box[1] + i), fill=(r, g, b))
