// Tools that draw labels: point, polygon, erase, undo, redo; by pointer, or with Enter at the cross in the middle.

import { icon, el } from "./dom.js";
import { words } from "./words.js";

const NEAR = 9;
const CASE = "rgba(10,16,14,.55)";
const STYLE = [
  { type: "fill", filter: ["==", ["geometry-type"], "Polygon"], paint: { "fill-color": ["get", "colour"], "fill-opacity": 0.15 } },
  { type: "line", layout: { "line-join": "round" }, paint: { "line-color": CASE, "line-width": 5 } },
  { type: "line", layout: { "line-join": "round" }, paint: { "line-color": "#fff", "line-width": 3.5 } },
  { type: "line", layout: { "line-join": "round" }, paint: { "line-color": ["get", "colour"], "line-width": 2 } },
  { type: "circle", filter: ["==", ["geometry-type"], "Point"], paint: { "circle-radius": 4.5, "circle-color": "#fff", "circle-stroke-width": 1.5, "circle-stroke-color": CASE } },
];

export function start(app) {
  const { store, view, keys, panel, labels, classes } = app;
  const say = words.draw;
  const state = { corners: [], pointer: null, byPointer: false };
  const buttons = {};

  const active = () => store.state.mode === "map" && Boolean(store.state.scene) && store.state.classes.length > 0;
  const on = ({ col, row }) => col >= 0 && row >= 0 && col < view.shape.width && row < view.shape.height;
  const drawing = () => state.corners.length > 0;

  function choose(tool) {
    if (store.state.tool !== tool) drop();
    store.set({ tool });
    panel.say(say[tool]);
  }

  function button(name, symbol, key, act) {
    const node = el("button", { type: "button", class: "ghost square", "aria-label": say[name], title: `${say[`${name}Why`] || say[name]} (${key})`, onclick: act }, icon(symbol));
    buttons[name] = node;
    classes.tools.append(node);
    return node;
  }

  button("point", "point", "P", () => choose("point"));
  button("polygon", "poly", "G", () => choose("polygon"));
  button("erase", "erase", "X", () => choose("erase"));
  classes.tools.append(el("span", { class: "grow" }));
  button("undo", "undo", "Ctrl Z", () => (drawing() ? back() : labels.undo()));
  button("redo", "redo", "Ctrl Shift Z", () => labels.redo());

  // --- the three tools ----------------------------------------------------------------------------------------

  function point({ col, row }) {
    const kind = store.state.chosenClass;
    const there = labels.at(col, row, 0.75 * view.magnification());
    const sits = there?.geometry.type === "Point" && samePixel(labels.middle(there), col, row);
    if (sits && there.class === kind) panel.say(say.already);
    else if (sits) labels.change(there.id, kind);
    else labels.add({ type: "Point", coordinates: [col, row] }, kind);
  }

  const samePixel = ([c, r], col, row) => Math.floor(c) === Math.floor(col) && Math.floor(r) === Math.floor(row);

  function corner(at, byPointer) {
    const scale = view.magnification();
    const close = ([c, r]) => Math.hypot(c - at.col, r - at.row) * scale <= NEAR;
    const { corners } = state;
    if (corners.length && (close(corners.at(-1)) || (corners.length > 2 && close(corners[0])))) return void finish();
    state.byPointer = byPointer;
    corners.push([Math.min(view.shape.width, Math.max(0, at.col)), Math.min(view.shape.height, Math.max(0, at.row))]);
    panel.say(say.corner(corners.length));
    show();
  }

  function finish() {
    const { corners } = state;
    if (corners.length < 3) {
      if (corners.length > 1) panel.say(say.few, "chip");
      return false;
    }
    state.corners = [];
    labels.add({ type: "Polygon", coordinates: [[...corners, corners[0]]] }, store.state.chosenClass);
    show();
    return true;
  }

  function back() {
    if (!drawing()) return false;
    state.corners.pop();
    show();
    return true;
  }

  function drop() {
    if (!drawing()) return false;
    state.corners = [];
    show();
    return true;
  }

  function erase({ col, row }) {
    const found = labels.at(col, row);
    if (found) labels.remove([found.id]);
    else panel.say(say.nothing, "chip");
  }

  function show() {
    const colour = store.state.classes.find((one) => one.id === store.state.chosenClass)?.colour || "#fff";
    const places = [...state.corners];
    const features = places.map((coordinates) => ({ type: "Feature", properties: { colour }, geometry: { type: "Point", coordinates } }));
    if (places.length && state.pointer && state.byPointer) places.push([state.pointer.col, state.pointer.row]);
    if (places.length > 2) features.unshift({ type: "Feature", properties: { colour }, geometry: { type: "Polygon", coordinates: [[...places, places[0]]] } });
    else if (places.length === 2) features.unshift({ type: "Feature", properties: { colour }, geometry: { type: "LineString", coordinates: places } });
    if (store.state.scene) view.features("drawing", { type: "FeatureCollection", features }, STYLE);
    const doubles = view.map.doubleClickZoom;
    if (active() && store.state.tool === "polygon") doubles?.disable();
    else doubles?.enable();
  }

  view.click(({ col, row, event }) => {
    if (!active() || event?.altKey || !store.state.chosenClass) return false;
    const at = { col, row };
    const { tool } = store.state;
    if (tool === "polygon") corner(at, event?.type !== "keydown");
    else if (!on(at)) return false;
    else if (tool === "erase") erase(at);
    else point(at);
    return true;
  }, 10);
  view.hover((at) => {
    state.pointer = at;
    if (drawing() && state.byPointer) show();
  });

  function look() {
    const { tool, steps = [0, 0] } = store.state;
    for (const name of ["point", "polygon", "erase"]) buttons[name].setAttribute("aria-pressed", String(tool === name));
    buttons.undo.disabled = !steps[0] && !drawing();
    buttons.redo.disabled = !steps[1];
    const cursor = active() ? (tool === "erase" ? "erase" : "draw") : "";
    document.getElementById("map").dataset.tool = cursor;
  }

  for (const [key, tool] of [["p", "point"], ["g", "polygon"], ["x", "erase"]]) keys.add(key, say[`${tool}Why`], () => choose(tool), active, { group: "labels" });
  keys.add("Enter", say.end, finish, () => active() && state.corners.length > 2 && state.byPointer, { group: "labels" });
  keys.add("Backspace", say.back, back, () => active() && drawing(), { group: "labels" });
  keys.add("Escape", "", drop, () => drawing(), { shown: false });
  keys.add("Ctrl+z", "", back, () => active() && drawing(), { shown: false });
  store.on(["tool", "steps", "mode", "classes", "scene"], look);
  store.on(["mode", "scene"], () => {
    if (drawing() && !active()) drop();
    show();
  });
  app.draw = { choose, drop };
  look();
}
