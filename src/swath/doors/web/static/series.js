// Drawing a time series over the dates strip: missing dates as grey bands, the line through clear ones, the class's median.
import { day, digits, line, number, rounded, scale, table, text, ticks, when } from "./chart.js";
import { svg } from "./dom.js";
import { words } from "./words.js";

const DAY = 864e5;
const say = words.strip;

/** The series as a table: date, value, whether it was seen. */
export function seriesTable(found) {
  const rows = found.dates.map((date, i) => [day(date), number(found.values[i], found.digits), say.states[stateOf(found, i)]]);
  return table(say.caption(found.title), say.heads(found.name || found.title, found.unit), rows);
}

/** Draw a series over a time axis {x, left, right}; now: the chosen date, told: the index of the date read out. */
export function drawSeries(chart, found, { x, left, right }, { now, told = null }) {
  const [width, height] = [chart.clientWidth, chart.clientHeight];
  if (!width || !height) return;
  const at = found.dates.map((date, i) => (Number.isFinite(when(date)) ? x(when(date)) : x(i * 30 * DAY)));
  const seen = [...found.values, ...(found.class?.median ?? [])].filter((v) => v !== null && Number.isFinite(v));
  const [low, high] = range(found, seen);
  const y = scale(low, high, height - 4, 24);
  const { values, step } = ticks(low, high, height < 110 ? 2 : 4);
  const parts = [];
  for (const [a, b, cloud] of gaps(found)) {
    const start = Math.max(left, a > 0 ? (at[a - 1] + at[a]) / 2 : at[a] - 4);
    const end = Math.min(width - right, b < at.length - 1 ? (at[b] + at[b + 1]) / 2 : at[b] + 4);
    parts.push(svg("rect", { class: "cloud", x: start, y: 4, width: Math.max(1, end - start), height: height - 4 }));
    if (end - start > 52) parts.push(text((start + end) / 2, 17, cloud ? say.clouds : say.missing, { "text-anchor": "middle" }));
  }
  const decimals = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  for (const value of values) {
    parts.push(svg("path", { class: "rule", d: `M${left} ${y(value)}H${width - right}` }));
    parts.push(text(left - 8, y(value) + 4, number(value, decimals), { "text-anchor": "end" }));
  }
  const median = found.class?.median?.map((v, i) => (v === null || v === undefined ? null : [at[i], y(v)]));
  if (median) parts.push(svg("path", { class: "median", d: line(median.filter(Boolean)) }));
  const points = found.values.map((v, i) => (v === null ? null : [at[i], y(v), i])).filter(Boolean);
  parts.push(svg("path", { class: "stroke", d: line(points) }));
  const r = points.length > 160 ? 1.4 : 2.2;
  for (const [px, py] of points) parts.push(svg("circle", { class: "point", cx: px.toFixed(1), cy: py.toFixed(1), r }));
  parts.push(...chosen(found, { at, y, height, end: width - right, points, now, read: told }));
  chart.replaceChildren(...parts);
  chart.setAttribute("aria-label", alternative(found));
}

/** The line through the chosen date, its value, and the names of the two lines. */
function chosen(found, { at, y, height, end, points, now, read }) {
  const parts = [];
  const index = found.dates.findIndex((date) => date === now || day(date) === day(now ?? ""));
  const value = index < 0 ? null : found.values[index];
  if (index >= 0) parts.push(svg("path", { class: "this", d: `M${at[index]} 4V${height}` }));
  if (value !== null && value !== undefined) {
    parts.push(svg("circle", { class: "point now", cx: at[index], cy: y(value), r: 4.5 }));
  }
  const told = read ?? index;
  const at_ = found.values[told];
  if (told >= 0 && at_ !== undefined) {
    const shown_ = at_ === null ? say.states[stateOf(found, told)] : number(at_, found.digits);
    const words__ = say.reading(day(found.dates[told], true), shown_);
    const over = at[told] + words__.length * 6.2 > end;
    parts.push(text(at[told] + (over ? -8 : 8), 17, words__, { class: "a halo", "text-anchor": over ? "end" : "start" }));
  }
  if (found.class?.median && points.length > 2) parts.push(...names(found, points, y, end));
  return parts;
}

/** The names of the two lines, where the pixel's is highest away from the ends. */
function names(found, points, y, end) {
  const inner = points.filter(([px, , i]) => px > 90 && px < end - 90 && found.class.median[i] !== null);
  if (!inner.length) return [];
  const [px, py, i] = inner.reduce((a, b) => (b[1] < a[1] ? b : a));
  const m = y(found.class.median[i]);
  const own = m < py ? py + 18 : py - 10;
  return [
    text(px, own, say.own, { class: "a halo", "text-anchor": "middle" }),
    text(px, m < py ? m - 10 : m + 18, say.all(found.class.name), { class: "halo", "text-anchor": "middle" }),
  ];
}

function alternative(found) {
  const own = found.values.filter((v) => v !== null);
  const [first, last] = [found.dates[0], found.dates[found.dates.length - 1]].map((date) => day(date));
  const ends = [Math.min(...own), Math.max(...own)].map((v) => number(v, found.digits));
  return say.alternative(found.title, own.length, found.dates.length, ...ends, first, last);
}

const NAMES = { seen: "seen", cloud: "clouds", missing: "missing" };
const stateOf = (found, i) => (found.values[i] !== null ? "seen" : NAMES[found.states?.[i]] ?? "missing");

/** Ends of the y axis: round, and within the index's own range unless values leave it. */
function range(found, seen) {
  const fixed = Number.isFinite(found.lo) && Number.isFinite(found.hi);
  let low = Math.min(...seen);
  let high = Math.max(...seen);
  if (!seen.length) return fixed ? [found.lo, found.hi] : [0, 1];
  if (fixed && low >= Math.min(0, found.lo) && high <= found.hi * 1.001) {
    low = low >= 0 ? Math.max(0, found.lo) : Math.min(low, found.lo);
    high = found.hi;
  } else if (low > 0 && low < high * 0.6) low = 0;
  return rounded(low, high, 4);
}

/** Runs of dates without a value, long enough to be seen: [first, last, whether clouds were the reason], cut where the reason changes. */
export function gaps(found) {
  const times = found.dates.map(when);
  const between = times.slice(1).map((time, i) => time - times[i]).sort((a, b) => a - b);
  const usual = between[Math.floor(between.length / 2)] ?? DAY;
  const runs = [];
  let first = null;
  found.values.forEach((value, i) => {
    if (value === null && first === null) first = i;
    const ends = first !== null && (value !== null || i === found.values.length - 1);
    if (!ends) return;
    const last = value === null ? i : i - 1;
    const before = times[Math.max(0, first - 1)];
    const after = times[Math.min(times.length - 1, last + 1)];
    if (last - first > 1 || (after - before > 4 * usual && last > first)) runs.push(...reasons(found, first, last));
    first = null;
  });
  return runs;
}

/** A run of dates without a value, cut where the reason changes. */
function reasons(found, first, last) {
  const parts = [];
  for (let i = first; i <= last; i += 1) {
    const cloud = stateOf(found, i) === "clouds";
    if (parts.length && parts.at(-1)[2] === cloud) parts.at(-1)[1] = i;
    else parts.push([i, i, cloud]);
  }
  return parts;
}

/** Digits after the point that the values of a series deserve. */
export function decimals(found) {
  const seen = found.values.filter((value) => value !== null);
  if (seen.every((value) => Number.isInteger(value))) return 0;
  const span = Number.isFinite(found.hi) && Number.isFinite(found.lo) ? found.hi - found.lo : Math.max(...seen) - Math.min(...seen);
  return Math.min(3, digits(span));
}

/** The index the series shows: the one on the map, else greenness, else the first band. */
export function wanted(scene, show) {
  const shows = scene.shows ?? [];
  const one = shows.find((s) => s.id === show && s.kind !== "composite");
  const found = one ?? shows.find((s) => s.index === "NDVI") ?? shows.find((s) => s.kind === "index");
  if (found) {
    const parts = /^(.*?)\s*\(([^)]+)\)$/.exec(found.name);
    const title = parts ? parts[1] : found.name;
    return { id: found.id, title: title[0].toUpperCase() + title.slice(1), name: parts ? parts[2] : "" };
  }
  const band = scene.bands?.[0];
  const title = band?.name ?? band?.id ?? say.index;
  return { id: band?.id, title: title[0].toUpperCase() + title.slice(1), name: band?.id?.toLowerCase() === title.toLowerCase() ? "" : band?.id };
}
