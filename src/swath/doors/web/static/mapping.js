// The Map button, what will be mapped, and the bar of a map under way.

import { el, fill, icon } from "./dom.js";
import { words } from "./words.js";

const MEGAPIXELS = 4;
const ENOUGH = 3;
const STAGES = ["Reading", "Choosing a classifier", "Mapping", "Judging"];

export function start(app) {
  const { store, view, keys, api, panel } = app;
  const say = words.mapping;
  const section = app.left.section("maprun", { order: 90 });
  const button = el("button", { type: "button", class: "primary", onclick: () => begin() });
  const why = el("p", { class: "run-why", id: "run-why" });
  const bar = el("div", { class: "job", hidden: true });
  const where = el("p", { class: "run-where" });
  const last = el("button", { type: "button", class: "link small", hidden: true, onclick: () => app.result.open(recent()) });
  section.body.append(el("div", { class: "run" }, bar, button, why, where, last));
  button.setAttribute("aria-describedby", "run-why");
  const state = { part: null, run: null, n: null, job: null, since: 0, panel: null };

  const maps = () => store.state.maps.filter((one) => one.scene === store.state.scene?.id && one.state !== "gone");
  const recent = () => store.state.map ?? maps().at(-1)?.n ?? null;
  const whole = () => state.part ?? (store.state.scene?.grid.pixel || (store.state.scene?.megapixels ?? 0) < MEGAPIXELS);

  function counted() {
    const { classes, labels } = store.state;
    const count = new Map(classes.map((one) => [one.id, 0]));
    for (const label of labels) if (count.has(label.class)) count.set(label.class, count.get(label.class) + 1);
    return classes.map((one) => ({ name: one.name, count: count.get(one.id) }));
  }
  const ready = () => counted().filter((one) => one.count >= ENOUGH).length > 1;

  function area([r0, r1, c0, c1]) {
    const { metres } = store.state.scene.grid;
    const pixels = Math.max(0, r1 - r0) * Math.max(0, c1 - c0);
    if (!metres) return say.pixels(r1 - r0, c1 - c0);
    const hectares = (pixels * metres * metres) / 1e4;
    return hectares >= 1e5 ? say.km2(hectares / 100) : say.hectares(hectares);
  }

  function draw() {
    const { scene, mode, labels } = store.state;
    section.root.hidden = mode !== "map" || !scene;
    if (section.root.hidden) return;
    const running = Boolean(state.run);
    bar.hidden = !running;
    button.hidden = running;
    const able = ready();
    button.disabled = !able;
    button.textContent = maps().length ? say.again : say.first;
    button.title = `${say.keyWords} (${say.key})`;
    why.hidden = able || running;
    why.textContent = labels.length ? say.needs(counted()) : say.none;
    const { width, height } = scene.grid;
    const box = whole() ? [0, height, 0, width] : view.window();
    const change = el("button", { type: "button", class: "link", title: whole() ? say.toView : say.toWhole, onclick: () => ((state.part = !whole()), draw()) }, say.change);
    last.hidden = running || recent() === null || panel.id === "result";
    last.textContent = say.show(recent());
    fill(where, el("span", {}, `${whole() ? say.whole : say.view}, ${area(box)}`), running || scene.grid.pixel ? null : change);
  }

  async function begin({ better = false, goOn = null } = {}) {
    if (state.run || (!goOn && !ready())) return;
    const { scene } = store.state;
    const body = goOn ? { go_on: goOn } : { scene: scene.id, window: whole() ? null : view.window(), better };
    state.n = goOn;
    state.run = api.run("api/maps", body, step);
    state.since = 0;
    stages();
    draw();
    try {
      const { map } = await state.run.promise;
      end();
      panel.say(say.done(map));
      await app.result.open(map);
    } catch (fault) {
      const { n } = state;
      end();
      const there = await app.result.fresh();
      const kept = there.some((one) => one.n === n);
      if (fault.status === 499) panel.say(kept ? say.stopped : say.stoppedEarly, "chip");
      else app.refused(fault);
      if (kept) await app.result.open(n, { quiet: true });
    }
  }

  /** A map that is being made already, as after a reload or from another tab: its bar, and its card in the end. */
  async function follow() {
    const { scene } = store.state;
    if (!scene || state.run) return;
    const said = await api.get("api/state").catch(() => null);
    const going = said?.mapping?.find((one) => one.scene === scene.id);
    if (!going || state.run || store.state.scene !== scene) return;
    state.run = { id: going.job, cancel: () => api.del(`api/jobs/${going.job}`) };
    state.since = 0;
    const off = api.on("job", look);
    const timer = setInterval(() => api.get(`api/jobs/${going.job}`).then((got) => look(got.job)).catch(() => {}), 2000);
    draw();
    function look(job) {
      if (job.id !== going.job || state.run?.id !== going.job) return;
      if (["waiting", "running"].includes(job.state)) return void step(job);
      off();
      clearInterval(timer);
      end();
      if (store.state.scene === scene) app.result.fresh().then((there) => there.some((one) => one.n === going.n) && app.result.open(going.n));
    }
  }

  function end() {
    state.run = state.job = null;
    if (state.panel) panel.close("mapping");
    draw();
  }

  function step(job) {
    state.job = job;
    if (job.what === "Mapping" && !state.since && job.done > 0) state.since = performance.now();
    const left = job.what === "Mapping" && job.done > 1 && state.since ? ((performance.now() - state.since) / 1000 / Math.max(1, job.done - 1)) * (job.total - job.done) : null;
    const share = job.total ? Math.min(1, job.done / job.total) : 0;
    const stop = el("button", { type: "button", class: "link", onclick: () => state.run?.cancel() }, say.stop);
    const text = say.progress(job.state === "waiting" ? say.waiting : job.what, job.what === "Mapping" ? [job.done, job.total] : null, left);
    if (!bar.firstChild) bar.append(el("p", {}, el("span", {}), stop), el("div", { class: "job-bar", role: "progressbar", "aria-label": say.title, "aria-valuemin": "0", "aria-valuemax": "100" }, el("i", {})));
    bar.querySelector("span").textContent = text;
    const line = bar.querySelector(".job-bar");
    line.setAttribute("aria-valuenow", String(Math.round(share * 100)));
    line.firstChild.style.setProperty("width", `${Math.max(2, share * 100)}%`);
    paint();
  }

  function stages() {
    panel.open("mapping", {
      title: say.title,
      onclose: () => (state.panel = null),
      build(body) {
        state.panel = el("ol", { class: "stages" });
        body.append(state.panel, el("p", { class: "note" }, say.numbers));
      },
    });
    paint();
  }

  function paint() {
    if (!state.panel) return;
    const at = Math.max(0, STAGES.indexOf(state.job?.what));
    fill(
      state.panel,
      STAGES.map((name, n) =>
        el(
          "li",
          { class: n < at ? "done" : n === at ? "now" : "", "aria-current": n === at ? "step" : null },
          el("span", { class: "mark" }, n < at ? icon("ok") : null),
          name,
          el("span", { class: "val" }, n === at && state.job?.total > 1 ? `${state.job.done} / ${state.job.total}` : ""),
        ),
      ),
    );
  }

  api.on("layers", (record) => {
    const layer = record.record ?? record;
    if (state.run && /^m\d+\.classes$/.test(layer.id)) state.n = layer.map ?? state.n;
  });
  keys.add("Ctrl+Enter", say.keyWords, () => begin(), () => store.state.mode === "map" && Boolean(store.state.scene), { group: "labels" });
  store.on(["labels", "classes", "mode", "scene", "maps", "map"], draw);
  store.on("view", () => whole() || draw());
  panel.on(draw);
  store.on("scene", () => {
    state.part = null;
    follow();
  });
  app.mapping = { begin, busy: () => Boolean(state.run) };
  draw();
}
