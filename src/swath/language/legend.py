"""Legends: which code is which class. Known ones by name, others from a file or from the raster's own tags."""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from swath.earth.colour import from_hexadecimal
from swath.errors import LabelError
from swath.language.nouns import CONCEPTS, concept_of, family_of, plain

__all__ = ["KNOWN", "Class", "Legend", "colours_of", "legend_of", "read_legend"]

Colour = tuple[int, int, int]
MOST = 256


@dataclass(frozen=True, slots=True)
class Class:
    """code in the raster; name as given; noun: what sentences call it; plural: its number; concept: "" when unknown."""

    code: int
    name: str
    noun: str
    plural: bool
    concept: str
    colour: Colour | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"code": self.code, "name": self.name, "noun": self.noun, "colour": self.colour and list(self.colour)}


@dataclass(frozen=True, slots=True)
class Legend:
    """Classes by code, and codes that mean "nothing known here" (background). source: where the names come from."""

    classes: tuple[Class, ...]
    background: tuple[int, ...] = ()
    source: str = "given"

    def index(self, code: int) -> int:
        """Position of a code; -1 when the legend lacks it."""
        return next((i for i, c in enumerate(self.classes) if c.code == code), -1)

    def __len__(self) -> int:
        return len(self.classes)


_ADJECTIVE = re.compile(
    r"^(built|built-up|built up|urban|bare|developed|artificial|cultivated|barren|residential|forested|burned)$"
)
_PLURAL_NOT = ("grass", "moss", "swamps", "pampas", "maquis", "wilderness", "gas")


def _noun(name: str) -> tuple[str, bool]:
    """How a class is called inside a sentence, and whether that is plural."""
    text = plain(name)
    if _ADJECTIVE.match(text.lower()):
        text = ("built-up" if text.startswith("built") else text) + " land"
    elif re.fullmatch(r"[\d.]+", text):
        text = f"class {text}"
    elif " / " in text or "/" in text:
        text = " or ".join(p.strip() for p in text.split("/") if p.strip())
        text += " land" if text.startswith("bare or") and not text.endswith("vegetation") else ""
    text = text.replace(" & ", " and ").replace(",", " or" if text.count(",") == 1 else ",")
    if _is_another_word(text):
        text += " class"  # a class called "other" or "most" would be read as that word
    last = text.split(" ")[-1].lower()
    plural = last.endswith("s") and not last.endswith(("ss", "us", "is")) and last not in _PLURAL_NOT
    return text, plural or (" and " in text)


def _is_another_word(text: str) -> bool:
    from swath.language.lexicon import PHRASES  # it asks facts, which ask legends
    from swath.language.numbers import WORDS

    word = text.lower().replace("-", " ")
    return not concept_of(text) and (word in PHRASES or word in WORDS or word in ("other", "others", "none"))


def legend_of(
    names: Mapping[int, str],
    *,
    colours: Mapping[int, Colour] | None = None,
    background: Iterable[int] = (),
    source: str = "given",
) -> Legend:
    """A legend of {code: name}. Raises LabelError for no names, two classes of one name, or more than 256."""
    if not names:
        raise LabelError(rule="a legend names at least one class", got="none", remedy="give --legend FILE")
    if len(names) > MOST:
        raise LabelError(
            rule=f"a map in words has at most {MOST} classes",
            got=f"{len(names)} names",
            remedy="merge classes, or keep in the legend only the codes that occur",
        )
    made: list[Class] = []
    seen: dict[str, int] = {}
    for code, name in sorted(names.items()):
        noun, plural = _noun(str(name))
        if not noun:
            raise LabelError(rule="every class has a name", got=f"none for code {code}", remedy="complete the legend")
        if noun.lower() in seen:
            raise LabelError(
                rule="classes have different names",
                got=f"{name!r} for codes {seen[noun.lower()]} and {code}",
                remedy="rename one, or merge the codes",
            )
        seen[noun.lower()] = int(code)
        made.append(Class(int(code), str(name), noun, plural, concept_of(str(name)), (colours or {}).get(int(code))))
    return Legend(tuple(made), tuple(int(b) for b in background), source)


_WORLDCOVER = {
    10: ("tree cover", (0, 100, 0)), 20: ("shrubland", (255, 187, 34)), 30: ("grassland", (255, 255, 76)),
    40: ("cropland", (240, 150, 255)), 50: ("built-up", (250, 0, 0)), 60: ("bare / sparse vegetation", (180, 180, 180)),
    70: ("snow and ice", (240, 240, 240)), 80: ("water", (0, 100, 200)), 90: ("wetland", (0, 150, 160)),
    95: ("mangroves", (0, 207, 117)), 100: ("moss and lichen", (250, 230, 160)),
}  # fmt: skip
_CHATEARTHNET = {
    1: ("water", (0, 0, 255)), 2: ("developed area", (255, 0, 0)), 3: ("tree", (0, 192, 0)), 4: ("shrub", (200, 170, 120)),
    5: ("grass", (0, 255, 0)), 6: ("crop", (255, 255, 0)), 7: ("bare land", (128, 128, 128)), 8: ("snow", (255, 255, 255)),
    9: ("wetland", (0, 255, 255)), 10: ("mangroves", (255, 0, 255)), 11: ("moss", (128, 0, 128)),
}  # fmt: skip
_DYNAMIC_WORLD = {
    0: ("water", (65, 155, 223)), 1: ("trees", (57, 125, 73)), 2: ("grass", (136, 176, 83)),
    3: ("flooded vegetation", (122, 135, 198)), 4: ("crops", (228, 150, 53)), 5: ("shrub and scrub", (223, 195, 90)),
    6: ("built", (196, 40, 27)), 7: ("bare ground", (165, 155, 143)), 8: ("snow and ice", (179, 159, 225)),
}  # fmt: skip
_ESRI = {
    1: ("water", (26, 91, 171)), 2: ("trees", (53, 130, 33)), 4: ("flooded vegetation", (135, 209, 158)),
    5: ("crops", (255, 219, 92)), 7: ("built area", (237, 2, 42)), 8: ("bare ground", (237, 233, 228)),
    9: ("snow and ice", (242, 250, 255)), 11: ("rangeland", (239, 207, 168)),
}  # fmt: skip
_TERRAMIND = {
    1: ("water", (26, 91, 171)), 2: ("trees", (53, 130, 33)), 3: ("flooded vegetation", (135, 209, 158)),
    4: ("crops", (255, 219, 92)), 5: ("built-up", (237, 2, 42)), 6: ("bare ground", (196, 186, 170)),
    7: ("snow and ice", (242, 250, 255)), 9: ("rangeland", (239, 207, 168)),
}  # fmt: skip

KNOWN: dict[str, tuple[dict[int, tuple[str, Colour]], tuple[int, ...], str]] = {
    "worldcover": (_WORLDCOVER, (0,), "ESA WorldCover 10 m"),
    "chatearthnet": (_CHATEARTHNET, (0,), "the label maps of ChatEarthNet"),
    "dynamicworld": (_DYNAMIC_WORLD, (), "Dynamic World"),
    "esri": (_ESRI, (0, 10), "Esri 10 m land cover (10 is cloud)"),
    "terramind": (_TERRAMIND, (0,), "TerraMind's land-cover tiles (3 and 9 by analogy, unchecked)"),
}


def read_legend(legend: Any) -> Legend:
    """A legend from a known name, a file or a mapping. Raises LabelError that names what would do.

    Files: JSON {"1": "water"} or a list of {code, name, colour}; CSV with columns code and name (colour: #rrggbb); or
    lines "1 water" / "1: water" / "1=water".
    """
    if isinstance(legend, Legend):
        return legend
    if isinstance(legend, Mapping):
        return legend_of({int(k): str(v) for k, v in legend.items()})
    text = str(legend)
    if text.lower().replace("-", "").replace("_", "") in KNOWN:
        table, background, source = KNOWN[text.lower().replace("-", "").replace("_", "")]
        return legend_of(
            {k: n for k, (n, _) in table.items()}, colours={k: c for k, (_, c) in table.items()},
            background=background, source=source,
        )  # fmt: skip
    path = Path(text)
    if not path.is_file():
        raise LabelError(
            rule=f"a legend is a file or one of {', '.join(KNOWN)}",
            got=text[:80],
            remedy="name a JSON, CSV or text file",
        )
    try:
        rows = _rows(path)
    except (UnicodeDecodeError, ValueError, KeyError, TypeError) as error:
        raise LabelError(
            rule="a legend file is JSON, CSV with code and name, or lines 'code name'",
            got=f"{path.name}: {error}",
            remedy='for example {"1": "water", "2": "forest"}',
        ) from error
    colours = {code: c for code, _, c in rows if c is not None}
    return legend_of({code: name for code, name, _ in rows}, colours=colours, source=path.name)


def _rows(path: Path) -> list[tuple[int, str, Colour | None]]:
    text = path.read_text(encoding="utf-8-sig")
    if text.lstrip()[:1] in ("{", "["):
        made = json.loads(text)
        if isinstance(made, dict):
            return [(int(k), *_named(v)) for k, v in made.items()]
        return [(int(r["code"]), str(r["name"]), _colour(r.get("colour") or r.get("color"))) for r in made]
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    head = [h.strip().lower() for h in re.split(r"[,;\t]", lines[0])] if lines else []
    code = next((h for h in ("code", "value", "class", "id") if h in head), None)
    name = next((h for h in ("name", "label", "class_name", "description", "class") if h in head and h != code), None)
    if code and name:
        mark = next(m for m in ",;\t" if m in lines[0])
        rows = csv.DictReader(lines, fieldnames=head, delimiter=mark)
        next(rows)
        return [(int(r[code]), r[name].strip(), _colour(r.get("colour") or r.get("color"))) for r in rows]
    found: list[tuple[int, str, Colour | None]] = []
    for line in lines:
        match = re.match(r"\s*(\d+)\s*[:=,;\t ]\s*(.+?)\s*$", line)
        if not match:
            raise ValueError(f"the line {line[:40]!r}")
        found.append((int(match[1]), match[2], None))
    if not found:
        raise ValueError("no line")
    return found


def _named(value: Any) -> tuple[str, Colour | None]:
    if isinstance(value, Mapping):
        return str(value["name"]), _colour(value.get("colour") or value.get("color"))
    return str(value), None


def _colour(value: Any) -> Colour | None:
    if isinstance(value, str) and re.fullmatch(r"#?[0-9a-fA-F]{6}", value.strip()):
        return from_hexadecimal(value.strip())
    if isinstance(value, (list, tuple)) and len(value) >= 3:
        return int(value[0]), int(value[1]), int(value[2])
    return None


def writing_nouns(legend: Legend) -> dict[int, tuple[tuple[str, bool], ...]]:
    """By index: the nouns that sentences may use for a class, its own first; others only where nobody else has the concept."""
    own = {c.noun.lower() for c in legend.classes}
    count: dict[str, int] = {}
    for c in legend.classes:
        family = c.concept or family_of(c.name)
        count[family] = count.get(family, 0) + 1
    made: dict[int, tuple[tuple[str, bool], ...]] = {}
    for i, c in enumerate(legend.classes):
        more: tuple[tuple[str, bool], ...] = ()
        if c.concept and count[c.concept] == 1 and _plainly(c):
            more = tuple(w for w in CONCEPTS[c.concept].write if w[0] not in own)
        made[i] = ((c.noun, c.plural), *more)
    return made


_PLAIN = {
    "forest",
    "forests",
    "tree",
    "crop",
    "agriculture",
    "built-up land",
    "built area",
    "urban land",
    "shrub",
    "snow",
    "bare land",
    "developed area",
}


def _plainly(c: Class) -> bool:
    """Whether a class is the concept itself, not a special kind of it ("flooded vegetation" keeps its own name)."""
    return c.noun.lower() in {w for w, _ in CONCEPTS[c.concept].write} | _PLAIN


_USUAL = {
    "water": (26, 110, 190), "tree": (38, 115, 50), "shrub": (176, 160, 80), "grass": (150, 200, 90), "crop": (245, 205, 90),
    "built": (205, 50, 45), "bare": (190, 178, 160), "snow": (235, 242, 248), "wetland": (70, 160, 160), "mangrove": (20, 160, 110),
    "moss": (205, 190, 140), "rangeland": (224, 190, 150), "road": (110, 110, 115), "cloud": (215, 215, 220),
}  # fmt: skip


_APART = 90.0  # between 8-bit colours


def colours_of(classes: Sequence[Class]) -> list[Colour]:
    """A colour for each class: its own, else the usual one of its kind of land where no other has it, else of the palette."""
    from swath.earth.colour import palette

    concepts = [c.concept for c in classes]
    taken = {c.colour for c in classes if c.colour is not None}
    usual = [_USUAL.get(c.concept) if concepts.count(c.concept) == 1 else None for c in classes]
    made = [c.colour or (u if u not in taken else None) for c, u in zip(classes, usual, strict=True)]
    spare = palette(2 * len(classes) + 8)
    for i, colour in enumerate(made):
        if colour is None:
            used = [m for m in made if m is not None]
            apart = [min((math.dist(s, u) for u in used), default=math.inf) for s in spare]
            # The first that cannot be taken for another, else the one that is furthest from all.
            first = next((n for n, far in enumerate(apart) if far >= _APART), apart.index(max(apart)))
            made[i] = spare.pop(first)
    return [m for m in made if m is not None]
