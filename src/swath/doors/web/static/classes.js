// The classes: named, coloured, chosen by digit; and under them the tools for drawing.

import { el, fill, iconButton, roving } from "./dom.js";
import { colourOf, fresh } from "./journal.js";
import { words } from "./words.js";

const PAGE = 9;
const CLEAR = 8;

export function start(app) {
  const { store, keys, panel, labels } = app;
  const say = words.classes;
  const plus = iconButton("plus", say.add, { title: `${say.add} (A)`, onclick: () => ask() });
  const section = app.left.section("classes", { title: say.title, order: 20, icons: [plus] });
  const host = el("div", { class: "class-list", role: "radiogroup", "aria-label": say.list });
  const form = el("form", { class: "class-add" });
  const field = el("input", { class: "field", type: "text", maxlength: "60", placeholder: say.name, "aria-label": say.name, autocomplete: "off", spellcheck: "false" });
  const swatch = el("i", { class: "sw", "aria-hidden": "true" });
  const note = el("p", { class: "class-note", hidden: true });
  form.append(swatch, field);
  const all = el("button", { type: "button", class: "link small", onclick: () => labels.open() }, say.all);
  const manage = el("p", { class: "class-manage" }, all);
  const tools = el("div", { class: "tools", role: "toolbar", "aria-label": say.tools });
  section.body.append(host, form, note, tools, manage);
  const state = { page: 0, editing: null, asking: null, adding: false };

  const colours = () => store.state.classes.map((one) => one.colour);
  const chosen = () => store.state.classes.find((one) => one.id === store.state.chosenClass) ?? null;
  const counts = () => {
    const found = new Map();
    for (const label of store.state.labels) found.set(label.class, (found.get(label.class) || 0) + 1);
    return found;
  };

  // --- adding -------------------------------------------------------------------------------------------------

  function ask() {
    state.adding = true;
    draw();
    field.focus();
  }

  const hue = () => swatch.style.setProperty("background", colourOf(field.value, colours()));
  field.addEventListener("input", hue);
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    field.value = "";
    state.adding = false;
    draw();
    plus.focus();
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const name = field.value.trim().replace(/\s+/g, " ");
    if (!name) return;
    const same = store.state.classes.find((one) => one.name.toLowerCase() === name.toLowerCase());
    field.value = "";
    if (same) choose(same.id);
    else {
      const id = fresh();
      labels.addClass({ id, name, colour: colourOf(name, colours()), hotkey: "" });
      choose(id);
    }
    hue();
    field.focus();
  });

  // --- rows ---------------------------------------------------------------------------------------------------

  function choose(id) {
    store.set({ chosenClass: id });
  }

  function row(one, n, count) {
    if (state.editing === one.id) return editor(one);
    if (state.asking === one.id) return question(one, count);
    const on = store.state.chosenClass === one.id;
    const at = n - state.page * PAGE;
    const digit = at >= 0 && at < PAGE ? String(at + 1) : "";
    const spotted = n >= CLEAR ? " dotted" : "";
    const pick = el(
      "button",
      { type: "button", class: "cls", role: "radio", "aria-checked": String(on), tabindex: on || (!chosen() && n === 0) ? "0" : "-1", "aria-label": say.row(one.name, count, digit), title: say.rowTitle, dataset: { id: one.id } },
      el("i", { class: `sw${spotted}`, style: { background: one.colour }, "aria-hidden": "true" }),
      el("span", { class: "nm" }, one.name),
      el("span", { class: "val" }, String(count)),
      digit ? el("kbd", {}, digit) : el("span"),
    );
    pick.addEventListener("click", () => choose(one.id));
    pick.addEventListener("dblclick", () => edit(one.id));
    pick.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && on) edit(one.id);
      else if (event.key === "Delete") gone(one.id, count);
      else return;
      event.preventDefault();
      event.stopPropagation();
    });
    const more = iconButton("x", say.remove(one.name), { class: "ghost square tiny class-x", title: say.remove(one.name), tabindex: "-1", onclick: () => gone(one.id, count) });
    return el("div", { class: `class-row${on ? " sel" : ""}` }, pick, more);
  }

  function edit(id) {
    state.editing = id;
    state.asking = null;
    draw();
    host.querySelector(".class-edit input[type=text]")?.select();
  }

  function editor(one) {
    const text = el("input", { class: "field", type: "text", value: one.name, maxlength: "60", "aria-label": say.rename(one.name), autocomplete: "off", spellcheck: "false" });
    const colour = el("input", { type: "color", value: one.colour, "aria-label": say.colour(one.name), title: say.colour(one.name) });
    const line = el("form", { class: "class-edit" }, colour, text);
    const end = (keep) => {
      if (state.editing !== one.id) return;
      state.editing = null;
      const name = text.value.trim().replace(/\s+/g, " ");
      const patch = {};
      if (keep && name && name !== one.name && !store.state.classes.some((other) => other.id !== one.id && other.name.toLowerCase() === name.toLowerCase())) patch.name = name;
      if (keep && colour.value !== one.colour) patch.colour = colour.value;
      if (Object.keys(patch).length) labels.changeClass(one.id, patch);
      else draw();
      host.querySelector(`[data-id="${CSS.escape(one.id)}"]`)?.focus();
    };
    line.addEventListener("submit", (event) => (event.preventDefault(), end(true)));
    line.addEventListener("keydown", (event) => event.key === "Escape" && (event.stopPropagation(), end(false)));
    line.addEventListener("focusout", (event) => line.contains(event.relatedTarget) || setTimeout(() => document.activeElement !== colour && end(true)));
    return line;
  }

  /** Delete asks once and says the count. */
  function gone(id, count) {
    if (!count) return void labels.removeClass(id);
    state.asking = id;
    draw();
    host.querySelector(".class-ask button")?.focus();
  }

  function question(one, count) {
    const no = () => {
      state.asking = null;
      draw();
      host.querySelector(`[data-id="${CSS.escape(one.id)}"]`)?.focus();
    };
    const yes = () => {
      state.asking = null;
      labels.removeClass(one.id);
    };
    const line = el(
      "div",
      { class: "class-ask", role: "alert" },
      el("span", {}, say.sure(one.name, count)),
      el("button", { type: "button", class: "link", onclick: yes }, say.delete),
      el("button", { type: "button", class: "link", onclick: no }, say.keep),
    );
    line.addEventListener("keydown", (event) => event.key === "Escape" && (event.stopPropagation(), no()));
    return line;
  }

  function draw() {
    const { classes, mode, scene, unsaved } = store.state;
    const labelling = mode === "map" && Boolean(scene);
    section.root.hidden = !labelling;
    if (!labelling) return;
    if (classes.length && !chosen()) return void choose(classes[0].id);
    const held = host.contains(document.activeElement) ? document.activeElement.dataset.id : null;
    const count = counts();
    fill(host, classes.map((one, n) => row(one, n, count.get(one.id) || 0)));
    if (held) host.querySelector(`[data-id="${CSS.escape(held)}"]`)?.focus();
    form.hidden = classes.length > 0 && !state.adding;
    field.placeholder = classes.length ? say.name : say.first;
    hue();
    const n = store.state.labels.length;
    fill(section.head.querySelector(".sub"), unsaved ? el("span", { class: "warn" }, say.unsaved(unsaved)) : say.labels(n));
    note.hidden = classes.length <= CLEAR && (classes.length > 0 ? n > 0 : false);
    note.textContent = classes.length > CLEAR ? say.many : say.start;
    tools.hidden = !classes.length;
    manage.hidden = !classes.length;
  }

  roving(host, ".cls", { vertical: true, onmove: (item) => choose(item.dataset.id) });
  for (let digit = 1; digit <= PAGE; digit += 1) {
    keys.add(
      String(digit),
      digit === 1 ? say.digits : "",
      () => {
        const one = store.state.classes[state.page * PAGE + digit - 1];
        if (!one) return false;
        choose(one.id);
        panel.say(one.name);
        return true;
      },
      () => store.state.mode === "map" && store.state.classes.length > 0,
      { group: "labels", shown: digit === 1 },
    );
  }
  keys.add("0", say.next, () => ((state.page = (state.page + 1) % Math.max(1, Math.ceil(store.state.classes.length / PAGE))), draw()), () => store.state.mode === "map" && store.state.classes.length > PAGE, { group: "labels" });
  keys.add("a", say.add, ask, () => store.state.mode === "map", { group: "labels" });
  store.on("scene", () => {
    Object.assign(state, { page: 0, editing: null, asking: null, adding: false });
    store.set({ chosenClass: null });
  });
  store.on(["labels", "classes", "chosenClass", "mode", "scene", "unsaved"], () => state.editing || draw());
  app.classes = { tools, ask, chosen };
  draw();
}
