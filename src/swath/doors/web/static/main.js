// The page starts here: state of the server, the map, then the parts, each given the same `app`.

import { makeApi } from "./api.js";
import { el, icon, roving, uuid } from "./dom.js";
import * as empty from "./empty.js";
import * as help from "./help.js";
import { makeKeys } from "./keys.js";
import { makeView } from "./map.js";
import { makePanel } from "./panel.js";
import * as parts from "./parts.js";
import * as readout from "./readout.js";
import { store } from "./store.js";
import * as url from "./url.js";
import { words } from "./words.js";

const root = document.documentElement;
const get = (id) => document.getElementById(id);
const MODES = ["look", "map", "find", "compare"];
const ORDER = ["layers", "show", "strip", "dock", "scenes", "labels", "classes", "draw", "mapping", "result", "sample", "find", "compare", "ask", "export"];

const keys = makeKeys();
const api = makeApi(words.api);
const panel = makePanel(words);
const app = { store, api, panel, keys, words, view: null, layers: null, el, icon };
app.left = { section: panel.section };
app.say = panel.say;
app.tab = uuid();

/** Show a scene by its record or id. */
let asked = 0;
app.show = async (scene) => {
  const id = typeof scene === "string" ? scene : scene.id;
  const mine = (asked += 1);
  store.set({ phase: "loading", loading: (store.state.scenes.find((other) => other.id === id) || scene).name || "" });
  try {
    const record = typeof scene === "string" || !scene.layer ? await api.get(`api/scenes/${id}`) : scene;
    if (mine !== asked) return record; // another was asked for meanwhile
    const others = store.state.scenes.filter((other) => other.id !== record.id);
    app.view.open(record);
    store.set({
      phase: "ready",
      scene: record,
      scenes: [...others, record].sort((a, b) => a.id.localeCompare(b.id, "en", { numeric: true })),
      date: latest(record),
      show: record.default_show || record.shows?.[0]?.id || null,
      stretch: null,
      pixel: null,
      map: null,
      failed: {},
    });
    return record;
  } catch (fault) {
    if (mine === asked) store.set({ phase: store.state.scene ? "ready" : "empty" });
    throw fault;
  }
};

/** The latest date that is mostly clear, else the latest. */
function latest(scene) {
  if (scene.default_date) return scene.default_date;
  const dates = scene.dates || [];
  const clear = dates.filter((entry) => entry.clear === null || entry.clear === undefined || entry.clear > 0.8);
  return (clear.at(-1) || dates.at(-1))?.date ?? null;
}

/** Say a refusal where the person looks; other faults go to the console too. */
app.refused = (fault) => {
  if (fault?.status === 401 || fault?.status === 403) {
    panel.warn("token", [words.bar.token, " ", el("code", {}, words.bar.command)]);
    return;
  }
  if (fault?.status === 0) return;
  if (!fault?.rule) console.error(fault);
  panel.say(fault, "warn");
};

/** "Sentinel-2 MSI Level-2A" as "Sentinel-2 L2A"; the whole title is the tooltip. */
const short = (sensor) => (sensor || "").split(/,| \(/)[0].replace(/( MSI| OLI\/TIRS| OLI-2\/TIRS-2| ETM\+| TM)?( Collection \d)? Level-/, " L");

function dateWords(date) {
  const day = new Date(`${String(date).slice(0, 10)}T00:00:00Z`);
  if (!date || Number.isNaN(day.getTime())) return String(date || "");
  return day.toLocaleDateString("en-GB", { day: "numeric", month: "long", year: "numeric", timeZone: "UTC" });
}
app.dateWords = dateWords;

function header() {
  const { scene, phase, date, loading } = store.state;
  const name = phase === "loading" ? loading || words.page.loading("") : scene?.name || "";
  get("scene-name").textContent = name || words.page.mapEmpty;
  const size = scene?.grid.metres ? `${Number(scene.grid.metres.toPrecision(3))}\u2009m` : "";
  get("scene-remark").textContent = phase === "loading" || !scene ? "" : [short(scene.sensor), size].filter(Boolean).join(" · ");
  for (const id of ["scene-name", "scene-remark"]) get(id).title = [scene?.name, scene?.sensor].filter(Boolean).join(", ");
  get("scene-tag").textContent = words.page.simulated;
  get("scene-tag").hidden = phase === "loading" || !scene?.simulated;
  document.title = words.page.title(scene?.name);
  root.dataset.phase = phase;
  root.dataset.scene = scene ? "open" : "none";
  const ready = phase === "ready";
  for (const id of ["tabs", "left"]) get(id).hidden = phase !== "ready" && phase !== "loading";
  get("zoom").hidden = !scene;
  for (const id of ["ask", "ask-button", "export-open", "scene-open"]) get(id).hidden = !ready;
  for (const tab of get("tabs").children) tab.setAttribute("aria-disabled", String(!ready));
  get("empty").hidden = phase !== "empty";
  skeleton.hidden = phase !== "loading" || Boolean(scene);
  hint.root.hidden = !ready || store.state.mode !== "look";
  app.view?.label(scene ? words.page.map(scene.name, date ? dateWords(date) : "") : words.page.mapEmpty);
}

const skeleton = el("div", { "aria-hidden": "true" }, el("div", { class: "skeleton" }), el("div", { class: "skeleton" }));
const hint = panel.section("hint", { order: 95 });
hint.body.append(el("p", { class: "hint" }, words.page.hint, el("br"), words.page.hintKey[0], el("kbd", {}, "M"), words.page.hintKey[1]));
get("left-body").prepend(skeleton);

function tabs() {
  const host = get("tabs");
  const choose = (mode) => store.state.phase === "ready" && store.set({ mode });
  roving(host, "[role=tab]", { onmove: (tab) => choose(tab.dataset.mode) });
  for (const tab of host.children) tab.addEventListener("click", () => choose(tab.dataset.mode));
  const draw = () => {
    const { mode } = store.state;
    root.dataset.mode = mode;
    for (const tab of host.children) {
      const on = tab.dataset.mode === mode;
      tab.setAttribute("aria-selected", String(on));
      tab.tabIndex = on ? 0 : -1;
    }
  };
  store.on("mode", draw);
  draw();
  for (const mode of MODES) keys.add(mode[0], words.tabs[mode], () => choose(mode), () => store.state.phase === "ready", { group: "page" });
}

function escape() {
  keys.add("Escape", "", () => {
    if (document.activeElement?.matches?.("input, textarea, select")) return void document.activeElement.blur();
    if (panel.close()) return;
    if (get("left").classList.contains("open")) return void rail(false);
    if (store.state.phase === "ready" && store.state.mode !== "look") store.set({ mode: "look" });
  }, null, { shown: false, always: true });
}

function rail(open) {
  const left = get("left");
  left.classList.toggle("open", open);
  get("rail").setAttribute("aria-expanded", String(open));
  const label = open ? words.page.railClose : words.page.rail;
  get("rail").title = label;
  get("rail").setAttribute("aria-label", label);
}

function fold() {
  get("rail").addEventListener("click", () => rail(!get("left").classList.contains("open")));
  const narrow = matchMedia("(max-width: 1099px)");
  const pad = () => app.view.pad({ right: narrow.matches && panel.id ? get("right").offsetWidth : 0 });
  panel.on(pad);
  narrow.addEventListener("change", () => (rail(false), pad()));
}

function theme() {
  const follow = () => store.set({ theme: root.dataset.theme });
  document.addEventListener("themechange", follow);
  follow();
  get("theme").addEventListener("click", () => window.swathTheme.set(root.dataset.theme === "dark" ? "light" : "dark"));
}

function connection() {
  const draw = () => {
    const { connected, labels } = store.state;
    const waiting = (labels || []).filter?.((label) => label.waiting).length || 0;
    if (connected) panel.warn("gone", null);
    else panel.warn("gone", [words.bar.gone(waiting), " ", el("code", {}, words.bar.command), " ", el("button", { type: "button", class: "link", onclick: () => api.retry() }, words.bar.retry)]);
  };
  api.on("connected", (yes) => {
    store.set({ connected: yes });
    if (yes) panel.say(words.bar.back);
  });
  store.on(["connected", "labels"], draw);
  api.on("job", (job) => store.set({ jobs: { ...store.state.jobs, [job.id]: job } }));
  const again = async () => {
    try {
      await reread();
    } catch (fault) {
      app.refused(fault);
    }
  };
  api.on("labels", ({ scene, by }) => {
    if (by && by !== app.tab && scene === store.state.scene?.id) panel.warn("tab", words.bar.otherTab, { close: true, quiet: true });
  });
  api.on("scenes", again);
  api.on("resync", again);
}

/** What there is now: other tabs open scenes, and a restarted server gives them new ids. */
async function reread() {
  const said = await api.get("api/state");
  const { scenes = [], maps = [], samples = [], jobs = [] } = said;
  store.set({ scenes, maps, samples, jobs: Object.fromEntries(jobs.map((job) => [job.id, job])) });
  const { scene, phase } = store.state;
  if (!scene) {
    if (phase === "empty" && scenes.length) await app.restore();
    return void (await app.pending(said));
  }
  await app.pending(said);
  const same = scenes.find((other) => other.key === scene.key);
  if (same && (same.id !== scene.id || same.rev !== scene.rev)) await app.restore();
  if (same || phase !== "ready") return;
  await new Promise((rest) => setTimeout(rest, 1000)); // closed in this tab, another is being shown by now
  if (store.state.scene !== scene || store.state.phase !== "ready") return;
  panel.warn("closed", words.bar.closed(scene.name), { close: true, quiet: true });
  if (scenes.length) await app.show(scenes[0]);
}

function skip() {
  document.querySelector(".skip").addEventListener("click", (event) => {
    event.preventDefault();
    app.view.focus();
  });
  keys.add("/", words.page.ask, () => {
    if (matchMedia("(max-width: 1099px)").matches) get("ask").classList.add("open");
    get("ask-field").focus();
  }, () => !get("ask").hidden, { group: "page" });
  get("ask-button").addEventListener("click", () => {
    get("ask").classList.add("open");
    get("ask-field").focus();
  });
  get("ask").addEventListener("focusout", (event) => get("ask").contains(event.relatedTarget) || get("ask").classList.remove("open"));
  get("ask").addEventListener("submit", (event) => event.preventDefault());
}

/** After the first paint, or soon where nothing is painted: starting WebGL takes longer than the rest together. */
const painted = () =>
  new Promise((done) => {
    requestAnimationFrame(() => setTimeout(done));
    setTimeout(done, 200);
  });

async function begin() {
  theme();
  const [said, view] = await Promise.all([
    api.get("api/state").catch((fault) => fault),
    painted().then(() => makeView({ store, words })),
  ]);
  app.view = view;
  store.set({ webgl: view.webgl });
  if (!view.webgl) panel.warn("webgl", words.bar.noWebgl, { close: true, quiet: true });
  window.swath = app;
  readout.start(app);
  help.start(app);
  empty.start(app);
  for (const start of [tabs, fold, connection, skip, escape]) start();
  store.on(["phase", "scene", "date", "loading", "mode"], header);
  const names = [...ORDER.filter((name) => parts[name]), ...Object.keys(parts).filter((name) => !ORDER.includes(name))];
  for (const name of names) {
    try {
      await parts[name].start(app);
    } catch (fault) {
      console.error(name, fault);
    }
  }
  if (said instanceof Error) {
    app.refused(said);
    store.set({ connected: said.status !== 0, phase: said.status === 0 ? "empty" : "starting" });
    return;
  }
  const { scenes = [], abilities = null, limits = null, roots = [], version = "", maps = [], samples = [], jobs = [] } = said;
  store.set({ scenes, abilities, limits, roots, version, maps, samples, jobs: Object.fromEntries(jobs.map((job) => [job.id, job])) });
  api.listen();
  await url.start(app, scenes);
  header();
  await app.pending(said);
}

begin().catch((fault) => console.error(fault));
