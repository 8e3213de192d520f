// Pieces of the result card: the bar of an interval, the table of areas, the matrix.

import { digits as digitsOf, rounded, ticks } from "./chart.js";
import { el, svg } from "./dom.js";
import { grouped, THIN } from "./measure.js";
import { words } from "./words.js";

const say = words.result;
const MINUS = "\u2212";

/** A number with so many decimals: thin spaces between thousands, a true minus. */
export function number(value, digits = 0) {
  if (value === null || value === undefined) return "\u2013";
  if (digits < 0) return number(Math.round(value * 10 ** digits) / 10 ** digits, 0);
  const text = grouped(Math.abs(value), digits);
  return (value < 0 && Number(text.replace(/[^\d.]/g, "")) > 0 ? MINUS : "") + text;
}

/** A share as per cent, without more digits than its interval justifies. */
export function percent(share, digits = 0) {
  return share === null || share === undefined ? "\u2013" : `${number(100 * share, digits)}${THIN}%`;
}

export function intervalBar({ value, low, high }) {
  const from = low >= 0.5 ? 0.5 : 0;
  const x = (v) => 1 + ((v - from) / (1 - from)) * 306;
  const text = (v, label, anchor = "middle", bold = "") => svg("text", { x: Math.min(303, Math.max(5, x(v))), y: 26, "text-anchor": anchor, class: bold }, label);
  const ends = [
    low - from > 0.09 * (1 - from) ? text(from, String(100 * from), "start") : null,
    1 - high > 0.16 * (1 - from) ? text(1, `100${THIN}%`, "end") : null,
  ];
  const narrow = x(high) - x(low) < 34;
  return svg(
    "svg",
    { class: "interval", viewBox: "0 0 308 30", role: "img", "aria-label": say.interval(percent(value, 1), percent(low, 1), percent(high, 1)) },
    svg("path", { class: "axis", d: "M1 10H307" }),
    svg("path", { class: "reach", d: `M${x(low).toFixed(1)} 10H${x(high).toFixed(1)}` }),
    svg("circle", { class: "dot", cx: x(value).toFixed(1), cy: 10, r: 5 }),
    ends,
    text(low, number(100 * low, narrow ? 0 : 1), narrow ? "end" : "middle", "k"),
    text(high, number(100 * high, narrow ? 0 : 1), narrow ? "start" : high > 0.98 ? "end" : "middle", "k"),
  );
}

const unitOf = (unit) => ({ ha: say.hectares, pixel: say.pixels })[unit] || unit;

/** Areas: what the map counts, and where the points allow it the estimate with its interval. */
export function areaTable(area, form) {
  const reference = form === "reference";
  const top = Math.max(...area.rows.flatMap((row) => [row.counted, row.estimate ?? 0, row.high ?? 0]), 1e-9);
  const [, end] = rounded(0, top, 2);
  const { values: marks, step } = ticks(0, end, 2);
  const wide = 104;
  const x = (v) => 1 + (Math.max(0, v) / end) * (wide - 2);
  const digits = area.digits ?? 1;
  const head = svg("svg", { class: "ticks", viewBox: `0 0 ${wide} 14`, "aria-hidden": "true" }, marks.map((v, i) => (0 < v && v < end && end >= 1000 ? null : svg("text", { x: x(v), y: 11, "text-anchor": i === 0 ? "start" : v < end ? "middle" : "end" }, number(v, digitsOf(step, 0))))));
  const rows = area.rows.map((row) => {
    const shown = reference && row.estimate !== null;
    const drawn = svg(
      "svg",
      { class: "area-bar", viewBox: `0 0 ${wide} 28`, "aria-hidden": "true" },
      marks.map((v) => svg("path", { class: "grid", d: `M${x(v)} 0V28` })),
      shown ? [svg("path", { class: "counted", d: `M${x(row.counted)} 7V21` }), row.low !== null ? svg("path", { class: "reach", d: `M${x(row.low)} 14H${x(row.high)}` }) : null, svg("circle", { class: "dot", cx: x(row.estimate), cy: 14, r: 3.5 })] : svg("rect", { class: "whole", x: 1, y: 10, width: Math.max(0.5, x(row.counted) - 1), height: 8, rx: 1, fill: row.colour }),
    );
    const half = row.low === null || row.high === null ? null : (row.high - row.low) / 2;
    return el(
      "tr",
      {},
      el("th", { scope: "row" }, el("span", { class: "nm" }, el("i", { class: "sw", style: { background: row.colour }, "aria-hidden": "true" }), el("span", {}, row.class))),
      el("td", { class: "plot" }, drawn),
      el("td", { class: "num", title: reference && row.low !== null ? say.between(number(row.low, digits), number(row.high, digits)) : null }, number(reference ? row.estimate : row.counted, digits)),
      reference ? el("td", { class: "num pm" }, half === null ? "\u2013" : number(half, digits)) : null,
    );
  });
  const table = el(
    "table",
    { class: `areas${reference ? " wide" : ""}` },
    el("thead", {}, el("tr", {}, el("th", { scope: "col" }, say.class), el("td", { class: "plot" }, head), el("th", { scope: "col", class: "num" }, reference ? say.estimate : say.counted), reference ? el("th", { scope: "col", class: "num" }, "±") : null)),
    el("tbody", {}, rows),
    el("tfoot", {}, el("tr", {}, el("th", { scope: "row" }, say.all), el("td", { class: "plot" }), el("td", { class: "num" }, number(area.all, Math.max(0, digits))), reference ? el("td") : null)),
  );
  const key = reference
    ? el("p", { class: "area-key" }, svg("svg", { viewBox: "0 0 22 10", "aria-hidden": "true" }, svg("path", { class: "reach", d: "M1 5H21" }), svg("circle", { class: "dot", cx: 11, cy: 5, r: 3.5 })), say.estimateKey, svg("svg", { class: "slim", viewBox: "0 0 4 10", "aria-hidden": "true" }, svg("path", { class: "counted", d: "M2 0V10" })), say.countedKey)
    : null;
  return { table, key, unit: unitOf(area.unit) };
}

/** Rows: map, columns: points; "right" is user's accuracy, "found" producer's. */
export function matrix({ classes, counts, users, producers }, colours) {
  const most = Math.max(1, ...counts.flat());
  const chip = (name) => el("th", { scope: "col", title: name }, el("i", { class: "sw", style: { background: colours.get(name) || "" }, "aria-hidden": "true" }), el("span", { class: "vh" }, name));
  const cell = (value, i, j) => {
    const share = value / most;
    const node = el("td", { class: i === j ? "agree" : value ? "differ" : "zero" }, value ? String(value) : "·");
    if (value) node.style.setProperty("--share", `${Math.round((i === j ? 12 + 28 * share : 5 + 12 * share))}%`);
    return node;
  };
  const worth = (e) => el("td", { class: "worth", title: e.low === null || e.low === undefined ? e.reason || null : say.between(percent(e.low), percent(e.high)) }, percent(e.value));
  return el(
    "div",
    { class: "matrix-scroll", tabindex: classes.length > 6 ? "0" : null },
    el(
      "table",
      { class: "matrix" },
      el("caption", { class: "vh" }, say.matrixSub),
      el("thead", {}, el("tr", {}, el("td"), classes.map(chip), el("th", { scope: "col", class: "worth" }, say.right))),
      el("tbody", {}, classes.map((name, i) => el("tr", {}, el("th", { scope: "row", title: name }, name), counts[i].map((value, j) => cell(value, i, j)), worth(users[i])))),
      el("tfoot", {}, el("tr", {}, el("th", { scope: "row" }, say.found), producers.map(worth), el("td"))),
    ),
  );
}

/** A part of a card under its heading. */
export function block(title, sub, ...nodes) {
  return el("section", { class: "block" }, el("div", { class: "head" }, el("h2", {}, title), sub ? el("span", { class: "sub" }, sub) : null), nodes);
}
