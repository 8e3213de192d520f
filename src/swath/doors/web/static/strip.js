// The dates strip, and the time series that grows out of it: both share one time axis.
import { day, glyph, months, scale, text, when } from "./chart.js";
import { el, icon, roving, svg } from "./dom.js";
import { decimals, drawSeries, seriesTable, wanted } from "./series.js";
import { words } from "./words.js";

const DAY = 864e5;
const REST = 120;
const CLEAR = 0.8;
export const TABLE = "M2.5 3.5h11v9h-11zM2.5 6.5h11M6.5 6.5v6";

/** Whether a date of the scene counts as clear: no mask, no complaint. */
export const isClear = (date) => date.clear === null || date.clear === undefined || date.clear > CLEAR;

/** The bottom is there when the strip or the dock is. */
export function foot() {
  const absent = (id) => document.getElementById(id).hidden;
  document.getElementById("foot").hidden = absent("strip") && absent("dock");
}

/** Two tabs where there is room for one of spectrum and series only; own: the one they stand in. */
export function takeTurns(own) {
  const host = document.getElementById("foot");
  host.dataset.tab ??= "spectrum";
  const tab = (name) => {
    const go = () => {
      host.dataset.tab = name;
      host.querySelector(`#${name === "spectrum" ? "dock" : "strip"} [role=tab][aria-selected=true]`)?.focus();
      dispatchEvent(new Event("resize"));
    };
    return el("button", { type: "button", role: "tab", "aria-selected": String(name === own), tabindex: name === own ? 0 : -1, onclick: go }, words.strip.tabs[name]);
  };
  const node = el("div", { class: "dock-tabs", role: "tablist", "aria-label": words.strip.both }, tab("spectrum"), tab("series"));
  roving(node, "[role=tab]", { onmove: (button) => button.click() });
  return node;
}

export function start(app) {
  const { store, api, keys } = app;
  const host = document.getElementById("strip");
  const say = words.strip;
  const state = { dates: [], times: [], series: null, asked: 0, tries: 0, table: false, resting: 0, index: null };

  const title = el("h2", {}, say.title);
  const remark = el("span", { class: "sub" });
  const shown = el("button", { class: "ghost square", type: "button", hidden: true }, glyph(TABLE));
  const now = el("span", { class: "now" });
  const step = (name, label, by) =>
    el(
      "button",
      { class: "ghost", type: "button", title: label, "aria-label": label.split(" (")[0], onclick: (e) => go(by, e.shiftKey) },
      icon(name),
    );
  const earlier = step("left-arrow", say.earlier, -1);
  const later = step("right-arrow", say.later, 1);
  const head = el("div", { class: "head" }, takeTurns("series"), title, remark, el("span", { class: "grow" }), shown);
  head.append(el("div", { class: "date" }, earlier, now, later));
  const chart = svg("svg", { class: "p series", role: "img", tabindex: 0 });
  const axis = svg("svg", { class: "p dates", role: "slider", tabindex: 0, "aria-label": say.slider });
  const listed = el("div", { class: "chart-scroll", tabindex: "0", hidden: true });
  const waiting = el("p", { class: "chart-none", hidden: true });
  host.append(head, chart, waiting, listed, axis);

  const current = () => state.dates.findIndex((date) => date.date === store.state.date);
  const grown = () => Boolean(store.state.pixel) && state.dates.length > 1;

  function choose(index, resting = true) {
    const date = state.dates[Math.max(0, Math.min(state.dates.length - 1, index))];
    if (!date) return;
    clearTimeout(state.resting);
    const dragging = !resting;
    if (dragging) state.resting = setTimeout(() => store.set({ dragging: false }), REST);
    if (date.date !== store.state.date || Boolean(store.state.dragging) !== dragging) {
      store.set({ date: date.date, dragging });
    }
  }

  function go(by, clear = false) {
    let index = current() + by;
    while (clear && state.dates[index] && !isClear(state.dates[index])) index += by;
    if (state.dates[index]) choose(index);
  }

  /** The time axis as pixels: real time, or equal steps where a date cannot be read. */
  function time(width) {
    const [left, right] = grown() ? [40, 16] : [20, 20];
    const known = state.times.every((value) => Number.isFinite(value));
    const values = known ? state.times : state.dates.map((_, i) => i * 30 * DAY);
    const [first, last] = [values[0], values[values.length - 1]];
    const pad = Math.max(DAY / 2, (last - first) * 0.012);
    const x = scale(first - pad, last + pad, left, Math.max(left + 1, width - right));
    return { x, left, right, values, known };
  }

  function draw() {
    host.hidden = state.dates.length < 2;
    document.body.classList.toggle("no-dates", host.hidden);
    foot();
    if (host.hidden) return;
    host.classList.toggle("grown", grown());
    const index = current();
    const clear = state.dates.filter(isClear).length;
    now.textContent = index < 0 ? "" : day(state.dates[index].date);
    earlier.disabled = index <= 0;
    later.disabled = index >= state.dates.length - 1;
    words_(clear);
    const width = axis.clientWidth;
    if (!width) return;
    drawAxis(time(width), width, axis.clientHeight, index);
    if (grown()) paint();
  }

  function words_(clear) {
    const found = state.series;
    title.textContent = grown() ? say.here(found?.title ?? say.index) : say.title;
    const count = say.clear(clear, state.dates.length);
    remark.textContent = grown() ? (found?.name ? `${found.name}, ${count}` : count) : say.tall(clear, state.dates.length);
    shown.hidden = !grown();
    const label = state.table ? say.asChart : say.asTable;
    shown.title = label;
    shown.setAttribute("aria-label", label);
    shown.setAttribute("aria-pressed", String(state.table));
    chart.classList.toggle("away", !grown() || state.table || !found?.values);
    waiting.hidden = !grown() || state.table || Boolean(found?.values);
    waiting.textContent = found?.problem ?? "";
    listed.hidden = !grown() || !state.table;
  }

  function drawAxis({ x, left, right, values, known }, width, height, index) {
    const middle = height - 30;
    const parts = [svg("path", { class: "rule2", d: `M${left} ${middle}H${width - right}` })];
    const thick = (width - left - right) / state.dates.length < 4 ? 1.5 : grown() ? 2 : 3;
    for (const tall of [false, true]) {
      const half = tall ? 6 : 2.5;
      const d = state.dates
        .map((date, i) => (isClear(date) === tall ? `M${x(values[i]).toFixed(1)} ${middle - half}v${2 * half}` : ""))
        .join("");
      parts.push(svg("path", { class: tall ? "mark tall" : "mark", d, "stroke-width": thick }));
    }
    const compare = store.state.mode === "compare" ? store.state.compare : null;
    const handles = compare?.a && compare?.b ? [["A", compare.a], ["B", compare.b]] : [["", store.state.date]];
    for (const [name, date] of handles) {
      const i = state.dates.findIndex((one) => one.date === date);
      if (i < 0) continue;
      const at = x(values[i]);
      const half = name ? 8 : 6;
      if (grown() && !name) parts.push(svg("path", { class: "this", d: `M${at} 0V${middle - 8}` }));
      parts.push(svg("rect", { class: "handle", x: at - half, y: middle - 8, width: 2 * half, height: 16, rx: 4 }));
      if (name) parts.push(text(at, middle + 4, name, { class: "on", "text-anchor": "middle" }));
    }
    if (known) {
      let free = left - 20;
      for (const tick of months(x.from, x.to, width - left - right)) {
        const at = x(tick.time);
        const anchor = at > width - right - 40 ? "end" : "start";
        const start = anchor === "end" ? at - 50 : at;
        parts.push(svg("path", { class: "rule2", d: `M${at} ${middle + 9}v4` }));
        if (start < free) continue;
        parts.push(text(anchor === "end" ? width - right : at + 4, height - 5, tick.label, { "text-anchor": anchor }));
        free = start + tick.label.length * 6.2 + 10;
      }
    }
    axis.replaceChildren(...parts);
    axis.setAttribute("aria-valuemin", "1");
    axis.setAttribute("aria-valuemax", String(state.dates.length));
    axis.setAttribute("aria-valuenow", String(index + 1));
    if (index >= 0) axis.setAttribute("aria-valuetext", say.value(day(state.dates[index].date), isClear(state.dates[index])));
  }

  function paint() {
    const found = state.series;
    if (!found?.values) return;
    if (state.table) listed.replaceChildren(seriesTable(found));
    else drawSeries(chart, found, time(chart.clientWidth), { now: store.state.date, told: state.index });
  }

  async function fetchSeries(again = false) {
    if (again !== true) state.tries = 0;
    const { scene, pixel, show } = store.state;
    const asked = (state.asked += 1);
    if (!scene || !pixel || state.dates.length < 2) {
      state.series = null;
      draw();
      return;
    }
    const index = wanted(scene, show);
    if (!host.classList.contains("grown")) draw();
    try {
      const found = await api.get("api/series", { scene: scene.id, col: pixel.col, row: pixel.row, index: index.id });
      if (asked !== state.asked) return;
      state.series = { ...found, title: index.title, name: index.name, digits: decimals(found) };
      if (found.class?.pending && (state.tries += 1) <= 4) setTimeout(() => asked === state.asked && fetchSeries(true), 500 * state.tries);
      if (found.class?.pending) state.series.class = null;
    } catch (error) {
      if (asked !== state.asked) return;
      state.series = { title: index.title, name: index.name, problem: error.got ? `${error.rule}: ${error.got}` : say.failed };
    }
    draw();
  }

  function nearest(event) {
    const box = axis.getBoundingClientRect();
    const { x, values } = time(axis.clientWidth);
    const at = x.back(event.clientX - box.left);
    return values.reduce((best, value, i) => (Math.abs(value - at) < Math.abs(values[best] - at) ? i : best), 0);
  }

  function drag(event) {
    if (event.button) return;
    const target = event.currentTarget;
    target.setPointerCapture(event.pointerId);
    const compare = store.state.mode === "compare" && store.state.compare?.a && store.state.compare?.b;
    const first = nearest(event);
    const place = (name) => state.dates.findIndex((date) => date.date === store.state.compare[name]);
    const side = compare ? (Math.abs(place("a") - first) <= Math.abs(place("b") - first) ? "a" : "b") : null;
    const put = (index, resting) => {
      if (side) store.set({ compare: { ...store.state.compare, [side]: state.dates[index].date } });
      else choose(index, resting);
    };
    let moved = false;
    put(first, true);
    const move = (next) => {
      moved = true;
      put(nearest(next), false);
    };
    const done = (next) => {
      target.removeEventListener("pointermove", move);
      target.removeEventListener("pointerup", done);
      target.removeEventListener("pointercancel", done);
      if (moved) put(nearest(next), true);
    };
    target.addEventListener("pointermove", move);
    target.addEventListener("pointerup", done);
    target.addEventListener("pointercancel", done);
  }

  axis.addEventListener("pointerdown", drag);
  chart.addEventListener("pointerdown", drag);
  chart.addEventListener("pointermove", (event) => {
    if (event.buttons || !state.series?.values) return;
    state.index = nearest(event);
    paint();
  });
  chart.addEventListener("pointerleave", () => {
    state.index = null;
    paint();
  });
  const arrows = (event) => {
    const by = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageUp: 10, PageDown: -10 }[event.key];
    if (by && !event.altKey && !event.ctrlKey && !event.metaKey) {
      if (Math.abs(by) > 1) choose(current() + by);
      else go(by, event.shiftKey);
    } else if (event.key === "Home") choose(0);
    else if (event.key === "End") choose(state.dates.length - 1);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  axis.addEventListener("keydown", arrows);
  chart.addEventListener("keydown", arrows);
  shown.addEventListener("click", () => {
    state.table = !state.table;
    draw();
  });

  const some = () => state.dates.length > 1;
  keys.add("[", say.earlierKey, (event) => go(-1, Boolean(event?.shiftKey)), some, { group: "dates" });
  keys.add("]", say.laterKey, (event) => go(1, Boolean(event?.shiftKey)), some, { group: "dates" });
  keys.add("{", say.earlierKey, () => go(-1, true), some, { group: "dates", shown: false });
  keys.add("}", say.laterKey, () => go(1, true), some, { group: "dates", shown: false });

  function take() {
    const { scene, date } = store.state;
    state.dates = [...(scene?.dates ?? [])].sort((a, b) => (when(a.date) || 0) - (when(b.date) || 0));
    state.times = state.dates.map((one) => when(one.date));
    state.series = null;
    if (!state.dates.some((one) => one.date === date)) {
      const best = [...state.dates].reverse().find(isClear) ?? state.dates[state.dates.length - 1];
      store.set({ date: best?.date ?? null });
    }
    draw();
  }

  store.on(["scene"], () => {
    take();
    fetchSeries();
  });
  store.on(["pixel", "show", "map"], fetchSeries);
  store.on(["date", "mode", "compare"], draw);
  new ResizeObserver(draw).observe(axis);
  new ResizeObserver(() => grown() && paint()).observe(chart);
  app.strip = { go, draw, clear: isClear };
  take();
}
