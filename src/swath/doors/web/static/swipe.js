// Swipe: a second map over the first, cut at a handle. The first shows A and takes every click; the second follows it.

import { el, svg } from "./dom.js";

const STEP = 0.02;
const PAGE = 0.1;

/** say: words.compare. onmove(share) after every move of the handle. */
export function makeSwipe(app, say, onmove) {
  const { view, store } = app;
  const overlay = document.getElementById("overlay");
  const host = el("div", { id: "map-b", "aria-hidden": "true", hidden: true });
  document.getElementById("map").after(host);
  const state = { map: null, rasters: null, making: null, on: false, at: 0.5, shown: new Map(), opening: null };

  const knob = svg("svg", { viewBox: "0 0 16 16", class: "i", "aria-hidden": "true" }, svg("path", { d: "M6 4.5 2.5 8 6 11.5M10 4.5 13.5 8 10 11.5" }));
  const handle = el(
    "div",
    { class: "swipe", role: "slider", tabindex: "0", hidden: true, "aria-label": say.swipe, "aria-orientation": "horizontal", "aria-valuemin": "0", "aria-valuemax": "100", title: say.swipeTitle },
    el("i", { class: "swipe-line" }),
    el("span", { class: "swipe-knob" }, knob),
  );
  const tags = { a: el("div", { class: "chip swipe-tag a", hidden: true }), b: el("div", { class: "chip swipe-tag b", hidden: true }) };
  overlay.append(handle, tags.a, tags.b);

  const open = () =>
    (state.making ||= view.twin(host, { when: () => state.on }).then((twin) => {
      state.map = twin.map;
      state.rasters = twin;
    }));
  const follow = () => state.rasters?.follow();

  function paint() {
    const { at } = state;
    const percent = Math.round(at * 100);
    host.style.clipPath = `inset(0 0 0 ${(at * 100).toFixed(3)}%)`;
    handle.style.left = `${(at * 100).toFixed(3)}%`;
    handle.setAttribute("aria-valuenow", String(percent));
    handle.setAttribute("aria-valuetext", say.swipeAt(percent));
  }

  function move(at, tell = true) {
    state.at = Math.min(1, Math.max(0, at));
    paint();
    if (tell) onmove?.(state.at);
  }

  /** Lay these layers [{record, params, opacity}] on the second map, the lowest first. */
  function lay(list) {
    const wanted = new Set(list.map(({ record }) => record.id));
    for (const id of [...state.shown.keys()]) {
      if (wanted.has(id)) continue;
      state.rasters.drop(id);
      state.shown.delete(id);
    }
    for (const { record, params, opacity } of list) {
      state.rasters.raster({ ...record, on: true, opacity }, params);
      state.rasters.opacity(record.id, opacity);
      state.shown.set(record.id, true);
    }
    state.rasters.order(list.map(({ record }) => record.id).reverse());
  }

  function label(a, b) {
    for (const [name, text] of [["a", a], ["b", b]]) {
      tags[name].replaceChildren(el("b", {}, name.toUpperCase()), el("span", {}, text));
    }
  }

  /** Show B (layers, lowest first) beside A; a, b: what the corners say. */
  async function show(list, { a, b }) {
    if (!view.webgl) return false;
    state.on = true;
    state.opening = list;
    host.hidden = false;
    await open();
    if (!state.on || state.opening !== list) return true;
    label(a, b);
    for (const node of [handle, tags.a, tags.b]) node.hidden = false;
    state.map.resize();
    follow();
    paint();
    lay(list);
    document.documentElement.dataset.swipe = "on";
    return true;
  }

  function hide() {
    state.on = false;
    state.opening = null;
    for (const node of [host, handle, tags.a, tags.b]) node.hidden = true;
    delete document.documentElement.dataset.swipe;
  }

  /** The scene has changed: nothing of the old one stays. */
  function reset() {
    hide();
    state.rasters?.reset();
    state.shown.clear();
  }

  handle.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    event.preventDefault();
    event.stopPropagation();
    handle.focus({ preventScroll: true });
    handle.setPointerCapture(event.pointerId);
    const box = overlay.getBoundingClientRect();
    const offset = event.clientX - (box.left + state.at * box.width);
    const step = (next) => move((next.clientX - offset - box.left) / box.width);
    const done = () => {
      handle.removeEventListener("pointermove", step);
      handle.removeEventListener("pointerup", done);
      handle.removeEventListener("pointercancel", done);
    };
    handle.addEventListener("pointermove", step);
    handle.addEventListener("pointerup", done);
    handle.addEventListener("pointercancel", done);
  });
  handle.addEventListener("keydown", (event) => {
    const to = {
      ArrowLeft: state.at - STEP, ArrowDown: state.at - STEP, ArrowRight: state.at + STEP, ArrowUp: state.at + STEP,
      PageDown: state.at - PAGE, PageUp: state.at + PAGE, Home: 0, End: 1,
    }[event.key];
    if (to === undefined || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    event.stopPropagation();
    move(to);
  });
  handle.addEventListener("wheel", (event) => view.map.getCanvas?.().dispatchEvent(new WheelEvent("wheel", event)), { passive: true });

  view.map.on("resize", () => state.on && (state.map?.resize(), follow()));
  move(store.state.compare?.swipe ?? 0.5, false);

  return {
    show,
    hide,
    reset,
    move,
    handle,
    get on() {
      return state.on;
    },
    get map() {
      return state.map;
    },
  };
}
