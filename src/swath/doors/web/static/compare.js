// Compare: two sides, the swipe between them, and what changed from one to the other.

import { changeCard } from "./change.js";
import { glyph } from "./chart.js";
import { el, fill } from "./dom.js";
import { classesOf, layersOf, sidesOf, usual } from "./sides.js";
import { makeSwipe } from "./swipe.js";
import { words } from "./words.js";

const TURN = "M3.5 5.5h9L10 3M12.5 10.5h-9L6 13";

export function start(app) {
  const { store, view, keys, api, panel } = app;
  const say = words.compare;
  const state = { a: null, b: null, scene: null, groups: [], swipe: true, how: "any", run: null, job: null, result: null, hidden: new Map(), laid: null, asked: 0, date: null, last: null };
  const swipe = makeSwipe(app, say, (share) => store.set({ compare: { ...store.state.compare, swipe: share } }));

  const section = app.left.section("compare", { title: say.title, order: 12, icons: [el("button", { type: "button", class: "ghost square", "aria-label": say.turn, title: say.turn, onclick: () => turn() }, glyph(TURN))] });
  const selects = { a: el("select", { class: "field", id: "compare-a", "aria-label": say.side("A") }), b: el("select", { class: "field", id: "compare-b", "aria-label": say.side("B") }) };
  const button = el("button", { type: "button", class: "ghost line", "aria-pressed": "true", title: say.swipeKey, onclick: () => toggle() }, say.swipe, el("kbd", {}, "S"));
  section.body.append(
    el("div", { class: "cmp" }, ["a", "b"].map((side) => el("label", { class: "cmp-side", for: `compare-${side}` }, el("b", { class: "cmp-mark" }, side.toUpperCase()), selects[side]))),
    el("div", { class: "cmp-tools" }, button),
  );
  const foot = app.left.section("comparerun", { order: 91 });
  const how = el("select", { class: "field", "aria-label": say.how, onchange: () => (state.how = how.value) });
  const primary = el("button", { type: "button", class: "primary", onclick: () => begin() }, say.run);
  const why = el("p", { class: "run-why", id: "compare-why" });
  const bar = el("div", { class: "job", hidden: true });
  primary.setAttribute("aria-describedby", "compare-why");
  foot.body.append(el("div", { class: "run" }, how, bar, primary, why));

  const active = () => store.state.mode === "compare" && Boolean(store.state.scene);
  const side = (name) => state.groups.flatMap((group) => group.sides).find((one) => one.key === state[name]) ?? null;
  const called = (name) => {
    const one = side(name);
    if (one) return one.name;
    const { scene, date } = store.state;
    return date ? app.dateWords(date) : scene?.shows.find((show) => show.id === store.state.show)?.name ?? say.now;
  };

  // --- the two sides ------------------------------------------------------------------------------------------

  function options(name) {
    const groups = state.groups.filter((group) => !group.only || group.only === name);
    const one = (key, text) => el("option", { value: key, selected: state[name] === key }, text);
    fill(selects[name], one("now", say.now), groups.map((group) => el("optgroup", { label: group.title }, group.sides.map((item) => one(item.key, item.name)))));
    selects[name].value = state[name];
  }

  /** What can be told of these two sides: the body of the request, or why nothing. */
  function able() {
    const [a, b] = [side("a"), side("b")];
    if (a?.n && b?.n) return a.n === b.n ? { why: say.same } : { ask: { kind: "maps", a: a.n, b: b.n } };
    if (b?.scene) return { ask: { kind: "dates", a: a?.date ?? store.state.date, b: b.scene.default_date ?? b.scene.dates?.at(-1)?.date ?? null, other: b.scene.id } };
    if (a?.date && b?.date) return a.date === b.date ? { why: say.same } : { ask: { kind: "dates", a: a.date, b: b.date } };
    return { why: say.needs };
  }

  function measures(ask) {
    if (ask?.kind !== "dates") return [];
    const { scene, labels, classes } = store.state;
    const counts = classes.map((one) => labels.filter((label) => label.class === one.id).length);
    const found = [["any", say.any]];
    if (counts.filter((n) => n >= 3).length > 1) found.push(["labels", say.byLabels]);
    for (const show of scene.shows.filter((one) => one.kind === "index").slice(0, 3)) found.push([show.index, say.byIndex(show.name)]);
    return found;
  }

  function draw() {
    for (const part of [section.root, foot.root]) part.hidden = !active();
    if (!active()) return;
    for (const name of ["a", "b"]) options(name);
    const { ask, why: reason } = able();
    const ways = measures(ask);
    if (!ways.some(([key]) => key === state.how)) state.how = "any";
    fill(how, ways.map(([key, text]) => el("option", { value: key, selected: key === state.how }, text)));
    how.hidden = ways.length < 2 || Boolean(state.run);
    primary.hidden = bar.hidden === false;
    primary.disabled = !ask;
    why.textContent = reason ?? "";
    why.hidden = !reason;
    button.setAttribute("aria-pressed", String(state.swipe));
    button.hidden = !view.webgl;
  }

  function choose(name, key) {
    state[name] = key;
    state.result = null;
    state.swipe = true;
    panel.close("compare");
    sync();
  }
  for (const name of ["a", "b"]) selects[name].addEventListener("change", () => choose(name, selects[name].value));

  function turn() {
    const fits = !state.groups.some((group) => group.only === "b" && group.sides.some((one) => one.key === state.b));
    if (!fits) return void panel.say(say.cannotTurn, "chip");
    [state.a, state.b] = [state.b, state.a];
    sync();
    panel.say(say.told(called("a"), called("b")));
  }

  /** Bring the page to the two sides: date of A, handles of the strip, the swipe. */
  function sync() {
    const [a, b] = [side("a"), side("b")];
    const dates = { a: a?.date ?? null, b: b?.date ?? null };
    const { compare } = store.state;
    if (compare.a !== dates.a || compare.b !== dates.b) store.set({ compare: { ...compare, ...dates } });
    if (dates.a && store.state.date !== dates.a) store.set({ date: dates.a });
    draw();
    show().catch(app.refused);
  }

  // --- the swipe ----------------------------------------------------------------------------------------------

  /** Other layers over A are out of the way while both sides are compared. */
  function clear(on) {
    const mine = (layer) => layer.id === state.laid;
    if (on) {
      for (const layer of app.layers.list()) {
        if (layer.kind === "image" || layer.draws || mine(layer) || !layer.on) continue;
        state.hidden.set(layer.id, true);
        app.layers.set(layer.id, { on: false });
      }
    } else {
      for (const id of state.hidden.keys()) app.layers.set(id, { on: true });
      state.hidden.clear();
    }
  }

  async function show() {
    const asked = (state.asked += 1);
    const on = active() && state.swipe && view.webgl;
    await lay(on ? side("a")?.n : null);
    if (asked !== state.asked) return;
    if (!on) {
      swipe.hide();
      clear(false);
      return;
    }
    const list = await layersOf(app, side("b"));
    if (asked !== state.asked || !active()) return;
    clear(true);
    await swipe.show(list, { a: called("a"), b: called("b") });
  }

  /** The classes of map n over A; without n what was laid there goes. */
  async function lay(n) {
    const wanted = n ? `m${n}.classes` : null;
    if (wanted && !app.layers.list().some((layer) => layer.id === wanted)) {
      app.layers.add(await classesOf(app, n));
      state.laid = wanted;
    } else if (wanted) {
      state.hidden.delete(wanted);
      app.layers.set(wanted, { on: true });
      state.laid = state.laid === wanted ? wanted : null;
    }
    if (wanted !== state.laid && state.laid && !wanted) {
      app.layers.remove(state.laid);
      state.laid = null;
    }
  }

  function toggle(on = !state.swipe) {
    state.swipe = on;
    draw();
    show().catch(app.refused);
    panel.say(on ? say.swipeOn : say.swipeOff);
  }

  // --- what changed -------------------------------------------------------------------------------------------

  async function begin() {
    const { ask } = able();
    if (!ask || state.run) return;
    const { scene } = store.state;
    const way = ask.kind === "dates" && state.how !== "any" ? (state.how === "labels" ? { labels: true } : { index: state.how }) : {};
    const window = scene.megapixels > 4 && !scene.grid.pixel && ask.kind === "dates" ? view.window() : null;
    const run = (state.run = api.run("api/compare", { scene: scene.id, ...ask, ...way, window }, step));
    bar.hidden = false;
    draw();
    try {
      const result = await run.promise;
      if (store.state.scene?.id === scene.id) told(result);
    } catch (fault) {
      if (fault.status !== 499) app.refused(fault);
      else panel.say(say.stopped, "chip");
    } finally {
      state.run = null;
      bar.hidden = true;
      bar.replaceChildren();
      draw();
    }
  }

  function step(job) {
    const share = job.total ? Math.min(1, job.done / job.total) : 0;
    const stop = el("button", { type: "button", class: "link", onclick: () => state.run?.cancel() }, say.stop);
    const line = el("div", { class: "job-bar", role: "progressbar", "aria-label": say.run, "aria-valuemin": "0", "aria-valuemax": "100", "aria-valuenow": String(Math.round(share * 100)) }, el("i", { style: { width: `${share * 100}%` } }));
    fill(bar, el("p", {}, el("span", {}, job.state === "waiting" ? say.waiting : job.what || say.waiting), stop), line);
  }

  function told(result) {
    state.last = store.state.scene.id;
    laidOut(result);
    panel.say(say.done(changeCard.sentence(result.card)));
  }

  /** Show a comparison: its layers, its card. */
  function laidOut(result) {
    for (const layer of app.layers.list()) if (/^c\d+\./.test(layer.id)) app.layers.remove(layer.id);
    state.result = result;
    state.swipe = false;
    draw();
    show().catch(app.refused);
    for (const layer of [...result.layers].reverse()) app.layers.add(layer);
    app.layers.pick(result.layers.find((layer) => layer.on)?.id ?? result.layers[0].id);
    card();
  }

  /** The scene's last comparison, made before the page was opened, is shown when Compare is first entered. */
  async function again() {
    const { scene } = store.state;
    if (state.last === scene.id) return;
    state.last = scene.id;
    const { compares } = await api.get("api/compares");
    const last = compares.filter((one) => one.scene === scene.id).at(-1);
    if (!last) return;
    const result = await api.get(`api/compares/${last.n}`);
    if (!active() || store.state.scene?.id !== scene.id || state.result || state.run) return;
    const all = new Set(state.groups.flatMap((group) => group.sides.map((one) => one.key)));
    const sides = ["a", "b"].map((name) => `${last.kind === "maps" ? "map" : "date"}:${last[name]}`);
    if (sides.every((one) => all.has(one))) [state.a, state.b] = sides;
    sync();
    laidOut(result);
  }

  function card() {
    const { result } = state;
    panel.open("compare", {
      title: say.cardTitle,
      remark: say.between(words_(result.card.a), words_(result.card.b)),
      build: (body, bottom) => changeCard.build(body, bottom, result),
    });
  }
  const words_ = (text) => (/^\d{4}-\d\d-\d\d/.test(text) ? app.dateWords(text) : text);

  // --- the page -----------------------------------------------------------------------------------------------

  function enter() {
    const { scene } = store.state;
    state.date = store.state.date;
    state.groups = sidesOf(app, say);
    const keys_ = new Set(["now", ...state.groups.flatMap((group) => group.sides.map((one) => one.key))]);
    if (state.scene !== scene.id || !keys_.has(state.a) || !keys_.has(state.b)) Object.assign(state, usual(app, state.groups), { scene: scene.id });
    sync();
    if (state.result && !panel.id) card();
    else if (!state.result) again().catch(app.refused);
  }

  function leave() {
    state.asked += 1;
    swipe.hide();
    clear(false);
    lay(null);
    panel.close("compare");
    const dated = Boolean(store.state.compare.a);
    if (dated || store.state.compare.b) store.set({ compare: { ...store.state.compare, a: null, b: null } });
    if (dated && state.date && store.state.scene?.dates?.some((one) => one.date === state.date)) store.set({ date: state.date });
    draw();
  }

  let was = false;
  store.on(["mode", "phase"], () => {
    const now = active();
    if (now === was) return;
    was = now;
    if (now) enter();
    else leave();
  });
  store.on("scene", () => {
    swipe.reset();
    state.hidden.clear();
    Object.assign(state, { result: null, a: null, b: null, laid: null, last: null });
    panel.close("compare");
    if (active()) enter();
    else draw();
  });
  store.on("compare", ({ compare }) => {
    // The handles of the strip moved.
    if (!active()) return;
    const moved = ["a", "b"].filter((name) => compare[name] && side(name)?.date !== compare[name]);
    for (const name of moved) state[name] = `date:${compare[name]}`;
    if (moved.length) sync();
  });
  store.on(["show", "stretch"], () => active() && (draw(), show().catch(app.refused)));
  store.on(["maps", "scenes", "labels", "classes"], () => {
    if (!active()) return;
    state.groups = sidesOf(app, say);
    draw();
  });
  keys.add("s", say.swipeKey, () => toggle(), () => active() && view.webgl, { group: "compare" });
  app.compare = { swipe, begin, choose, toggle };
  draw();
}
