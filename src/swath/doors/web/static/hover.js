// What lies under the pointer: the mapped class by name beside it, the chosen layer's value in the read-out.
import { digits, number } from "./chart.js";
import { el } from "./dom.js";

const REST = 90;

export function start(app) {
  const { store, api, view } = app;
  const chip = el("div", { class: "chip under", "aria-hidden": "true", hidden: true }, el("i", { class: "sw" }), el("span", {}));
  document.getElementById("map-host").append(chip);
  const state = { timer: 0, asked: 0, abort: null, pixel: "" };

  const shown = () => app.layers.list().filter((layer) => layer.on && layer.kind !== "image" && layer.tiles);

  function away() {
    clearTimeout(state.timer);
    state.abort?.abort();
    state.pixel = "";
    chip.hidden = true;
    app.readout?.("");
  }

  /** The value of the chosen layer as text: a class's name, a number with its unit. */
  function valueOf(layer, point) {
    if (layer.kind === "classes" && point.class && Array.isArray(layer.legend)) {
      const name = point.class.name;
      if (layer.legend.some((one) => one.name === name)) return name;
    }
    const found = point.layers?.find((one) => one.id === layer.id);
    if (!found || found.value === null || found.value === undefined) return "";
    if (Array.isArray(layer.legend)) return layer.legend.find((one) => one.code === found.value)?.name ?? found.name ?? "";
    if (typeof found.value !== "number") return String(found.value);
    const span = Number.isFinite(layer.legend?.hi) ? layer.legend.hi - layer.legend.lo : 1;
    return number(found.value, Math.min(3, digits(span))) + (found.unit && found.unit !== "1" ? `\u2009${found.unit}` : "");
  }

  async function look(at) {
    const { scene, date } = store.state;
    const layers = shown();
    if (!scene || !layers.length) {
      away();
      return;
    }
    const asked = (state.asked += 1);
    state.abort?.abort();
    state.abort = new AbortController();
    let point;
    try {
      const params = { scene: scene.id, col: at.col, row: at.row, date, map: store.state.map };
      point = await api.get("api/point", params, { signal: state.abort.signal });
    } catch {
      return;
    }
    if (asked !== state.asked) return;
    const chosen = layers.find((layer) => layer.id === app.layers.chosen());
    app.readout?.(chosen ? valueOf(chosen, point) : "");
    const classes = layers.find((layer) => Array.isArray(layer.legend));
    const name = classes ? valueOf(classes, point) : "";
    const colour = classes?.legend.find((one) => one.name === name)?.colour;
    chip.hidden = !name || !colour;
    if (chip.hidden) return;
    chip.firstChild.style.background = colour;
    chip.lastChild.textContent = name;
    place(at.event);
  }

  function place(event) {
    const host = document.getElementById("map-host").getBoundingClientRect();
    const [x, y] = [event.clientX - host.left, event.clientY - host.top];
    const left = x + 16 + chip.offsetWidth > host.width ? x - 16 - chip.offsetWidth : x + 16;
    chip.style.transform = `translate(${Math.round(left)}px, ${Math.round(Math.max(4, y - 36))}px)`;
  }

  view.hover((at) => {
    if (!at || !store.state.scene) {
      away();
      return;
    }
    const { width, height } = store.state.scene.grid;
    const pixel = `${Math.floor(at.col)},${Math.floor(at.row)}`;
    if (at.col < 0 || at.row < 0 || at.col >= width || at.row >= height) away();
    else if (pixel === state.pixel) {
      if (!chip.hidden) place(at.event);
    } else if (shown().length) {
      state.pixel = pixel;
      chip.hidden = true;
      clearTimeout(state.timer);
      state.timer = setTimeout(() => look(at), REST);
    }
  });
  store.on(["scene", "mode", "layer"], away);
}
