// Browsers without WebGL see a still picture of the view, one PNG per view; it pans and zooms like the map.
// This object answers to the few calls of a MapLibre map that the page uses.

import { el, svg } from "./dom.js";

const REST = 160;

/** The value of a style: a plain value, or ["get", key], ["coalesce", ...], ["match", ...], ["case", ...] of the properties. */
export function styled(expression, properties) {
  if (!Array.isArray(expression)) return expression;
  const [name, ...rest] = expression;
  if (name === "get") return properties?.[rest[0]];
  if (name === "literal") return rest[0];
  if (name === "coalesce") return rest.map((one) => styled(one, properties)).find((v) => v !== null && v !== undefined);
  if (name === "==") return styled(rest[0], properties) === styled(rest[1], properties);
  if (name === "case") {
    for (let n = 0; n + 1 < rest.length; n += 2) if (styled(rest[n], properties)) return styled(rest[n + 1], properties);
    return styled(rest.at(-1), properties);
  }
  if (name === "match") {
    const seen = styled(rest[0], properties);
    for (let n = 1; n + 1 < rest.length; n += 2) if ([rest[n]].flat().includes(seen)) return styled(rest[n + 1], properties);
    return styled(rest.at(-1), properties);
  }
  return undefined;
}

export function makeStill({ store, view, host, bounds }) {
  const canvas = el("div", { class: "maplibregl-canvas still", tabindex: 0, role: "img" });
  const picture = el("img", { class: "still-picture", alt: "", draggable: "false" });
  const drawing = svg("svg", { class: "still-drawing", "aria-hidden": "true" });
  canvas.append(picture, drawing);
  host.append(canvas);
  const listeners = new Map();
  const layers = new Map();
  const features = new Map();
  let order = [];
  let held = false;
  let centre = { col: 128, row: 128 };
  let zoom = 0;
  let room = { top: 0, right: 0, bottom: 0, left: 0 };
  let drawn = null;
  let timer = 0;
  let address = "";

  const size = () => ({ width: host.clientWidth, height: host.clientHeight });
  const scale = () => (512 * 2 ** zoom) / bounds().size;
  const middle = () => {
    const { width, height } = size();
    return { x: (room.left + width - room.right) / 2, y: (room.top + height - room.bottom) / 2 };
  };

  function fire(kind, event = {}) {
    for (const fn of [...(listeners.get(kind) || [])]) fn(event);
  }

  const at = (col, row) => {
    const m = middle();
    return { x: m.x + (col - centre.col) * scale(), y: m.y + (row - centre.row) * scale() };
  };
  const under = (x, y) => {
    const m = middle();
    return { col: centre.col + (x - m.x) / scale(), row: centre.row + (y - m.y) / scale() };
  };

  function hold() {
    const { shape, limits } = bounds();
    zoom = Math.min(limits.max, Math.max(limits.min, zoom));
    centre = { col: Math.min(shape.width, Math.max(0, centre.col)), row: Math.min(shape.height, Math.max(0, centre.row)) };
  }

  function place() {
    if (drawn) {
      const a = at(drawn.c0, drawn.r0);
      const b = at(drawn.c1, drawn.r1);
      Object.assign(picture.style, { transform: `translate(${a.x}px, ${a.y}px)`, width: `${b.x - a.x}px`, height: `${b.y - a.y}px` });
    }
    sketch();
  }

  function moved() {
    hold();
    place();
    fire("move");
    clearTimeout(timer);
    timer = setTimeout(() => {
      fire("moveend");
      request();
    }, REST);
  }

  /** Ask for the picture of this view: layers from the lowest to the topmost, as JSON. */
  function request() {
    const { scene } = store.state;
    const { width, height } = size();
    if (!scene || !width) return;
    const seen = [...order].reverse().map((id) => layers.get(id)).filter((layer) => layer && layer.on && layer.opacity > 0 && !(held && layer.record.kind !== "image"));
    const a = under(0, 0);
    const b = under(width, height);
    const ask = new URLSearchParams({
      scene: scene.id,
      window: [a.row, b.row, a.col, b.col].map((v) => v.toFixed(2)).join(","),
      width,
      height,
      layers: JSON.stringify(seen.map((layer) => ({ id: layer.record.id, opacity: layer.opacity, ...layer.params }))),
    });
    const next = `api/still?${ask}`;
    if (next === address || !seen.length) {
      if (!seen.length) picture.removeAttribute("src");
      return;
    }
    address = next;
    const loading = new Image();
    loading.onload = () => {
      if (address !== next) return;
      picture.src = next;
      drawn = { r0: a.row, r1: b.row, c0: a.col, c1: b.col };
      place();
      fire("idle");
    };
    loading.onerror = () => store.set({ failed: { ...store.state.failed, [scene.id]: 1 } });
    loading.src = next;
  }
  const soon = () => {
    clearTimeout(timer);
    timer = setTimeout(request, 20);
  };

  function shapeOf(feature, layer) {
    const { geometry, properties } = feature;
    const paint = layer.paint || {};
    const look = (name, other) => styled(paint[name], properties) ?? other;
    const points = (list) => list.map(([c, r]) => `${at(c, r).x.toFixed(1)} ${at(c, r).y.toFixed(1)}`).join("L");
    if (layer.type === "circle") {
      const list = geometry.type === "MultiPoint" ? geometry.coordinates : geometry.type === "Point" ? [geometry.coordinates] : [];
      return list.map(([c, r]) => svg("circle", { cx: at(c, r).x, cy: at(c, r).y, r: look("circle-radius", 4.5), fill: look("circle-color", "#0B6B72"), stroke: look("circle-stroke-color", "#fff"), "stroke-width": look("circle-stroke-width", 1.75) }));
    }
    const rings = { Polygon: [geometry.coordinates], MultiPolygon: geometry.coordinates, LineString: [[geometry.coordinates]], MultiLineString: [geometry.coordinates] }[geometry.type] || [];
    const d = rings.flat().map((ring) => `M${points(ring)}`).join("");
    if (!d) return [];
    if (layer.type === "fill") return [svg("path", { d, fill: look("fill-color", "#0B6B72"), "fill-opacity": look("fill-opacity", 0.15), stroke: "none" })];
    if (layer.type === "line") return [svg("path", { d, fill: "none", stroke: look("line-color", "#0B6B72"), "stroke-width": look("line-width", 2), "stroke-opacity": look("line-opacity", 1) })];
    return [];
  }

  function sketch() {
    const parts = [];
    for (const { list, styleLayers } of features.values()) for (const layer of styleLayers) for (const feature of list) if (feature.geometry) parts.push(...shapeOf(feature, layer));
    drawing.replaceChildren(...parts);
  }

  const lngLat = (spot) => ({ lng: view.toWorld(spot.col, spot.row)[0], lat: view.toWorld(spot.col, spot.row)[1] });

  const map = {
    loaded: () => true,
    on: (kind, fn) => (listeners.has(kind) || listeners.set(kind, new Set()), listeners.get(kind).add(fn), map),
    off: (kind, fn) => (listeners.get(kind)?.delete(fn), map),
    once: (kind, fn) => map.on(kind, function only(event) {
      map.off(kind, only);
      fn(event);
    }),
    getCanvas: () => canvas,
    getCanvasContainer: () => canvas,
    getContainer: () => host,
    getZoom: () => zoom,
    getCenter: () => lngLat(centre),
    project: (place) => {
      const spot = view.toPixel(place);
      return at(spot.col, spot.row);
    },
    unproject: ([x, y]) => lngLat(under(x, y)),
    jumpTo: ({ center = null, zoom: to = zoom }) => {
      if (center) centre = view.toPixel(center);
      zoom = to;
      moved();
    },
    easeTo: (options) => map.jumpTo(options),
    panBy: ([dx, dy]) => {
      centre = { col: centre.col + dx / scale(), row: centre.row + dy / scale() };
      moved();
    },
    setPadding: (padding) => {
      room = { ...room, ...padding };
      moved();
    },
    triggerRepaint: soon,
    resize: () => fire("resize"),
    reset: () => {
      layers.clear();
      order = [];
      drawn = null;
      address = "";
      picture.removeAttribute("src");
    },
    features(id, list, styleLayers) {
      features.set(id, { list, styleLayers: styleLayers || features.get(id)?.styleLayers || [] });
      sketch();
    },
    rasters: ({ url, reset }) => ({
      url,
      reset,
      raster(record, params = {}) {
        const old = layers.get(record.id);
        layers.set(record.id, { record, params, on: old?.on ?? record.on !== false, opacity: old?.opacity ?? record.opacity ?? 1 });
        if (!order.includes(record.id)) order = record.kind === "image" ? [...order, record.id] : [record.id, ...order];
        soon();
      },
      drop: (id) => (layers.delete(id), (order = order.filter((other) => other !== id)), soon()),
      order: (ids) => ((order = [...ids, ...order.filter((id) => !ids.includes(id))]), soon()),
      opacity: (id, value) => layers.has(id) && ((layers.get(id).opacity = value), soon()),
      visible: (id, on) => layers.has(id) && ((layers.get(id).on = on), soon()),
      beneath: (on) => ((held = on), soon()),
      retry: () => ((address = ""), soon()),
    }),
  };
  for (const name of ["doubleClickZoom", "dragPan", "boxZoom", "scrollZoom"]) {
    const state = { on: true };
    map[name] = { enable: () => (state.on = true), disable: () => (state.on = false), isEnabled: () => state.on };
  }

  const spot = (event) => {
    const box = host.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  };
  const told = (event) => {
    const p = spot(event);
    return { point: p, lngLat: lngLat(under(p.x, p.y)), originalEvent: event, preventDefault: () => event.preventDefault() };
  };
  let drag = null;
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    fire("mousedown", told(event));
    drag = { x: event.clientX, y: event.clientY, far: false };
  });
  canvas.addEventListener("pointermove", (event) => {
    fire("mousemove", told(event));
    if (!drag || !map.dragPan.isEnabled()) return;
    const dx = drag.x - event.clientX;
    const dy = drag.y - event.clientY;
    if (!drag.far && Math.hypot(dx, dy) < 4) return;
    drag = { x: event.clientX, y: event.clientY, far: true };
    map.panBy([dx, dy]);
  });
  canvas.addEventListener("pointerup", (event) => {
    const far = drag?.far;
    drag = null;
    fire("mouseup", told(event));
    if (!far) fire("click", told(event));
  });
  canvas.addEventListener("dblclick", (event) => {
    fire("dblclick", told(event));
    if (map.doubleClickZoom.isEnabled()) map.jumpTo({ zoom: zoom + 1 });
  });
  canvas.addEventListener("pointerleave", () => fire("mouseout"));
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    const p = spot(event);
    const held = under(p.x, p.y);
    zoom -= event.deltaY / 300;
    hold();
    const now = under(p.x, p.y);
    centre = { col: centre.col + held.col - now.col, row: centre.row + held.row - now.row };
    moved();
  }, { passive: false });
  new ResizeObserver(() => {
    fire("resize");
    moved();
  }).observe(host);
  return map;
}
