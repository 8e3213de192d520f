"""The 56 published systems by name: what each is, and where its recipe is. Listing imports no recipe."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["SYSTEMS", "System"]


@dataclass(frozen=True, slots=True)
class System:
    """number and slug; title: what it is, in a line; recipe: "module:function" where it is built, else ""."""

    number: int
    slug: str
    title: str
    recipe: str = ""


SYSTEMS: tuple[System, ...] = (
    System(1, "dynamicvl", "DynamicVL: what happened to a city in twenty years: answers, reports and masks"),
    System(2, "co-learning", "Multi-modal co-learning: train with all sensors, predict with whichever one is there"),
    System(3, "gaia", "GAIA: captions that carry sensor, resolution, place and phenomenon, for retrieval"),
    System(
        4,
        "sits-deco",
        "SITS-DECO: one small decoder over pixel series; the prompt says which task it does",
        "swath.recipes.sits_deco:run",
    ),
    System(
        5, "m3leo", "M3LEO: radar intensity, coherence and phase beside optics, and how features shift between regions"
    ),
    System(6, "ramen", "RAMEN: a sensor-agnostic encoder whose output ground resolution is an argument"),
    System(7, "units", "UniTS: flow matching for filling, de-clouding, change and forecast of image series"),
    System(8, "worldstrat", "WorldStrat: super-resolution from many revisits, judged after registration"),
    System(
        9, "earthdial", "EarthDial: one dialogue over colour, multispectral, radar and time, with boxes in the answers"
    ),
    System(
        10,
        "chatearthnet",
        "ChatEarthNet: descriptions of scenes made from their land-cover map",
        recipe="swath.recipes.chatearthnet:run",
    ),
    System(11, "bigearthnet-txt", "BigEarthNet.txt: captions, questions and boxes from land-cover maps"),
    System(12, "eldor", "ELDOR: drone mosaics of gold mining, from segmentation to which classes are here"),
    System(13, "softcon", "SoftCon: contrast whose likeness of two scenes comes from a land-cover product"),
    System(
        14,
        "cop-gen",
        "COP-GEN: any-to-any generation between optical, radar, elevation and land cover, as distributions",
    ),
    System(
        15,
        "remote-agent",
        "RemoteAgent: a language model that calls dense-prediction tools only when pixels are needed",
    ),
    System(
        16, "multiscale-cate", "Multi-scale CATE: how effects differ between places, from encodings at several scales"
    ),
    System(17, "phileo-majortom", "PhilEO on MajorTOM: geo-aware pre-training judged by n-shot fine-tuning"),
    System(18, "txyxai", "txyXAI: explainable forecasts of the land surface under extreme events"),
    System(19, "ssl4eco", "SSL4Eco: season-aware sampling for contrastive pre-training in ecology"),
    System(20, "remote-shield", "RemoteShield: the same answer when picture or wording gets worse"),
    System(21, "geoplant", "GeoPlant: plant species from presences, surveys and remote sensing"),
    System(22, "eos-fm", "EoS-FM: an ensemble of small frozen specialists as a general encoder"),
    System(23, "lae-dino", "LAE-DINO: open-vocabulary detection in aerial and satellite pictures"),
    System(
        24,
        "lifelong-slam",
        "OpenLORIS-Scene: trajectories judged for robustness and accuracy apart",
        "swath.recipes.lifelong_slam:run",
    ),
    System(25, "rsteller", "RSTeller: captions for aerial pictures written from map objects"),
    System(26, "wakeup-urban", "WakeupUrban: unsupervised segmentation of 1960s spy-satellite cities"),
    System(27, "rsicrc", "RSICRC: one model that captions the change between two dates and finds pairs by text"),
    System(
        28,
        "prithvi",
        "Prithvi-EO-1.0: masked pre-training on three-date HLS, fine-tuned from few labels, fills cloud gaps",
        "swath.recipes.prithvi:run",
    ),
    System(29, "s2looking", "S2Looking: building change where the satellite looks from the side"),
    System(
        30,
        "nereus",
        "Nereus / OceanSAR-1: self-supervised training that prunes its own archive as it goes",
        "swath.recipes.nereus:run",
    ),
    System(31, "dynst", "DynST: which sensors can be switched off without hurting the forecast"),
    System(
        32,
        "schanger",
        "SChanger: a small two-date change network whose single-date training carries over",
        "swath.recipes.schanger:run",
    ),
    System(33, "skysense", "SkySense: optical and radar series encoded together, contrast at three grain sizes"),
    System(34, "skyscript", "SkyScript: captions from map objects, and pictures and words in one space"),
    System(35, "remotesam", "RemoteSAM: one referring segmentation from which the other tasks are derived"),
    System(
        36,
        "xarrayvideo",
        "xarrayvideo: multichannel cubes stored as video streams",
        recipe="swath.recipes.xarrayvideo:run",
    ),
    System(37, "spectralearth", "SpectralEarth: a spectral adapter that puts 202 bands into ordinary networks"),
    System(38, "agb", "AGB: biomass from sparse laser footprints"),
    System(39, "ltgs", "LTGS: a scene as Gaussian splats, kept up to date from new photos"),
    System(40, "floodsnet", "FloodsNet: floods from radar and optics: foundation model against U-Net"),
    System(41, "metaearth3d", "MetaEarth3D: endless generation of ground, cities and streets"),
    System(42, "fast-movers", "Fast movers: asteroids, satellites and debris in star fields"),
    System(
        43,
        "pangaea",
        "PANGAEA: one protocol that puts frozen encoders beside supervised baselines",
        "swath.recipes.pangaea:run",
    ),
    System(44, "satvision-toa", "SatVision-TOA: masked pre-training on all-sky MODIS with thermal bands"),
    System(45, "deeplight-sr", "DeepLightSR: night lights at eight times the resolution, guided by daytime bands"),
    System(46, "forest-chat", "Forest-Chat: talk to a forest change pair: mask, caption, counts, share lost"),
    System(47, "satmae-pp", "SatMAE++: masked training by groups of bands that also reconstructs at finer scales"),
    System(
        48,
        "zero-shot-multispectral",
        "Zero-shot multispectral: bands as pictures and words that a generalist model understands",
    ),
    System(
        49,
        "representation-uncertainty",
        "Representation uncertainty: a small head on a frozen encoder that says how unsure an embedding is",
        recipe="swath.recipes.representation_uncertainty:run",
    ),
    System(50, "so2sat-lcz42", "So2Sat LCZ42: local climate zones in 42 cities, with places held out by design"),
    System(51, "spice-hl3", "SPICE-HL3: a rover's photon, stereo and inertial data under grazing lunar light"),
    System(
        52,
        "prithvi-eo-2",
        "Prithvi-EO-2.0: masked pre-training on HLS series with dates and places",
        "swath.recipes.prithvi_eo_2:run",
    ),
    System(53, "alpine-habitat", "Alpine habitat change: classify and compare, against detecting change directly"),
    System(54, "spacetime", "SpaceTime: state spaces that forecast in closed loop"),
    System(
        55, "urban-embeddings", "Urban embeddings: what can be read of neighbourhoods from space, where, and how stably"
    ),
    System(
        56,
        "reobench",
        "REOBench: what encoders lose under twelve corruptions at five strengths",
        "swath.recipes.reobench:run",
    ),
)
