// The scene picker: open scenes, scenes that can be opened, files of this computer, and the choice where units are open.
import { el, fill, icon, iconButton } from "./dom.js";
import { imageParams } from "./layers.js";
import { words } from "./words.js";

const SHOWN = 60;

export function start(app) {
  const { store, api, keys, panel, view } = app;
  const say = words.scenes;
  const opener = document.getElementById("scene-open");
  const pop = el("div", { class: "popover scene-pick", role: "dialog", "aria-label": say.another, hidden: true });
  document.getElementById("top").append(pop);
  const state = { open: false, files: null, find: "", said: [], from: null, trials: new Set(), adding: false, busy: false };
  const field = el("input", { class: "field", type: "search", placeholder: say.search, "aria-label": say.search });
  const list = el("div", { class: "files", role: "group", "aria-label": say.another });
  const more = el("p", { class: "said" });
  const file = el("input", { type: "file", class: "vh", tabindex: -1, "aria-hidden": "true" });

  const about = (scene) => {
    const metres = scene.grid?.metres ? `${Number(scene.grid.metres.toPrecision(3))}\u2009m` : null;
    const dates = scene.dates?.length > 1 ? say.dates(scene.dates.length) : null;
    return [scene.sensor ?? scene.quantity, metres, dates, scene.simulated && words.page.simulated].filter(Boolean).join(" \u00b7 ");
  };

  function row(scene) {
    const current = scene.id === store.state.scene?.id;
    const choose = el(
      "button",
      { type: "button", "aria-current": current ? "true" : null, onclick: () => go(scene) },
      el("span", { class: "dot" }),
      el("span", {}, el("span", { class: "nm" }, scene.name), el("span", { class: "sub" }, about(scene))),
    );
    const lay = !current && fits(scene) ? iconButton("stack", say.addLayer(scene.name), { onclick: () => overlay(scene) }) : null;
    const shut = store.state.scenes.length > 1 ? iconButton("x", say.close(scene.name), { onclick: () => close(scene) }) : null;
    return el("div", { class: `scene-row${current ? " sel" : ""}` }, choose, lay, shut);
  }

  /** Whether two scenes overlap on the ground, so that one can lie over the other. */
  function fits(scene) {
    const [a, b] = [store.state.scene?.bounds, scene.bounds];
    return Boolean(a && b && a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3]);
  }

  function overlay(scene) {
    app.layers.add({ ...scene.layer, scene: scene.id, name: scene.name }, { choose: true });
    panel.say(say.added);
    shut();
  }

  async function go(scene) {
    if (state.adding && fits(scene) && scene.id !== store.state.scene?.id) {
      overlay(scene);
      return;
    }
    shut();
    if (scene.id === store.state.scene?.id) return;
    try {
      await app.show(scene.id);
    } catch (fault) {
      app.refused(fault);
    }
  }

  async function close(scene) {
    try {
      await api.del(`api/scenes/${scene.id}`);
      const scenes = store.state.scenes.filter((one) => one.id !== scene.id);
      app.layers.remove(scene.id);
      store.set({ scenes });
      panel.say(say.closed(scene.name));
      if (scene.id === store.state.scene?.id && scenes.length) await app.show(scenes[0].id);
    } catch (fault) {
      tell(panel.refusal(fault));
    }
    draw();
    pop.querySelector("button")?.focus();
  }

  /** Words of what happens: opening, a refusal, a choice. */
  function tell(...nodes) {
    state.said = nodes.flat().filter(Boolean);
    if (state.open) drawSaid();
    else if (state.said.length) panel.warn("open", state.said, { close: true });
    else panel.warn("open", null);
  }

  /** Open by names or a demo; `said` is where its words go. A layer is added where the person asked for one. */
  async function open(body, said = tell) {
    said(say.opening(body.name ?? body.names?.[0]?.replace(/^.*\//, "") ?? say.demo));
    const { name: _, ...sent } = body;
    state.busy = true;
    try {
      const record = await api.post("api/scenes", sent);
      said();
      return await arrive(record);
    } catch (fault) {
      refused(fault, sent, said);
      return null;
    } finally {
      state.busy = false;
    }
  }

  async function arrive(record) {
    const beside = state.adding && fits(record) && record.id !== store.state.scene?.id;
    shut();
    if (!beside) {
      await app.show(record.id);
      panel.say(say.opened(record.name));
      return record;
    }
    store.set({ scenes: [...store.state.scenes.filter((one) => one.id !== record.id), record] });
    overlay(record);
    return record;
  }

  /** Send a file of this computer; where its units are open the choice comes back for the file just sent. */
  async function send(one, said = tell) {
    const most = store.state.limits?.upload_mb;
    if (most && one.size > most * 2 ** 20) {
      said(words.empty.large(most));
      return null;
    }
    said(say.sending(one.name, size(one.size)));
    try {
      const record = await api.upload(one);
      said();
      return await arrive(record);
    } catch (fault) {
      const names = fault.more?.choices?.length ? await lastSent(one.name) : null;
      refused(fault, { names }, said);
      return null;
    }
  }

  /** The name under which a file was kept: the newest of its stem among what was sent. */
  async function lastSent(name) {
    const stem = name.replace(/\.[^.]*$/, "").replace(/[^A-Za-z0-9_-]+/g, "-").replace(/^[-.]+|[-.]+$/g, "").slice(0, 80) || "scene";
    const number = (one) => Number(/-(\d+)\.[^.]+$/.exec(one)?.[1] ?? 1);
    const { files = [] } = await api.get("api/files").catch(() => ({}));
    const own = files.filter((one) => /(^|\/)uploads\//.test(one) && one.replace(/^.*\//, "").startsWith(stem));
    const last = own.sort((x, y) => number(x) - number(y)).at(-1);
    return last ? [last] : null;
  }

  function refused(fault, body, said = tell) {
    const choices = body.names ? (fault.more?.choices ?? []) : [];
    const told = choices.length ? { rule: fault.rule, got: fault.got, remedy: say.chooseReading } : fault;
    said(el("div", { class: "said", role: "alert" }, panel.refusal(told)), choices.length ? readings(choices, body, said) : null);
    pop.querySelector(".readings button")?.focus();
  }

  /** Where the units are open: each reading with its picture under one stretch, so that the difference is seen. */
  function readings(choices, body, said = tell) {
    forget();
    const host = el("div", { class: "readings" });
    const opened = new Map();
    let taken = null;
    const read = (choice) => api.post("api/scenes", { ...body, options: choice.options });
    const take = async (choice) => {
      said(say.opening(body.names[0]));
      taken = "soon";
      const record = opened.get(choice) ?? (await read(choice));
      taken = record.id;
      state.trials.delete(record.id);
      forget();
      said();
      await arrive(record);
    };
    for (const choice of choices) {
      const press = () => take(choice).catch((fault) => said(panel.refusal(fault)));
      host.append(el("button", { type: "button", onclick: press }, el("span", { class: "shot" }), choice.label));
    }
    const look = async () => {
      for (const [i, choice] of choices.entries()) {
        if (taken) return;
        const record = await read(choice);
        opened.set(choice, record);
        if (taken || !host.isConnected) {
          if (taken !== "soon" && record.id !== taken) api.del(`api/scenes/${record.id}`).catch(() => {});
          else state.trials.add(record.id);
          return;
        }
        state.trials.add(record.id);
        draw();
        host.children[i]?.firstChild.replaceWith(shot(record, say.previewOf(choice.label)));
      }
    };
    look().catch(() => {});
    return host;
  }

  /** A scene as one small picture, from 0 to 0.3. */
  function shot(record, alt) {
    const params = imageParams(record, { show: record.default_show, date: record.default_date, stretch: { lo: 0, hi: 0.3 } });
    const src = view.url(record.layer, params).replace("{z}", "0").replace("{x}", "0").replace("{y}", "0");
    const { width, height } = record.grid;
    const whole = 256 * 2 ** record.levels;
    const picture = el("img", { src, alt, style: { width: `${(whole / width) * 100}%` } });
    return el("span", { class: "shot", style: { "aspect-ratio": `${width} / ${height}` } }, picture);
  }

  /** Readings that were opened to be looked at, and not chosen. */
  function forget() {
    for (const id of state.trials) api.del(`api/scenes/${id}`).catch(() => {});
    state.trials.clear();
  }

  const size = (bytes) => (bytes > 1e9 ? `${(bytes / 1e9).toFixed(1)}\u2009GB` : bytes > 1e6 ? `${(bytes / 1e6).toFixed(1)}\u2009MB` : `${Math.ceil(bytes / 1e3)}\u2009kB`);

  function drawFiles() {
    const found = state.files;
    const part = field.value.trim().toLowerCase();
    const demos = (found?.demos ?? []).map((one) => ({ icon: "stack", label: one.name, hint: one.about, body: { demo: one.id, name: one.name } }));
    const named = (kind) => (name) => ({ icon: kind, label: name.replace(/^.*\//, ""), hint: name.replace(/\/?[^/]*$/, ""), body: { names: [name] } });
    const all = [...(found?.folders ?? []).map(named("folder")), ...(found?.files ?? []).map(named("file")), ...demos];
    const fit = all.filter((one) => !part || `${one.hint ?? ""}/${one.label}`.toLowerCase().includes(part));
    fill(list, fit.slice(0, SHOWN).map((one) =>
      el("button", { type: "button", onclick: () => open(one.body) }, icon(one.icon), el("span", {}, one.label, one.hint ? el("span", { class: "sub" }, ` ${one.hint}`) : null)),
    ));
    list.hidden = !fit.length;
    field.hidden = all.length < 8;
    more.textContent = !found ? "" : !all.length ? say.none : !fit.length ? say.nothing : fit.length > SHOWN ? say.more(fit.length - SHOWN) : "";
    more.hidden = !more.textContent;
  }

  const said = el("div", {});
  function drawSaid() {
    fill(said, state.said.map((node) => (typeof node === "string" ? el("p", { class: "said", role: "status" }, node) : node)));
    said.hidden = !state.said.length;
  }

  function draw() {
    if (!state.open) return;
    const held = pop.contains(document.activeElement) ? document.activeElement : null;
    const scenes = store.state.scenes.filter((one) => !state.trials.has(one.id));
    fill(
      pop,
      el("div", { class: "inside" },
        scenes.length ? [el("h2", {}, say.open), scenes.map(row)] : null,
        el("h2", {}, state.adding ? say.asLayer : say.another),
        said,
        el("div", { class: "field-row" }, field),
        list,
        more,
      ),
      el("div", { class: "foot" }, el("button", { type: "button", class: "ghost line", onclick: () => file.click() }, say.upload), el("span", { class: "sub" }, say.drop), file),
    );
    drawFiles();
    drawSaid();
    if (held?.isConnected) held.focus({ preventScroll: true });
  }

  async function show(from = opener, adding = false) {
    if (state.open) {
      shut();
      return;
    }
    state.open = true;
    state.adding = adding;
    state.from = from;
    state.said = [];
    pop.hidden = false;
    opener.setAttribute("aria-expanded", "true");
    draw();
    pop.querySelector("[aria-current]")?.focus();
    try {
      state.files = await api.get("api/files");
      if (state.open) drawFiles();
    } catch (fault) {
      tell(panel.refusal(fault));
    }
    if (state.open && !pop.contains(document.activeElement)) (field.hidden ? pop.querySelector("button") : field)?.focus();
  }

  function shut() {
    if (!state.open) return false;
    const held = pop.contains(document.activeElement);
    state.open = false;
    state.adding = false;
    if (state.busy) panel.warn("open", state.said.length ? state.said : null);
    else forget();
    pop.hidden = true;
    opener.setAttribute("aria-expanded", "false");
    if (held) (state.from?.isConnected ? state.from : opener).focus();
    return true;
  }

  field.addEventListener("input", drawFiles);
  file.addEventListener("change", () => {
    if (file.files[0]) send(file.files[0]);
    file.value = "";
  });
  opener.addEventListener("click", () => show(opener));
  pop.addEventListener("keydown", (event) => {
    const items = [...pop.querySelectorAll("button, input:not([type=file])")].filter((one) => one.offsetParent);
    const at = items.indexOf(document.activeElement);
    if (event.key === "Escape") shut();
    else if (event.key === "ArrowDown" && at >= 0) items[Math.min(items.length - 1, at + 1)].focus();
    else if (event.key === "ArrowUp" && at >= 0) items[Math.max(0, at - 1)].focus();
    else {
      const typed = event.key.length === 1 && event.key !== " " && !event.ctrlKey && !event.metaKey && !event.altKey;
      if (typed) event.stopPropagation();
      if (typed && !field.hidden && event.target !== field) field.focus();
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  });
  document.addEventListener("pointerdown", (event) => {
    if (state.open && !pop.contains(event.target) && !state.from?.contains?.(event.target) && !opener.contains(event.target)) shut();
  });
  document.addEventListener("focusin", (event) => {
    if (state.open && !pop.contains(event.target) && event.target !== opener) shut();
  });
  keys.add("o", say.key, () => show(opener), () => store.state.phase === "ready", { group: "page" });
  keys.add("Escape", "", () => shut(), () => state.open, { shown: false, always: true });
  store.on(["scene", "scenes"], draw);
  const first = app.openScene;
  app.openScene = (body, said) => (!said && store.state.phase === "empty" ? first(body) : open(body, said));
  app.uploadScene = send;
  app.scenes = { pick: show, add: (from) => show(from, true), open, send, readings };
}
