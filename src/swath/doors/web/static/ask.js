// Ask: a question, a sentence whose numbers lead to their pixels, and how each was got.

import { el, fill, icon, svg } from "./dom.js";
import { CHOSEN, outlines } from "./windows.js";
import { words } from "./words.js";

const PATIENCE = 400;
const LAYER = "answer";
const SWATCH = "linear-gradient(135deg, var(--accent) 50%, #0f1314 50%)";
const OUTLINE = "ask.window";
const KEPT = 12;
const FEW = 2;
const typeset = (text) => text.replace(/(\d)\s?%/g, "$1\u202f%").replace(/(\d) (ha|km²|km|m|pixels?)(?![a-z])/g, "$1\u202f$2").replace(/(^|[\s(])-(?=\d)/g, "$1−");

const UNITS = [[/ hectares?\b/g, " ha"], [/ square kilometres?\b/g, " km²"]];
/** A number as printed, with its unit once: 12.3 ha (9.8 to 15.1). */
const short = (text) => typeset(UNITS.reduce((told, [words, unit]) => told.replace(words, unit), text).replace(/^(.+?) (\S+) \((.+?) \2 to (.+?) \2\)$/, "$1 $2 ($3 to $4)"));

export function start(app) {
  const { store, view, api, panel } = app;
  const say = words.ask;
  const form = document.getElementById("ask");
  const field = document.getElementById("ask-field");
  const state = { found: null, run: null, timer: 0, told: null, number: null, layers: new Map(), around: new Map(), hover: 0, asked: [], at: 0 };

  // --- asking -------------------------------------------------------------------------------------------------
  function ask(question) {
    const text = question.trim().replace(/^\/+\s*/, "");
    const { scene, map } = store.state;
    if (!text || !scene) {
      panel.say(say.empty);
      return;
    }
    state.asked = [...state.asked.filter((one) => one !== text), text].slice(-KEPT);
    state.at = state.asked.length;
    field.value = "";
    go("api/ask", { question: text, scene: scene.id, map, window: view.window() }, text);
  }

  async function go(path, body, question) {
    stop();
    const run = (state.run = api.run(path, body, (job) => state.run === run && state.waits && (state.waits.textContent = job.what && job.total ? `${job.what} ` : `${say.counting} `)));
    state.timer = setTimeout(() => state.run === run && waiting(question), PATIENCE);
    try {
      const found = await run.promise;
      if (state.run !== run) return;
      state.run = null;
      clearTimeout(state.timer);
      show(found);
    } catch (fault) {
      if (state.run !== run) return;
      state.run = null;
      clearTimeout(state.timer);
      if (fault.status !== 499) refused(question, fault);
    }
  }

  function stop() {
    clearTimeout(state.timer);
    state.run?.cancel().catch(() => {});
    state.run = null;
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    ask(field.value);
  });
  field.addEventListener("keydown", (event) => {
    const by = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (!by || !state.asked.length) return;
    event.preventDefault();
    state.at = Math.max(0, Math.min(state.asked.length, state.at + by));
    field.value = state.asked[state.at] ?? "";
  });

  // --- the panel ----------------------------------------------------------------------------------------------
  function opened(remark) {
    if (panel.id === "ask" && state.told) {
      state.told.remark(remark);
      return state.told;
    }
    state.told = panel.open("ask", { title: say.title, remark, onclose: closed, build: () => {} });
    return state.told;
  }

  function closed() {
    state.told = null;
    state.found = null;
    stop();
    outline(null);
    app.layers?.remove(LAYER);
  }

  const planner = () => (store.state.abilities?.ask && store.state.abilities.ask !== "rules" ? say.model(store.state.abilities.ask) : say.rules);
  const head = (question) => el("p", { class: "asked" }, question);

  function waiting(question) {
    const told = opened(planner());
    state.held = told.root.contains(document.activeElement);
    fill(told.body, el("div", { class: "answer-body" }, head(question), el("p", { class: "about", role: "status" }, (state.waits = el("span", {}, say.counting, " ")), el("button", { type: "button", class: "link", onclick: () => (stop(), panel.close("ask")) }, say.stop))));
    fill(told.foot);
  }

  function refused(question, fault) {
    const told = opened(planner());
    outline(null);
    app.layers?.remove(LAYER);
    const loose = /holds only numbers that a call returned/.test(fault.rule);
    const text = loose ? [say.loose] : panel.refusal(fault);
    fill(told.body, el("div", { class: "answer-body" }, head(question)), el("div", { class: "note warns", role: "alert" }, text));
    fill(told.foot);
    panel.say(loose ? say.loose : fault);
  }

  function show(found) {
    state.found = found;
    state.waits = null;
    state.layers.clear();
    state.around.clear();
    state.number = null;
    const told = opened(found.planner === say.rules ? say.rules : say.model(found.planner));
    outline(null);
    app.layers?.remove(LAYER);
    const answered = found.parts.length > 0;
    const held = told.root.contains(document.activeElement) || state.held;
    state.held = false;
    fill(
      told.body,
      el(
        "div",
        { class: "answer-body" },
        head(found.question),
        el("p", { class: "said", tabindex: -1 }, answered ? found.parts.map(part) : found.back?.text),
        answered && found.calls[0]?.verb !== "info" ? picture(numbers()) : null,
        found.replayed ? el("p", { class: "about" }, say.replayed) : null,
        found.notes.slice(0, FEW).map(remark),
        answered ? how(found) : back(found.back),
        answered && found.next.length ? [el("h3", {}, say.next), el("div", { class: "asks" }, found.next.map((text) => question(text, text)))] : null,
      ),
    );
    fill(told.foot, found.replay ? el("button", { type: "button", class: "ghost line", title: say.replayTitle, onclick: () => go("api/ask/replay", { replay: found.replay }, found.question) }, say.replay) : null);
    if (held) told.body.querySelector(".said").focus({ preventScroll: true });
    panel.say(answered ? found.text : found.back?.text ?? "");
    const first = numbers().find((one) => one.pixels !== null);
    if (first) light(first);
  }

  const numbers = () => (state.found?.parts ?? []).filter((one) => one.number).map((one) => one.number);

  function part(one) {
    if (one.text !== undefined) return typeset(one.text);
    const { number } = one;
    if (number.pixels === null) return el("b", {}, short(number.text));
    return link(number, "", short(number.text));
  }

  /** A button that shows the pixels of a number: pointing at it outlines them, pressing it goes there. */
  function link(number, name, ...nodes) {
    return el(
      "button",
      {
        type: "button",
        class: name,
        title: say.show,
        dataset: { pixels: number.pixels },
        onpointerenter: () => light(number, 120),
        onfocus: (event) => event.currentTarget.matches(":focus-visible") && light(number),
        onclick: () => fly(number),
      },
      nodes,
    );
  }

  function question(text, asked) {
    const press = () => {
      if (asked) return ask(asked);
      field.value = text;
      field.focus();
      const at = text.indexOf("[class]");
      if (at >= 0) field.setSelectionRange(at, at + 7);
      return undefined;
    };
    return el("button", { type: "button", onclick: press }, text);
  }

  function back(said) {
    if (!said) return null;
    const options = said.options.map((text, i) => question(said.missing === "meaning" || said.ask[i] ? text : `${state.found.question.replace(/[?.!]+$/, "")} ${text.replace(/ \(.*$/, "")}`, said.ask[i]));
    if (said.missing === "map") options.unshift(el("button", { type: "button", onclick: () => (panel.close("ask"), store.set({ mode: "map" })) }, say.map));
    return options.length ? [el("h3", {}, say.back), el("div", { class: "asks" }, options)] : null;
  }

  // --- how it was got -----------------------------------------------------------------------------------------
  function how(found) {
    const list = numbers();
    return el(
      "details",
      {},
      el("summary", {}, icon("down"), say.how),
      el(
        "ol",
        { class: "calls" },
        found.calls.map((call) =>
          el(
            "li",
            { class: "call" },
            el("code", {}, call.verb),
            el("dl", { class: "given" }, Object.entries(call.arguments).filter(([name]) => name in say.with).map(([name, value]) => [el("dt", {}, say.with[name]), el("dd", {}, shown(value))])),
            el("ul", { class: "evidence" }, list.filter((one) => one.call === call.n).map((one) => el("li", {}, evidence(one)))),
          ),
        ),
      ),
      found.notes.slice(FEW).map(remark),
    );
  }

  const remark = (note) => el("p", { class: "about" }, typeset(note));
  const shown = (value) => (Array.isArray(value) ? value.join(", ") : String(value));

  function evidence(number) {
    const nodes = [el("b", {}, short(number.text)), " ", el("span", {}, say.at({ ...number.evidence, whole: whole(number) }))];
    return number.pixels === null ? el("div", {}, nodes) : link(number, "", nodes);
  }

  // --- the pixels of a number ---------------------------------------------------------------------------------
  function outline(around) {
    if (!around && !state.outlined) return;
    state.outlined = Boolean(around);
    view.features(OUTLINE, outlines(around ?? []), CHOSEN);
  }

  function light(number, rest = 0) {
    clearTimeout(state.hover);
    if (number.pixels === null || !state.found) return;
    const known = state.around.get(number.pixels);
    if (known) outline(known);
    else outline(whole(number) ? null : [number.evidence.window]);
    mark(number.pixels);
    state.hover = setTimeout(() => lay(number.pixels), rest);
  }

  function whole(number) {
    const { grid } = store.state.scene;
    const w = number.evidence.window;
    return !w || (w[0] <= 0 && w[2] <= 0 && w[1] >= grid.height && w[3] >= grid.width);
  }

  function mark(n) {
    state.number = n;
    for (const node of state.told?.body.querySelectorAll("[data-pixels]") ?? []) node.classList.toggle("on", node.dataset.pixels === String(n));
  }

  async function lay(n) {
    const { found } = state;
    if (!state.layers.has(n)) state.layers.set(n, api.get(`api/asks/${found.id}/pixels/${n}`));
    try {
      const record = await state.layers.get(n);
      if (state.found !== found || state.number !== n || !state.told) return;
      if (record.outline) outline(record.outline);
      state.around.set(n, record.outline);
      const old = app.layers.list().find((layer) => layer.id === LAYER);
      if (old?.shows === record.id) return;
      app.layers.add({ ...record, id: LAYER, shows: record.id, kind: "answer", name: short(record.name), legend: null, swatch: SWATCH });
    } catch (fault) {
      state.layers.delete(n);
      if (state.found === found) panel.say(fault, "warn");
    }
  }

  function fly(number) {
    light(number);
    const w = number.evidence.window;
    if (!w) return;
    const room = Math.max(w[1] - w[0], w[3] - w[2]) / 4; // what lies around stays in sight
    view.fit([w[0] - room, w[1] + room, w[2] - room, w[3] + room], { margin: 24 });
  }

  // --- one picture of the number ------------------------------------------------------------------------------
  function picture(list) {
    const sure = list.find((one) => one.low !== null && one.high !== null && one.high > one.low);
    if (sure) return interval(sure);
    const share = list.find((one) => one.unit === "1" && one.value >= 0 && one.value <= 1);
    return share ? portion(share) : null;
  }

  const WIDTH = 308;
  const label = (x, y, text, anchor, name = "") => svg("text", { x, y, "text-anchor": anchor, class: name }, text);

  function portion(number) {
    const x = Math.max(number.value > 0 ? 1.5 : 0, number.value * WIDTH);
    const text = short(number.text);
    const at = Math.min(WIDTH - 24, Math.max(24, x));
    return svg(
      "svg",
      { class: "picture", viewBox: `0 0 ${WIDTH} 46`, role: "img", "aria-label": text },
      label(at, 12, text, "middle", "strong"),
      svg("rect", { class: "whole", x: 0, y: 18, width: WIDTH, height: 10, rx: 2 }),
      svg("rect", { class: "part", x: 0, y: 18, width: x, height: 10, rx: Math.min(2, x / 2) }),
      label(0, 42, "0", "start"),
      label(WIDTH, 42, "100\u202f%", "end"),
    );
  }

  function interval(number) {
    const top = nice(number.high * 1.15);
    const at = (value) => (value / top) * WIDTH;
    const scale = number.unit === "1" ? 100 : number.unit === "ha" && /square kilomet/.test(number.text) ? 0.01 : 1;
    const digits = top * scale < 10 ? 1 : 0;
    const told = (value) => (value * scale).toFixed(digits) + (number.unit === "1" ? "\u202f%" : "");
    return svg(
      "svg",
      { class: "picture", viewBox: `0 0 ${WIDTH} 46`, role: "img", "aria-label": say.picture(short(number.text), told(number.low), told(number.high)) },
      svg("line", { class: "axis", x1: 0, x2: WIDTH, y1: 20, y2: 20 }),
      svg("rect", { class: "band", x: at(number.low), y: 16, width: Math.max(2, at(number.high) - at(number.low)), height: 8, rx: 2 }),
      svg("circle", { class: "dot", cx: at(number.value), cy: 20, r: 5 }),
      label(0, 42, "0", "start"),
      label(Math.max(28, at(number.low)), 42, told(number.low), "end", "strong"),
      label(Math.min(WIDTH - 48, at(number.high)), 42, told(number.high), "start", "strong"),
      label(WIDTH, 42, told(top), "end"),
    );
  }

  function nice(value) {
    const power = 10 ** Math.floor(Math.log10(value || 1));
    return [1, 2, 3, 5, 10].map((n) => n * power).find((n) => n >= value) ?? value;
  }

  store.on(["scene"], () => panel.close("ask"));
  app.ask = { ask, get found() { return state.found; } };
}
