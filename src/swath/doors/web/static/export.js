// The export dialog: what leaves the page as files, of which area, how large, and the command that makes the same.

import { copy } from "./chart.js";
import { el, fill, iconButton } from "./dom.js";
import { imageParams } from "./layers.js";
import { words } from "./words.js";

const WHAT = ["png", "classes", "probability", "labels", "areas", "report", "run"];
const FIRST = ["png", "classes", "report"];
const KINDS = ["image", "classes", "probability", "doubt", "change", "number"];
const WHOLE = ["areas", "report", "run"];

export function start(app) {
  const { api, keys, store } = app;
  const say = words.export;
  const opener = document.getElementById("export-open");
  const state = { chosen: new Set(FIRST), view: true, map: null, items: null, run: null, asked: 0, from: null };
  const parts = {};

  const size = (bytes) => {
    if (bytes < 1000) return `${bytes}\u2009B`;
    const [value, unit] = bytes < 1e6 ? [bytes / 1e3, "kB"] : bytes < 1e9 ? [bytes / 1e6, "MB"] : [bytes / 1e9, "GB"];
    return `${value < 10 ? value.toFixed(1) : Math.round(value)}\u2009${unit}`;
  };

  /** The map that is looked at; none while only the scene is. */
  const chosenMap = () => state.map ?? store.state.map ?? null;

  /** What lies on the map, as it is seen, the topmost first. */
  function seen() {
    const { scene } = store.state;
    return (app.layers?.list() ?? [])
      .filter((layer) => layer.on && layer.tiles && KINDS.includes(layer.kind))
      .map((layer) => ({
        id: layer.id,
        opacity: layer.opacity,
        params: layer.kind === "image" && layer.id === scene.id ? imageParams(scene, store.state) : layer.params ?? {},
      }));
  }

  const request = () => ({
    scene: store.state.scene.id,
    map: chosenMap(),
    what: WHAT.filter((name) => state.chosen.has(name) && there(name)),
    window: state.view ? app.view.window() : null,
    layers: seen(),
    marks: (app.layers?.list() ?? []).some((layer) => layer.kind === "labels" && layer.on),
  });

  const item = (name) => state.items?.find((one) => one.what === name);
  const there = (name) => (item(name)?.files ?? 0) > 0;

  /** Ask how large the files will be; later answers count. */
  async function estimate() {
    const asked = (state.asked += 1);
    try {
      const { items } = await api.post("api/export", { ...request(), what: [], plan: true });
      if (asked === state.asked) state.items = items;
    } catch (fault) {
      if (asked === state.asked) problem(fault);
    }
    if (asked === state.asked && parts.dialog?.open) choices();
  }

  function open({ map = null } = {}) {
    if (!store.state.scene) return;
    state.map = map;
    state.from = document.activeElement && document.activeElement !== document.body ? document.activeElement : opener;
    state.items = null;
    frame();
    choose();
    parts.dialog.showModal();
    parts.list.querySelector("input:not(:disabled)").focus();
    estimate();
  }

  function frame() {
    if (parts.dialog) return;
    parts.dialog = el("dialog", { id: "export", "aria-labelledby": "export-title" });
    parts.dialog.addEventListener("close", () => {
      state.run?.cancel();
      state.run = null;
      const back = state.from?.isConnected && !state.from.closest("[hidden]") ? state.from : opener;
      back.focus();
    });
    parts.dialog.addEventListener("click", (event) => event.target === parts.dialog && parts.dialog.close());
    document.body.append(parts.dialog);
  }

  function head() {
    const shut = iconButton("x", say.close, { title: `${say.close} (Esc)`, onclick: () => parts.dialog.close() });
    return el("div", { class: "head" }, el("h2", { id: "export-title" }, say.title), el("span", { class: "sub" }, store.state.scene.name), el("span", { class: "grow" }), shut);
  }

  // --- what and where -----------------------------------------------------------------------------------------

  function choose() {
    parts.list = el("div", { class: "export-list" });
    parts.note = el("p", { class: "note warns", role: "alert", hidden: true });
    parts.note.style.margin = "0";
    parts.total = el("span", { class: "sub num", "aria-live": "polite" });
    parts.go = el("button", { type: "button", class: "primary", onclick: run });
    const area = el("div", { class: "pick-one", role: "radiogroup", "aria-label": say.area });
    for (const [view, label] of [[true, say.view], [false, say.whole]]) {
      area.append(
        el("button", { type: "button", role: "radio", "aria-checked": String(state.view === view), tabindex: state.view === view ? 0 : -1, onclick: () => where(area, view) }, label),
      );
    }
    area.addEventListener("keydown", (event) => {
      if (!event.key.startsWith("Arrow")) return;
      event.preventDefault();
      where(area, !state.view);
    });
    parts.remark = el("p", { class: "sub" });
    fill(
      parts.dialog,
      head(),
      el(
        "div",
        { class: "export-body" },
        el("fieldset", {}, el("legend", {}, say.what), parts.list),
        el("fieldset", {}, el("legend", {}, say.area), el("div", { class: "export-area" }, area, parts.remark)),
        parts.note,
      ),
      el("div", { class: "export-foot" }, parts.total, parts.go),
    );
    choices();
  }

  function where(area, view) {
    state.view = view;
    [...area.children].forEach((node, i) => {
      const on = (i === 0) === view;
      node.setAttribute("aria-checked", String(on));
      node.tabIndex = on ? 0 : -1;
      if (on) node.focus();
    });
    parts.note.hidden = true;
    estimate();
  }

  function choices() {
    const held = document.activeElement?.value;
    const rows = WHAT.filter((name) => !state.items || there(name) || name === "labels").map((name) => {
      const fine = !state.items || there(name);
      const field = el("input", { type: "checkbox", value: name, id: `export-${name}`, checked: fine && state.chosen.has(name), disabled: !fine });
      field.addEventListener("change", () => {
        if (field.checked) state.chosen.add(name);
        else state.chosen.delete(name);
        total();
      });
      const label = name === "run" ? el("span", {}, say.names.run, el("span", { class: "sub" }, ` ${say.run}`)) : el("span", {}, say.names[name]);
      return el(
        "label",
        { class: fine ? "choice" : "choice no", for: field.id },
        field,
        label,
        el("span", { class: "sub" }, name === "run" ? "" : say.forms[name]),
        el("span", { class: "val num" }, fine && item(name) ? size(item(name).bytes) : fine ? "" : say.nothing),
      );
    });
    fill(parts.list, rows);
    if (held) parts.list.querySelector(`[value="${held}"]`)?.focus();
    const more = WHOLE.some(there);
    parts.remark.textContent = chosenMap() === null ? say.noMap : more && state.view ? say.wholeMap : "";
    total();
  }

  function total() {
    const list = WHAT.filter((name) => state.chosen.has(name) && (!state.items || there(name)));
    const files = list.reduce((sum, name) => sum + (item(name)?.files ?? 1), 0);
    const bytes = list.reduce((sum, name) => sum + (item(name)?.bytes ?? 0), 0);
    parts.total.textContent = state.items && files ? say.estimate(size(bytes)) : "";
    parts.go.textContent = files ? say.files(files) : say.none;
    parts.go.disabled = !files || !state.items;
  }

  function problem(fault) {
    parts.note.hidden = false;
    parts.note.textContent = [fault.rule, fault.got, fault.remedy].filter(Boolean).map((text) => `${text.replace(/[.]$/, "")}.`).join(" ") || String(fault);
  }

  // --- writing and the files ----------------------------------------------------------------------------------

  async function run() {
    parts.note.hidden = true;
    parts.go.disabled = true;
    parts.go.textContent = say.exporting("");
    for (const field of parts.dialog.querySelectorAll("input")) field.disabled = true;
    try {
      state.run = api.run("api/export", request(), (job) => (parts.go.textContent = say.exporting(say.names[job.what])));
      const made = await state.run.promise;
      state.run = null;
      if (parts.dialog.open) done(made);
    } catch (fault) {
      state.run = null;
      if (!parts.dialog.open) return;
      choices();
      if (fault.status !== 499) problem(fault);
    }
  }

  function done(made) {
    const again = el("button", { type: "button", class: "ghost line", onclick: () => (choose(), parts.list.querySelector("input")?.focus(), estimate()) }, say.back);
    fill(
      parts.dialog,
      head(),
      el("div", { class: "export-body" }, el("ul", { class: "export-list export-files" }, made.files.map(row)), el("p", { class: "sub" }, say.into(made.folder))),
      el("div", { class: "export-foot" }, again),
    );
    parts.dialog.querySelector(".export-row a").focus();
    document.getElementById("live").textContent = say.ready(made.files.length);
  }

  function row(file) {
    const shown = /[.](html|png)$/.test(file.name);
    const host = el("li", { class: "export-row" });
    const line = el("div", { class: "command", hidden: true });
    if (file.command) {
      const copied = el("button", { type: "button", class: "ghost slim", onclick: async () => (copied.textContent = (await copy(file.command)) ? say.copied : say.copy) }, say.copy);
      line.append(el("code", {}, file.command), copied);
    }
    const command = el(
      "button",
      {
        type: "button",
        class: "ghost",
        "aria-expanded": "false",
        onclick: () => {
          line.hidden = !line.hidden;
          command.setAttribute("aria-expanded", String(!line.hidden));
          command.textContent = line.hidden ? say.command : say.hide;
        },
      },
      say.command,
    );
    host.append(
      el("span", { class: "name", title: file.name }, file.name),
      el("span", { class: "sub num" }, size(file.bytes)),
      el(
        "span",
        { class: "export-acts" },
        file.command ? command : null,
        shown ? el("a", { class: "ghost", href: `${file.href}?show`, target: "_blank", rel: "noopener" }, say.open) : null,
        el("a", { class: "ghost line", href: file.href, download: file.name, "aria-label": `${say.download} ${file.name}` }, say.download),
      ),
      line,
    );
    return host;
  }

  opener.addEventListener("click", () => open());
  keys.add("e", words.page.export, () => open(), () => Boolean(store.state.scene) && !opener.hidden, { group: "page" });
  app.export = { open };
}
