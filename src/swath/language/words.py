"""Lists of single words: those that state nothing of their own, hedges, colours, and what published prompts forbid."""

from __future__ import annotations

__all__ = ["CHATEARTHNET_FORBIDDEN", "COLOURS", "HEDGES", "SOFT"]


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


SOFT = _set(
    "extreme very a about above abundant account across actual actually aerial again ahead all almost along also although among "
    "amount amounting amounts an another any anyone anything anywhere apart appears approximately are area areas "
    "around as at away back balance band be because been behind being belong belongs belt between beyond big boast "
    "boasts bodies body both bottom broad broadly by can cap caps carries carry case cases category certain certainly "
    "characterised characterized chunk class classes classified clear clearly close closely cluster combination come "
    "comes coming common comparable composition comprised concerning connected considerable considered consist "
    "consists contain contains contiguous continuous corner could count counted countryside cover covered covers "
    "cross crosses currently date dates definitely dense depict depicted depicts described detectable detected "
    "development did different directly dispersed display displays distinct distinguishable divided do does dot dots "
    "down each earlier edge edges either else elsewhere encounter encounters end enough entire environment equally "
    "errors especially essentially even evenly every evident evidently exact exactly exhibit exhibits expanse "
    "expanses extend extends extensive extent fact facts fairly far feature features few figure figures fill filled "
    "fills find finds first follow following follows for form formed former forming forms found fraction frame "
    "frequent from front fully further furthest generally gets give given gives go goes going got great ground "
    "growing grown ha had half halfway hand hands has have heading hectares here hold holds home host hosts however i "
    "identified if image images immediate immediately important in include includes including indeed interior "
    "interrupt interrupts interspersed into is isolated it its just keep keeping keeps kept key kind kinds km labeled "
    "labelled land landscape large last later latter layout least leave leaves leaving left leftover less level "
    "levels lie lies like likewise limited list listed lists little location long look looking looks m made main "
    "mainly major make makes many map mapped maps mark marked marks mass masses may meanwhile measured measuring "
    "merely might minor mix mixed mixture modest more moreover mosaic most mostly moving must mutual near nearby "
    "nearer nearest nearly network new next nobody notable notably note noted notice notices now number numbers "
    "observe observed observer obvious obviously of off offers old on one one's ones only onto open order ordered "
    "other others our out outside outskirts over overall own owned owns part partially particularly partly parts past "
    "patchwork patchy pattern per percentage percentages period periphery person picture picture's pictured pictures "
    "pixel pixels place places planted portion portions portrayed precise precisely pretty principal prominent "
    "proportion quantity quarter quarters quite ranked ranking rare rather reader really recognisable recognizable "
    "record recorded regarding region regions remain remainder remained remaining remains represented respect rest "
    "roughly run running runs same satellite scale scarce scarcely scattered scene scene's scenes second section "
    "sector see seeing seen segment segments separate setting several shall shape shaped share shared shares sheet "
    "short should show showing shown shows side sides significant significantly similar similarly simply since single "
    "sit sits sizable size sizeable sizes slightly small smaller so some someone something somewhat somewhere space "
    "sparse split spot spots stand stands still stood stretch stretches strip substantial such summing surface "
    "surfaces surrounded swath swathe take taken takes terms terrain than that the their them then there these they "
    "thing things this those though through throughout tile time tiny to today together too top total totaling "
    "totalling totals toward towards truly turn turning turns type types typically unbroken under unevenly up upon "
    "use used uses using usually value various vast very viewed viewer views visibly was way we well were what when "
    "where whereas which while who whole whose wide widely widespread will with would years yes you your zone zones "
)
"""Words that carry no statement of their own: left unread without a trace."""

HEDGES = _set(
    "apparently appear appears arguably conceivably could hints implies indicates indicating likely may maybe might "
    "perhaps possibly potentially presumably probably seem seemingly seems suggesting suggests supposedly "
)
COLOURS = _set(
    "beige black blue bluish brown brownish colored coloured cyan golden gray grayish green greenish grey greyish "
    "magenta orange pink purple red reddish tan teal turquoise violet white yellow yellowish "
)
CHATEARTHNET_FORBIDDEN = _set(
    "appear appears change changed changes context dynamic dynamics likely perhaps possibly segmentation transition "
    "transitions "
)
"""Words that the published prompts forbid their writer."""
