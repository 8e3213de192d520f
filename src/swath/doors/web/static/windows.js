// Windows of the view grid as outlines on the map: marks drawn on imagery have a casing and do not change with the theme.

import { el } from "./dom.js";

const LEAST = 6; // CSS pixels; less is a click
const line = (width, colour, more = {}) => ({ type: "line", layout: { "line-join": "round" }, paint: { "line-width": width, "line-color": colour, ...more } });

const ring = ([r0, r1, c0, c1]) => [[[c0, r0], [c1, r0], [c1, r1], [c0, r1], [c0, r0]]];

export const PLAIN = [line(4, "rgba(10,16,14,.55)"), line(2, "#fff")];
export const CHOSEN = [line(4.5, "#fff"), line(2.5, "#0b6b72")];
export const UNWANTED = [line(4.5, "#fff"), line(2.5, "#17201d", { "line-dasharray": [2, 1.4] })];

/** Windows [r0, r1, c0, c1], or polygons as rings of [col, row], as outlines for view.features. */
export const outlines = (windows) => ({
  type: "FeatureCollection",
  features: windows.map((one) => ({ type: "Feature", properties: {}, geometry: { type: "Polygon", coordinates: typeof one[0] === "number" ? ring(one) : one } })),
});

/** {col, row} in the middle of a window. */
export const middle = ([r0, r1, c0, c1]) => ({ col: (c0 + c1) / 2, row: (r0 + r1) / 2 });

/** Boxes drawn by dragging on the map: drawn([r0, r1, c0, c1]) in whole pixels of the grid, begin() and end() around each. */
export function dragged(view, { when, begin, end, drawn }) {
  const canvas = view.map.getCanvasContainer?.() ?? document.getElementById("map");
  const overlay = document.getElementById("overlay");

  function down(event) {
    if (event.button || !when(event)) return;
    event.preventDefault();
    event.stopPropagation();
    begin();
    const frame = canvas.getBoundingClientRect();
    const at = (e) => [e.clientX - frame.left, e.clientY - frame.top];
    const from = at(event);
    const node = el("div", { class: "find-box" });
    overlay.append(node);
    const move = (e) => {
      const [x, y] = at(e);
      Object.assign(node.style, { left: `${Math.min(x, from[0])}px`, top: `${Math.min(y, from[1])}px`, width: `${Math.abs(x - from[0])}px`, height: `${Math.abs(y - from[1])}px` });
    };
    const up = (e) => {
      removeEventListener("pointermove", move);
      removeEventListener("pointerup", up);
      removeEventListener("pointercancel", up);
      node.remove();
      end();
      const to = at(e);
      if (e.type === "pointercancel" || Math.hypot(to[0] - from[0], to[1] - from[1]) < LEAST) return;
      const window = held(view.unproject(...from), view.unproject(...to), view.shape);
      if (window[0] < window[1] && window[2] < window[3]) drawn(window);
    };
    addEventListener("pointermove", move);
    addEventListener("pointerup", up);
    addEventListener("pointercancel", up);
  }

  canvas.addEventListener("pointerdown", down, true);
}

function held(a, b, { width, height }) {
  const hold = (v, top) => Math.round(Math.min(top, Math.max(0, v)));
  return [hold(Math.min(a.row, b.row), height), hold(Math.max(a.row, b.row), height), hold(Math.min(a.col, b.col), width), hold(Math.max(a.col, b.col), width)];
}
