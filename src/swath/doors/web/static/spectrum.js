// Drawing a spectrum: by wavelength or by band, kept ones beside it, the spread of the mapped class, and its table.
import { digits, line, mark, number, rounded, scale, SHAPES, table, text, ticks } from "./chart.js";
import { el, fill, svg } from "./dom.js";
import { words } from "./words.js";

const MANY = 50; // from here on, jumps of wavelength are gaps
const JUMP = 200; // nm
const HOLE = 100; // nm, where bands between have no value
const INFRARED = 865; // nm, where the reading stands at first
const say = words.dock;
export const colour = (slot) => `var(--pin${slot})`;

/** Too few or too unlike for a chart: one or two bands, or bands of several units. */
export function isFew(values) {
  const { waves, bands } = bandsOf(values);
  return !waves && (bands.length < 3 || bands.some((band) => band.unit !== bands[0].unit));
}

/** The unit that most values have, with its first letter as it is written in a sentence. */
export function unitOf(values) {
  const count = new Map();
  for (const one of values) count.set(one.unit ?? "", (count.get(one.unit ?? "") ?? 0) + 1);
  const best = [...count.entries()].sort((a, b) => b[1] - a[1])[0]?.[0] ?? "";
  return say.unit(best);
}

/** The bands of the unit that most have: a temperature has no place on an axis of reflectance. */
function alike(values) {
  const own = values.filter((one) => say.unit(one.unit ?? "") === unitOf(values));
  return own.length >= 2 ? own : values;
}

/** What the chart leaves out, as text: "ST_B10 311 K". */
export function besides(values) {
  const { waves, bands } = bandsOf(values);
  if (!waves) return "";
  const left = values.filter((one) => !bands.includes(one) && Number.isFinite(one.nm) && Number.isFinite(one.value));
  return left.map((one) => `${one.band} ${number(one.value, decimalsOf([one], 1))}\u2009${say.unit(one.unit)}`).join(", ");
}

/** Bands as they lie on the axis: by wavelength where at least two have one, else as names side by side. */
function bandsOf(values) {
  const known = alike(values.filter((one) => Number.isFinite(one.nm)));
  if (known.length >= 2) return { waves: true, bands: [...known].sort((a, b) => a.nm - b.nm) };
  return { waves: false, bands: values };
}

/** Values as strokes: broken where wavelengths jump, when the instrument has many bands. */
function strokes(bands, waves, place) {
  const points = [];
  const gaps = [];
  let last = null;
  let holes = false;
  for (const band of bands) {
    if (band.value === null || band.value === undefined) {
      holes = true;
      continue;
    }
    const jump = last ? band.nm - last.nm : 0;
    if (waves && bands.length >= MANY && (jump > JUMP || (holes && jump > HOLE))) {
      points.push(null);
      gaps.push([last.nm, band.nm]);
    }
    points.push(place(band));
    last = band;
    holes = false;
  }
  return { points, gaps };
}

/** Draw a spectrum with kept ones beside it; gives {x, bands, waves} for finding the band under a pointer, or null. */
export function drawSpectrum(chart, point, { pins = [], band: chosen = null } = {}) {
  const [width, height] = [chart.clientWidth, chart.clientHeight];
  if (width < 60 || height < 40) return null;
  const { waves, bands } = bandsOf(point.values);
  const box = { left: 44, right: width - 14, top: 8, bottom: height - 24 };
  const others = pins.map((one) => bandsOf(one.values).bands);
  const shade = waves ? (point.shade ?? []) : [];
  const all = [bands, ...others].flat().map((one) => one.value);
  const seen = [...all, ...shade.flatMap((one) => [one.low, one.high])].filter((v) => v !== null && Number.isFinite(v));
  const [least, most] = [Math.min(...seen), Math.max(...seen)];
  const [low, high] = rounded(least >= 0 && (!waves || least < most * 0.7) ? 0 : least, most, 3);
  const y = scale(low, high, box.bottom, box.top + 18);
  const first = waves ? bands[0].nm : 0;
  const last = waves ? bands[bands.length - 1].nm : Math.max(1, bands.length - 1);
  const pad = waves ? (last - first) * 0.03 : bands.length < 3 ? 0.9 : 0.4;
  const x = scale(first - pad, last + pad, box.left, box.right);
  const parts = grid(x, y, box, height, waves, bands);
  const place = (band) => [x(waves ? band.nm : band.i), y(band.value)];
  bands.forEach((band, i) => (band.i = i));
  const { points, gaps } = strokes(bands, waves, place);
  for (const [from, to] of gaps) {
    const attributes = { class: "cloud", x: x(from) + 2, y: box.top, width: x(to) - x(from) - 4, height: box.bottom - box.top };
    parts.splice(0, 0, svg("rect", attributes));
  }
  if (shade.length) parts.push(shadeOf(shade, x, y, point, box));
  for (const one of pins) {
    const ink = { class: "pin-mark", style: { stroke: colour(one.slot), fill: colour(one.slot) } };
    const own = bandsOf(one.values);
    if (own.waves !== waves) continue;
    own.bands.forEach((band, j) => (band.i = j));
    const drawn = strokes(own.bands, waves, place).points;
    if (waves) parts.push(svg("path", { class: "stroke pin", d: line(drawn), style: { stroke: colour(one.slot) } }));
    if (own.bands.length < MANY) {
      for (const p of drawn) if (p) parts.push(mark(SHAPES[one.slot], p[0], p[1], 3, ink));
    } else if (drawn.find(Boolean)) {
      const p = drawn.filter(Boolean).at(-1);
      parts.push(mark(SHAPES[one.slot], p[0], p[1], 3.5, ink));
    }
  }
  const stems = points.map((p) => (p ? `M${p[0].toFixed(1)} ${box.bottom}V${p[1].toFixed(1)}` : "")).join("");
  parts.push(svg("path", { class: waves ? "stroke" : "stroke stem", d: waves ? line(points) : stems }));
  if (bands.length < MANY) {
    for (const p of points) if (p) parts.push(svg("circle", { class: "point", cx: p[0].toFixed(1), cy: p[1].toFixed(1), r: 2.4 }));
  }
  const band = snapped(bands, chosen);
  if (band) parts.push(...reading(band, x(waves ? band.nm : band.i), y(band.value), box, decimalsOf(bands)));
  fill(chart, parts);
  chart.setAttribute("aria-label", alternative(point, bands, waves));
  return { x, bands, waves };
}

/** A place in words. */
export const placeOf = (point) => say.place(point.col, point.row);

function alternative(point, bands, waves) {
  const valued = bands.filter((band) => band.value !== null).sort((a, b) => a.value - b.value);
  const told = (band) => say.reading(band, number(band.value, decimalsOf(bands)));
  const range = waves ? say.range(bands[0].nm, bands[bands.length - 1].nm) : "";
  return say.alternative(placeOf(point), bands.length, range, told(valued[0]), told(valued[valued.length - 1]));
}

function grid(x, y, box, height, waves, bands) {
  const { values, step } = ticks(y.from, y.to, box.bottom - box.top < 110 ? 2 : 4);
  const decimals = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const parts = [];
  for (const value of values) {
    parts.push(svg("path", { class: "rule", d: `M${box.left} ${y(value).toFixed(1)}H${box.right}` }));
    parts.push(text(box.left - 8, y(value) + 4, number(value, decimals), { "text-anchor": "end" }));
  }
  if (!waves) {
    const every = Math.ceil((bands.length * 40) / (box.right - box.left));
    bands.forEach((band, i) => {
      if (i % every === 0) parts.push(text(x(i), height - 7, band.band, { "text-anchor": "middle" }));
    });
    return parts;
  }
  const along = ticks(x.from, x.to, Math.max(2, Math.floor((box.right - box.left) / 64))).values;
  along.forEach((value, i) => {
    const label = i === along.length - 1 ? `${value}\u2009nm` : String(value);
    const at = Math.min(x(value), box.right - label.length * 3);
    parts.push(text(at, height - 7, label, { "text-anchor": "middle" }));
  });
  return parts;
}

function shadeOf(shade, x, y, point, box) {
  const up = shade.map((one) => [x(one.nm), y(one.high)]);
  const down = shade.map((one) => [x(one.nm), y(one.low)]).reverse();
  const group = svg("g", {}, svg("path", { class: "shade", d: `${line([...up, ...down])}Z` }));
  if (point.class?.name) {
    const [, last] = up.at(-1);
    const high = (last + down[0][1]) / 2 > (box.top + 2 * box.bottom) / 3;
    group.append(text(box.right, high ? box.top + 24 : box.bottom - 6, say.shaded(point.class.name), { "text-anchor": "end", class: "halo" }));
  }
  return group;
}

/** The band the reading stands at: where the pointer is, else the one used last, else near infrared. */
export function snapped(bands, name) {
  const valued = bands.filter((band) => band.value !== null && band.value !== undefined);
  const wanted = valued.find((band) => band.band === name);
  if (wanted) return wanted;
  const far = (band) => Math.abs((band.nm ?? 0) - INFRARED);
  const near = valued.length ? valued.reduce((a, b) => (far(b) < far(a) ? b : a)) : undefined;
  return near && far(near) < 150 ? near : valued[Math.floor(valued.length / 2)];
}

function reading(band, x, y, box, decimals) {
  const label = say.reading(band, number(band.value, decimals));
  const over = x + 8 + label.length * 6.4 > box.right;
  const label_ = text(over ? x - 8 : x + 8, box.top + 10, label, { class: "a halo", "text-anchor": over ? "end" : "start" });
  if (over && x - label.length * 6.4 < box.left) label_.setAttribute("x", String(Math.max(x - 8, box.left + label.length * 6.2)));
  return [
    svg("path", { class: "this", d: `M${x.toFixed(1)} ${box.top}V${Math.max(box.top, y - 6).toFixed(1)}` }),
    svg("circle", { class: "point now", cx: x.toFixed(1), cy: y.toFixed(1), r: 4 }),
    label_,
  ];
}

/** One or two values as they are: a name, a number, its unit. */
export function asBlocks(point) {
  const there = (one) => one.value !== null && one.value !== undefined;
  const told = (one) => (there(one) ? [number(one.value, decimalsOf([one])), say.unit(one.unit)].filter(Boolean).join("\u2009") : say.none);
  return el("dl", { class: "values-list" }, point.values.map((one) => el("div", {}, el("dt", {}, one.band), el("dd", { class: "num" }, told(one)))));
}

/** The values as a table, kept spectra in columns of their own. */
export function asTable(point, { few = false, pins = [] } = {}) {
  const { waves } = bandsOf(point.values);
  const shared = Math.min(4, decimalsOf(alike(point.values)) && decimalsOf(alike(point.values)) + 1);
  const decimals = (value) => (few ? decimalsOf([{ value }]) : shared);
  const mixed = new Set(point.values.map((one) => one.unit ?? "")).size > 1;
  const unit = (one) => ((few || mixed) && say.unit(one.unit) ? `\u2009${say.unit(one.unit)}` : "");
  const told = (one) => (one?.value === null || one?.value === undefined ? say.none : number(one.value, decimals(one.value)) + unit(one));
  const heads = [say.band, ...(waves ? [say.wavelength] : []), say.value, ...pins.map((one) => one.name)];
  const rows = point.values.map((one) => [
    one.name && one.name !== one.band ? `${one.band}, ${one.name}` : one.band,
    ...(waves ? [Number.isFinite(one.nm) ? `${Math.round(one.nm)}\u2009nm` : say.none] : []),
    told(one),
    ...pins.map((pinned) => told(pinned.values.find((other) => other.band === one.band))),
  ]);
  return table(say.caption(placeOf(point)), heads, rows);
}

/** Digits after the point: none for whole numbers, else as many as the span deserves. */
export function decimalsOf(values, most = 3) {
  const whole = values.every((one) => one.value === null || one.value === undefined || Number.isInteger(one.value));
  return whole ? 0 : Math.min(most, digits(spanOf(values)));
}

function spanOf(values) {
  const seen = values.map((one) => one.value).filter((v) => v !== null && v !== undefined);
  return seen.length ? Math.max(...seen) - Math.min(...seen) || Math.abs(seen[0]) || 1 : 1;
}
