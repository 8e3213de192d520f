// The labels of the scene: on the map, as a list, undone and redone, saved and loaded as GeoJSON.

import { el, fill, icon, iconButton } from "./dom.js";
import { fresh, makeJournal } from "./journal.js";
import { makeNewest } from "./newest.js";
import { fromScene, toScene } from "./url.js";
import { words } from "./words.js";

const IDENTITY = [1, 0, 0, 0, 1, 0];
const SHOWN = 400;
const STEPS = 500;
const MANY = 300; // labels from which on the map is given them all only now and then
const REST = 150;
const ring = (radius, colour, opacity = 1) => ({ type: "circle", filter: ["==", ["geometry-type"], "Point"], paint: { "circle-radius": radius, "circle-color": colour, "circle-opacity": opacity } });
const line = (width, colour) => ({ type: "line", filter: ["==", ["geometry-type"], "Polygon"], layout: { "line-join": "round" }, paint: { "line-width": width, "line-color": colour } });
const COLOUR = ["get", "colour"];
const STYLE = [
  { type: "fill", filter: ["==", ["geometry-type"], "Polygon"], paint: { "fill-color": COLOUR, "fill-opacity": 0.15 } },
  line(5, "rgba(10,16,14,.55)"),
  line(3.5, "#fff"),
  line(2, COLOUR),
  ring(7, "#0a100e", 0.55),
  ring(6.25, "#fff"),
  ring(4.5, COLOUR),
];

export function start(app) {
  const { store, view, api, panel, keys } = app;
  const say = words.labels;
  const journal = makeJournal({ api, store, panel, tab: app.tab });
  const done = [];
  const undone = [];
  const renamed = new Map();
  const newest = makeNewest(app);
  const placed = new WeakMap();
  let drawn = 0;
  let shown = true;
  let list = null;

  const affine = () => (store.state.scene.grid.pixel ? IDENTITY : store.state.scene.grid.affine);
  const now = (id) => (renamed.has(id) ? now(renamed.get(id)) : id);

  /** Coordinates of pixels (column, row) in the scene's own, and back. */
  const stored = (col, row) => toScene(affine(), col, row);
  const seen = ([x, y]) => fromScene(affine(), x, y);
  const turned = (geometry, change) =>
    geometry.type === "Point"
      ? { type: "Point", coordinates: change(geometry.coordinates) }
      : { type: "Polygon", coordinates: geometry.coordinates.map((part) => part.map(change)) };
  const toPixels = (geometry) => turned(geometry, seen);

  // --- doing and undoing --------------------------------------------------------------------------------------

  /** step: {forth(): ops, back(): ops, words}. What was deleted comes back under a new id, for deletion is for ever. */
  function act(step) {
    journal.push(step.forth());
    done.push(step);
    if (done.length > STEPS) done.shift();
    undone.length = 0;
    store.set({ steps: [done.length, 0] });
    if (step.words) panel.say(step.words);
  }

  function undo() {
    const step = done.pop();
    if (!step) return false;
    journal.push(step.back());
    undone.push(step);
    store.set({ steps: [done.length, undone.length] });
    panel.say(say.undone(step.words || ""));
    return true;
  }

  function redo() {
    const step = undone.pop();
    if (!step) return false;
    journal.push(step.forth());
    done.push(step);
    store.set({ steps: [done.length, undone.length] });
    panel.say(say.redone(step.words || ""));
    return true;
  }

  function again(label) {
    const id = fresh();
    if (label.id !== id) renamed.set(label.id, id);
    return { op: "add", label: { ...clean(label), id, class: now(label.class) } };
  }
  const clean = ({ waiting, ...label }) => label;

  function add(geometryInPixels, kind) {
    const { classes, date, labels } = store.state;
    const one = classes.find((c) => c.id === kind);
    if (!one) return;
    const geometry = turned(geometryInPixels, ([col, row]) => stored(col, row));
    const label = { id: fresh(), class: kind, geometry, made: new Date().toISOString().slice(0, 19) + "Z", by: "page", ...(date ? { date_seen: date } : {}) };
    let first = true;
    act({
      words: say.added(labels.length + 1, one.name),
      forth() {
        if (!first) return [again({ ...label, id: now(label.id) })];
        first = false;
        return [{ op: "add", label }];
      },
      back: () => [{ op: "delete", label: { id: now(label.id) } }],
    });
  }

  function remove(ids) {
    const gone = ids.map((id) => journal.label(id)).filter(Boolean).map(clean);
    if (!gone.length) return;
    act({
      words: say.removed(gone.length),
      forth: () => gone.map((label) => ({ op: "delete", label: { id: now(label.id) } })),
      back: () => gone.map((label) => again({ ...label, id: now(label.id) })),
    });
  }

  /** Another class for a label. */
  function change(id, kind) {
    const before = journal.label(id)?.class;
    if (!before || before === kind) return;
    const to = (c) => () => [{ op: "change", label: { id: now(id), class: now(c) } }];
    act({ words: say.changed(journal.class(kind)?.name ?? ""), forth: to(kind), back: to(before) });
  }

  function addClass(record) {
    act({
      words: say.classAdded(record.name),
      forth: () => [{ op: "class-add", class: { ...record, id: now(record.id) } }],
      back() {
        const ops = [{ op: "class-delete", class: { id: now(record.id) } }];
        renamed.set(now(record.id), fresh());
        return ops;
      },
    });
  }

  function changeClass(id, patch) {
    const before = journal.class(id);
    const old = Object.fromEntries(Object.keys(patch).map((key) => [key, before[key]]));
    const to = (values) => () => [{ op: "class-change", class: { id: now(id), ...values } }];
    act({ words: say.classChanged(patch.name || before.name), forth: to(patch), back: to(old) });
  }

  function removeClass(id) {
    const one = journal.class(id);
    const own = journal.labels().filter((label) => label.class === id).map(clean);
    act({
      words: say.classRemoved(one.name),
      forth: () => [{ op: "class-delete", class: { id: now(id) } }],
      back() {
        const old = now(id);
        renamed.set(old, fresh());
        return [{ op: "class-add", class: { ...one, id: now(id) } }, ...own.map((label) => again({ ...label, id: now(label.id), class: old }))];
      },
    });
  }

  // --- on the map ---------------------------------------------------------------------------------------------

  const hue = () => {
    const colours = new Map(store.state.classes.map((one) => [one.id, one.colour]));
    return (label) => colours.get(label.class) || "#742c92";
  };
  /** A label's geometry in pixels; labels are never changed in place, so that it is worked out once. */
  function pixels(label) {
    let found = placed.get(label);
    if (!found) placed.set(label, (found = toPixels(label.geometry)));
    return found;
  }

  function draw() {
    drawn = 0;
    const { scene, labels } = store.state;
    if (!scene) return;
    const colour = hue();
    const features = shown ? labels.map((label) => ({ type: "Feature", id: undefined, properties: { id: label.id, colour: colour(label) }, geometry: pixels(label) })) : [];
    view.features("labels", { type: "FeatureCollection", features }, STYLE);
    newest.given(shown ? labels : []);
    const there = app.layers?.list().find((layer) => layer.id === "labels");
    if (labels.length && !there) app.layers?.add({ id: "labels", kind: "labels", name: say.title, scene: scene.id, draws, remark: labels.length });
    else if (!labels.length && there) app.layers.remove("labels");
    else if (there && there.remark !== labels.length) app.layers.set("labels", { remark: labels.length });
    app.onlabels?.forEach((fn) => fn());
  }

  function draws(on) {
    if (on === shown) return;
    shown = on;
    later();
  }

  /** Draw before the next frame; of very many labels the newest before the next frame, all of them a little later. */
  function later() {
    const { labels } = store.state;
    newest.update(labels, { place: (label) => pixels(label).coordinates, colour: hue(), shown });
    if (labels.length < MANY || !shown) drawn ||= requestAnimationFrame(draw);
    else drawn ||= setTimeout(draw, REST);
  }

  /** The label nearest to a place within `reach` screen pixels: a point, else the polygon around it. */
  function at(col, row, reach = 12) {
    const scale = view.magnification();
    let best = null;
    let near = reach / scale;
    for (const label of store.state.labels) {
      if (label.geometry.type !== "Point") continue;
      const [c, r] = pixels(label).coordinates;
      const far = Math.hypot(c - col, r - row);
      if (far <= near) [best, near] = [label, far];
    }
    if (best) return best;
    return store.state.labels.findLast((label) => label.geometry.type === "Polygon" && inside(pixels(label).coordinates[0], col, row)) ?? null;
  }

  function inside(places, col, row) {
    let yes = false;
    for (let i = 0, j = places.length - 1; i < places.length; j = i++) {
      const [x, y] = places[i];
      const [u, v] = places[j];
      if (y > row !== v > row && col < ((u - x) * (row - y)) / (v - y) + x) yes = !yes;
    }
    return yes;
  }

  const middle = (label) => {
    const { type, coordinates } = pixels(label);
    if (type === "Point") return coordinates;
    const places = coordinates[0].slice(0, -1);
    return [places.reduce((s, p) => s + p[0], 0) / places.length, places.reduce((s, p) => s + p[1], 0) / places.length];
  };

  // --- the list, saving and loading ---------------------------------------------------------------------------

  /** The rows of labels that are as they were stay in place. */
  function rows() {
    const { labels, classes } = store.state;
    const first = Math.max(0, labels.length - SHOWN);
    const kinds = new Map(classes.map((one) => [one.id, one]));
    const kept = new Map();
    for (let i = labels.length - 1; i >= first; i -= 1) {
      const label = labels[i];
      const one = kinds.get(label.class);
      const old = list.rows.get(label.id);
      const same = old && old.n === i && old.one === one && (old.label === label || (old.label.geometry === label.geometry && old.label.class === label.class && Boolean(old.label.waiting) === Boolean(label.waiting)));
      kept.set(label.id, same ? old : { n: i, one, label, node: row(label, i, one) });
    }
    for (const [id, old] of list.rows) if (kept.get(id)?.node !== old.node) old.node.remove();
    let next = list.host.firstChild;
    for (const { node } of kept.values()) {
      if (node === next) next = next.nextSibling;
      else list.host.insertBefore(node, next);
    }
    list.rows = kept;
  }

  function row(label, n, one) {
    const [col, r] = middle(label);
    const name = `${say.one(n + 1)}: ${one?.name ?? ""}`;
    return el(
      "li",
      { class: "label-row" },
      el("i", { class: `sw${label.geometry.type === "Point" ? " round" : ""}`, style: { background: one?.colour || "" }, "aria-hidden": "true" }),
      el("button", { type: "button", class: "nm", title: say.fly, onclick: () => view.fly(col, r, { zoom: Math.max(view.map.getZoom(), view.levels + 1) }) }, name, label.waiting ? el("span", { class: "warn" }, ` ${say.unsaved}`) : null),
      el("span", { class: "val" }, label.geometry.type === "Point" ? say.point : say.polygon),
      iconButton("x", say.remove(name), { class: "ghost square tiny", onclick: () => remove([label.id]) }),
    );
  }

  function drawList() {
    if (!list) return;
    const { labels } = store.state;
    list.remark(String(labels.length));
    rows();
    list.more.hidden = labels.length <= SHOWN;
    list.none.hidden = labels.length > 0;
  }

  function open() {
    const field = el("input", { type: "file", accept: ".geojson,.json,application/geo+json", class: "vh", tabindex: "-1", "aria-hidden": "true" });
    field.addEventListener("change", () => field.files[0] && load(field.files[0]).finally(() => (field.value = "")));
    const host = el("ul", { class: "label-list" });
    const more = el("p", { class: "sub pad" }, say.newest(SHOWN));
    const none = el("p", { class: "sub pad" }, say.none);
    const problem = el("div", { class: "note warns", role: "alert", hidden: true });
    const made = panel.open("labels", {
      title: say.title,
      onclose: () => (list = null),
      build(body, foot) {
        body.append(problem, none, host, more);
        foot.append(
          el("button", { type: "button", class: "ghost line", onclick: save, disabled: !store.state.labels.length }, icon("dl"), say.save),
          el("button", { type: "button", class: "ghost line", onclick: () => field.click() }, icon("folder"), say.load),
          field,
        );
      },
    });
    list = { host, more, none, problem, remark: made.remark, rows: new Map() };
    drawList();
  }

  async function save() {
    const answer = await fetch(api.address("api/labels", { scene: store.state.scene.id }), { headers: { Accept: "application/geo+json" }, credentials: "same-origin" });
    if (!answer.ok) return void panel.say(say.notSaved, "warn");
    const link = el("a", { href: URL.createObjectURL(await answer.blob()), download: `${store.state.scene.name}-labels.geojson` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  }

  async function load(file, options = {}) {
    if (list) list.problem.hidden = true;
    let geojson;
    try {
      geojson = JSON.parse(await file.text());
    } catch {
      return void refuse({ rule: say.notGeojson, got: "", remedy: "" }, file);
    }
    try {
      const said = await api.post("api/labels/load", { scene: store.state.scene.id, geojson, by: journal.tab, ...options });
      await journal.read();
      panel.say([say.loaded(said.added.length), ...said.notes].join(". "), "chip");
      const own = said.added;
      done.push({ words: say.loadedWords, forth: () => [], back: () => own.map((id) => ({ op: "delete", label: { id: now(id) } })) });
      store.set({ steps: [done.length, undone.length] });
    } catch (fault) {
      refuse(fault, file);
    }
  }

  function refuse(fault, file) {
    if (!list) return void panel.say(fault, "warn");
    const choices = (fault.more?.choices || []).map((one) => el("button", { type: "button", class: "link", onclick: () => load(file, one.options) }, one.label));
    list.problem.hidden = false;
    fill(list.problem, el("p", {}, [fault.rule, fault.got, fault.remedy].filter(Boolean).join(" ")), choices);
  }

  const labelling = () => store.state.mode === "map" && Boolean(store.state.scene);
  keys.add("Ctrl+z", say.undo, () => undo(), labelling, { group: "labels" });
  keys.add("Ctrl+Shift+z", say.redo, () => redo(), labelling, { group: "labels" });
  store.on("scene", () => {
    done.length = undone.length = 0;
    newest.reset();
    store.set({ steps: [0, 0] });
    journal.open(store.state.scene);
    later();
  });
  store.on(["labels", "classes"], () => (later(), drawList()));
  store.set({ steps: [0, 0], unsaved: 0 });
  app.labels = { journal, add, remove, change, addClass, changeClass, removeClass, undo, redo, at, open, middle, load };
  app.onlabels = new Set();
  if (store.state.scene) journal.open(store.state.scene);
}
