// Keys and help: every key with its sentence, single keys on or off, the theme.

import { el, fill, iconButton, roving } from "./dom.js";

export function start(app) {
  const { keys, store } = app;
  const words = app.words.help;
  const opener = document.getElementById("help-open");
  let dialog = null;

  const named = (key) =>
    key.split(/(?<=.)\+/).map((part) => el("kbd", {}, words.keyNames[part] || (part.length === 1 ? part.toUpperCase() : part)));

  function table() {
    const groups = new Map();
    for (const entry of keys.list()) {
      if (!entry.label) continue;
      const name = words.groups[entry.group] ? entry.group : "other";
      if (!groups.has(name)) groups.set(name, []);
      groups.get(name).push(entry);
    }
    const order = Object.keys(words.groups).filter((name) => groups.has(name));
    return order.map((name) =>
      el(
        "section",
        {},
        el("h3", {}, words.groups[name]),
        groups.get(name).map((entry) => el("div", { class: "help-row" }, el("span", {}, entry.label), el("span", { class: "keys" }, named(entry.said)))),
      ),
    );
  }

  function themes() {
    const kept = window.swathTheme.kept();
    const host = el("div", { class: "pick-one", role: "radiogroup", "aria-label": words.theme });
    const choose = (wanted) => {
      window.swathTheme.set(wanted);
      for (const item of host.children) {
        const on = item.dataset.theme === wanted;
        item.setAttribute("aria-checked", String(on));
        item.tabIndex = on ? 0 : -1;
      }
    };
    for (const [name, label] of Object.entries(words.themes)) {
      const on = name === kept;
      host.append(el("button", { type: "button", role: "radio", "aria-checked": String(on), tabindex: on ? 0 : -1, dataset: { theme: name }, onclick: () => choose(name) }, label));
    }
    roving(host, "[role=radio]", { onmove: (item) => choose(item.dataset.theme) });
    return host;
  }

  function build() {
    const single = el("input", { type: "checkbox", id: "single-keys", checked: keys.on, "aria-describedby": "single-why" });
    const said = el("label", { for: "single-keys" }, keys.on ? words.single : words.singleOff);
    single.addEventListener("change", () => {
      keys.on = single.checked;
      said.textContent = keys.on ? words.single : words.singleOff;
    });
    return el(
      "div",
      { class: "help-body" },
      el("div", { class: "help-set" }, single, said, el("p", { class: "sub", id: "single-why" }, words.singleWhy)),
      el("div", { class: "help-set" }, el("span", {}, words.theme), el("span", { class: "grow" }), themes()),
      el("div", { class: "help-keys" }, table()),
      el("p", { class: "sub help-end" }, [store.state.version && words.version(store.state.version), words.local].filter(Boolean).join(". ")),
    );
  }

  function open() {
    if (!dialog) {
      dialog = el("dialog", { id: "help", "aria-labelledby": "help-title" });
      dialog.addEventListener("close", () => opener.focus());
      dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
      document.body.append(dialog);
    }
    const shut = iconButton("x", words.close, { title: `${words.close} (Esc)`, onclick: () => dialog.close() });
    fill(dialog, el("div", { class: "head" }, el("h2", { id: "help-title" }, words.title), el("span", { class: "grow" }), shut), build());
    dialog.showModal();
    shut.focus();
  }

  opener.addEventListener("click", open);
  keys.add("?", words.title, open, null, { group: "page" });
}
