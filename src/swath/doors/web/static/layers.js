// The layer list: what lies on the map, in the order it is drawn, with the chosen layer's opacity and legend.
import { day } from "./chart.js";
import { el, fill, icon, iconButton } from "./dom.js";
import { legendOf, rampOf, showOf } from "./show.js";
import { words } from "./words.js";

const RANK = { places: 0, marks: 1, labels: 1, doubt: 2, answer: 3, change: 4, classes: 5, probability: 6, number: 7, image: 9 };
const OPACITY = { classes: 0.65, probability: 0.8, change: 0.8 };
const STEP = 0.05;
const COARSER = 2; // levels that an overview is coarser by

/** Query parameters of a scene's image: how it is shown, its date, its stretch. */
export function imageParams(scene, { show, date, stretch }) {
  const one = showOf(scene, show);
  if (!one) return {};
  const range = one.kind === "index" || !stretch ? {} : { lo: stretch.lo, hi: stretch.hi };
  const how = one.custom ? { bands: one.bands } : { show: one.id };
  return { ...how, date: date ?? null, ...range };
}

export function start(app) {
  const { store, view, keys, panel, api } = app;
  const say = words.layers;
  const state = { list: [], chosen: null, opacity: new Map(), on: new Map(), drag: null };
  const plus = iconButton("plus", say.add, { title: say.add, onclick: () => app.scenes?.add?.(plus) });
  const section = app.left.section("layers", { title: say.title, order: 10, icons: [plus] });
  const host = el("ul", { class: "layer-list", "aria-label": say.list });
  section.body.append(host);

  const find = (id) => state.list.find((item) => item.record.id === id);
  const names = (item) => {
    const { record } = item;
    const { scene } = store.state;
    if (record.kind !== "image") return record.name;
    if (record.scene !== scene?.id) return record.name;
    return showOf(scene, store.state.show)?.name ?? record.name;
  };

  function put(item) {
    const { record } = item;
    if (record.draws) record.draws(item.on, item.opacity);
    if (!record.tiles) return;
    if (!item.on && !item.placed) return;
    const beside = record.kind === "image" && record.scene !== store.state.scene?.id;
    const own = { ...record, on: item.on, opacity: item.opacity, ...(beside ? { maxzoom: view.levels } : {}), ...(overview(item) ?? {}) };
    view.raster(own, params(item));
    item.placed = true;
    view.visible(record.id, item.on);
    view.opacity(record.id, item.opacity);
  }

  /** While a date is dragged, coarser tiles are enough. */
  function overview({ record }) {
    if (!store.state.dragging || record.kind !== "image") return null;
    const z = Math.ceil(view.map.getZoom?.() ?? 0) + 1;
    return { maxzoom: Math.max(0, Math.min(view.levels, z) - COARSER) };
  }

  function params({ record }) {
    if (record.kind !== "image") return record.params ?? {};
    const { scene } = store.state;
    const rough = store.state.dragging ? { overview: 1 } : {};
    if (record.scene === scene?.id) return { ...imageParams(scene, store.state), ...rough };
    const other = store.state.scenes.find((one) => one.id === record.scene);
    return other ? { ...imageParams(other, { show: other.default_show, date: nearest(other) }), on: scene?.id } : {};
  }

  /** How another scene lies over this one: in its usual way. */
  function shownOf(record) {
    const other = store.state.scenes.find((one) => one.id === record.scene);
    return other ? showOf(other, other.default_show) : null;
  }

  /** The date of another scene that lies nearest to the one looked at. */
  function nearest(other) {
    const wanted = Date.parse(store.state.date ?? other.default_date ?? "");
    const far = (one) => Math.abs(Date.parse(one.date) - wanted) || 0;
    return other.dates.reduce((best, one) => (!best || far(one) < far(best) ? one : best), null)?.date ?? null;
  }

  function arrange() {
    view.order(state.list.filter((item) => item.record.tiles).map((item) => item.record.id));
  }

  /** Put a layer on the map, or its new revision in the place of the old one. */
  function add(record, { choose = false } = {}) {
    const old = find(record.id);
    if (old) {
      old.record = { ...old.record, ...record };
      put(old);
      draw();
      return;
    }
    const opacity = state.opacity.get(record.id) ?? record.opacity ?? OPACITY[record.kind] ?? 1;
    const item = { record, on: state.on.get(record.id) ?? record.on !== false, opacity, placed: false };
    const rank = RANK[record.kind] ?? 7;
    const at = state.list.findIndex((other) => (RANK[other.record.kind] ?? 7) >= rank);
    state.list.splice(at < 0 ? state.list.length : at, 0, item);
    put(item);
    arrange();
    if (choose || !find(state.chosen)) pick(record.id);
    draw();
  }

  function remove(id) {
    const item = find(id);
    if (!item) return;
    state.list = state.list.filter((other) => other !== item);
    if (item.record.tiles) view.drop(id);
    if (item.record.draws) item.record.draws(false, 0);
    if (state.chosen === id) pick(state.list.find((other) => other.on)?.record.id ?? state.list[0]?.record.id ?? null);
    draw();
  }

  function set(id, patch) {
    const item = find(id);
    if (!item) return;
    if (patch.opacity !== undefined) state.opacity.set(id, (item.opacity = Math.max(0, Math.min(1, patch.opacity))));
    if (patch.on !== undefined) state.on.set(id, (item.on = patch.on));
    for (const key of ["remark", "name", "params", "legend"]) if (patch[key] !== undefined) item.record = { ...item.record, [key]: patch[key] };
    put(item);
    draw();
  }

  function pick(id) {
    state.chosen = id;
    store.set({ layer: id });
  }

  function toggle(item, alone) {
    if (!alone) {
      set(item.record.id, { on: !item.on });
      return;
    }
    const already = item.on && state.list.every((other) => other === item || !other.on);
    if (!already) for (const other of state.list) other.before = other.on;
    for (const other of state.list) set(other.record.id, { on: already ? (other.before ?? true) : other === item });
  }

  function move(item, by) {
    const from = state.list.indexOf(item);
    const to = Math.max(0, Math.min(state.list.length - 1, from + by));
    if (to === from) return;
    state.list.splice(from, 1);
    state.list.splice(to, 0, item);
    arrange();
    draw();
    host.querySelector(`[data-id="${CSS.escape(item.record.id)}"] .nm`)?.focus();
    panel.say(say.moved(names(item), to + 1, state.list.length));
  }

  function swatch(item) {
    const { record } = item;
    const style = {};
    let kind = record.kind;
    if (record.swatch) style.background = record.swatch;
    else if (kind === "image") {
      const { scene } = store.state;
      const show = record.scene === scene?.id ? showOf(scene, store.state.show) : shownOf(record);
      if (show?.kind === "index") style.background = rampOf(show.ramp);
      else if (show?.kind === "band") style.background = rampOf(show.ramp ?? "grey");
    } else if (kind === "classes" && Array.isArray(record.legend)) {
      const colours = record.legend.slice(0, 4).map((one) => one.colour);
      const part = 100 / colours.length;
      style.background = `conic-gradient(${colours.map((c, i) => `${c} ${(i * part).toFixed(1)}% ${((i + 1) * part).toFixed(1)}%`).join(", ")})`;
    } else if (record.legend?.ramp) style.background = rampOf(record.legend.ramp);
    else if (kind === "probability") style.background = rampOf("cividis");
    if (kind === "doubt") kind = "doubt hatch";
    return el("i", { class: `sw ${kind}`, style, "aria-hidden": "true" });
  }

  function remark(item) {
    const { record } = item;
    if (store.state.failed?.[record.id]) {
      return el("button", { type: "button", class: "link", onclick: () => view.retry(record.id) }, say.retry);
    }
    if (record.kind === "doubt") return el("kbd", {}, "D");
    if (record.remark !== undefined && record.remark !== null) return el("span", { class: "val" }, String(record.remark));
    if (record.kind === "image") {
      const own = record.scene === store.state.scene?.id;
      const other = store.state.scenes.find((one) => one.id === record.scene);
      const date = own ? store.state.date : other && nearest(other);
      return el("span", { class: "val" }, date ? day(date, true) : "");
    }
    return el("span", { class: "val" });
  }

  function slider(item) {
    const { record } = item;
    const told = el("span", { class: "num" }, say.percent(item.opacity));
    const field = el("input", { type: "range", min: 0, max: 100, step: 5, "aria-label": say.opacityOf(names(item)) });
    const paint = () => {
      field.style.setProperty("--at", `${field.value}%`);
      field.setAttribute("aria-valuetext", say.percent(field.value / 100));
      told.textContent = say.percent(field.value / 100);
    };
    field.value = String(Math.round(item.opacity * 100));
    paint();
    field.addEventListener("input", () => {
      paint();
      item.opacity = field.value / 100;
      state.opacity.set(record.id, item.opacity);
      view.opacity(record.id, item.opacity);
    });
    return el("div", { class: "opa" }, el("span", {}, say.opacity), field, told);
  }

  function row(item) {
    const { record } = item;
    const chosen = record.id === state.chosen;
    const name = names(item);
    const label = item.on ? say.hide(name) : say.show(name);
    const eye = el(
      "button",
      { type: "button", class: "eye", "aria-label": label, title: `${label}. ${say.alone}.`, onclick: (event) => toggle(item, event.altKey) },
      icon(item.on ? "eye" : "off"),
    );
    const title = el("button", { type: "button", class: "nm", "aria-pressed": String(chosen), title: `${name}. ${say.drag}.` }, name);
    const away = record.kind === "image" && record.scene !== store.state.scene?.id;
    const gone = away ? iconButton("x", say.remove(name), { class: "ghost square tiny", onclick: () => remove(record.id) }) : null;
    const line = el("div", { class: "row" }, eye, swatch(item), title, el("span", { class: "right-end" }, remark(item), gone));
    const node = el("li", { class: `layer${chosen ? " sel" : ""}${item.on ? "" : " off"}`, dataset: { id: record.id } }, line);
    if (chosen && (record.tiles || record.fades)) node.append(slider(item));
    line.addEventListener("click", (event) => {
      if (state.drag?.moved || event.target.closest(".eye, .link, .tiny")) return;
      pick(record.id);
      draw(`[data-id="${CSS.escape(record.id)}"] .nm`);
    });
    title.addEventListener("keydown", (event) => {
      const by = { ArrowUp: -1, ArrowDown: 1 }[event.key];
      if (!by) return;
      event.preventDefault();
      if (event.altKey) move(item, by);
      else (by > 0 ? node.nextElementSibling : node.previousElementSibling)?.querySelector(".nm").focus();
    });
    line.addEventListener("pointerdown", (event) => grab(event, item, node));
    return node;
  }

  /** Drag a row: it goes where the pointer lets go. */
  function grab(event, item, node) {
    if (event.button || event.target.closest(".eye, .link, .tiny")) return;
    const start = event.clientY;
    state.drag = { moved: false };
    const rows = () => [...host.children];
    const onto = (y) => rows().findIndex((other) => y < other.getBoundingClientRect().bottom);
    const step = (next) => {
      if (!state.drag.moved && Math.abs(next.clientY - start) < 5) return;
      state.drag.moved = true;
      node.classList.add("dragged");
      const to = onto(next.clientY);
      rows().forEach((other, i) => other.classList.toggle("target", i === to && other !== node));
    };
    const done = (next) => {
      removeEventListener("pointermove", step);
      removeEventListener("pointerup", done);
      removeEventListener("pointercancel", done);
      if (!state.drag.moved) return;
      const to = onto(next.clientY);
      move(item, (to < 0 ? state.list.length - 1 : to) - state.list.indexOf(item));
      draw();
      setTimeout(() => (state.drag = null));
    };
    addEventListener("pointermove", step);
    addEventListener("pointerup", done);
    addEventListener("pointercancel", done);
  }

  function draw(focus = null) {
    const held = host.contains(document.activeElement) ? document.activeElement : null;
    const where = held?.closest("[data-id]")?.dataset.id;
    const part = held && [".eye", ".nm", "input", ".link"].find((one) => held.matches(one));
    fill(host, state.list.map(row));
    const target = focus ?? (where && part ? `[data-id="${CSS.escape(where)}"] ${part}` : null);
    if (target) host.querySelector(target)?.focus({ preventScroll: true });
    legend();
  }

  /** The chips of the map: what the hatch means, and the legend of the chosen layer. */
  function legend() {
    const doubt = state.list.find((item) => item.record.kind === "doubt" && item.on);
    panel.chip("doubt", doubt ? [el("span", { class: "sw hatch" }), say.doubt] : null);
    const item = find(state.chosen);
    const beside = item?.on && item.record.kind === "image" && item.record.scene !== store.state.scene?.id ? shownOf(item.record) : null;
    const own = item?.on && item.record.kind !== "image" && item.record.kind !== "doubt" ? item.record.legend : null;
    const known = beside ? (beside.kind === "composite" ? null : { ramp: beside.ramp, lo: beside.lo, hi: beside.hi, unit: beside.unit }) : own;
    const listed = Array.isArray(known) && store.state.mode === "map";
    const told = known && !listed ? legendOf(known) : [];
    const nodes = told.length && !Array.isArray(known) ? [el("span", {}, names(item)), ...told] : told;
    const chip = panel.chip("legend", nodes.length ? nodes : null);
    chip?.classList.toggle("classes", Array.isArray(known));
    chip?.setAttribute("aria-label", say.legend(item.record.name));
  }

  function fade(by) {
    const item = find(state.chosen);
    if (!item) return;
    set(item.record.id, { opacity: Math.round((item.opacity + by) * 20) / 20 });
    panel.say(`${names(item)}, ${say.percent(item.opacity)}`);
  }

  function doubt() {
    const items = state.list.filter((item) => item.record.kind === "doubt");
    const on = !items.some((item) => item.on);
    for (const item of items) set(item.record.id, { on });
    panel.say(`${items[0].record.name}: ${on ? "on" : "off"}`);
  }

  /** The active scene has changed: its image is the ground of the list, layers of other views go. */
  function take() {
    const { scene } = store.state;
    for (const item of [...state.list]) if (item.record.kind === "image" || item.record.scene !== scene?.id) remove(item.record.id);
    if (scene?.layer) add(scene.layer, { choose: true });
    else draw();
  }

  function images() {
    for (const item of state.list) if (item.record.kind === "image") put(item);
  }

  const some = () => Boolean(find(state.chosen));
  keys.add("d", say.doubtKey, doubt, () => state.list.some((item) => item.record.kind === "doubt"), { group: "layers" });
  for (const key of ["<", "Shift+,"]) keys.add(key, say.less, () => fade(-STEP), some, { group: "layers", shown: key === "<" });
  for (const key of [">", "Shift+."]) keys.add(key, say.more, () => fade(STEP), some, { group: "layers", shown: key === ">" });
  store.on(["scene"], take);
  store.on(["date", "show", "stretch", "dragging"], images);
  store.on(["date", "show", "failed", "mode", "scenes"], () => draw());
  api.on("layers", (record) => {
    const layer = record.record ?? record;
    if (!layer?.id || (layer.scene && layer.scene !== store.state.scene?.id)) return;
    if (find(layer.id) || layer.tiles) add(layer);
  });
  app.layers = { add, remove, set, list: () => state.list.map(({ record, on, opacity }) => ({ ...record, on, opacity })), chosen: () => state.chosen, pick: (id) => (pick(id), draw()) };
  take();
}
