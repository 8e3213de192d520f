"""What people call kinds of land: concepts, the words they are written and read by, and groups of them."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CONCEPTS", "GROUPS", "Concept", "concept_of", "family_of", "plain", "singular"]


@dataclass(frozen=True, slots=True)
class Concept:
    """A kind of land. write: nouns the grammar may use, with whether each is plural; read: more words that mean it.

    patch: (one, many) nouns for separate pieces of it, where the language has them ("lake", "lakes" only in reading).
    """

    write: tuple[tuple[str, bool], ...]
    read: tuple[str, ...]
    pieces: tuple[str, ...] = ()
    parent: str = ""


def _c(write: str, read: str, pieces: str = "", parent: str = "") -> Concept:
    """Words separated by commas; a plural noun to write ends in *."""
    nouns = tuple((w.strip().rstrip("*"), w.strip().endswith("*")) for w in write.split(",") if w.strip())
    return Concept(nouns, _split(read), _split(pieces), parent)


def _split(text: str) -> tuple[str, ...]:
    return tuple(w.strip() for w in text.split(",") if w.strip())


CONCEPTS: dict[str, Concept] = {
    "water": _c(
        "water, open water",
        "waters, permanent water, permanent water bodies, surface water, water surface, inland water, sea, ocean, aquatic, waterbody",
        "lake, lakes, pond, ponds, water body, water bodies, waterbody, waterbodies, body of water, bodies of water, river, rivers, "
        "stream, streams, reservoir, reservoirs, lagoon, pool, pools, creek",
    ),
    "tree": _c(
        "tree cover, woodland, trees*",
        "tree, forest, forests, forested, forested land, wood, woods, wooded, wooded land, woodlands, tree covered, canopy, timber, "
        "forest cover, tree canopy, forestry, jungle, copse",
        "grove, groves, woodlot, woodlots",
    ),
    "shrub": _c(
        "shrubland, shrubs*",
        "shrub, scrub, scrubland, bush, bushes, bushland, shrub cover, shrub and scrub, thicket, heath, heathland, maquis, brush",
    ),
    "grass": _c(
        "grassland, grass",
        "grasses, grasslands, grassy, grassy land, meadow, meadows, pasture, pastures, prairie, lawn, lawns, herbaceous, "
        "herbaceous vegetation, savanna, savannah, steppe, sward",
    ),
    "crop": _c(
        "cropland, crops*, farmland",
        "crop, croplands, field, fields, farm, farms, farming, farmed, farmed land, agriculture, agricultural, agricultural land, "
        "arable, arable land, cultivated, cultivated land, cultivation, tilled, crop land, farmlands, tillage",
    ),
    "built": _c(
        "built-up land, developed land",
        "built, built up, built-up, built up area, built-up area, built up areas, built-up areas, buildings, building, urban, "
        "urban land, urban area, urban areas, developed, developed area, developed areas, houses, house, housing, settlement, "
        "settlements, town, towns, city, cities, village, villages, artificial, artificial surface, artificial surfaces, "
        "impervious, impervious surfaces, residential, residential area, urbanised, urbanized, urbanised land, "
        "sealed, sealed surface, sealed ground, artificial land, artificial cover, built environment, suburb, suburbs",
    ),
    "bare": _c(
        "bare ground, bare land",
        "bare, barren, barren land, bare soil, bare soils, bare earth, bare rock, rock, rocks, sand, desert, deserts, soil, "
        "bare / sparse vegetation, bare or sparse vegetation, sparse vegetation, exposed soil, bare area, barren ground, dunes, beach",
    ),
    "snow": _c(
        "snow and ice", "snow, ice, glacier, glaciers, snow / ice, snow cover, snowfield, snowfields, icy, snowy"
    ),
    "wetland": _c(
        "wetland, wetlands*",
        "herbaceous wetland, marsh, marshes, marshland, swamp, swamps, bog, bogs, fen, fens, peatland, mire, flooded vegetation, "
        "flooded plants, reed, reeds",
    ),
    "mangrove": _c("mangroves*", "mangrove, mangrove forest"),
    "moss": _c("moss and lichen", "moss, mosses, lichen, lichens, moss / lichen, tundra"),
    "rangeland": _c("rangeland", "rangelands, range land, open range"),
    "road": _c("roads*", "road, streets, street, highway, highways"),
    "cloud": _c("cloud", "clouds, cloudy, cloud cover"),
    "burned": _c("burned land", "burnt land, burned area, burned areas, burn scar, burnt area, burned"),
}
"""Concepts by key. Words in `read` and `pieces` are only understood, never written."""

GROUPS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "vegetation": (
        (
            "vegetation",
            "vegetated",
            "vegetated land",
            "greenery",
            "plants",
            "plant cover",
            "vegetation cover",
            "green cover",
        ),
        ("tree", "shrub", "grass", "crop", "wetland", "mangrove", "moss", "rangeland"),
    ),
    "natural vegetation": (
        ("natural vegetation",),
        ("tree", "shrub", "grass", "wetland", "mangrove", "moss", "rangeland"),
    ),
}
"""{group: (words, concepts in it)}: a group's share is the sum over the classes that the legend has of it."""

_IRREGULAR = {
    "grass": "grass",
    "moss": "moss",
    "marsh": "marsh",
    "houses": "house",
    "bushes": "bush",
    "marshes": "marsh",
}


def singular(word: str) -> str:
    """A word without its plural ending, as far as class names need it."""
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith("ss") or not word.endswith("s") or len(word) < 4:
        return word
    return word[:-1]


def plain(name: str) -> str:
    """A name as words: no underscores, one space, lower case except for abbreviations and words with digits."""
    text = " ".join(str(name).replace("_", " ").split()).strip(" .,;:")
    if text.isupper() and len(text) > 3:
        text = text.lower()
    return " ".join(
        w if (w.isupper() and 1 < len(w) <= 5) or any(c.isdigit() for c in w) else w.lower() for w in text.split(" ")
    )


def concept_of(name: str) -> str:
    """The concept a class name stands for, "" for none: the whole name first, then its parts."""
    text = plain(name).lower().replace("-", " ")
    for key, c in CONCEPTS.items():
        known = {w.replace("-", " ") for w, _ in c.write} | {w.replace("-", " ") for w in (*c.read, *c.pieces)}
        if text in known or singular(text) in known:
            return key
    return ""


_KINDS = {
    "tree": "conifer conifers coniferous broadleaf broadleaved deciduous evergreen spruce pine oak plantation primary secondary",
    "crop": "wheat maize corn soy soybean rice cotton sugarcane barley rapeseed sunflower millet fallow orchard vineyard",
    "built": "roof roofs pavement industrial commercial high-rise mid-rise low-rise industry",
    "water": "river lake sea",
    "grass": "low-vegetation pasture meadow",
}


def family_of(name: str) -> str:
    """The concept that a class belongs to when its name is none itself: "conifer" is a kind of tree; "" for none."""
    if found := concept_of(name):
        return found
    words = plain(name).lower().replace("-", " ").split()
    for key, c in CONCEPTS.items():
        single = {w for w in (*c.read, *(n for n, _ in c.write)) if " " not in w}
        if any(w in single or w in _KINDS.get(key, "").split() for w in words):
            return key
    return ""
