// The map: a view grid laid onto MapLibre's world square. Pixel (col, row) lies at world
// (col, row) / (256 * 2^levels), so pixels are square and exact and a click needs no reprojection.

import { el, svg } from "./dom.js";
import { makeRasters } from "./rasters.js";

const reduced = matchMedia("(prefers-reduced-motion: reduce)");
const DEGREES = 180 / Math.PI;

function hasWebgl() {
  try {
    return Boolean(document.createElement("canvas").getContext("webgl2"));
  } catch {
    return false;
  }
}

/** Pixels of a grid with `levels` above its finest tiles, to and from longitude and latitude of the world square. */
export function geometry(levels) {
  const size = 256 * 2 ** levels;
  const toWorld = (col, row) => [(col / size) * 360 - 180, (2 * Math.atan(Math.exp(Math.PI * (1 - (2 * row) / size))) - Math.PI / 2) * DEGREES];
  const toPixel = (lngLat) => {
    const lng = lngLat.lng ?? lngLat[0];
    const lat = lngLat.lat ?? lngLat[1];
    const y = (1 - Math.log(Math.tan(Math.PI / 4 + lat / DEGREES / 2)) / Math.PI) / 2;
    return { col: ((lng + 180) / 360) * size, row: y * size };
  };
  return { size, levels, toWorld, toPixel };
}

function convert(coordinates, toWorld) {
  if (typeof coordinates[0] === "number") return toWorld(coordinates[0], coordinates[1]);
  return coordinates.map((part) => convert(part, toWorld));
}

/** The accent cross of the chosen pixel, with its casing: marks on imagery do not change with the theme. */
export function cross() {
  const d = "M1 15h8M21 15h8M15 1v8M15 21v8";
  return svg("svg", { class: "here", width: 30, height: 30, viewBox: "0 0 30 30", "aria-hidden": "true" }, svg("path", { class: "case", d }), svg("path", { class: "mark", d }));
}

export async function makeView({ store, words }) {
  const webgl = hasWebgl();
  const host = document.getElementById("map");
  const overlay = document.getElementById("overlay");
  const clicks = [];
  const hovers = new Set();
  const featured = new Map();
  const markers = new Map();
  let grid = geometry(0);
  let shape = { width: 256, height: 256 };
  const padding = { top: 0, right: 0, bottom: 0, left: 0 };
  let limits = { min: -2, max: 8 };
  let opened = false;

  const view = {
    webgl,
    map: null,
    gl: null,
    padding,
    get levels() {
      return grid.levels;
    },
    get shape() {
      return shape;
    },
    toPixel: (lngLat) => grid.toPixel(lngLat),
    toWorld: (col, row) => grid.toWorld(col, row),
  };

  // Under the pictures lies the scene's extent in the panel's colour: that is what missing data look like.
  const panelColour = () => getComputedStyle(document.documentElement).getPropertyValue("--panel").trim() || "#fff";
  const extent = () => {
    const { width, height } = shape;
    const ring = [[0, 0], [width, 0], [width, height], [0, height], [0, 0]].map(([col, row]) => grid.toWorld(col, row));
    return { type: "FeatureCollection", features: opened ? [{ type: "Feature", properties: {}, geometry: { type: "Polygon", coordinates: [ring] } }] : [] };
  };

  const grounds = new Set();
  const twins = new Set();

  function layFeatures(on, id, { data, styleLayers }) {
    const source = on.getSource(id);
    if (source) return source.setData(data);
    on.addSource(id, { type: "geojson", data, tolerance: 0, maxzoom: 22 });
    for (const [n, layer] of styleLayers.entries()) on.addLayer({ ...layer, id: layer.id || `${id}.${n}`, source: id });
    return undefined;
  }

  function takeFeatures(on, id) {
    for (const layer of on.getStyle().layers) if (layer.source === id) on.removeLayer(layer.id);
    if (on.getSource(id)) on.removeSource(id);
  }

  async function makeMap() {
    if (!webgl) {
      const { makeStill } = await import("./still.js");
      return makeStill({ store, view, host, bounds: () => ({ shape, limits, size: grid.size }) });
    }
    view.gl = await import("./vendor/maplibre-gl.mjs");
    return newMap(host);
  }

  function newMap(container, more = {}) {
    return new view.gl.Map({
      container,
      style: {
        version: 8,
        sources: { extent: { type: "geojson", data: extent(), tolerance: 0, maxzoom: 22 } },
        layers: [
          { id: "extent", type: "fill", source: "extent", paint: { "fill-color": panelColour(), "fill-antialias": false } },
          { id: "rasters-end", type: "background", layout: { visibility: "none" } },
        ],
      },
      center: [-179, 84],
      zoom: 0,
      minZoom: -4,
      maxZoom: 24,
      fadeDuration: 0,
      attributionControl: false,
      renderWorldCopies: false,
      dragRotate: false,
      pitchWithRotate: false,
      touchPitch: false,
      rollEnabled: false,
      maxPitch: 0,
      keyboard: false,
      validateStyle: false,
      maxTileCacheSize: 96,
      refreshExpiredTiles: false,
      crossSourceCollisions: false,
      transformConstrain: (lngLat, zoom) => {
        const at = grid.toPixel(lngLat);
        const [lng, lat] = grid.toWorld(Math.min(shape.width, Math.max(0, at.col)), Math.min(shape.height, Math.max(0, at.row)));
        return { center: new view.gl.LngLat(lng, lat), zoom: Math.min(limits.max, Math.max(limits.min, zoom)) };
      },
      ...more,
    });
  }

  /** A second map in `container`, of the same size, that follows this one while when() holds: for a swipe. Null without WebGL. */
  view.twin = async (container, { when = () => true } = {}) => {
    if (!webgl) return null;
    const twin = newMap(container, { interactive: false });
    grounds.add(twin);
    Object.assign(twin.getCanvas(), { tabIndex: -1, ariaHidden: "true" });
    const laid = new Map();
    /** What is drawn on the first map is drawn on this one, too: all that has changed since it was last seen. */
    const marks = () => {
      if (!when()) return;
      for (const id of [...laid.keys()]) if (!featured.has(id)) takeFeatures(twin, id), laid.delete(id);
      for (const [id, one] of featured) if (laid.get(id) !== one) layFeatures(twin, id, one), laid.set(id, one);
    };
    const follow = () => {
      if (!when()) return;
      twin.jumpTo({ center: map.getCenter(), zoom: map.getZoom(), padding: { ...padding } });
      marks();
    };
    map.on("move", follow);
    if (!twin.loaded()) await new Promise((ready) => twin.once("load", ready));
    twins.add(marks);
    follow();
    const quiet = { state: { failed: {}, scene: null }, set: () => {} };
    return { ...makeRasters({ map: twin, store: quiet, view }), map: twin, follow };
  };

  const map = (view.map = await makeMap());
  map.touchZoomRotate?.disableRotation?.();
  if (webgl) grounds.add(map);
  if (webgl && !map.loaded()) await new Promise((ready) => map.once("load", ready));
  const rasters = makeRasters({ map, store, view });
  for (const name of ["raster", "drop", "order", "opacity", "visible", "retry", "url"]) view[name] = rasters[name];

  const inner = () => {
    const { clientWidth: width, clientHeight: height } = host;
    return { left: padding.left, top: padding.top, right: width - padding.right, bottom: height - padding.bottom };
  };

  /** Screen pixels per pixel of the grid. */
  view.magnification = () => (512 * 2 ** map.getZoom()) / grid.size;

  /** What is visible of the grid, as whole pixels: [r0, r1, c0, c1]. */
  view.window = () => {
    const box = inner();
    const a = grid.toPixel(map.unproject([box.left, box.top]));
    const b = grid.toPixel(map.unproject([box.right, box.bottom]));
    const hold = (v, top) => Math.min(top, Math.max(0, v));
    return [hold(Math.floor(a.row), shape.height), hold(Math.ceil(b.row), shape.height), hold(Math.floor(a.col), shape.width), hold(Math.ceil(b.col), shape.width)];
  };

  view.where = () => ({ ...grid.toPixel(map.getCenter()), zoom: map.getZoom() });

  /** Position on the map's element, in CSS pixels. */
  view.project = (col, row) => map.project(grid.toWorld(col, row));
  view.unproject = (x, y) => grid.toPixel(map.unproject([x, y]));

  view.jump = (col, row, zoom = map.getZoom()) => {
    settled();
    map.jumpTo({ center: grid.toWorld(col, row), zoom });
  };

  view.fly = (col, row, { zoom = map.getZoom(), duration = 300 } = {}) => {
    map.easeTo({ center: grid.toWorld(col, row), zoom, duration: reduced.matches ? 0 : duration });
  };

  function fitted([r0, r1, c0, c1], margin) {
    const box = inner();
    const room = [Math.max(32, box.right - box.left - 2 * margin), Math.max(32, box.bottom - box.top - 2 * margin)];
    const scale = Math.min(room[0] / Math.max(1, c1 - c0), room[1] / Math.max(1, r1 - r0));
    return Math.log2((scale * grid.size) / 512);
  }

  /** Fit a window [r0, r1, c0, c1] of pixels into the visible part; without one, the whole scene. */
  view.fit = (window = null, { margin = 24, duration = 300 } = {}) => {
    const target = window || [0, shape.height, 0, shape.width];
    const zoom = Math.min(limits.max, Math.max(limits.min, fitted(target, margin)));
    view.fly((target[2] + target[3]) / 2, (target[0] + target[1]) / 2, { zoom, duration });
  };

  /** Room that a panel over the map takes; the visible part keeps its centre. */
  view.pad = (room) => {
    Object.assign(padding, room);
    map.setPadding?.({ ...padding });
  };

  function remeasure() {
    const whole = fitted([0, shape.height, 0, shape.width], 0);
    const native = Math.log2(grid.size / 512);
    const last = -1.4; // below it tiles of level 0 are no longer drawn
    limits = { min: Math.max(last, Math.min(whole - 1, native)), max: Math.max(native + 7, whole + 2) };
  }

  /** fn({col, row, event}) for clicks and Enter at the cross; a higher priority is asked first; true means it was used. */
  view.click = (fn, priority = 0) => {
    const entry = { fn, priority };
    clicks.push(entry);
    clicks.sort((a, b) => b.priority - a.priority);
    return () => clicks.splice(clicks.indexOf(entry), 1);
  };
  view.press = (col, row, event) => {
    for (const entry of [...clicks]) if (entry.fn({ col, row, event }) === true) return true;
    return false;
  };
  map.on("click", (event) => {
    const at = grid.toPixel(event.lngLat);
    view.press(at.col, at.row, event.originalEvent);
  });

  /** fn({col, row, event}) while the pointer moves over the map, fn(null) when it leaves. */
  view.hover = (fn) => (hovers.add(fn), () => hovers.delete(fn));
  map.on("mousemove", (event) => {
    const at = { ...grid.toPixel(event.lngLat), event: event.originalEvent };
    for (const fn of hovers) fn(at);
  });
  map.on("mouseout", () => hovers.forEach((fn) => fn(null)));

  /** Draw GeoJSON whose coordinates are pixels of the grid: styleLayers as MapLibre's, `source` and ids are set here. */
  view.features = (id, geojson, styleLayers = null) => {
    const list = geojson.type === "FeatureCollection" ? geojson.features : geojson.type === "Feature" ? [geojson] : [{ type: "Feature", properties: {}, geometry: geojson }];
    const data = {
      type: "FeatureCollection",
      features: list.filter((f) => f.geometry).map((f) => ({ ...f, geometry: { ...f.geometry, coordinates: convert(f.geometry.coordinates, grid.toWorld) } })),
    };
    const one = { data, styleLayers: styleLayers || featured.get(id)?.styleLayers || [] };
    featured.set(id, one);
    if (!webgl) return map.features(id, list, styleLayers);
    layFeatures(map, id, one);
    return twins.forEach((marks) => marks());
  };

  view.clear = (id) => {
    featured.delete(id);
    if (!webgl) return map.features(id, [], []);
    takeFeatures(map, id);
    return twins.forEach((marks) => marks());
  };

  // See beneath: while held, only the image stays; what was hidden before stays hidden afterwards.
  const hidden = new Set();
  view.beneath = (on) => {
    rasters.beneath(on);
    overlay.classList.toggle("beneath", on);
    if (!webgl) return;
    if (on && !hidden.size) {
      for (const layer of map.getStyle().layers) if (featured.has(layer.source) && layer.layout?.visibility !== "none") hidden.add(layer.id);
      for (const id of hidden) map.setLayoutProperty(id, "visibility", "none");
    } else if (!on) {
      for (const id of hidden) if (map.getLayer(id)) map.setLayoutProperty(id, "visibility", "visible");
      hidden.clear();
    }
  };

  /** An element that stays at a pixel; without a node the marker goes. */
  view.marker = (id, col, row, node = null, { anchor = "center" } = {}) => {
    const old = markers.get(id);
    if (!node) {
      old?.node.remove();
      markers.delete(id);
      return;
    }
    if (old && old.node !== node) old.node.remove();
    if (!node.isConnected) overlay.append(node);
    node.style.position = "absolute";
    node.style.left = node.style.top = "0";
    markers.set(id, { node, col, row, anchor });
    place();
  };

  function place() {
    for (const { node, col, row, anchor } of markers.values()) {
      const at = view.project(col, row);
      const shift = anchor === "center" ? " translate(-50%, -50%)" : anchor === "bottom" ? " translate(-50%, -100%)" : "";
      node.style.transform = `translate(${at.x.toFixed(1)}px, ${at.y.toFixed(1)}px)${shift}`;
    }
  }
  map.on("move", place);
  // A scene just opened stays whole while the page around the map settles; the first touch ends that.
  let settling = false;
  const settled = () => (settling = false);
  for (const kind of ["pointerdown", "wheel", "keydown"]) addEventListener(kind, settled, { capture: true, passive: true });
  map.on("resize", () => {
    remeasure();
    if (settling && store.state.scene) view.fit(null, { duration: 0 });
    place();
  });
  map.on("moveend", () => store.state.scene && store.set({ view: view.where() }));

  /** A new scene: everything drawn for the old one goes, the new one is shown whole. */
  view.open = (scene) => {
    for (const id of [...featured.keys()]) view.clear(id);
    for (const id of [...markers.keys()]) view.marker(id);
    rasters.reset();
    shape = { width: scene.grid.width, height: scene.grid.height };
    grid = geometry(scene.levels);
    opened = true;
    for (const one of grounds) one.getSource("extent")?.setData(extent());
    remeasure();
    view.fit(null, { duration: 0 });
    settling = true;
  };

  document.addEventListener("themechange", () => grounds.forEach((one) => one.setPaintProperty("extent", "fill-color", panelColour())));

  // The chosen pixel: the accent cross, and a frame around the pixel when it is large enough to see.
  const here = cross();
  const frame = el("div", { class: "frame", "aria-hidden": "true" });
  function mark() {
    const { pixel, scene } = store.state;
    if (!pixel || !scene) {
      view.marker("here");
      frame.remove();
      return;
    }
    view.marker("here", Math.floor(pixel.col) + 0.5, Math.floor(pixel.row) + 0.5, here);
    const side = view.magnification();
    if (side < 10) return void frame.remove();
    if (!frame.isConnected) overlay.prepend(frame);
    const at = view.project(Math.floor(pixel.col), Math.floor(pixel.row));
    Object.assign(frame.style, { width: `${side + 1}px`, height: `${side + 1}px`, transform: `translate(${at.x - 0.5}px, ${at.y - 0.5}px)` });
  }
  store.on(["pixel", "scene"], mark);
  map.on("move", () => store.state.pixel && mark());

  view.label = (text) => map.getCanvas().setAttribute("aria-label", text);
  view.label(words.page.mapEmpty);
  view.focus = () => map.getCanvas().focus();
  return view;
}
