// No scene yet: the card in the middle, the list of files, upload by choosing or dropping.

import { Refused } from "./api.js";
import { el, fill, icon } from "./dom.js";

const MOST = 200;

function bytes(size) {
  const units = ["B", "kB", "MB", "GB"];
  const power = Math.min(3, Math.floor(Math.log10(Math.max(1, size)) / 3));
  return `${(size / 1000 ** power).toFixed(power > 1 ? 1 : 0)}\u2009${units[power]}`;
}

export function start(app) {
  const { store, api, panel } = app;
  const words = app.words.empty;
  const host = document.getElementById("empty");
  const card = el("div", { class: "card" });
  host.append(card);

  let spoken = null;
  function note(...nodes) {
    spoken?.remove();
    const text = nodes.flat().filter(Boolean);
    if (text.length) card.append((spoken = el("div", { class: "note", role: "status" }, text)));
  }

  function units(fault, again) {
    const choices = fault.more?.choices || [];
    return choices.map((choice) => el("button", { type: "button", class: "ghost line", onclick: () => again(choice.options) }, choice.label));
  }

  /** Where words go: on the card, or in the bar when a scene lies over it. */
  const told = () => (store.state.phase === "empty" ? note : (...nodes) => panel.warn("open", nodes.flat().filter(Boolean).length ? nodes.flat() : null, { close: true }));

  /** What the command line named and could not be opened is told once; what has to be chosen for it is asked, one by one. */
  const known = new Set();
  app.pending = async ({ refused = [], asking = [] }) => {
    const fresh = refused.map((one) => new Refused(400, one)).filter((fault) => !known.has(fault.message));
    for (const fault of fresh) known.add(fault.message);
    if (fresh.length) {
      const lines = fresh.map((fault) => el("div", {}, panel.refusal(fault)));
      if (store.state.phase === "empty") card.append(el("div", { class: "note", role: "status" }, lines));
      else panel.warn("refused", lines, { close: true });
    }
    const names = asking.find((one) => !known.has(one.join("\n")));
    if (!names) return;
    known.add(names.join("\n"));
    await app.openScene({ names });
  };

  /** Open by names or the demo; what the file leaves open (units) is asked. */
  app.openScene = async (body, say = told()) => {
    say(words.opening(body.demo ? "the demo scene" : body.names.join(", ")));
    try {
      const record = await api.post("api/scenes", body);
      say();
      const shown = await app.show(record.id);
      if (document.activeElement === document.body) app.view.focus();
      return shown;
    } catch (fault) {
      const choices = fault.more?.choices || [];
      if (choices.length && app.scenes?.readings) say(panel.refusal({ rule: fault.rule, got: fault.got, remedy: app.words.scenes.chooseReading }), app.scenes.readings(choices, body, say));
      else say(panel.refusal(fault), el("div", { class: "pair" }, units(fault, (options) => app.openScene({ ...body, options }, say))));
      return null;
    }
  };

  app.uploadScene = async (file, say = note) => {
    const most = store.state.limits?.upload_mb;
    if (most && file.size > most * 2 ** 20) {
      say(words.large(most));
      return null;
    }
    say(words.uploading(file.name, bytes(file.size)));
    try {
      const record = await api.upload(file);
      say();
      return await app.show(record.id);
    } catch (fault) {
      say(panel.refusal(fault));
      return null;
    }
  };

  /** The list of files in the folders given at start, with a search field and an upload button. */
  app.fileList = async (pick, say = note) => {
    const found = await api.get("api/files");
    const search = el("input", { class: "field", type: "search", placeholder: words.search, "aria-label": words.search });
    const list = el("div", { class: "files", role: "group", "aria-label": words.folders });
    const file = el("input", { type: "file", class: "vh", tabindex: -1, "aria-hidden": "true" });
    const more = el("p", { class: "small" });
    file.addEventListener("change", () => file.files[0] && app.uploadScene(file.files[0], say));
    const draw = () => {
      const part = search.value.trim().toLowerCase();
      const names = found.files.filter((name) => name.toLowerCase().includes(part));
      fill(list, names.slice(0, MOST).map((name) => el("button", { type: "button", onclick: () => pick(name) }, icon(/\/$/.test(name) ? "folder" : "file"), name.replace(/\/$/, ""))));
      list.hidden = !names.length;
      more.textContent = !found.files.length ? words.none : names.length > MOST ? words.shown(MOST, names.length) : "";
      more.hidden = !more.textContent;
    };
    search.addEventListener("input", draw);
    search.hidden = found.files.length < 8;
    draw();
    const send = el("button", { type: "button", class: "ghost line", onclick: () => file.click() }, words.upload);
    return { search, list, more, send, file, root: el("div", { class: "chooser" }, search, list, more, file) };
  };

  function first() {
    fill(
      card,
      el("h2", {}, words.title),
      el("p", {}, words.text),
      el("div", { class: "pair" }, el("button", { type: "button", class: "primary", onclick: choose }, words.choose), el("button", { type: "button", class: "ghost line", onclick: () => app.openScene({ demo: true }) }, words.demo)),
      el("p", { class: "small" }, words.drop),
    );
  }

  async function choose() {
    try {
      const chooser = await app.fileList((name) => app.openScene({ names: [name] }));
      fill(card, el("h2", {}, words.title), el("p", {}, words.folders), chooser.root, el("div", { class: "pair" }, chooser.send, el("button", { type: "button", class: "ghost", onclick: first }, words.back)));
      (chooser.search.hidden ? card.querySelector(".files button, .pair button") : chooser.search)?.focus();
    } catch (fault) {
      note(panel.refusal(fault));
    }
  }

  // A file dropped anywhere on the page opens it.
  const main = document.getElementById("map-host");
  main.dataset.drop = words.dropNow;
  const carries = (event) => [...(event.dataTransfer?.types || [])].includes("Files");
  let depth = 0;
  addEventListener("dragenter", (event) => carries(event) && ((depth += 1), (document.documentElement.dataset.drag = "file")));
  addEventListener("dragleave", (event) => carries(event) && (depth -= 1) <= 0 && end());
  addEventListener("dragover", (event) => carries(event) && event.preventDefault());
  const end = () => {
    depth = 0;
    delete document.documentElement.dataset.drag;
  };
  addEventListener("drop", (event) => {
    if (!carries(event)) return;
    event.preventDefault();
    end();
    const file = event.dataTransfer.files[0];
    if (file) app.uploadScene(file, told());
  });

  first();
}
