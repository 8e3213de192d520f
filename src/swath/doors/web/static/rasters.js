// Picture layers of the map. Each has two sources: the next date or show loads hidden, then they change places.

const WAIT = 4000;
const AHEAD = 24;

export function makeRasters({ map, store, view }) {
  const layers = new Map();
  let order = [];
  let held = false;
  let serial = 0;
  let busy = null;

  const base = () => document.baseURI.replace(/[?#].*$/, "").replace(/[^/]*$/, "");

  /** The address of a layer's tiles with {z}/{x}/{y} left in. */
  function url(record, params = {}) {
    const query = new URLSearchParams();
    for (const [key, value] of Object.entries(params)) {
      if (value !== null && value !== undefined) query.set(key, Array.isArray(value) ? value.join(",") : String(value));
    }
    const text = query.toString();
    const path = record.tiles + (text ? (record.tiles.includes("?") ? "&" : "?") + text : "");
    return /^https?:/.test(path) ? path : base() + path;
  }

  const shown = (layer) => (layer.on && !(held && layer.record.kind !== "image") ? layer.opacity : 0);

  function box() {
    const { width, height } = view.shape;
    const [w, n] = view.toWorld(0, 0);
    const [e, s] = view.toWorld(width, height);
    return [w, s, e, n];
  }

  function above(id) {
    // The first raster drawn over this one; features lie over all rasters.
    const at = order.indexOf(id);
    for (let n = at - 1; n >= 0; n -= 1) {
      const other = layers.get(order[n]); // what comes next of a layer lies right under what is shown of it
      for (const slot of [other?.next, other?.slot]) if (slot && map.getLayer(slot)) return slot;
    }
    return "rasters-end";
  }

  function place(layer, address, opacity) {
    const { record } = layer;
    const slot = `${record.id}~${(serial += 1)}`;
    const resampling = record.kind === "image" || record.kind === "probability" || record.kind === "number" ? ["step", ["zoom"], "linear", view.levels - 1, "nearest"] : "nearest";
    map.addSource(slot, { type: "raster", tiles: [address], tileSize: 256, minzoom: record.minzoom || 0, maxzoom: record.maxzoom ?? view.levels, bounds: box() });
    map.addLayer(
      { id: slot, type: "raster", source: slot, layout: { visibility: layer.on ? "visible" : "none" }, paint: { "raster-opacity": opacity, "raster-opacity-transition": { duration: 0, delay: 0 }, "raster-fade-duration": 0, "raster-resampling": resampling } },
      layer.slot && map.getLayer(layer.slot) ? undefined : above(record.id),
    );
    if (layer.slot && map.getLayer(layer.slot)) map.moveLayer(slot, layer.slot);
    return slot;
  }

  function remove(slot) {
    if (!slot) return;
    if (map.getLayer(slot)) map.removeLayer(slot);
    if (map.getSource(slot)) map.removeSource(slot);
  }

  function swap(layer) {
    const old = layer.slot;
    layer.slot = layer.next;
    layer.next = null;
    clearTimeout(layer.timer);
    map.setPaintProperty(layer.slot, "raster-opacity", shown(layer));
    remove(old);
    ahead();
  }

  function check() {
    for (const layer of layers.values()) if (layer.next && layer.ready && map.isSourceLoaded(layer.next)) swap(layer);
  }

  /** Show a layer with these query parameters (show, date, lo, hi, bands, class); the same address does nothing. */
  function raster(record, params = {}) {
    let layer = layers.get(record.id);
    if (!layer) {
      layer = { record, params, on: record.on !== false, opacity: record.opacity ?? 1, slot: null, next: null, address: "", timer: 0, ready: false };
      layers.set(record.id, layer);
      if (!order.includes(record.id)) order = record.kind === "image" ? [...order, record.id] : [record.id, ...order];
    }
    layer.record = record;
    layer.params = params;
    const address = url(record, params);
    if (address === layer.address) return;
    layer.address = address;
    stop(); // what is asked for comes before what may be asked for next
    forgive(record.id);
    remove(layer.next);
    clearTimeout(layer.timer);
    if (!layer.slot || !layer.on) {
      remove(layer.slot);
      layer.next = null;
      layer.slot = null;
      layer.slot = place(layer, address, shown(layer));
      return;
    }
    layer.next = place(layer, address, 0);
    layer.ready = false;
    map.once("render", () => {
      layer.ready = true;
      check();
    });
    layer.timer = setTimeout(() => layer.next && swap(layer), WAIT);
    map.triggerRepaint();
  }

  function drop(id) {
    const layer = layers.get(id);
    if (!layer) return;
    clearTimeout(layer.timer);
    remove(layer.slot);
    remove(layer.next);
    layers.delete(id);
    order = order.filter((other) => other !== id);
    forgive(id);
  }

  function reset() {
    for (const id of [...layers.keys()]) drop(id);
    order = [];
    held = false;
  }

  function paint(layer) {
    if (layer.slot && map.getLayer(layer.slot)) map.setPaintProperty(layer.slot, "raster-opacity", shown(layer));
  }

  /** Draw order, topmost first, as in the list of layers; ids that are not shown yet keep their place. */
  function arrange(ids) {
    order = [...ids, ...order.filter((id) => !ids.includes(id))];
    for (const id of order) {
      const layer = layers.get(id);
      for (const slot of layer ? [layer.next, layer.slot] : []) if (slot && map.getLayer(slot)) map.moveLayer(slot, above(id));
    }
  }

  function opacity(id, value) {
    const layer = layers.get(id);
    if (!layer) return;
    layer.opacity = value;
    paint(layer);
  }

  function visible(id, on) {
    const layer = layers.get(id);
    if (!layer || layer.on === on) return;
    layer.on = on;
    for (const slot of [layer.slot, layer.next]) if (slot && map.getLayer(slot)) map.setLayoutProperty(slot, "visibility", on ? "visible" : "none");
    paint(layer);
  }

  /** Hold Space: the image alone, as long as `on`. */
  function beneath(on) {
    held = on;
    for (const layer of layers.values()) paint(layer);
  }

  function forgive(id) {
    if (!store.state.failed[id]) return;
    const { [id]: gone, ...failed } = store.state.failed;
    store.set({ failed });
  }

  /** Ask again for the tiles of a layer that failed. */
  function retry(id) {
    const layer = layers.get(id);
    if (!layer) return;
    forgive(id);
    layer.address = "";
    raster(layer.record, layer.params);
  }

  // Neighbouring dates of what is seen are fetched when the map rests, two at a time, and dropped when it moves.
  function stop() {
    busy?.abort();
    busy = null;
  }

  function tiles(layer) {
    const { record } = layer;
    const z = Math.max(record.minzoom || 0, Math.min(record.maxzoom ?? view.levels, Math.round(map.getZoom() + 1)));
    const side = 256 * 2 ** (view.levels - z);
    const [r0, r1, c0, c1] = view.window();
    const found = [];
    for (let y = Math.floor(r0 / side); y * side < r1; y += 1) for (let x = Math.floor(c0 / side); x * side < c1; x += 1) found.push([z, x, y]);
    return found.length * 2 > AHEAD ? [] : found;
  }

  async function ahead() {
    stop();
    const { scene } = store.state;
    if (!scene || document.hidden || navigator.connection?.saveData) return;
    const dates = (scene.dates || []).map((entry) => entry.date);
    const wanted = [];
    for (const layer of layers.values()) {
      const at = dates.indexOf(layer.params.date);
      if (!layer.on || at < 0) continue;
      for (const date of [dates[at + 1], dates[at - 1]].filter(Boolean)) {
        const address = url(layer.record, { ...layer.params, date });
        for (const [z, x, y] of tiles(layer)) wanted.push(address.replace("{z}", z).replace("{x}", x).replace("{y}", y));
      }
    }
    if (!wanted.length) return;
    const control = (busy = new AbortController());
    await new Promise((rest) => setTimeout(rest, 350));
    const next = async () => {
      while (wanted.length && !control.signal.aborted) {
        try {
          const answer = await fetch(wanted.shift(), { signal: control.signal, priority: "low", credentials: "same-origin" });
          await answer.arrayBuffer();
        } catch {
          return;
        }
      }
    };
    await Promise.all([next(), next()]);
  }

  if (view.webgl) {
    map.on("sourcedata", check);
    map.on("idle", () => {
      check();
      if (!busy) ahead();
    });
    map.on("movestart", stop);
    map.on("error", (event) => {
      const id = event.sourceId?.replace(/~\d+$/, "");
      if (!id || !layers.has(id)) return void console.warn(event.error?.message || event);
      if (event.error?.name === "AbortError") return;
      store.set({ failed: { ...store.state.failed, [id]: (store.state.failed[id] || 0) + 1 } });
    });
    return { raster, drop, order: arrange, opacity, visible, beneath, retry, url, reset, stop };
  }
  return map.rasters({ url, reset: () => (layers.clear(), map.reset()) });
}
