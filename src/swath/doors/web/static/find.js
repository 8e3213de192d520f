// Find: a click or a box is an example; places like it stand in a gallery and as numbered footprints on the map.

import { el, fill, icon, iconButton } from "./dom.js";
import { CHOSEN, dragged, middle, outlines, PLAIN, UNWANTED } from "./windows.js";
import { words } from "./words.js";

const SIDE = 148;
const STEP = 12;
const MOST = 48;
const PATIENCE = 400;
const LARGE = 1.5; // megapixels
/** Metres or kilometres in as many digits as help. */
export function far(metres) {
  if (metres === null || metres === undefined) return "";
  if (metres < 995) return `${Math.round(metres / 5) * 5 || Math.round(metres)}\u202fm`;
  return `${(metres / 1000).toFixed(metres < 9950 ? 1 : 0)}\u202fkm`;
}

export function start(app) {
  const { store, view, api, panel } = app;
  const say = words.find;
  const state = { examples: [], result: null, k: STEP, tool: "place", run: null, focus: null, told: null, timer: 0, scene: null, shown: true };

  // --- left: the tools and the examples -----------------------------------------------------------------------
  const section = app.left.section("examples", { title: say.examples, order: 25, icons: [iconButton("undo", say.again, { onclick: () => reset(true) })] });
  const tools = el("div", { class: "find-tools", role: "radiogroup", "aria-label": say.how });
  for (const [key, name, sign] of [["place", say.place, "point"], ["box", say.box, "fit"]]) {
    tools.append(
      el("button", { type: "button", role: "radio", class: "ghost", dataset: { tool: key }, title: say.tools[key], onclick: () => choose(key) }, icon(sign), name),
    );
  }
  tools.addEventListener("keydown", (event) => {
    if (!event.key.startsWith("Arrow")) return;
    event.preventDefault();
    choose(state.tool === "place" ? "box" : "place");
    tools.querySelector(`[data-tool="${state.tool}"]`).focus();
  });
  const hint = el("p", { class: "find-hint" });
  const list = el("ul", { class: "examples", "aria-label": say.examples });
  section.body.append(tools, hint, list);

  function choose(tool) {
    state.tool = tool;
    for (const one of tools.children) {
      one.setAttribute("aria-checked", String(one.dataset.tool === tool));
      one.tabIndex = one.dataset.tool === tool ? 0 : -1;
    }
    hint.textContent = state.examples.length ? "" : tool === "box" ? say.hintBox : say.hint;
    hint.hidden = !hint.textContent;
    view.map.dragPan?.[tool === "box" && store.state.mode === "find" ? "disable" : "enable"]();
  }

  const active = () => store.state.mode === "find" && store.state.scene;
  const of = (kind) => state.examples.filter((one) => one.kind === kind);
  const asked = (one) => (one.window ? { window: one.window } : { col: one.col, row: one.row });

  function chip(at, pixels, size) {
    const { scene, show, date, stretch } = store.state;
    const density = Math.min(2, Math.ceil(devicePixelRatio || 1));
    const custom = typeof show === "object" && show ? { bands: show.bands } : { show };
    const params = { scene: scene.id, col: at.col, row: at.row, pixels: Math.round(pixels), date, size: size * density, rev: scene.rev, lo: stretch?.lo, hi: stretch?.hi, ...custom };
    return el("img", { src: api.address("api/chip", params), alt: "", width: size, height: size, loading: "lazy", decoding: "async" });
  }

  const where = (one) => (one.window ? middle(one.window) : one);
  const tile = () => state.result?.tile.pixels ?? 32;

  function drawExamples() {
    section.remark(state.examples.length ? say.counts(of("yes").length, of("no").length) : "");
    fill(
      list,
      state.examples.map((one, i) => {
        const name = say.example(one.tile ? "tile" : one.window ? "box" : "place", i + 1);
        return el(
          "li",
          { class: one.kind },
          chip(where(one), one.window ? Math.max(one.window[1] - one.window[0], one.window[3] - one.window[2]) : tile(), 32),
          el("button", { type: "button", class: "nm", title: say.fly, onclick: () => view.fly(where(one).col, where(one).row) }, name),
          el("span", { class: "mark" }, one.kind === "yes" ? say.yes : say.no),
          iconButton("x", say.drop(name), { class: "ghost square slim", onclick: () => drop(i) }),
        );
      }),
    );
    choose(state.tool);
  }

  // --- the search ---------------------------------------------------------------------------------------------
  function add(kind, one) {
    const same = (other) => JSON.stringify(asked(other)) === JSON.stringify(asked(one));
    state.examples = state.examples.filter((other) => !same(other));
    state.examples.push({ ...one, kind });
    panel.say(kind === "yes" ? say.addedYes : say.addedNo);
    search();
  }

  function drop(i) {
    state.examples.splice(i, 1);
    if (of("yes").length) search();
    else reset(false);
  }

  function reset(heard) {
    stop();
    state.examples = [];
    state.result = null;
    state.k = STEP;
    state.focus = null;
    panel.close("find");
    draw();
    if (heard) panel.say(say.cleared);
  }

  function stop() {
    clearTimeout(state.timer);
    state.run?.cancel().catch(() => {});
    state.run = null;
  }

  async function search() {
    if (!of("yes").length) return draw();
    stop();
    const { scene, date } = store.state;
    const body = { scene: scene.id, date, yes: of("yes").map(asked), no: of("no").map(asked), k: state.k };
    const run = (state.run = api.run("api/similar", body, (job) => state.run === run && job.total > 1 && wait(job)));
    draw();
    state.timer = setTimeout(() => wait(run.job), PATIENCE);
    try {
      const result = await run.promise;
      if (state.run !== run) return;
      state.result = result;
      state.run = null;
      clearTimeout(state.timer);
      gallery();
      draw();
      panel.say(result.hits.length ? say.found(result.hits.length) : say.none);
    } catch (fault) {
      if (state.run !== run) return;
      state.run = null;
      clearTimeout(state.timer);
      failed(fault);
    }
  }

  /** The scene is looked at while the person still looks for an example, unless it is a large one. */
  async function prepare() {
    const { scene, date } = store.state;
    const what = `${scene.id} ${date}`;
    if (state.prepared === what || state.preparing || scene.megapixels > LARGE) return;
    const run = (state.preparing = api.run("api/similar", { scene: scene.id, date, prepare: true }, (job) => state.run && !state.result && wait(job)));
    try {
      await run.promise;
      state.prepared = what;
    } catch (fault) {
      if (fault.status !== 499) console.warn(fault.message); // the search itself says it to the person
    } finally {
      if (state.preparing === run) state.preparing = null;
    }
  }

  // --- right: the gallery -------------------------------------------------------------------------------------
  function opened() {
    if (panel.id === "find" && state.told) return state.told;
    state.told = panel.open("find", { title: say.title, onclose: () => ((state.told = null), focus(null)), build: () => {} });
    return state.told;
  }

  function wait(job) {
    const total = job?.total || 0;
    const share = total ? Math.round((100 * job.done) / total) : 0;
    const told = opened();
    const old = told.body.querySelector(".gallery");
    old?.classList.add("stale");
    const node = el(
      "div",
      { class: "find-wait", role: "status" },
      el("span", {}, total ? `${job.what}, ${say.of(job.done, total)}` : say.looking),
      total ? el("div", { class: "bar", role: "progressbar", "aria-label": say.looking, "aria-valuenow": share, "aria-valuemin": 0, "aria-valuemax": 100 }, el("i", { style: { width: `${share}%` } })) : null,
      el("button", { type: "button", class: "link", onclick: () => (stop(), state.result ? gallery() : reset(false)) }, say.stop),
    );
    const there = told.body.querySelector(".find-wait");
    if (there) there.replaceWith(node);
    else told.body.prepend(node);
  }

  function failed(fault) {
    if (fault.status === 499) return;
    const told = opened();
    told.title(say.title);
    told.remark("");
    fill(told.body, el("div", { class: "note warns", role: "alert" }, panel.refusal(fault)));
    state.examples.pop();
    state.result = null;
    draw();
  }

  function gallery() {
    const { result } = state;
    const told = opened();
    const size = result.tile.metres ? say.metres(Math.round(result.tile.metres)) : say.pixels(result.tile.pixels);
    told.title(result.hits.length ? say.like(result.hits.length) : say.title);
    told.remark(say.by(result.encoder, size));
    const held = told.body.contains(document.activeElement) ? document.activeElement.closest("[data-key]")?.dataset.key : null;
    const cards = result.hits.map(card);
    const more = result.hits.length === state.k && state.k < MOST;
    fill(
      told.body,
      result.hits.length ? el("ul", { class: "gallery", "aria-label": say.title }, cards) : nothing(result),
      el(
        "div",
        { class: "find-end" },
        result.hits.length && result.threshold !== null ? el("p", {}, say.threshold(result.threshold.toFixed(2))) : null,
        result.unlike ? el("p", {}, say.unlike(result.unlike)) : null,
        result.notes.map((text) => el("p", {}, text)),
      ),
    );
    fill(told.foot, more ? el("button", { type: "button", class: "ghost line", onclick: () => ((state.k = Math.min(MOST, state.k + STEP)), search()) }, say.more) : null);
    if (held) told.body.querySelector(`[data-key="${CSS.escape(held)}"] .thumb, .thumb`)?.focus();
  }

  function nothing(result) {
    const two = result.threshold !== null && result.best !== null;
    return el("div", { class: "find-none" }, el("h3", {}, say.none), el("p", {}, two ? say.best(result.best.toFixed(2), result.threshold.toFixed(2)) : say.left), el("p", {}, say.tryOther));
  }

  function card(hit) {
    const distance = far(hit.metres);
    const label = say.card(hit.n, hit.score.toFixed(2), distance);
    const thumb = el(
      "button",
      { type: "button", class: "thumb", "aria-label": label, title: say.cardTitle, onclick: () => go(hit), onfocus: () => focus(hit) },
      chip(hit, 2 * tile(), SIDE),
      el("span", { class: "tile", "aria-hidden": "true" }),
      el("span", { class: "badge", "aria-hidden": "true" }, hit.n),
    );
    const node = el(
      "li",
      { dataset: { key: hit.key }, onpointerenter: () => focus(hit), onpointerleave: () => focus(null) },
      thumb,
      el(
        "div",
        { class: "told" },
        el("b", { title: say.score }, hit.score.toFixed(2)),
        el("span", { class: "far", title: distance ? say.distance : "" }, distance),
        iconButton("plus", say.moreLike(hit.n), { title: `${say.moreTitle} (+)`, onclick: () => add("yes", { window: hit.window, tile: true }) }),
        iconButton("minus", say.notLike(hit.n), { title: `${say.notTitle} (−)`, onclick: () => add("no", { window: hit.window, tile: true }) }),
      ),
    );
    node.addEventListener("keydown", (event) => {
      const kind = event.key === "+" ? "yes" : event.key === "-" ? "no" : "";
      if (kind) add(kind, { window: hit.window, tile: true });
      else if (!step(event, node)) return;
      event.preventDefault();
      event.stopPropagation();
    });
    return node;
  }

  /** Arrows go from card to card; two stand in a row. */
  function step(event, node) {
    const by = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -2, ArrowDown: 2 }[event.key];
    const cards = [...node.parentNode.children];
    const to = event.key === "Home" ? 0 : event.key === "End" ? cards.length - 1 : cards.indexOf(node) + (by ?? NaN);
    if (!Number.isFinite(to)) return false;
    cards[to]?.querySelector(".thumb").focus();
    return true;
  }

  function go(hit) {
    view.fly(hit.col, hit.row);
    focus(hit);
  }

  function focus(hit) {
    state.focus = hit;
    for (const node of state.told?.body.querySelectorAll("[data-key]") ?? []) node.classList.toggle("on", node.dataset.key === hit?.key);
    for (const node of document.querySelectorAll("#overlay [data-hit]")) node.classList.toggle("on", node.dataset.hit === hit?.key);
    if (active() && state.shown) view.features("find.focus", outlines(hit ? [hit.window] : []), CHOSEN);
  }

  // --- on the map ---------------------------------------------------------------------------------------------
  let marks = [];
  function marker(id, at, node) {
    view.marker(id, at.col, at.row, node);
    marks.push(id);
  }

  function footprints() {
    for (const id of marks) view.marker(id);
    marks = [];
    const on = active() && state.shown && panel.id !== "ask";
    const hits = on ? (state.result?.hits ?? []) : [];
    const windows = (kind) => (on ? (state.result?.[kind] ?? []) : []);
    if (!on && !state.drawn) return;
    state.drawn = true;
    view.features("find.hits", outlines(hits.map((hit) => hit.window)), PLAIN);
    view.features("find.yes", outlines(windows("yes")), CHOSEN);
    view.features("find.no", outlines(windows("no")), UNWANTED);
    if (!on) view.features("find.focus", outlines([]), CHOSEN);
    for (const hit of [...hits].reverse()) {
      const node = el("button", { type: "button", class: "badge", tabindex: -1, dataset: { hit: hit.key }, "aria-label": say.card(hit.n, hit.score.toFixed(2), far(hit.metres)), onclick: () => show(hit) }, hit.n);
      marker(`find.${hit.n}`, { col: hit.window[2], row: hit.window[0] }, node);
    }
    for (const kind of ["yes", "no"]) {
      for (const [i, window] of windows(kind).entries()) {
        marker(`find.${kind}.${i}`, { col: window[2], row: window[0] }, el("span", { class: `badge ${kind}`, "aria-hidden": "true" }, kind === "yes" ? "+" : "−"));
      }
    }
  }

  function show(hit) {
    if (panel.id !== "find") gallery();
    const node = state.told?.body.querySelector(`[data-key="${CSS.escape(hit.key)}"] .thumb`);
    node?.focus();
    node?.scrollIntoView({ block: "nearest" });
  }

  function draw() {
    section.root.hidden = !active();
    if (active()) drawExamples();
    footprints();
    const many = state.result?.hits.length;
    if (active() && many) {
      const record = { id: "find.places", name: say.title, kind: "places", swatch: "var(--ink)", remark: many, scene: store.state.scene.id, draws: (on) => on !== state.shown && ((state.shown = on), footprints()) };
      app.layers?.add(record);
    } else app.layers?.remove("find.places");
  }

  view.click(({ col, row }) => {
    const { scene } = store.state;
    if (!active() || state.tool !== "place") return Boolean(active() && state.tool === "box");
    if (col < 0 || row < 0 || col > scene.grid.width || row > scene.grid.height) return false;
    add("yes", { col: Math.round(col * 100) / 100, row: Math.round(row * 100) / 100 });
    return true;
  }, 20);

  /** A box is drawn with the box tool, or with Shift and any. */
  dragged(view, {
    when: (event) => active() && (state.tool === "box" || event.shiftKey),
    begin: () => view.map.dragPan?.disable(),
    end: () => choose(state.tool),
    drawn: (window) => add("yes", { window }),
  });

  // --- coming and going ---------------------------------------------------------------------------------------
  store.on(["mode"], (now, before) => {
    if (before.mode === "find") {
      stop();
      panel.close("find");
    }
    view.map.boxZoom?.[now.mode === "find" ? "disable" : "enable"]();
    if (now.mode === "find" && state.result) gallery();
    if (active()) prepare();
    else state.preparing?.cancel().catch(() => {});
    draw();
    choose(state.tool);
  });
  store.on(["scene"], () => {
    if (store.state.scene?.id === state.scene) return;
    state.scene = store.state.scene?.id ?? null;
    state.drawn = false;
    marks = [];
    reset(false);
  });
  let last = null;
  panel.on((id) => {
    const from = last;
    last = id;
    if (id === "ask" || from === "ask") footprints();
    if (id === null && from === "ask" && active() && state.result) gallery();
  });
  store.on(["date", "show", "stretch"], (now, before) => {
    if (!active() || !state.result) return;
    if ("date" in before) search();
    else {
      drawExamples();
      if (panel.id === "find") gallery();
    }
  });
  app.find = { add, search, reset, get result() { return state.result; } };
  state.scene = store.state.scene?.id ?? null;
  choose("place");
  draw();
}
