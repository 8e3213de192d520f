// The dock: the spectrum of a clicked place, kept spectra beside it, as a chart, a table or CSV.
import { copy, csv, glyph, mark, number, SHAPES } from "./chart.js";
import { el, fill, iconButton, svg } from "./dom.js";
import { asBlocks, asTable, besides, colour, decimalsOf, drawSpectrum, isFew, placeOf, snapped, unitOf } from "./spectrum.js";
import { foot, TABLE, takeTurns } from "./strip.js";
import { fromScene } from "./url.js";
import { words } from "./words.js";

const PINS = 6;
const PIN = "M8 10.5v4M5 2.5h6M6 2.5v4l-2 3v1h8v-1l-2-3v-4";
const COPY = "M5.500 5.500h8v8h-8zM10.500 5.500v-3h-8v8h3";

export function start(app) {
  const { store, api, keys, panel, view } = app;
  const host = document.getElementById("dock");
  const say = words.dock;
  const state = { point: null, problem: "", asked: 0, pins: [], size: "1", at: null, band: null, table: false, abort: null };

  const title = el("h2", {}, say.title);
  const remark = el("span", { class: "sub" });
  const size = el("select", { class: "quiet", "aria-label": say.size, onchange: resize });
  const tool = (d, label, act, more = {}) =>
    el("button", { class: "ghost square", type: "button", title: label, "aria-label": label.split(" (")[0], onclick: act, ...more }, glyph(d));
  const keep = tool(PIN, say.keep, pin);
  const csvButton = tool(COPY, say.csv, toCsv);
  const listed = tool(TABLE, say.asTable, toTable);
  const close = iconButton("x", say.close, { title: say.close, onclick: () => store.set({ pixel: null }) });
  const head = el("div", { class: "head" }, takeTurns("spectrum"), title, size, remark, el("span", { class: "grow" }), keep, csvButton, listed, close);
  const chart = svg("svg", { class: "p spectrum", role: "img", tabindex: "0" });
  const none = el("p", { class: "chart-none", hidden: true });
  const scroll = el("div", { class: "chart-scroll", tabindex: "0", hidden: true });
  const kept = el("ul", { class: "pins", "aria-label": say.pins, hidden: true });
  host.append(head, kept, chart, none, scroll);

  const open = () => Boolean(store.state.pixel);

  function draw() {
    host.hidden = !open();
    document.body.classList.toggle("docked", open());
    foot();
    if (!open()) return;
    const { point } = state;
    const few = Boolean(point) && isFew(point.values);
    title.textContent = few ? say.values : say.title;
    remark.textContent = point && !few ? about(point) : "";
    sizes();
    const drawn = point && point.values.some((one) => one.value !== null);
    const listing = state.table || few;
    chart.classList.toggle("away", listing || !drawn);
    none.hidden = state.table || Boolean(drawn) || (!point && !state.problem);
    none.textContent = state.problem || (point ? say.noData : "");
    scroll.hidden = !listing || !drawn;
    listed.hidden = few;
    keep.disabled = csvButton.disabled = !drawn;
    drawPins();
    if (!drawn) return;
    if (few && !state.pins.length) scroll.replaceChildren(asBlocks(point));
    else if (listing) scroll.replaceChildren(asTable(point, { few, pins: state.pins }));
    else paint();
  }

  /** The unit of the axis, and what has another one. */
  const about = (point) => [unitOf(point.values), besides(point.values)].filter(Boolean).join(" \u00b7 ");

  function paint() {
    state.at = drawSpectrum(chart, state.point, { pins: state.pins, band: state.band }) ?? state.at;
  }

  function drawPins() {
    kept.hidden = !state.pins.length;
    fill(
      kept,
      state.pins.map((one, i) => {
        const shape = mark(SHAPES[one.slot], 7, 7, 4, { class: "pin-mark", style: { stroke: colour(one.slot), fill: colour(one.slot) } });
        const away = () => {
          state.pins.splice(i, 1);
          draw();
          (kept.querySelector("button") ?? keep).focus();
        };
        return el("li", {}, svg("svg", { width: 14, height: 14, "aria-hidden": "true" }, shape), el("span", {}, one.name),
          el("button", { type: "button", class: "tiny", "aria-label": say.drop(one.name), title: say.drop(one.name), onclick: away }, "\u00d7"));
      }),
    );
  }

  function pin() {
    const { point } = state;
    state.wanted = Boolean(state.abort) && open();
    if (!open() || !point || state.wanted) return;
    const name = placeOf(point);
    if (state.pins.some((one) => one.name === name)) return;
    if (state.pins.length >= PINS) {
      announce(say.full);
      return;
    }
    const slot = SHAPES.findIndex((_, i) => !state.pins.some((one) => one.slot === i));
    state.pins.push({ name, slot, date: point.date, values: point.values.map((one) => ({ ...one })) });
    announce(say.keptOne(state.pins.length, PINS));
    draw();
  }

  function toCsv() {
    const { point } = state;
    const rows = [["place", "date", "band", "name", "nm", "value", "unit"]];
    const here = { name: placeOf(point), date: point.date, values: point.values };
    for (const one of [here, ...state.pins.filter((other) => other.name !== here.name)]) {
      for (const band of one.values) rows.push([one.name, one.date ?? "", band.band, band.name ?? "", band.nm ?? "", band.value ?? "", band.unit ?? ""]);
    }
    announce(copy(csv(rows)) ? say.copied(rows.length - 1) : say.notCopied);
  }

  function toTable() {
    state.table = !state.table;
    const label = state.table ? say.asChart : say.asTable;
    listed.title = label;
    listed.setAttribute("aria-label", label);
    listed.setAttribute("aria-pressed", String(state.table));
    draw();
  }

  function announce(words_) {
    const live = document.getElementById("live");
    if (live) live.textContent = words_;
    remark.textContent = words_;
    clearTimeout(state.said);
    state.said = setTimeout(() => state.point && (remark.textContent = about(state.point)), 2500);
  }

  /** Rings of the polygons that are drawn, as columns and rows of the view. */
  function rings() {
    const { labels, scene } = store.state;
    const drawn = Array.isArray(labels) ? labels : (labels?.labels ?? []);
    const affine = scene?.grid.pixel ? [1, 0, 0, 0, 1, 0] : scene?.grid.affine;
    return drawn.filter((one) => one.geometry?.type === "Polygon").map((one) => one.geometry.coordinates[0].map(([x, y]) => fromScene(affine, x, y)));
  }

  function sizes() {
    const some = rings().length > 0;
    if (!some && state.size === "polygon") state.size = "1";
    const offered = say.sizes.filter(([value]) => value !== "polygon" || some);
    if (size.options.length !== offered.length) fill(size, offered.map(([value, label]) => el("option", { value }, label)));
    size.value = state.size;
  }

  /** The ring that a place lies in, the smallest of several. */
  function ringAt({ col, row }) {
    const within = (ring) =>
      ring.reduce((odd, [x, y], i) => {
        const [u, v] = ring[(i || ring.length) - 1];
        return y > row !== v > row && col < ((u - x) * (row - y)) / (v - y) + x ? !odd : odd;
      }, false);
    const area = (ring) => Math.abs(ring.reduce((sum, [x, y], i) => sum + x * ring[(i + 1) % ring.length][1] - ring[(i + 1) % ring.length][0] * y, 0));
    return rings().filter(within).sort((a, b) => area(a) - area(b))[0] ?? null;
  }

  function resize() {
    state.size = size.value;
    fetchPoint();
  }

  async function fetchPoint() {
    const { scene, pixel, date } = store.state;
    const asked = (state.asked += 1);
    state.abort?.abort();
    if (!scene || !pixel) {
      state.point = null;
      draw();
      return;
    }
    const ring = state.size === "polygon" ? ringAt(pixel) : null;
    if (state.size === "polygon" && !ring) {
      state.point = null;
      state.problem = say.outside;
      draw();
      return;
    }
    if (host.hidden || state.problem) draw();
    state.abort = new AbortController();
    try {
      const corners = ring && ring.slice(0, 400).flat().map((v) => Number(v.toFixed(2)));
      const place = ring ? { ring: corners } : { size: state.size };
      const params = { scene: scene.id, col: pixel.col, row: pixel.row, ...place, date, map: store.state.map };
      const point = await api.get("api/point", params, { signal: state.abort.signal });
      if (asked !== state.asked) return;
      state.point = point;
      state.problem = "";
      store.set({ point });
      state.abort = null;
      later(point, asked);
      if (state.wanted) pin();
    } catch (error) {
      if (asked !== state.asked || error.name === "AbortError") return;
      state.abort = null;
      state.point = null;
      state.problem = error.got ? [error.rule, error.got, error.remedy].filter(Boolean).join(" ") : say.failed;
    }
    draw();
  }

  /** What the mapped class looks like is still being computed: ask again soon, three times at most. */
  function later(point, asked) {
    const missing = point.class && !point.shade && point.values.some((one) => Number.isFinite(one.nm));
    state.tries = missing ? (state.tries ?? 0) + 1 : 0;
    if (missing && state.tries <= 3) setTimeout(() => asked === state.asked && fetchPoint(), 600 * state.tries);
  }

  function snap(event) {
    const { at } = state;
    if (!at) return;
    const x = event.clientX - chart.getBoundingClientRect().left;
    const valued = at.bands.filter((band) => band.value !== null && band.value !== undefined);
    if (!valued.length) return;
    const far = (band) => Math.abs(at.x(at.waves ? band.nm : band.i) - x);
    const band = valued.reduce((a, b) => (far(b) < far(a) ? b : a));
    if (band.band === state.band) return;
    state.band = band.band;
    paint();
  }

  function step(event) {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!by || !state.at || event.altKey || event.ctrlKey) return;
    const valued = state.at.bands.filter((band) => band.value !== null);
    const next = valued[valued.indexOf(snapped(valued, state.band)) + by];
    event.preventDefault();
    event.stopPropagation();
    if (!next) return;
    state.band = next.band;
    paint();
    announce(say.reading(next, number(next.value, decimalsOf(valued))));
  }

  chart.addEventListener("pointermove", snap);
  chart.addEventListener("pointerdown", snap);
  chart.addEventListener("keydown", step);
  keys.add("k", say.keepKey, pin, open, { group: "layers" });
  const popped = () => document.querySelector(".pick:not([hidden]), .scene-pick:not([hidden])");
  const alone = () => open() && store.state.mode === "look" && !panel.id && !popped() && !document.activeElement?.matches?.("input, textarea, select");
  keys.add("Escape", say.close, () => store.set({ pixel: null }), alone, { shown: false, always: true });
  const choose = ({ col, row }) => {
    const { scene } = store.state;
    if (!scene || col < 0 || row < 0 || col >= scene.grid.width || row >= scene.grid.height) return false;
    store.set({ pixel: { col: Math.floor(col) + 0.5, row: Math.floor(row) + 0.5 } });
    return true;
  };
  view.click(choose, 0);
  view.click((at) => Boolean(at.event?.altKey) && choose(at), 100); // whatever tool is in the hand
  store.on(["scene"], () => {
    state.pins = [];
    state.band = null;
  });
  store.on(["pixel"], () => (state.wanted = false));
  store.on(["pixel", "scene", "date", "map"], () => (store.state.dragging ? null : fetchPoint()));
  store.on(["labels"], () => open() && sizes());
  store.on(["dragging"], () => (store.state.dragging ? null : fetchPoint()));
  new ResizeObserver(() => open() && draw()).observe(chart);
  app.dock = { open, close: () => store.set({ pixel: null }) };
  fetchPoint();
}
