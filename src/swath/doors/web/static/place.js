// One place of a reference sample: three views of it, its dates and its course over them. Nothing here knows a map.

import { day, line, months, number, rounded, scale, text, ticks, when } from "./chart.js";
import { el, fill, svg } from "./dom.js";
import { isClear } from "./strip.js";
import { words } from "./words.js";

const NEAR = 300; // metres across the two near views
const FAR = 3000;
const LEAST = 12; // pixels across a near view at least
const THUMBS = 9;

export function makePlace(app) {
  const { api } = app;
  const say = words.sample;
  const state = { scene: null, point: null, date: null, dates: [], views: [], asked: 0 };
  const views = el("div", { class: "walk-views" });
  const strip = el("div", { class: "walk-dates", role: "radiogroup", "aria-label": say.dates });
  const chart = svg("svg", { class: "p walk-series", role: "img", "aria-label": say.series });
  const series = el("figure", { class: "walk-chart" }, el("figcaption", { class: "sub" }), chart);
  const time = el("div", { class: "walk-time", hidden: true }, strip, series);
  const root = el("div", { class: "walk-place" }, views, time);
  let watch = null;

  function open(scene) {
    state.scene = scene;
    state.dates = [...(scene.dates ?? [])].filter((one) => Number.isFinite(when(one.date))).sort((a, b) => when(a.date) - when(b.date));
    state.date = app.store.state.scene?.id === scene.id ? app.store.state.date : scene.default_date;
    if (!state.dates.some((one) => one.date === state.date)) state.date = scene.default_date ?? state.dates.at(-1)?.date ?? null;
    state.views = chosen(scene);
    root.style.setProperty("--n", String(state.views.length));
    time.hidden = state.dates.length < 2;
    root.classList.toggle("dated", !time.hidden);
    watch?.disconnect();
    watch = new ResizeObserver(() => state.found && drawSeries(state.found));
    watch.observe(chart);
  }

  /** True colour and plants in red close by, true colour from further away; what the sensor lacks is replaced or left out. */
  function chosen(scene) {
    const { metres } = scene.grid;
    const shows = scene.shows ?? [];
    const first = shows.find((one) => one.id === "rgb") ?? shows[0];
    const other = shows.find((one) => one.id === "infrared") ?? shows.find((one) => one.kind === "composite" && one.id !== first.id) ?? shows.find((one) => one.kind === "index");
    const near = metres ? Math.max(NEAR, LEAST * metres) : 30;
    const far = metres ? Math.max(FAR, 10 * near) : 300;
    const size = (value) => (metres ? (value >= 1000 ? `${number(value / 1000, value % 1000 ? 1 : 0)}\u2009km` : `${number(value, 0)}\u2009m`) : say.pixels(value));
    const across = (value) => (metres ? { metres: value } : { pixels: value });
    const pixel = metres ?? 1;
    const list = [{ show: first, span: near, frame: pixel / near, inner: 0 }];
    if (other) list.push({ show: other, span: near, frame: pixel / near, inner: 0 });
    list.push({ show: first, span: far, frame: pixel / far, inner: near / far });
    return list.map((one) => ({ ...one, across: across(one.span), name: one.show.name, size: size(one.span) }));
  }

  const address = (view, date, size) =>
    api.address("api/chip", { scene: state.scene.id, col: state.point.col, row: state.point.row, ...view.across, show: view.show.id, date, size });

  function show(point) {
    const moved = !state.point || state.point.id !== point.id;
    state.point = point;
    fill(views, state.views.map(picture));
    if (time.hidden || !moved) return void mark();
    thumbs();
    fetchSeries();
  }

  function picture(view) {
    const side = Math.min(768, Math.max(256, Math.round((views.clientWidth / state.views.length || 400) * Math.min(2, devicePixelRatio || 1))));
    const image = el("img", { alt: say.view(view.name, view.size), src: address(view, state.date, side), draggable: "false" });
    const host = el("div", { class: "walk-view waiting" }, image);
    image.addEventListener("load", () => host.classList.remove("waiting"));
    image.addEventListener("error", () => {
      host.classList.remove("waiting");
      fill(host, el("p", { class: "sub" }, say.noPicture), frameOf(view));
    });
    host.append(frameOf(view));
    if (view.inner) {
      const inner = el("i", { class: "walk-near", "aria-hidden": "true" });
      inner.style.width = inner.style.height = `${100 * view.inner}%`;
      host.append(inner);
    }
    return el("figure", {}, host, el("figcaption", {}, el("span", {}, view.name), el("span", { class: "sub num" }, view.size)));
  }

  /** The assessed pixel: its own outline, with ticks towards it where it is too small to be found. */
  function frameOf(view) {
    const host = el("i", { class: view.inner ? "walk-pixel far" : "walk-pixel", "aria-hidden": "true" });
    host.style.width = host.style.height = `max(${(100 * view.frame).toFixed(3)}%, 5px)`;
    return host;
  }

  /** Clear dates spread over the whole time, the one that is shown among them. */
  function spread() {
    const clear = state.dates.filter(isClear);
    const list = clear.length >= 2 ? clear : state.dates;
    const count = Math.min(THUMBS, list.length);
    const picked = Array.from({ length: count }, (_, i) => list[Math.round((i * (list.length - 1)) / Math.max(1, count - 1))]);
    const now = state.dates.find((one) => one.date === state.date);
    if (now && !picked.includes(now)) {
      const far = (one) => Math.abs(when(one.date) - when(now.date));
      picked[picked.indexOf(picked.reduce((a, b) => (far(b) < far(a) ? b : a)))] = now;
    }
    return [...new Set(picked)].sort((a, b) => when(a.date) - when(b.date));
  }

  function thumbs() {
    const [view] = state.views;
    fill(
      strip,
      spread().map((one) =>
        el(
          "button",
          { type: "button", role: "radio", class: "walk-date", dataset: { date: one.date }, onclick: () => choose(one.date), title: isClear(one) ? day(one.date) : say.cloudy(day(one.date)) },
          el("img", { alt: "", src: address(view, one.date, 128), loading: "lazy", draggable: "false" }),
          el("span", { class: "num" }, day(one.date, span() < 300)),
        ),
      ),
    );
    mark();
  }

  const span = () => (when(state.dates.at(-1).date) - when(state.dates[0].date)) / 864e5;

  function mark() {
    for (const node of strip.children) {
      const on = node.dataset.date === state.date;
      node.setAttribute("aria-checked", String(on));
      node.tabIndex = on ? 0 : -1;
    }
    if (state.found) drawSeries(state.found);
  }

  function choose(date) {
    state.date = date;
    const all = [...strip.children].map((node) => node.dataset.date);
    const held = strip.contains(document.activeElement);
    if (!all.includes(date)) thumbs();
    show(state.point);
    if (held) strip.querySelector("[aria-checked=true]")?.focus();
  }

  function go(by) {
    const clear = state.dates.filter((one) => isClear(one) || one.date === state.date);
    const at = clear.findIndex((one) => one.date === state.date) + by;
    if (clear[at]) choose(clear[at].date);
  }

  /** Keys [ and ], and arrows on the dates; true when used. */
  function key(name) {
    if (time.hidden) return false;
    const on = strip.contains(document.activeElement);
    if (name === "[" || (on && name === "ArrowLeft")) go(-1);
    else if (name === "]" || (on && name === "ArrowRight")) go(1);
    else return false;
    return true;
  }

  async function fetchSeries() {
    const { scene, point } = state;
    const asked = (state.asked += 1);
    const index = scene.shows.find((one) => one.id === "ndvi") ?? scene.shows.find((one) => one.kind === "index");
    const wanted = index?.id ?? scene.bands[0].id;
    state.found = null;
    chart.replaceChildren();
    try {
      const found = await api.get("api/series", { scene: scene.id, col: point.col, row: point.row, index: wanted, map: "none" });
      if (asked !== state.asked) return;
      state.found = { dates: found.dates, values: found.values, clear: found.clear, lo: found.lo, hi: found.hi, name: index?.name ?? wanted };
      fill(series.firstChild, say.here(state.found.name));
      drawSeries(state.found);
    } catch {
      if (asked === state.asked) fill(series.firstChild, say.noSeries);
    }
  }

  function drawSeries(found) {
    const [width, height] = [chart.clientWidth, chart.clientHeight];
    const seen = found.values.filter((v) => v !== null && Number.isFinite(v));
    if (!width || !height || !seen.length) return void chart.replaceChildren();
    const times = found.dates.map(when);
    const x = scale(times[0], times.at(-1), 34, width - 12);
    const fixed = Number.isFinite(found.lo) && Number.isFinite(found.hi);
    const low = Math.min(...seen, fixed ? Math.max(0, found.lo) : Infinity);
    const [from, to] = rounded(low, Math.max(...seen, fixed ? found.hi : -Infinity), 3);
    const y = scale(from, to, height - 18, 6);
    const { values, step } = ticks(from, to, 2);
    const places = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
    const drawn = values.flatMap((v) => [svg("path", { class: "rule", d: `M34 ${y(v)}H${width - 12}` }), text(28, y(v) + 4, number(v, places), { "text-anchor": "end" })]);
    let free = 0;
    for (const tick of months(times[0], times.at(-1), width - 46)) {
      const at = x(tick.time);
      if (at < free || at > width - 40) continue;
      drawn.push(text(at, height - 4, tick.label, { "text-anchor": "start" }));
      free = at + tick.label.length * 6.2 + 10;
    }
    const points = found.values.map((v, i) => (v === null ? null : [x(times[i]), y(v)])).filter(Boolean);
    drawn.push(svg("path", { class: "stroke", d: line(points) }));
    for (const [px, py] of points) drawn.push(svg("circle", { class: "point", cx: px.toFixed(1), cy: py.toFixed(1), r: 1.8 }));
    const now = found.dates.findIndex((date) => date === state.date);
    if (now >= 0) {
      drawn.push(svg("path", { class: "this", d: `M${x(times[now])} 6V${height - 18}` }));
      if (found.values[now] !== null) drawn.push(svg("circle", { class: "point now", cx: x(times[now]), cy: y(found.values[now]), r: 4 }));
    }
    chart.replaceChildren(...drawn);
    chart.setAttribute("aria-label", say.course(found.name, seen.length, found.dates.length, number(Math.min(...seen), 2), number(Math.max(...seen), 2)));
  }

  function close() {
    watch?.disconnect();
    state.asked += 1;
    state.point = null;
  }

  return { root, open, show, key, close };
}
