// The dock: the spectrum of a clicked place, kept spectra beside it, as a chart, a table or CSV.
import { copy, csv, digits, glyph, line, mark, number, rounded, scale, SHAPES, table, text, ticks } from "./chart.js";
import { el, fill, iconButton, svg } from "./dom.js";
import { foot, TABLE } from "./strip.js";
import { words } from "./words.js";

const MANY = 50; // from here on, jumps of wavelength are gaps
const JUMP = 200; // nm
const HOLE = 100; // nm, where bands between have no value
const PINS = 6;
const PIN = "M8 10.5v4M5 2.5h6M6 2.5v4l-2 3v1h8v-1l-2-3v-4";
const COPY = "M5.500 5.500h8v8h-8zM10.500 5.500v-3h-8v8h3";

export function start(app) {
  const { store, api, keys, view } = app;
  const host = document.getElementById("dock");
  const say = words.dock;
  const state = { point: null, problem: "", asked: 0, pins: [], size: "1", at: null, band: null, table: false, abort: null };

  const title = el("h2", {}, say.title);
  const remark = el("span", { class: "sub" });
  const size = el("select", { class: "quiet", "aria-label": say.size, onchange: resize });
  for (const [value, label] of say.sizes) size.append(el("option", { value }, label));
  const tool = (d, label, act, more = {}) =>
    el("button", { class: "ghost square", type: "button", title: label, "aria-label": label.split(" (")[0], onclick: act, ...more }, glyph(d));
  const keep = tool(PIN, say.keep, pin);
  const csvButton = tool(COPY, say.csv, toCsv);
  const listed = tool(TABLE, say.asTable, toTable);
  const close = iconButton("x", say.close, { title: say.close, onclick: () => store.set({ pixel: null }) });
  const head = el("div", { class: "head" }, title, size, remark, el("span", { class: "grow" }), keep, csvButton, listed, close);
  const chart = svg("svg", { class: "p spectrum", role: "img", tabindex: "0" });
  const none = el("p", { class: "chart-none", hidden: true });
  const scroll = el("div", { class: "chart-scroll", tabindex: "0", hidden: true });
  const kept = el("ul", { class: "pins", "aria-label": say.pins, hidden: true });
  host.append(head, kept, chart, none, scroll);

  const open = () => Boolean(store.state.pixel);
  const colour = (i) => `var(--pin${i})`;

  function draw() {
    host.hidden = !open();
    document.body.classList.toggle("docked", open());
    foot();
    if (!open()) return;
    const { point } = state;
    const few = Boolean(point) && isFew(point.values);
    title.textContent = few ? say.values : say.title;
    remark.textContent = point && !few ? unitOf(point.values) : "";
    size.value = state.size;
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
    else if (listing) scroll.replaceChildren(asTable(point, few));
    else drawSpectrum(point);
  }

  /** Too few or too unlike for a chart: one or two bands, or bands of several units. */
  function isFew(values) {
    const { waves, bands } = bandsOf(values);
    return !waves && (bands.length < 3 || bands.some((band) => band.unit !== bands[0].unit));
  }

  /** The unit that most values have, with its first letter as it is written in a sentence. */
  function unitOf(values) {
    const count = new Map();
    for (const one of values) count.set(one.unit ?? "", (count.get(one.unit ?? "") ?? 0) + 1);
    const best = [...count.entries()].sort((a, b) => b[1] - a[1])[0]?.[0] ?? "";
    return say.unit(best);
  }

  /** Bands as they lie on the axis: by wavelength where at least two have one, else as names side by side. */
  function bandsOf(values) {
    const known = values.filter((one) => Number.isFinite(one.nm));
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

  function drawSpectrum(point) {
    const [width, height] = [chart.clientWidth, chart.clientHeight];
    if (width < 60 || height < 40) return;
    const { waves, bands } = bandsOf(point.values);
    const box = { left: 44, right: width - 14, top: 8, bottom: height - 24 };
    const others = state.pins.map((one) => bandsOf(one.values).bands);
    const shade = waves ? (point.shade ?? []) : [];
    const all = [bands, ...others].flat().map((one) => one.value);
    const seen = [...all, ...shade.flatMap((one) => [one.low, one.high])].filter((v) => v !== null && Number.isFinite(v));
    const [least, most] = [Math.min(...seen), Math.max(...seen)];
    const [low, high] = rounded(least >= 0 && (!waves || least < most * 0.7) ? 0 : least, most, 3);
    const y = scale(low, high, box.bottom, box.top + 6);
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
    state.pins.forEach((one, i) => {
      const own = bandsOf(one.values);
      if (own.waves !== waves) return;
      own.bands.forEach((band, j) => (band.i = j));
      const drawn = strokes(own.bands, waves, place).points;
      if (waves) parts.push(svg("path", { class: "stroke pin", d: line(drawn), style: { stroke: colour(i) } }));
      if (own.bands.length < MANY) {
        for (const p of drawn) if (p) parts.push(mark(SHAPES[i], p[0], p[1], 3, { class: "pin-mark", style: { stroke: colour(i), fill: colour(i) } }));
      } else if (drawn.find(Boolean)) {
        const p = drawn.filter(Boolean).at(-1);
        parts.push(mark(SHAPES[i], p[0], p[1], 3.5, { class: "pin-mark", style: { stroke: colour(i), fill: colour(i) } }));
      }
    });
    const stems = points.map((p) => (p ? `M${p[0].toFixed(1)} ${box.bottom}V${p[1].toFixed(1)}` : "")).join("");
    parts.push(svg("path", { class: waves ? "stroke" : "stroke stem", d: waves ? line(points) : stems }));
    if (bands.length < MANY) {
      for (const p of points) if (p) parts.push(svg("circle", { class: "point", cx: p[0].toFixed(1), cy: p[1].toFixed(1), r: 2.4 }));
    }
    state.at = { x, bands, waves };
    const band = snapped(bands);
    if (band) parts.push(...reading(band, x(waves ? band.nm : band.i), y(band.value), box, decimalsOf(point.values)));
    fill(chart, parts);
    chart.setAttribute("aria-label", alternative(point, bands, waves));
  }

  const placeOf = (point) => say.place(point.col, point.row);

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
      group.append(text(box.right, box.bottom - 6, say.shaded(point.class.name), { "text-anchor": "end", class: "halo" }));
    }
    return group;
  }

  /** The band the reading stands at: where the pointer is, else the one used last, else near infrared. */
  function snapped(bands) {
    const valued = bands.filter((band) => band.value !== null && band.value !== undefined);
    const wanted = valued.find((band) => band.band === state.band);
    if (wanted) return wanted;
    return valued.find((band) => Math.abs((band.nm ?? 0) - 865) < 25) ?? valued[Math.floor(valued.length / 2)];
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
  function asBlocks(point) {
    const told = (one) => [number(one.value, decimalsOf([one])), say.unit(one.unit)].filter(Boolean).join("\u2009");
    return el("dl", { class: "values-list" }, point.values.map((one) => el("div", {}, el("dt", {}, one.band), el("dd", { class: "num" }, told(one)))));
  }

  function asTable(point, few = false) {
    const { waves } = bandsOf(point.values);
    const shared = Math.min(4, decimalsOf(point.values) && decimalsOf(point.values) + 1);
    const decimals = (value) => (few ? decimalsOf([{ value }]) : shared);
    const unit = (one) => (few && say.unit(one.unit) ? `\u2009${say.unit(one.unit)}` : "");
    const told = (one) => (one?.value === null || one?.value === undefined ? say.none : number(one.value, decimals(one.value)) + unit(one));
    const heads = [say.band, ...(waves ? [say.wavelength] : []), say.value, ...state.pins.map((one) => one.name)];
    const rows = point.values.map((one) => [
      one.name && one.name !== one.band ? `${one.band}, ${one.name}` : one.band,
      ...(waves ? [Number.isFinite(one.nm) ? `${Math.round(one.nm)}\u2009nm` : say.none] : []),
      told(one),
      ...state.pins.map((pinned) => told(pinned.values.find((other) => other.band === one.band))),
    ]);
    return table(say.caption(placeOf(point)), heads, rows);
  }

  /** Digits after the point: none for whole numbers, else as many as the span deserves. */
  function decimalsOf(values, most = 3) {
    const whole = values.every((one) => one.value === null || one.value === undefined || Number.isInteger(one.value));
    return whole ? 0 : Math.min(most, digits(spanOf(values)));
  }

  function spanOf(values) {
    const seen = values.map((one) => one.value).filter((v) => v !== null && v !== undefined);
    return seen.length ? Math.max(...seen) - Math.min(...seen) || Math.abs(seen[0]) || 1 : 1;
  }

  function drawPins() {
    kept.hidden = !state.pins.length;
    fill(
      kept,
      state.pins.map((one, i) => {
        const shape = mark(SHAPES[i], 7, 7, 4, { class: "pin-mark", style: { stroke: colour(i), fill: colour(i) } });
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
    if (!open() || !point) return;
    const name = placeOf(point);
    if (state.pins.some((one) => one.name === name)) return;
    if (state.pins.length >= PINS) {
      announce(say.full);
      return;
    }
    state.pins.push({ name, date: point.date, values: point.values.map((one) => ({ ...one })) });
    announce(say.keptOne(state.pins.length, PINS));
    draw();
  }

  async function toCsv() {
    const { point } = state;
    const rows = [["place", "date", "band", "name", "nm", "value", "unit"]];
    const here = { name: placeOf(point), date: point.date, values: point.values };
    for (const one of [here, ...state.pins.filter((other) => other.name !== here.name)]) {
      for (const band of one.values) rows.push([one.name, one.date ?? "", band.band, band.name ?? "", band.nm ?? "", band.value ?? "", band.unit ?? ""]);
    }
    announce((await copy(csv(rows))) ? say.copied(rows.length - 1) : say.notCopied);
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
    state.said = setTimeout(() => state.point && (remark.textContent = unitOf(state.point.values)), 2500);
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
    draw();
    state.abort = new AbortController();
    try {
      const params = { scene: scene.id, col: pixel.col, row: pixel.row, size: state.size, date, map: store.state.map };
      const point = await api.get("api/point", params, { signal: state.abort.signal });
      if (asked !== state.asked) return;
      state.point = point;
      state.problem = "";
      store.set({ point });
      later(point, asked);
    } catch (error) {
      if (asked !== state.asked || error.name === "AbortError") return;
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
    drawSpectrum(state.point);
  }

  function step(event) {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!by || !state.at || event.altKey || event.ctrlKey) return;
    const valued = state.at.bands.filter((band) => band.value !== null);
    const next = valued[valued.indexOf(snapped(valued)) + by];
    event.preventDefault();
    event.stopPropagation();
    if (!next) return;
    state.band = next.band;
    drawSpectrum(state.point);
    announce(say.reading(next, number(next.value, decimalsOf(valued))));
  }

  chart.addEventListener("pointermove", snap);
  chart.addEventListener("pointerdown", snap);
  chart.addEventListener("keydown", step);
  keys.add("k", say.keepKey, pin, open);
  view.click(({ col, row }) => {
    const { scene } = store.state;
    if (!scene || col < 0 || row < 0 || col >= scene.grid.width || row >= scene.grid.height) return false;
    store.set({ pixel: { col: Math.floor(col) + 0.5, row: Math.floor(row) + 0.5 } });
    return true;
  }, 0);
  store.on(["scene"], () => {
    state.pins = [];
    state.band = null;
  });
  store.on(["pixel", "scene", "date", "map"], () => (store.state.dragging ? null : fetchPoint()));
  store.on(["dragging"], () => (store.state.dragging ? null : fetchPoint()));
  new ResizeObserver(() => open() && draw()).observe(chart);
  app.dock = { open, close: () => store.set({ pixel: null }) };
  fetchPoint();
}
