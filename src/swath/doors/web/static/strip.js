// The dates strip, and the time series that grows out of it: both share one time axis.
import { day, digits, glyph, line, months, number, rounded, scale, table, text, ticks, when } from "./chart.js";
import { el, icon, svg } from "./dom.js";
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
  const head = el("div", { class: "head" }, title, remark, el("span", { class: "grow" }), shown);
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
    if (grown()) drawSeries();
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

  function drawSeries() {
    const found = state.series;
    if (!found?.values) return;
    if (state.table) {
      const rows = found.dates.map((date, i) => [day(date), number(found.values[i], found.digits), say.states[stateOf(found, i)]]);
      listed.replaceChildren(table(say.caption(found.title), say.heads(found.name || found.title, found.unit), rows));
      return;
    }
    const [width, height] = [chart.clientWidth, chart.clientHeight];
    if (!width || !height) return;
    const { x, left, right } = time(width);
    const at = found.dates.map((date, i) => (Number.isFinite(when(date)) ? x(when(date)) : x(i * 30 * DAY)));
    const seen = [...found.values, ...(found.class?.median ?? [])].filter((v) => v !== null && Number.isFinite(v));
    const [low, high] = range(found, seen);
    const y = scale(low, high, height - 4, 8);
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
    parts.push(...chosen(found, at, y, height, width - right, points));
    chart.replaceChildren(...parts);
    chart.setAttribute("aria-label", alternative(found));
  }

  /** The line through the chosen date, its value, and the names of the two lines. */
  function chosen(found, at, y, height, end, points) {
    const parts = [];
    const index = found.dates.findIndex((date) => date === store.state.date || day(date) === day(store.state.date ?? ""));
    const value = index < 0 ? null : found.values[index];
    if (index >= 0) parts.push(svg("path", { class: "this", d: `M${at[index]} 4V${height}` }));
    if (value !== null && value !== undefined) {
      parts.push(svg("circle", { class: "point now", cx: at[index], cy: y(value), r: 4.5 }));
    }
    const told = state.index ?? index;
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

  const cloudy = (found, i) => found.clear?.[i] === false || (typeof found.clear?.[i] === "number" && found.clear[i] < CLEAR);
  const stateOf = (found, i) => (found.values[i] !== null ? "seen" : cloudy(found, i) ? "clouds" : "missing");

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

  /** Runs of dates without a value, long enough to be seen: [first, last, whether clouds were the reason]. */
  function gaps(found) {
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
      const clouds = found.values.slice(first, last + 1).some((_, j) => cloudy(found, first + j));
      if (last - first > 1 || (after - before > 4 * usual && last > first)) runs.push([first, last, clouds]);
      first = null;
    });
    return runs;
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
    draw();
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

  function decimals(found) {
    const seen = found.values.filter((value) => value !== null);
    if (seen.every((value) => Number.isInteger(value))) return 0;
    const span = Number.isFinite(found.hi) && Number.isFinite(found.lo) ? found.hi - found.lo : Math.max(...seen) - Math.min(...seen);
    return Math.min(3, digits(span));
  }

  /** The index the series shows: the one on the map, else greenness, else the first band. */
  function wanted(scene, show) {
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

  function nearest(event) {
    const box = axis.getBoundingClientRect();
    const { x, values } = time(axis.clientWidth);
    const at = x.back(event.clientX - box.left);
    return values.reduce((best, value, i) => (Math.abs(value - at) < Math.abs(values[best] - at) ? i : best), 0);
  }

  function drag(event) {
    if (event.button) return;
    event.preventDefault();
    const target = event.currentTarget;
    target.setPointerCapture(event.pointerId);
    axis.focus({ preventScroll: true });
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
    drawSeries();
  });
  chart.addEventListener("pointerleave", () => {
    state.index = null;
    drawSeries();
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
  keys.add("[", say.earlierKey, (event) => go(-1, Boolean(event?.shiftKey)), some);
  keys.add("]", say.laterKey, (event) => go(1, Boolean(event?.shiftKey)), some);
  keys.add("{", say.earlierClear, () => go(-1, true), some);
  keys.add("}", say.laterClear, () => go(1, true), some);

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
  new ResizeObserver(() => grown() && drawSeries()).observe(chart);
  app.strip = { go, draw, clear: isClear };
  take();
}
