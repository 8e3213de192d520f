// On the map: zoom buttons, scale bar, the position read-out, keys that move the map, the cross for the keyboard.

import { el, fill, icon } from "./dom.js";
import { cross } from "./map.js";
import { toScene } from "./url.js";

const STEPS = [1, 2, 2.5, 5, 10];
const WIDEST = 104;
const THIN = "\u2009";

/** 719434.2 as "719 434", with a true minus and `digits` after the point. */
export function grouped(value, digits = 0) {
  const [whole, part] = Math.abs(value).toFixed(digits).split(".");
  const text = whole.replace(/\B(?=(\d{3})+$)/g, THIN);
  return `${value < 0 ? "\u2212" : ""}${text}${part ? `.${part}` : ""}`;
}

/** The longest round length that fits the bar: {length, width in px}. */
export function scaleBar(perPixel, widest = WIDEST) {
  const most = perPixel * widest;
  const power = 10 ** Math.floor(Math.log10(most));
  const step = STEPS.filter((s) => s * power <= most).at(-1) || 1;
  return { length: step * power, width: (step * power) / perPixel };
}

function lengthWords(length, metres, words) {
  if (metres === null) return `${grouped(length, length < 1 ? 2 : 0)}${THIN}${length === 1 ? words.pixel : words.pixels}`;
  if (length >= 1000) return `${grouped(length / 1000, 0)}${THIN}km`;
  if (length >= 1) return `${grouped(length, length % 1 ? 1 : 0)}${THIN}m`;
  return `${grouped(length * 100, length < 0.01 ? 1 : 0)}${THIN}cm`;
}

/** Longitude and latitude of a pixel from the corners of the scene, bilinear; exact enough to read. */
function lonlat(scene, col, row) {
  const { corners, bounds, grid } = scene;
  if (!bounds && !corners) return null;
  const u = col / grid.width;
  const v = row / grid.height;
  const [w, s, e, n] = bounds || [];
  const [nw, ne, se, sw] = corners || [[w, n], [e, n], [e, s], [w, s]];
  return [0, 1].map((k) => (1 - v) * ((1 - u) * nw[k] + u * ne[k]) + v * ((1 - u) * sw[k] + u * se[k]));
}

const degrees = (value, digits, letters) => `${Math.abs(value).toFixed(digits)}° ${value < 0 ? letters[1] : letters[0]}`;

export function start(app) {
  const { store, view, keys, panel } = app;
  const words = app.words.view;
  const get = (id) => document.getElementById(id);
  const button = (name, label, key, fn) => el("button", { type: "button", title: `${label} (${key})`, "aria-label": label, onclick: fn }, icon(name));
  const map = view.map;
  const reduced = matchMedia("(prefers-reduced-motion: reduce)");

  const zoom = (by) => map.easeTo({ zoom: map.getZoom() + by, duration: reduced.matches ? 0 : 200 });
  get("zoom").append(
    button("plus", words.closer, "+", () => zoom(1)),
    button("minus", words.further, "−", () => zoom(-1)),
    button("fit", words.whole, "0", () => view.fit()),
  );

  // Scale
  const scale = get("scale");
  const bar = el("i");
  const length = el("span", { class: "num" });
  scale.append(length, bar);
  function measure() {
    const { scene } = store.state;
    scale.hidden = !scene;
    if (!scene) return;
    const metres = scene.grid.metres ?? null;
    const shown = scaleBar((metres ?? 1) / view.magnification());
    length.textContent = lengthWords(shown.length, metres, words);
    bar.style.width = `${shown.width.toFixed(1)}px`;
    scale.title = metres === null ? words.noSize : "";
  }
  map.on("move", measure);
  map.on("resize", measure);
  store.on("scene", measure);

  // Read-out
  const read = get("read");
  const place = el("button", { type: "button", class: "place num", title: words.copy, onclick: copy });
  const turn = el("button", { type: "button", class: "crs", onclick: next });
  const values = el("span", { class: "values num", hidden: true });
  read.append(place, turn, values);
  let form = "crs";
  let at = null;
  let waiting = 0;

  const forms = (scene) => (scene.grid.pixel || !scene.grid.crs ? ["pixel"] : scene.bounds || scene.corners ? ["crs", "lonlat", "pixel"] : ["crs", "pixel"]);

  function next() {
    const list = forms(store.state.scene);
    form = list[(list.indexOf(form) + 1) % list.length];
    draw();
  }

  function parts(scene, col, row) {
    if (form === "pixel") return [words.row(grouped(Math.floor(row))), words.column(grouped(Math.floor(col)))];
    if (form === "lonlat") {
      const [lon, lat] = lonlat(scene, col, row);
      const digits = scene.grid.metres ? Math.max(2, Math.min(7, Math.round(6 - Math.log10(scene.grid.metres)))) : 5;
      return [degrees(lat, digits, "NS"), degrees(lon, digits, "EW")];
    }
    const [x, y] = toScene(scene.grid.affine, col, row);
    const side = Math.abs(scene.grid.affine[0]);
    const digits = Math.max(0, Math.min(7, Math.ceil(-Math.log10(side))));
    if (scene.grid.geographic ?? Math.abs(side) < 0.05) return [degrees(y, digits, "NS"), degrees(x, digits, "EW")];
    return [`${grouped(x, digits)}\u00a0E`, `${grouped(y, digits)}\u00a0N`];
  }

  function draw() {
    waiting = 0;
    const { scene, pixel } = store.state;
    read.hidden = !scene;
    if (!scene) return;
    if (!forms(scene).includes(form)) form = forms(scene)[0];
    const middle = view.where();
    const spot = at || (pixel ? { col: Math.floor(pixel.col) + 0.5, row: Math.floor(pixel.row) + 0.5 } : middle);
    const inside = spot.col >= 0 && spot.row >= 0 && spot.col < scene.grid.width && spot.row < scene.grid.height;
    place.textContent = inside ? parts(scene, spot.col, spot.row).join("\u2002") : words.off;
    place.disabled = !inside;
    turn.textContent = form === "lonlat" ? "WGS 84" : form === "pixel" ? words.pixels : scene.grid.crs;
    turn.title = forms(scene).length > 1 ? words.turn[form] : words.turnPixel;
    turn.disabled = forms(scene).length < 2;
    place.setAttribute("aria-label", `${words.copy}: ${place.textContent}`);
  }
  const soon = () => (waiting ||= requestAnimationFrame(draw));

  async function copy() {
    const text = place.textContent.replaceAll(THIN, "").replaceAll("\u00a0", " ").replaceAll("\u2212", "-").replace(/\s+/g, " ");
    try {
      await navigator.clipboard.writeText(text);
      panel.say(words.copied, "chip");
    } catch {
      panel.say(text);
    }
  }

  /** Values shown after the position: the chosen layer's, as text; null takes them away. */
  app.readout = (text) => {
    values.hidden = !text;
    values.textContent = text || "";
  };
  view.hover((spot) => {
    at = spot;
    soon();
  });
  store.on(["scene", "pixel", "view"], soon);

  failures(app, words);
  keyboard(app, zoom, words);
}

/** Tiles that could not be read: said once, with a way to try again. */
function failures({ store, view, panel }, words) {
  const again = () => Object.keys(store.state.failed).forEach((id) => view.retry(id));
  store.on("failed", ({ failed }, before) => {
    const some = Object.keys(failed).length;
    if (!some) panel.chip("failed");
    else if (!Object.keys(before.failed || {}).length) panel.chip("failed", [words.failed, el("button", { type: "button", class: "link", onclick: again }, words.retry)]);
  });
}

function keyboard({ store, view, keys, words: all }, zoom, words) {
  const map = view.map;
  const mark = document.getElementById("cross");
  const ready = () => store.state.phase === "ready";
  const onMap = () => ready() && map.getCanvas() === document.activeElement;
  fill(mark, cross());
  const showCross = () => {
    const seen = onMap() && map.getCanvas().matches(":focus-visible");
    mark.hidden = !seen;
    const p = view.padding;
    mark.style.left = `calc(50% + ${(p.left - p.right) / 2}px)`;
    mark.style.top = `calc(50% + ${(p.top - p.bottom) / 2}px)`;
  };
  map.getCanvas().addEventListener("focus", showCross);
  map.getCanvas().addEventListener("blur", showCross);
  addEventListener("keydown", () => onMap() && showCross());

  const steps = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };
  for (const [key, [dx, dy]] of Object.entries(steps)) {
    for (const [prefix, by] of [["", 96], ["Shift+", 384]]) {
      keys.add(prefix + key, words.pan, () => map.panBy([dx * by, dy * by], { duration: 0 }), onMap, { group: "view", shown: key === "ArrowLeft" && !prefix });
    }
  }
  const group = "view";
  keys.add("+", words.closer, () => zoom(1), ready, { group });
  keys.add("=", words.closer, () => zoom(1), ready, { group, shown: false });
  keys.add("-", words.further, () => zoom(-1), ready, { group });
  keys.add("0", words.whole, () => view.fit(), ready, { group });
  keys.add("Enter", words.act, (event) => {
    const at = view.where();
    return view.press(at.col, at.row, event);
  }, onMap, { group });
  keys.add(" ", words.beneath, () => view.beneath(true), ready, { group });
  keys.release(" ", () => view.beneath(false));
  addEventListener("blur", () => view.beneath(false));
}
