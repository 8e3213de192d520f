// Charts in SVG, built by DOM calls: scales, ticks, marks, numbers and dates in words, tables beside charts.
import { el, svg } from "./dom.js";
import { grouped } from "./measure.js";
import { words } from "./words.js";

const DAY = 864e5;
export const SHAPES = ["circle", "square", "triangle", "diamond", "cross", "plus"];

/** A 16-pixel icon of one path, for what the sprite has not. */
export function glyph(d) {
  return svg("svg", { class: "i", viewBox: "0 0 16 16", "aria-hidden": "true" }, svg("path", { d }));
}

/** A straight scale from values to pixels; `back` goes the other way. */
export function scale(from, to, start, end) {
  const span = to - from || 1;
  const at = (value) => start + ((value - from) / span) * (end - start);
  at.back = (pixel) => from + ((pixel - start) / (end - start || 1)) * span;
  at.from = from;
  at.to = to;
  return at;
}

/** Round values between two ends, about `count` of them, and the step between them. */
export function ticks(from, to, count = 4) {
  const span = Math.max(to - from, Number.EPSILON);
  const power = 10 ** Math.floor(Math.log10(span / count));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => span / s <= count + 0.001) ?? power * 10;
  const first = Math.ceil(from / step - 1e-9);
  const last = Math.floor(to / step + 1e-9);
  const values = [];
  for (let i = first; i <= last; i += 1) values.push(i === 0 ? 0 : i * step);
  return { values, step };
}

/** Ends widened to round numbers, so that the axis starts and stops at a tick. */
export function rounded(from, to, count = 4) {
  if (!(to > from)) [from, to] = [from - Math.abs(from || 1) * 0.1, to + Math.abs(to || 1) * 0.1];
  const { step } = ticks(from, to, count);
  return [Math.floor(from / step + 1e-9) * step, Math.ceil(to / step - 1e-9) * step];
}

/** A number in words: fixed digits, true minus, thin spaces between thousands. */
export function number(value, digits = 3) {
  if (value === null || value === undefined || Number.isNaN(value)) return words.dock.none;
  const plain = Math.abs(value).toFixed(digits);
  const text = plain.split(".")[0].length > 4 ? grouped(Math.abs(value), digits) : plain;
  return value < 0 && Number(text.replace(/\u2009/g, "")) !== 0 ? `\u2212${text}` : text;
}

/** Digits after the point that a span of values deserves. */
export function digits(span, more = 2) {
  return Math.max(0, Math.min(6, more - Math.floor(Math.log10(Math.abs(span) || 1))));
}

/** Milliseconds of an ISO date, in UTC. */
export function when(date) {
  return Date.parse(date.length === 10 ? `${date}T00:00:00Z` : /Z|[+-]\d\d:?\d\d$/.test(date) ? date : `${date}Z`);
}

/** "19 Feb 2019"; short: "19 Feb". */
export function day(date, short = false) {
  const time = new Date(when(date));
  if (Number.isNaN(time.getTime())) return String(date);
  const text = `${time.getUTCDate()} ${words.months[time.getUTCMonth()]}`;
  return short ? text : `${text} ${time.getUTCFullYear()}`;
}

/** Ticks of a time axis: [{time, label}], months or years by the room there is. */
export function months(from, to, width) {
  const span = (to - from) / DAY / 30.4;
  const room = Math.max(2, Math.floor(width / 76));
  const step = [1, 2, 3, 6, 12, 24, 36, 60, 120].find((m) => span / m <= room) ?? 240;
  const start = new Date(from);
  const found = [];
  if (span < 1.5) {
    const every = Math.max(1, Math.ceil((to - from) / DAY / room));
    for (let time = Math.ceil(from / DAY) * DAY, i = 0; time <= to; time += every * DAY, i += 1) {
      const iso = new Date(time).toISOString().slice(0, 10);
      found.push({ time, label: day(iso, i > 0) });
    }
    return found;
  }
  let index = start.getUTCFullYear() * 12 + start.getUTCMonth();
  let year = null;
  for (index = Math.ceil(index / step) * step; ; index += step) {
    const time = Date.UTC(Math.floor(index / 12), index % 12, 1);
    if (time > to) break;
    if (time < from) continue;
    const now = Math.floor(index / 12);
    const label = step >= 12 ? String(now) : words.months[index % 12] + (now === year ? "" : ` ${now}`);
    found.push({ time, label });
    year = now;
  }
  return found;
}

/** "M x yL x y" of points; a point that is null ends a stroke. */
export function line(points) {
  let text = "";
  let joined = false;
  for (const point of points) {
    if (point) text += `${joined ? "L" : "M"}${point[0].toFixed(1)} ${point[1].toFixed(1)}`;
    joined = Boolean(point);
  }
  return text;
}

/** One of SHAPES about a point, as a path element. */
export function mark(shape, x, y, r, attributes = {}) {
  const k = r * 0.9;
  const paths = {
    circle: `M${x - r} ${y}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0Z`,
    square: `M${x - k} ${y - k}h${2 * k}v${2 * k}h${-2 * k}Z`,
    triangle: `M${x} ${y - r * 1.2}l${r * 1.1} ${r * 2}h${-r * 2.2}Z`,
    diamond: `M${x} ${y - r * 1.35}l${r * 1.35} ${r * 1.35}l${-r * 1.35} ${r * 1.35}l${-r * 1.35} ${-r * 1.35}Z`,
    cross: `M${x - k} ${y - k}l${2 * k} ${2 * k}M${x + k} ${y - k}l${-2 * k} ${2 * k}`,
    plus: `M${x - r * 1.2} ${y}h${r * 2.4}M${x} ${y - r * 1.2}v${r * 2.4}`,
  };
  return svg("path", { d: paths[shape], ...attributes });
}

/** Words on a chart. */
export function text(x, y, words_, attributes = {}) {
  return svg("text", { x: x.toFixed(1), y: y.toFixed(1), ...attributes }, words_);
}

/** A table that says what a chart shows. heads: texts; rows: lists of texts. */
export function table(caption, heads, rows) {
  const head = el("tr", {}, heads.map((name) => el("th", { scope: "col" }, name)));
  const body = rows.map((cells) =>
    el("tr", {}, cells.map((cell, i) => (i ? el("td", {}, cell) : el("th", { scope: "row" }, cell)))),
  );
  return el(
    "table",
    { class: "chart-table" },
    el("caption", { class: "vh" }, caption),
    el("thead", {}, head),
    el("tbody", {}, body),
  );
}

/** Rows as comma-separated values; texts with commas, quotes or breaks are quoted, formulas are made harmless. */
export function csv(rows) {
  const cell = (value) => {
    if (value === null || value === undefined) return "";
    if (typeof value === "number") return String(value);
    const safe = /^[=+\-@\t]/.test(value) ? `'${value}` : String(value);
    return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  return rows.map((row) => row.map(cell).join(",")).join("\n") + "\n";
}

/** Put text on the clipboard, by a selection: the page's policy keeps the clipboard's own interface shut. */
export function copy(words_) {
  const held = document.activeElement;
  const field = el("textarea", { class: "vh", "aria-hidden": "true", tabindex: -1, readonly: true });
  field.value = words_;
  document.body.append(field);
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  held?.focus?.({ preventScroll: true });
  return done;
}
