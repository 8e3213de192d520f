"""The verbs: typed functions a person can ask for. Every door reads this table; nothing is imported until used."""

from __future__ import annotations

VERBS: dict[str, str] = {
    "info": "swath.tools.info:info",
    "get": "swath.tools.get:get",
    "prepare": "swath.tools.prepare:prepare",
    "map": "swath.tools.map:map",
    "sample": "swath.tools.sample:sample",
    "assess": "swath.tools.assess:assess",
    "demo": "swath.tools.demo:demo",
    "again": "swath.tools.again:again",
    "doctor": "swath.tools.doctor:doctor",
}
