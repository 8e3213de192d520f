"""The verbs: typed functions a person can ask for. Every door reads this table; nothing is imported until used."""

from __future__ import annotations

VERBS: dict[str, str] = {
    "info": "swath.tools.info:info",
    "get": "swath.tools.get:get",
    "prepare": "swath.tools.prepare:prepare",
    "map": "swath.tools.map:map",
    "train": "swath.tools.train:train",
    "embed": "swath.tools.embed:embed",
    "search": "swath.tools.search:search",
    "sample": "swath.tools.sample:sample",
    "assess": "swath.tools.assess:assess",
    "stress": "swath.tools.stress:stress",
    "curate": "swath.tools.curate:curate",
    "bench": "swath.tools.bench:bench",
    "trajectory": "swath.tools.trajectory:trajectory",
    "pack": "swath.tools.pack:pack",
    "unpack": "swath.tools.unpack:unpack",
    "demo": "swath.tools.demo:demo",
    "list": "swath.tools.list:list",
    "run": "swath.tools.run:run",
    "again": "swath.tools.again:again",
    "doctor": "swath.tools.doctor:doctor",
}

SUMMARIES: dict[str, str] = {
    "info": "Say what files, folders, stores or URLs hold: sensor, bands, units, dates, grid, valid share, and why.",
    "get": "Fetch scenes from a STAC service, cropped to an area, as Cloud-Optimised GeoTIFFs.",
    "prepare": "Write scenes so that reading is fast, with indices and cloud-free composites, in physical units.",
    "map": "Map a scene from a few labels, with doubt, areas and a report.",
    "train": "Train a model on an encoder from scenes and labels: one file that maps other scenes and dates.",
    "embed": "Turn scenes into vectors by an encoder: one for every window, with place, date and key, ready to search.",
    "search": "Find places like an example in an archive of vectors, ranked, or say that nothing is similar.",
    "sample": "Draw a random reference sample from a map.",
    "assess": "Judge a map with reference data: accuracies and areas with intervals.",
    "stress": "Make scenes worse, step by step, and see which defect at which strength breaks a map.",
    "curate": "Choose which tiles of an archive to keep, with reasons.",
    "bench": "Compare encoders on your data: which one, which head, how many labels, with intervals, beside plain baselines.",
    "trajectory": "Judge tracks against a true one: error where they are right, and for how much of the time they are.",
    "pack": "Make scenes small in one file: nothing lost, or a largest error or quality that is kept and measured.",
    "unpack": "Write a packed file as GeoTIFF or Zarr again: stored numbers, nodata, scale and offset as they were.",
    "demo": "Run the main job on real data that comes with a package, or on a made world.",
    "list": "List the 56 published systems, a line each: what is built, what is not.",
    "run": "Run one of the published systems at a small scale, beside honest baselines and the paper's claims.",
    "again": "Run again what a run.json tells of.",
    "doctor": "Say what is slow or broken in a raster, or without one in this installation, and how to mend it.",
}
