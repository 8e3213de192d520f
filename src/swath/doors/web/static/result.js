// The result of a map: its card in the right panel, its layers, the places where another label would tell most.

import { areaTable, block, intervalBar, matrix, number, percent } from "./card.js";
import { el, iconButton } from "./dom.js";
import { words } from "./words.js";

const TALL = 1000;

export function start(app) {
  const { store, view, keys, api, panel } = app;
  const say = words.result;
  const state = { record: null, opening: null, at: -1, places: true, folded: null, used: new Set() };

  const mine = () => store.state.maps.filter((one) => one.scene === store.state.scene?.id);
  const layers = () => app.layers.list().filter((layer) => /^m\d+\./.test(layer.id));

  /** The list of maps as the server has it. */
  async function fresh() {
    const said = await api.get("api/state");
    store.set({ maps: said.maps || [] });
    return mine();
  }

  /** Show map n: layers, card, places. quiet: without the card taking the focus. */
  async function open(n) {
    state.opening = n;
    try {
      const [record] = await Promise.all([api.get(`api/maps/${n}`), fresh()]);
      if (state.opening !== n || record.scene !== store.state.scene?.id) return;
      if (state.record?.n !== n) [state.at, state.used] = [-1, new Set()];
      state.record = record;
      lay(record);
      store.set({ map: n, mode: store.state.mode === "look" ? "map" : store.state.mode });
      show();
      places();
    } catch (fault) {
      if (state.opening === n) {
        if (store.state.map === n) store.set({ map: null });
        app.refused(fault);
      }
    } finally {
      if (state.opening === n) state.opening = null;
    }
  }

  function lay(record) {
    for (const layer of layers()) if (!record.layers.some((one) => one.id === layer.id)) app.layers.remove(layer.id);
    for (const layer of [...record.layers].reverse()) {
      const bands = layer.kind === "probability" ? ofClass(layer) : {};
      app.layers.add({ ...layer, ...bands });
    }
    const classes = record.layers.find((layer) => layer.kind === "classes");
    if (classes) app.layers.pick(classes.id);
  }

  /** The probability that is shown: that of the chosen class, and the row says so. */
  function ofClass(layer) {
    const name = store.state.classes.find((one) => one.id === store.state.chosenClass)?.name;
    const shown = (layer.bands.find((one) => one.name === name) || layer.bands[0])?.name ?? "";
    return { params: { class: shown }, remark: shown };
  }

  function close() {
    for (const layer of layers()) app.layers.remove(layer.id);
    state.record = null;
    places();
    panel.close("result");
  }

  // --- the card -----------------------------------------------------------------------------------------------

  function step(by) {
    const all = mine().map((one) => one.n);
    const to = all[all.indexOf(state.record.n) + by];
    if (to) open(to);
  }

  function remark(record) {
    const parts = [(record.chosen || "").split(" on ")[0], say.labels(record.labels), record.seconds ? say.seconds(number(record.seconds, record.seconds < 10 ? 1 : 0)) : ""];
    return parts.filter(Boolean).join(", ");
  }

  function show() {
    const { record } = state;
    const all = mine().map((one) => one.n);
    const at = all.indexOf(record.n);
    const arrow = (name, by, label) => {
      const node = iconButton(name, label, { class: "ghost square slim-arrow", onclick: () => step(by) });
      node.disabled = at + by < 0 || at + by >= all.length;
      return node;
    };
    panel.open("result", {
      title: record.title,
      remark: remark(record),
      icons: all.length > 1 ? [arrow("left-arrow", -1, say.earlier), arrow("right-arrow", 1, say.later)] : [],
      onclose: () => {},
      build: (body, foot) => (record.card ? card(body, foot, record) : part(body, foot, record)),
    });
  }

  /** A map that was stopped, or failed: what is finished is shown, and it may go on. */
  function part(body, foot, record) {
    body.append(el("p", { class: `note${record.state === "failed" ? " warns" : ""}` }, record.state === "failed" ? record.why : say.stopped));
    foot.append(el("button", { type: "button", class: "primary", onclick: () => app.mapping.begin({ goOn: record.n }) }, say.goOn));
  }

  function headline({ big, form }) {
    if (big.value === null) return [el("div", { class: "pair" }, el("span", { class: "big" }, say.nothing))];
    const bare = big.low === null || big.high === null;
    if (bare) return [el("div", { class: "pair" }, el("span", { class: "big" }, percent(big.value)), el("span", { class: "sub" }, say.noInterval)), el("p", {}, say.because(big.reason))];
    if (form === "drawn") {
      const text = say.range(number(100 * big.low), number(100 * big.high));
      return [el("div", { class: "pair" }, el("span", { class: "big" }, text), el("span", { class: "sub" }, say.expected)), intervalBar(big)];
    }
    return [el("div", { class: "pair" }, el("span", { class: "big" }, percent(big.value, 1)), el("span", { class: "sub" }, say.byArea)), intervalBar(big)];
  }

  function card(body, foot, record) {
    const { card: told } = record;
    const folded = state.folded ?? innerHeight < TALL;
    const fold = el("button", { type: "button", class: "link", "aria-expanded": String(!folded), onclick: () => ((state.folded = !folded), show()) }, say.matrix);
    const colours = new Map(told.area.rows.map((row) => [row.class, row.colour]));
    const areas = areaTable(told.area, told.form);
    body.append(
      ...[el("section", { class: "acc" }, headline(told), el("p", {}, told.sentence, " ", fold, sampleReport(record)), told.against ? el("p", {}, told.against.words) : null, told.simulated ? el("p", { class: "warn" }, say.simulated) : null)],
      ...(told.warnings || []).map((text) => el("p", { class: "note warns first" }, text)),
    );
    if (!folded) body.append(block(say.matrix, told.form === "reference" ? say.matrixSub : say.matrixDrawn, matrix(told.matrix, colours)));
    body.append(block(say.area, told.form === "reference" ? say.areaSub(areas.unit) : areas.unit, areas.table, areas.key));
    if (told.form === "reference") {
      const { finding } = told;
      body.append(el("p", { class: "note" }, finding?.class ? [finding.before, el("b", {}, finding.class), finding.after] : finding?.text));
      if (told.answered < told.steps && app.sample) {
        const on = el("button", { type: "button", class: "ghost line", onclick: () => app.sample.resume(told.sample) }, app.words.sample.goOnWith(told.answered, told.steps));
        body.append(el("p", { class: "pad" }, on));
      }
    } else {
      const draw = el("button", { type: "button", class: "ghost line", onclick: () => app.sample?.begin(record.n) }, say.sample);
      body.append(el("p", { class: "note" }, say.noAreas), app.sample ? el("p", { class: "pad" }, draw) : null);
    }
    if (record.next?.length) body.append(next(record));
    if (record.unlike_share > 0.1) body.append(el("p", { class: "note warns" }, say.unlike(percent(record.unlike_share))));
    const better = !record.better ? el("button", { type: "button", class: "link", title: say.betterWhy, onclick: () => app.mapping.begin({ better: true }) }, say.better) : null;
    body.append(notes(record, better));
    const { report, run } = record.files;
    foot.append(
      el("a", { class: "ghost line", href: `${report.href}?show`, target: "_blank", rel: "noopener" }, say.report),
      el("button", { type: "button", class: "ghost line", onclick: () => document.getElementById("export-open").click() }, say.export),
      el("span", { class: "grow" }),
      el("a", { class: "ghost", href: run.href, download: "run.json", title: say.runWhy }, "run.json"),
    );
  }

  /** The link to the page on the reference sample, where the map was judged by one. */
  function sampleReport(record) {
    const { reference } = record.files;
    return reference ? [" · ", el("a", { class: "link", href: `${reference.href}?show`, target: "_blank", rel: "noopener" }, app.words.sample.report)] : null;
  }

  function notes(record, better) {
    const list = el("ul", { class: "notes" }, record.notes.map((text) => el("li", {}, text)));
    return el("div", { class: "card-end" }, better, el("details", {}, el("summary", {}, say.notes(record.notes.length)), list));
  }

  // --- where next ---------------------------------------------------------------------------------------------

  function next(record) {
    const rows = record.next.map((one, i) =>
      el("button", { type: "button", class: `nx${state.used.has(i) ? " used" : ""}`, "aria-current": i === state.at ? "true" : null, onclick: () => fly(i) }, el("i", {}, String(one.n)), el("span", {}, question(one)), el("span", { class: "val" }, isNew(one) ? say.newGround : say.odds(number(100 * one.pa), number(100 * one.pb)))),
    );
    const share = (part) => percent(part, part < 0.1 ? 1 : 0);
    return block(say.next, record.doubt_share === null ? "" : say.doubtful(share(record.doubt_share), record.unlike_share ? share(record.unlike_share) : ""), rows);
  }

  const isNew = (one) => one.pa > 0.8;
  const question = (one) => (isNew(one) ? say.new(one.a) : say.either(one.a, one.b));

  function fly(i) {
    const one = state.record?.next?.[i];
    if (!one) return;
    state.at = i;
    state.used.add(i);
    view.fly(one.col, one.row, { zoom: Math.max(view.map.getZoom(), view.levels + 1) });
    app.draw?.choose("point");
    panel.say(`${say.place(one.n)}: ${question(one)}`);
    places();
    for (const [n, node] of [...document.querySelectorAll("#right .nx")].entries()) {
      node.toggleAttribute("aria-current", n === i);
      node.classList.toggle("used", state.used.has(n));
    }
  }

  function places() {
    for (let n = 1; n <= 9; n += 1) view.marker(`next${n}`);
    const list = state.record?.card ? state.record.next : [];
    const there = app.layers.list().some((layer) => layer.id === "places");
    if (!list?.length) {
      if (there) app.layers.remove("places");
      return;
    }
    if (!there) app.layers.add({ id: "places", kind: "places", name: say.next, scene: store.state.scene.id, remark: list.length, draws: (on) => on !== state.places && ((state.places = on), places()) });
    else app.layers.set("places", { remark: list.length });
    if (!state.places || store.state.mode !== "map") return;
    for (const [i, one] of list.entries()) {
      const node = el("button", { type: "button", class: `next-place${i === state.at ? " at" : ""}`, "aria-label": `${say.place(one.n)}: ${question(one)}`, title: question(one), onclick: () => fly(i) }, String(one.n));
      view.marker(`next${one.n}`, one.col, one.row, node);
    }
  }

  const some = () => store.state.mode === "map" && Boolean(state.record?.next?.length);
  const round = (by) => {
    const { length } = state.record.next;
    fly((((state.at < 0 && by < 0 ? 0 : state.at) + by) % length + length) % length);
  };
  keys.add("n", say.nextKey, () => round(1), some, { group: "labels" });
  keys.add("Shift+n", say.previousKey, () => round(-1), some, { group: "labels" });

  store.on("map", () => {
    const { map, scene } = store.state;
    if (map === null) state.record && close();
    else if (scene && map !== state.record?.n && map !== state.opening) open(map);
  });
  store.on("scene", () => {
    state.record = null;
    state.at = -1;
    panel.close("result");
  });
  store.on("mode", () => {
    if (state.record) places();
    if (store.state.mode === "map" && state.record && !panel.id) show();
    else if (store.state.mode === "look") panel.close("result");
  });
  store.on("chosenClass", () => {
    const layer = app.layers.list().find((one) => one.kind === "probability" && one.map);
    if (layer) app.layers.set(layer.id, ofClass(layer));
  });
  api.on("maps", ({ n, state: what }) => {
    fresh().catch(() => {});
    if (what === "gone" && state.record?.n === n) store.set({ map: null });
    else if (what === "judged" && state.record?.n === n) open(n);
  });
  app.result = { open, close, fresh, show: () => state.record && show() };
}
