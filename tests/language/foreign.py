"""Sentences in wordings that the grammar never makes, each with what a careful reader would say of it.

They were written before the parser was. TUNED were looked at while it grew; KEPT were not until it was finished.
The scene: 1.2 x 1.2 km, north up. Forest in the west (68 ha of 144, with a lake of 4 ha in its south), crops in the south-east and
east (47 ha, a pond of 1 ha in them), grass (16 ha) and a town (8 ha) in the north-east, the town in the corner. Before: 4 ha of the
town were grass, 4 ha of the crops were forest.
"""

from __future__ import annotations

import numpy as np
from odc.geo.geobox import GeoBox

NAMES = {1: "water", 2: "tree cover", 3: "cropland", 4: "built-up", 5: "grassland", 6: "bare ground"}
YES, NO, OPEN = "supported", "contradicted", "not checkable"


def after() -> np.ndarray:
    codes = np.full((120, 120), 2, np.uint8)
    codes[40:, 60:] = 3
    codes[:40, 60:100] = 5
    codes[:40, 100:] = 4
    codes[90:110, 10:30] = 1
    codes[100:110, 90:100] = 1
    return codes


def before() -> np.ndarray:
    codes = after()
    codes[20:40, 100:] = 5
    codes[40:60, 60:80] = 2
    return codes


def grid() -> GeoBox:
    from affine import Affine

    return GeoBox((120, 120), Affine(10, 0, 500000, 0, -10, 5200000), "EPSG:32632")


TUNED: list[tuple[str, str]] = [
    ("Woodland blankets nearly half of this landscape.", YES),
    ("Roughly 47% of the ground is wooded.", YES),
    ("Trees make up about a tenth of the picture.", NO),
    ("The forest spreads over some 68 hectares.", YES),
    ("The forest spreads over some 680 hectares.", NO),
    ("Farmland takes up close to one third of the area.", YES),
    ("Farmland is the most extensive cover here.", NO),
    ("There are more fields than woods.", NO),
    ("The town sits in the top right corner.", YES),
    ("The town sits in the bottom left corner.", NO),
    ("Most of the built-up land is found in the north-east.", YES),
    ("In the south-west you will find a lake.", YES),
    ("The lake is ringed by trees.", YES),
    ("The larger of the two water bodies measures 4 ha.", YES),
    ("No bare ground was mapped.", YES),
    ("There is no water anywhere in the scene.", NO),
    ("Two separate bodies of water can be seen.", YES),
    ("Five separate lakes dot the scene.", NO),
    ("Houses border grass.", YES),
    ("The town touches the lake.", NO),
    ("Snow caps the northern part.", NO),
    ("The west is almost entirely forest.", YES),
    ("The eastern half is mostly water.", NO),
    ("Fields outweigh grassland by about three to one.", YES),
    ("Water accounts for 3.5 percent, built-up land for 5.6 percent.", YES),
    ("Water accounts for 5.6 percent, built-up land for 3.5 percent.", NO),
    ("A church stands in the middle of the town.", OPEN),
    ("Children love to swim in the lake.", OPEN),
    ("Four hectares of grass gave way to houses.", YES),
    ("Houses gave way to four hectares of grass.", NO),
    ("Since the earlier map the forest has lost 4 ha to farming.", YES),
    ("The lake dried up.", NO),
    ("Nothing changed between the two dates.", NO),
    ("Urban land doubled.", YES),
]

KEPT: list[tuple[str, str]] = [
    ("Just under half of what you see is forest.", YES),
    ("Forest cover stands at 47 per cent, cropland at 33 per cent and grass at 11 per cent.", YES),
    ("Forest cover stands at 33 per cent, cropland at 47 per cent and grass at 11 per cent.", NO),
    ("About 0.68 square kilometres are under trees.", YES),
    ("Only 8 ha are urban.", YES),
    ("Only 2 ha are urban.", NO),
    ("The dominant land cover is woodland.", YES),
    ("Grassland dominates the landscape.", NO),
    ("Water is the rarest of the classes.", YES),
    ("Trees fill most of the left half.", YES),
    ("Trees fill most of the right half.", NO),
    ("The settlement lies in the north-eastern quarter, next to pasture.", YES),
    ("The settlement lies in the south, next to a lake.", NO),
    ("A small lake of four hectares lies within the woods in the lower left.", YES),
    ("Crops adjoin both forest and grassland.", YES),
    ("Grass and water share a long boundary.", NO),
    ("The scene holds no deserts or glaciers.", YES),
    ("Neither snow nor bare soil occurs.", YES),
    ("The south-eastern quarter is given over to agriculture.", YES),
    ("The south-eastern quarter is given over to housing.", NO),
    ("There is twice as much grass as built-up land.", YES),
    ("There is twice as much built-up land as grass.", NO),
    ("Two water bodies, of 4 ha and 1 ha, interrupt the cover.", YES),
    ("A large river crosses the forest from north to south.", NO),
    ("The farmers here mainly grow maize.", OPEN),
    ("The forest is at least a hundred years old.", OPEN),
    ("The town grew from 4 to 8 hectares.", YES),
    ("The town grew from 8 to 20 hectares.", NO),
    ("Some woodland, about 4 ha, was cleared for crops.", YES),
    ("Cropland was abandoned and turned into forest.", NO),
    ("The extent of the water did not change.", YES),
    ("The water surface shrank by 2 ha.", NO),
    ("About 6% of the ground changed.", YES),
    ("More than a quarter of the ground changed.", NO),
]
