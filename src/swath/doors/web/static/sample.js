// The reference sample: drawn from a map, walked through place by place without seeing the map's class, then judged.

import { el, fill, icon } from "./dom.js";
import { makePlace } from "./place.js";
import { words } from "./words.js";

const SIZES = [120, 240, 480];
const USUAL = 240;

export function start(app) {
  const { api, panel, store } = app;
  const say = words.sample;
  const state = { record: null, back: null, reasons: false, waiting: null, busy: false, saying: null };
  const parts = {};

  // --- before: how many places ------------------------------------------------------------------------------

  /** Open the panel that draws a sample from map n, or goes on with one that is not finished. */
  function begin(n) {
    const going = store.state.samples.filter((one) => one.map === n && !one.finished && !one.assessed).at(-1);
    let size = USUAL;
    const button = el("button", { type: "button", class: "primary", onclick: () => draw(n, size, button, note) }, say.draw(size));
    const note = el("p", { class: "note warns", role: "alert", hidden: true });
    const group = el("div", { class: "sizes", role: "radiogroup", "aria-label": say.howMany });
    for (const one of SIZES) {
      const field = el("input", { type: "radio", name: "sample-size", value: String(one), checked: one === size, id: `size-${one}` });
      field.addEventListener("change", () => {
        size = one;
        button.textContent = say.draw(size);
      });
      group.append(el("label", { class: "choice", for: field.id }, field, el("span", {}, say.places(one)), el("span", { class: "val" }, say.spread(one))));
    }
    panel.open("sample", {
      title: say.title,
      remark: say.ofMap(n),
      build(body, foot) {
        body.append(
          el("div", { class: "sample-panel" }, say.why.map((text) => el("p", {}, text)), group, el("p", { class: "sub" }, say.seeds), note, going && goOn(going)),
        );
        foot.append(button);
      },
    });
    button.focus();
  }

  function goOn(one) {
    return el(
      "div",
      { class: "note" },
      el("p", {}, say.unfinished(one.answered, one.steps)),
      el("button", { type: "button", class: "link", onclick: () => resume(one.id) }, say.goOn),
    );
  }

  async function draw(n, size, button, note) {
    button.disabled = true;
    note.hidden = true;
    try {
      const run = api.run("api/samples", { map: n, size }, (job) => (button.textContent = say.drawing(job.what)));
      const { sample } = await run.promise;
      panel.close("sample");
      await resume(sample);
    } catch (fault) {
      button.disabled = false;
      button.textContent = say.draw(size);
      note.hidden = false;
      fill(note, refusal(fault));
    }
  }

  const refusal = (fault) => [fault.rule, fault.got, fault.remedy].filter(Boolean).map((text) => el("span", { class: "sentence" }, `${text.replace(/[.]$/, "")}. `));

  // --- the walk ---------------------------------------------------------------------------------------------

  function frame() {
    parts.remark = el("span", { class: "sub num" });
    parts.bar = el("i", {});
    parts.progress = el("div", { class: "walk-progress", role: "progressbar", "aria-label": say.progress, "aria-valuemin": "0" }, parts.bar);
    parts.back = el("button", { type: "button", class: "ghost line", title: `${say.back} (⌫)`, onclick: back }, icon("undo"), say.back);
    parts.stop = el("button", { type: "button", class: "ghost line", title: `${say.stop} (Esc)`, onclick: stop }, say.stop);
    parts.place = makePlace(app);
    parts.answers = el("div", { class: "walk-answers", role: "group", "aria-label": say.question });
    parts.told = el("p", { class: "walk-told warn", role: "alert", hidden: true });
    parts.main = el("div", { class: "walk-main" }, parts.place.root, el("div", { class: "walk-ask" }, el("h3", {}, say.question), parts.answers, parts.told));
    parts.over = el("div", { class: "walk-over", hidden: true });
    parts.title = el("h2", { id: "walk-title", tabindex: "-1" }, say.title);
    parts.root = el(
      "section",
      { id: "walk", "aria-labelledby": "walk-title" },
      el("div", { class: "walk-head" }, parts.title, parts.remark, el("span", { class: "grow" }), parts.back, parts.stop),
      parts.progress,
      parts.main,
      parts.over,
    );
    document.body.append(parts.root);
  }

  const others = () => [...document.body.children].filter((node) => node !== parts.root && node.id !== "live" && !["SCRIPT", "DIALOG"].includes(node.tagName));

  /** Take up a sample where it was left. */
  async function resume(id) {
    try {
      state.record = await api.get(`api/samples/${id}`);
    } catch (fault) {
      app.refused(fault);
      return;
    }
    const scene = store.state.scenes.find((one) => one.key === state.record.scene_key);
    if (!scene) {
      panel.say(say.noScene, "warn");
      return;
    }
    if (!parts.root) {
      state.back = document.activeElement;
      frame();
      for (const node of others()) node.inert = true;
      addEventListener("keydown", press, true);
      document.documentElement.dataset.walk = "yes";
    }
    parts.place.open(scene);
    if (state.record.finished) end();
    else show();
    parts.title.focus();
  }

  function close() {
    if (!parts.root) return;
    removeEventListener("keydown", press, true);
    for (const node of others()) node.inert = false;
    parts.place.close();
    parts.root.remove();
    parts.root = null;
    state.waiting = null;
    state.busy = false;
    delete document.documentElement.dataset.walk;
    if (state.back?.isConnected) state.back.focus();
    api.get("api/state").then((said) => store.set({ samples: said.samples || [] }), () => {});
  }

  function show() {
    const { record } = state;
    const held = parts.over.contains(document.activeElement);
    state.reasons = false;
    parts.main.hidden = false;
    parts.over.hidden = true;
    parts.told.hidden = true;
    parts.remark.textContent = say.at(record.answered + 1, record.steps);
    parts.bar.style.width = `${(100 * record.answered) / record.steps}%`;
    parts.progress.setAttribute("aria-valuemax", String(record.steps));
    parts.progress.setAttribute("aria-valuenow", String(record.answered));
    parts.back.hidden = parts.stop.hidden = false;
    parts.back.disabled = record.answered === 0;
    parts.place.show(record.point);
    answers();
    if (held || !parts.root.contains(document.activeElement)) parts.title.focus();
    document.getElementById("live").textContent = say.read(record.answered + 1, record.steps);
  }

  function choice(key, label, colour, act) {
    return el(
      "button",
      { type: "button", class: "answer", "aria-keyshortcuts": key || null, onclick: act },
      colour ? el("i", { class: "sw", style: { background: colour }, "aria-hidden": "true" }) : el("i", { class: "sw none", "aria-hidden": "true" }),
      el("span", {}, label),
      key ? el("kbd", { "aria-hidden": "true" }, key) : null,
    );
  }

  function answers() {
    const { record } = state;
    if (state.reasons) {
      const list = record.reasons.map((why, i) => choice(String(i + 1), say.reasons[why] ?? why, null, () => answer(null, why)));
      fill(parts.answers, list, choice("Esc", say.notThat, null, () => reasons(false)));
      parts.root.querySelector("h3").textContent = say.whyNot;
      return;
    }
    const list = record.classes.map((one, i) => choice(i < 9 ? String(i + 1) : "", one.name, one.colour, () => answer(one.name)));
    fill(parts.answers, list, choice("0", say.cannot, null, () => reasons(true)));
    parts.root.querySelector("h3").textContent = say.question;
  }

  function reasons(on) {
    state.reasons = on;
    const held = parts.answers.contains(document.activeElement);
    answers();
    if (held) parts.answers.firstElementChild.focus();
  }

  const id = () => crypto.randomUUID?.() ?? `${Date.now()}-${Math.random().toString(36).slice(2)}`;

  function answer(name, why = null) {
    if (state.busy || !state.record.point) return;
    send({ op: id(), point: state.record.point.id, answer: name, why });
  }

  function back() {
    if (state.busy) return;
    if (state.reasons) return void reasons(false);
    if (state.record.answered) send({ op: id(), point: state.record.answered, undo: true });
  }

  /** Sent again with the same id until swath has it on disk: a retry changes nothing. */
  async function send(said) {
    state.busy = true;
    state.waiting = said;
    try {
      state.record = await api.post(`api/samples/${state.record.id}/answers`, said);
    } catch (fault) {
      if (!parts.root) return;
      state.busy = false;
      if (fault.status === 409) {
        state.record = await api.get(`api/samples/${state.record.id}`);
      } else {
        parts.told.hidden = false;
        fill(parts.told, fault.status === 0 ? say.notSaved : refusal(fault));
        if (fault.status !== 0) state.waiting = null;
        return;
      }
    }
    state.busy = false;
    state.waiting = null;
    if (!parts.root) return;
    if (state.record.finished) end();
    else show();
  }

  api.on("connected", (yes) => yes && parts.root && state.waiting && !state.busy && send(state.waiting));

  // --- stopping and the end ---------------------------------------------------------------------------------

  function over(title, lines, buttons) {
    parts.main.hidden = true;
    parts.over.hidden = false;
    parts.back.hidden = parts.stop.hidden = true;
    const heading = el("h3", { tabindex: "-1" }, title);
    parts.note = el("p", { class: "note warns", role: "alert", hidden: true });
    fill(parts.over, el("div", { class: "card walk-card" }, heading, lines.map((text) => el("p", {}, text)), parts.note, el("div", { class: "walk-buttons" }, buttons)));
    (parts.over.querySelector("button:not(:disabled)") ?? heading).focus();
  }

  async function stop() {
    if (state.busy) return;
    let asked = state.record;
    try {
      asked = await api.get(`api/samples/${state.record.id}`, { stop: 1 });
    } catch (fault) {
      parts.told.hidden = false;
      fill(parts.told, refusal(fault));
      return;
    }
    const lacking = Object.entries(asked.needs ?? {});
    const go = el("button", { type: "button", class: "ghost line", onclick: show }, say.goOn);
    const leave = el("button", { type: "button", class: "ghost line", onclick: close }, say.later);
    if (lacking.length) {
      go.className = "primary";
      over(say.notYet, [say.needs(lacking.map(([name]) => say.has(name, asked.has[name]))), say.kept(asked.answered, asked.steps)], [go, leave]);
      return;
    }
    over(say.enough, [say.partly(asked.answered, asked.steps), cannot(asked), say.kept(asked.answered, asked.steps)].filter(Boolean), [judge(say.judgePart), go, leave]);
  }

  const cannot = (record) => (record.cannot ? say.cannotTold(record.cannot) : "");

  function end() {
    const { record } = state;
    const { same, asked } = record.agreement ?? { same: 0, asked: 0 };
    parts.remark.textContent = say.done(record.steps);
    parts.bar.style.width = "100%";
    parts.progress.setAttribute("aria-valuenow", String(record.steps));
    const lacking = Object.entries(record.needs ?? {});
    const lines = [asked ? say.agreed(same, asked) : "", cannot(record)].filter(Boolean);
    const last = el("button", { type: "button", class: "ghost line", onclick: back }, say.back);
    const leave = el("button", { type: "button", class: "ghost line", onclick: close }, say.close);
    if (lacking.length) lines.push(say.needs(lacking.map(([name]) => say.has(name, record.has[name]))), say.another);
    over(say.all(record.size), lines, lacking.length ? [leave, last] : [judge(say.judge), last, leave]);
    document.getElementById("live").textContent = lines[0] ?? "";
  }

  function judge(label) {
    const button = el("button", { type: "button", class: "primary" }, label);
    button.addEventListener("click", async () => {
      button.disabled = true;
      button.textContent = say.judging;
      try {
        const run = api.run(`api/samples/${state.record.id}/assess`, {}, null);
        const { map } = await run.promise;
        close();
        store.set({ mode: "map", map });
        await app.result?.open?.(map);
      } catch (fault) {
        button.disabled = false;
        button.textContent = label;
        if (!parts.note) return;
        parts.note.hidden = false;
        fill(parts.note, refusal(fault));
      }
    });
    return button;
  }

  // --- keys: while the walk is on, no other single key acts -------------------------------------------------

  function press(event) {
    if (!parts.root || event.ctrlKey || event.metaKey || event.altKey) return;
    const asking = !parts.main.hidden;
    const { key } = event;
    if (!app.keys.on && key.length === 1) return; // single keys are turned off in Help; Tab and Enter do all of it
    const digit = /^[0-9]$/.test(key) ? Number(key) : -1;
    let used = true;
    if (key === "Escape") {
      if (!asking) state.record.finished ? close() : show();
      else if (state.reasons) reasons(false);
      else stop();
    } else if (!asking) used = false;
    else if (key === "Backspace") back();
    else if (state.reasons && digit >= 1 && digit <= state.record.reasons.length) answer(null, state.record.reasons[digit - 1]);
    else if (!state.reasons && digit === 0) reasons(true);
    else if (!state.reasons && digit >= 1 && digit <= Math.min(9, state.record.classes.length)) answer(state.record.classes[digit - 1].name);
    else used = parts.place.key(key);
    if (!used && ["Tab", "Enter", " ", "Shift", "ArrowUp", "ArrowDown", "Home", "End"].includes(key)) return;
    event.stopImmediatePropagation();
    if (used) event.preventDefault();
  }

  app.sample = { begin, resume, close };
}
