// The change card: how much changed, from what to what, with intervals where there are any; the matrix of two maps.

import { block, number, percent } from "./card.js";
import { el } from "./dom.js";
import { legendOf } from "./show.js";
import { words } from "./words.js";

const say = words.compare;

/** Decimals that the width of an interval justifies. */
function decimals(value, low, high) {
  const half = low === null || low === undefined ? Math.abs(value) / 20 : (high - low) / 2;
  if (!half) return 0;
  return half >= 10 ? 0 : half >= 0.5 ? 1 : 2;
}

const unitOf = (unit) => (unit === "ha" ? "\u2009ha" : `\u2009${say.units[unit] ?? unit}`);

function amount({ value, low, high }, unit) {
  const places = decimals(value, low, high);
  return { value: number(value, places) + unitOf(unit), between: low === null || low === undefined ? null : say.between(number(low, places), number(high, places)) };
}

function sentence(card) {
  const { value, between } = amount(card.changed, card.unit);
  return between ? say.changedBetween(value, between) : say.changed(value);
}

function head(card) {
  const { value, between } = amount(card.changed, card.unit);
  const parts = [
    card.share === null ? "" : say.share(percent(card.share, card.share && card.share < 0.1 ? 1 : 0)),
    card.missing > 0.0005 ? say.missing(percent(card.missing, 1)) : "",
  ].filter(Boolean);
  return el(
    "section",
    { class: "acc" },
    el("div", { class: "pair" }, el("span", { class: "big" }, value), el("span", { class: "sub" }, between ? say.changedSub(between) : say.counted)),
    el("p", {}, parts.join(" ")),
    between || !card.changed.reason ? null : el("p", {}, `${card.changed.reason[0].toUpperCase()}${card.changed.reason.slice(1)}.`),
    card.simulated ? el("p", { class: "warn" }, say.simulated) : null,
  );
}

function rows(card) {
  const one = (row) => {
    const { value, between } = amount({ ...row, value: row.value ?? row.counted }, row.unit);
    const name = row.from && row.to ? say.fromTo(row.from, row.to) : say.kinds[row.kind] ?? row.kind;
    return el(
      "tr",
      {},
      el("th", { scope: "row" }, el("span", { class: "nm" }, el("i", { class: "sw", style: { background: row.colour }, "aria-hidden": "true" }), el("span", { title: name }, name))),
      el("td", { class: "num" }, value, between ? el("span", { class: "cmp-range" }, between) : null),
    );
  };
  const still = el(
    "tr",
    {},
    el("th", { scope: "row" }, el("span", { class: "nm" }, el("i", { class: "sw clear", "aria-hidden": "true" }), el("span", {}, say.still))),
    el("td", { class: "num" }, number(card.unchanged, decimals(card.unchanged)) + unitOf(card.unit)),
  );
  const more = card.more ? el("p", { class: "area-key" }, say.more(card.more)) : null;
  return [el("table", { class: "areas changes" }, el("tbody", {}, card.rows.map(one)), el("tfoot", {}, still)), more];
}

/** From classes (rows, A) to classes (columns, B), in areas; what stayed lies on the diagonal. */
function matrix({ classes, areas }, unit) {
  const off = areas.flatMap((row, i) => row.filter((_, j) => i !== j));
  const most = Math.max(...off, 1e-9);
  const places = Math.max(...areas.flat()) >= 100 ? 0 : 1;
  const cell = (value, i, j) => {
    const node = el("td", { class: i === j ? "agree" : value ? "differ" : "zero" }, value ? number(value, places) : "·");
    if (value) node.style.setProperty("--share", `${Math.round(i === j ? 12 : 6 + 26 * Math.sqrt(value / most))}%`);
    return node;
  };
  return el(
    "div",
    { class: "matrix-scroll", tabindex: classes.length > 4 ? "0" : null },
    el(
      "table",
      { class: "matrix fromto" },
      el("caption", { class: "vh" }, say.matrixCaption(unit)),
      el("thead", {}, el("tr", {}, el("td"), classes.map((name) => el("th", { scope: "col", title: name }, name)))),
      el("tbody", {}, classes.map((name, i) => el("tr", {}, el("th", { scope: "row", title: name }, name), areas[i].map((value, j) => cell(value, i, j))))),
    ),
  );
}

function build(body, foot, { card, layers, files }) {
  body.append(head(card));
  if (card.rows.length && !(card.rows.length === 1 && card.rows[0].kind === "change")) body.append(block(say.kindsTitle, say.interval(card.rows.some((row) => row.low !== null)), rows(card)));
  else body.append(block(say.kindsTitle, "", rows(card)));
  if (card.matrix) body.append(block(say.matrix, say.matrixSub(say.units[card.unit] ?? card.unit), matrix(card.matrix, card.unit)));
  for (const layer of layers.filter((one) => one.legend?.ramp)) {
    body.append(block(layer.name, "", el("div", { class: "cmp-legend" }, legendOf(layer.legend))));
  }
  const lines = [...card.shift, ...card.notes];
  if (card.failed) body.append(el("p", { class: "note warns" }, say.failed(card.failed)));
  if (lines.length) body.append(el("div", { class: "card-end" }, el("details", {}, el("summary", {}, say.notes(lines.length)), el("ul", { class: "notes" }, lines.map((text) => el("li", {}, text))))));
  const { report, areas, run } = files;
  foot.append(
    report ? el("a", { class: "ghost line", href: `${report.href}?show`, target: "_blank", rel: "noopener" }, say.report) : "",
    areas ? el("a", { class: "ghost line", href: areas.href, download: "areas.csv" }, say.table) : "",
    el("span", { class: "grow" }),
    run ? el("a", { class: "ghost", href: run.href, download: "run.json", title: say.runWhy }, "run.json") : "",
  );
}

export const changeCard = { build, sentence };
