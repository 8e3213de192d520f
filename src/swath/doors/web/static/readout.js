// On the map: zoom buttons, scale bar, the position read-out, keys that move the map, the cross for the keyboard.

import { copy } from "./chart.js";
import { el, fill, icon, svg } from "./dom.js";
import { THIN, crsName, degrees, grouped, lengthWords, lonlat, scaleBar } from "./measure.js";
import { toScene } from "./url.js";

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
  const place = el("button", { type: "button", class: "place num", title: words.copy, onclick: copyPlace });
  const turn = el("button", { type: "button", class: "crs", onclick: next });
  const values = el("span", { class: "values num", hidden: true });
  read.append(place, turn, values);
  let form = "crs";
  let wanted = "crs"; // what the person chose; a scene without coordinates does not change that
  let at = null;
  let waiting = 0;

  const forms = (scene) => (scene.grid.pixel || !scene.grid.crs ? ["pixel"] : scene.grid.lonlat ? ["crs", "lonlat", "pixel"] : ["crs", "pixel"]);

  function next() {
    const list = forms(store.state.scene);
    form = wanted = list[(list.indexOf(form) + 1) % list.length];
    draw();
  }

  function parts(scene, col, row) {
    if (form === "pixel") return [words.row(grouped(Math.floor(row))), words.column(grouped(Math.floor(col)))];
    if (form === "lonlat") {
      const place = lonlat(scene.grid, col, row);
      if (!place) return [words.off];
      const [lon, lat] = place;
      const digits = scene.grid.metres ? Math.max(2, Math.min(7, Math.round(6 - Math.log10(scene.grid.metres)))) : 5;
      return [degrees(lat, digits, "NS"), degrees(lon, digits, "EW")];
    }
    const [x, y] = toScene(scene.grid.affine, col, row);
    const side = Math.abs(scene.grid.affine[0]);
    const digits = Math.max(0, Math.min(7, Math.ceil(-Math.log10(side))));
    if (scene.grid.geographic) return [degrees(y, digits, "NS"), degrees(x, digits, "EW")];
    return [`${grouped(x, digits)}\u00a0E`, `${grouped(y, digits)}\u00a0N`];
  }

  function draw() {
    waiting = 0;
    const { scene, pixel } = store.state;
    read.hidden = !scene;
    if (!scene) return;
    form = forms(scene).includes(wanted) ? wanted : forms(scene)[0];
    const middle = view.where();
    const spot = at || (pixel ? { col: Math.floor(pixel.col) + 0.5, row: Math.floor(pixel.row) + 0.5 } : middle);
    const inside = spot.col >= 0 && spot.row >= 0 && spot.col < scene.grid.width && spot.row < scene.grid.height;
    place.textContent = inside ? parts(scene, spot.col, spot.row).join("\u2002") : words.off;
    place.disabled = !inside;
    turn.textContent = form === "lonlat" ? "WGS 84" : form === "pixel" ? words.pixels : crsName(scene.grid.crs);
    turn.title = forms(scene).length > 1 ? words.turn[form] : words.turnPixel;
    turn.disabled = forms(scene).length < 2;
    place.setAttribute("aria-label", `${words.copy}: ${place.textContent}`);
  }
  const soon = () => (waiting ||= requestAnimationFrame(draw));

  function copyPlace() {
    const text = place.textContent.replaceAll(THIN, "").replaceAll("\u00a0", " ").replaceAll("\u2212", "-").replace(/\s+/g, " ");
    if (copy(text)) panel.say(words.copied, "chip");
    else panel.say(text);
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
  const lines = "M1 22h14M29 22h14M22 1v14M22 29v14";
  fill(mark, svg("svg", { width: 44, height: 44, viewBox: "0 0 44 44" }, svg("path", { class: "case", d: lines }), svg("path", { class: "mark", d: lines })));
  const showCross = () => {
    mark.hidden = !(onMap() && document.documentElement.dataset.input === "keys");
    const p = view.padding;
    mark.style.left = `calc(50% + ${(p.left - p.right) / 2}px)`;
    mark.style.top = `calc(50% + ${(p.top - p.bottom) / 2}px)`;
  };
  map.getCanvas().addEventListener("focus", showCross);
  map.getCanvas().addEventListener("blur", showCross);
  // Whoever moves by keys sees where Enter acts; a pointer shows it by itself.
  const input = (kind) => {
    document.documentElement.dataset.input = kind;
    showCross();
  };
  addEventListener("keydown", (event) => /^(Tab|Arrow)/.test(event.key) && input("keys"), true);
  addEventListener("pointerdown", () => input("pointer"), true);

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
