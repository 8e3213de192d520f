// Labels just drawn, shown in the very next frame: the map takes longer to lay out thousands of them anew than one click may last.

import { el } from "./dom.js";

const MOST = 60;
const NAME = "label-new-";

/** Marks over the map for labels that its own drawing does not hold yet. */
export function makeNewest({ view }) {
  const marks = new Map();
  let held = new Set();
  let turn = 0;

  function drop(id) {
    view.marker(NAME + id, 0, 0);
    marks.delete(id);
  }

  /** Mark the latest labels that are waiting to be drawn. place(label): its pixel; colour(label); shown: whether labels are. */
  function update(labels, { place, colour, shown }) {
    if (!view.webgl) return;
    const there = new Set();
    for (let i = labels.length - 1; shown && i >= 0 && there.size < MOST; i -= 1) {
      const label = labels[i];
      if (held.has(label.id)) break; // those before it are older
      if (label.geometry.type === "Point" && (label.waiting || marks.has(label.id))) there.add(label.id);
      if (!there.has(label.id) || marks.has(label.id)) continue;
      const node = el("i", { class: "label-dot", "aria-hidden": "true", style: { background: colour(label) } });
      marks.set(label.id, node);
      view.marker(NAME + label.id, ...place(label), node);
    }
    for (const id of [...marks.keys()]) if (!there.has(id)) drop(id);
  }

  /** The map was given these labels: once it shows them, their marks go. */
  function given(labels) {
    if (!view.webgl) return;
    const mine = (turn += 1);
    const ids = new Set(labels.map((label) => label.id));
    held = ids;
    if (!marks.size) return;
    const check = () => {
      if (mine === turn && !view.map.isSourceLoaded("labels")) return;
      view.map.off("render", check);
      if (mine === turn) for (const id of [...marks.keys()]) if (ids.has(id)) drop(id);
    };
    requestAnimationFrame(() => view.map.on("render", check));
  }

  function reset() {
    turn += 1;
    held = new Set();
    for (const id of [...marks.keys()]) drop(id);
  }

  return { update, given, reset, has: (id) => marks.has(id) };
}
