// What is looked at stands after the # of the address: a copy of it shows the same again, Back undoes.
// #scene=KEY&at=719434,5699148,3.1&date=2019-02-19&show=rgb&mode=map&map=3&px=94,170 - no path, no token.

const REST = 250;
const PUSHED = ["mode", "scene", "map"];

/** Column and row to x and y of the scene, and back; affine is [a, b, c, d, e, f] of x = a col + b row + c. */
export const toScene = ([a, b, c, d, e, f], col, row) => [a * col + b * row + c, d * col + e * row + f];
export function fromScene([a, b, c, d, e, f], x, y) {
  const det = a * e - b * d;
  return [(e * (x - c) - b * (y - f)) / det, (a * (y - f) - d * (x - c)) / det];
}

const identity = [1, 0, 0, 0, 1, 0];
const affine = (scene) => (scene.grid.pixel ? identity : scene.grid.affine);
const rounded = (v, step) => Number(v.toFixed(step));

function digits(scene) {
  const side = Math.abs(affine(scene)[0]) || 1;
  return Math.max(0, Math.min(8, Math.ceil(1 - Math.log10(side))));
}

function parse(text) {
  return Object.fromEntries(new URLSearchParams(text.replace(/^#/, "")));
}

export async function start(app, scenes) {
  const { store, view } = app;
  let timer = 0;
  let applying = true;
  let written = "";

  function write() {
    const { scene, date, show, mode, map, pixel, view: at } = store.state;
    if (!scene) return "";
    const parts = [`scene=${encodeURIComponent(scene.key)}`];
    if (at) {
      const [x, y] = toScene(affine(scene), at.col, at.row);
      parts.push(`at=${rounded(x, digits(scene))},${rounded(y, digits(scene))},${rounded(at.zoom, 2)}`);
    }
    if (date) parts.push(`date=${encodeURIComponent(date)}`);
    if (show) parts.push(`show=${encodeURIComponent(show)}`);
    if (mode !== "look") parts.push(`mode=${mode}`);
    if (map !== null) parts.push(`map=${map}`);
    if (pixel) parts.push(`px=${Math.floor(pixel.col)},${Math.floor(pixel.row)}`);
    return `#${parts.join("&")}`;
  }

  function keep(push) {
    clearTimeout(timer);
    const hash = write();
    if (!hash || hash === written) return;
    written = hash;
    history[push ? "pushState" : "replaceState"](null, "", hash);
  }

  async function apply(wanted) {
    applying = true;
    try {
      const named = store.state.scenes.find((scene) => scene.key === wanted.scene) || (wanted.scene ? null : scenes[0]);
      const scene = named || store.state.scene || scenes[0];
      if (!scene) {
        store.set({ phase: "empty" });
        return;
      }
      const shown = store.state.scene;
      if (shown?.key !== scene.key || shown.id !== scene.id || shown.rev !== scene.rev) await app.show(scene);
      const record = store.state.scene;
      const patch = { mode: ["look", "map", "find", "compare"].includes(wanted.mode) ? wanted.mode : "look" };
      if ((record.dates || []).some((entry) => entry.date === wanted.date)) patch.date = wanted.date;
      if (wanted.show) patch.show = wanted.show;
      patch.map = /^\d+$/.test(wanted.map || "") ? Number(wanted.map) : null;
      const px = (wanted.px || "").split(",").map(Number);
      patch.pixel = px.length === 2 && px.every(Number.isFinite) && px[0] < record.grid.width && px[1] < record.grid.height ? { col: px[0], row: px[1] } : null;
      const at = (wanted.at || "").split(",").map(Number);
      if (named && at.length === 3 && at.every(Number.isFinite)) {
        const [col, row] = fromScene(affine(record), at[0], at[1]);
        view.jump(col, row, at[2]);
      }
      store.set(patch);
    } finally {
      applying = false;
    }
  }

  /** Show again what the address says, as after a restart of the server. */
  let last = Promise.resolve();
  app.restore = () => (last = last.then(() => apply(parse(location.hash))).catch(app.refused));
  await app.restore();
  written = location.hash;
  keep(false);
  for (const key of PUSHED) store.on(key, () => applying || keep(true));
  store.on(["view", "date", "show", "pixel"], () => {
    if (applying) return;
    clearTimeout(timer);
    timer = setTimeout(() => keep(false), REST);
  });
  addEventListener("popstate", () => {
    written = location.hash;
    app.restore();
  });
  addEventListener("hashchange", () => {
    if (location.hash === written) return;
    written = location.hash;
    app.restore();
  });
}
