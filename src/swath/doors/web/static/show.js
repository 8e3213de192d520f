// How the scene is shown: the chip with its legend, the popover of composites, indices and bands, and the stretch.
import { digits, number } from "./chart.js";
import { el, fill, icon, roving } from "./dom.js";
import { words } from "./words.js";

// The colours of the server's ramps, so that a legend is what the tiles are.
const RAMPS = {
  grey: ["#000000", "#ffffff"],
  cividis: ["#00224e", "#123570", "#3b496c", "#575d6d", "#707173", "#8a8678", "#a59c74", "#c3b369", "#e1cc55", "#fee838"],
  greenness: ["#7a5230", "#b58a52", "#dcc48a", "#efe8b4", "#c6d98a", "#8fbf5f", "#529b3f", "#1f7328", "#0b4a1a"],
  water: ["#8a5a2b", "#c79a63", "#e9d5b5", "#f4f2ec", "#b9d6ea", "#6aa5d2", "#2a6fb0", "#123f7d"],
  diverging: ["#1f4e9c", "#5b87c7", "#a3bfe3", "#dfe7f2", "#f5f3f0", "#f4dcd2", "#e8a48e", "#cc5c4c", "#9c1f2e"],
};
const FIRST = ["NDVI", "NDWI", "NBR"];

/** CSS of a ramp: by name, by colours, or cividis. */
export function rampOf(ramp) {
  const colours = Array.isArray(ramp) ? ramp : (RAMPS[ramp] ?? RAMPS.cividis);
  return `linear-gradient(90deg, ${colours.join(", ")})`;
}

/** The show of a scene by its id; "bands:A,B,C" is a choice of three. */
export function showOf(scene, id) {
  if (!scene) return null;
  if (id?.startsWith("bands:") && id.slice(6).split(",").every((band) => scene.bands.some((one) => one.id === band))) {
    const bands = id.slice(6).split(",");
    const own = scene.shows.filter((show) => show.kind === "band" && bands.includes(show.bands[0]));
    const lo = Math.min(...own.map((show) => show.lo));
    const hi = Math.max(...own.map((show) => show.hi));
    return { id, name: words.show.custom(bands), kind: "composite", bands, lo, hi, unit: own[0]?.unit ?? "", custom: true };
  }
  return scene.shows.find((show) => show.id === id) ?? scene.shows.find((show) => show.id === scene.default_show) ?? scene.shows[0] ?? null;
}

/** A legend of a layer record, as nodes: colours with names, or a ramp between two numbers. */
export function legendOf(legend) {
  if (!legend) return [];
  if (Array.isArray(legend)) {
    return legend.map((one) => el("span", { class: "key" }, el("i", { class: "sw", style: { background: one.colour } }), one.name));
  }
  if (!Number.isFinite(legend.lo) || !Number.isFinite(legend.hi)) return [];
  const decimals = Math.min(3, digits(legend.hi - legend.lo, 1));
  const plain = (value) => String(Number(value.toFixed(decimals))).replace("-", "\u2212");
  return [
    el("span", { class: "end" }, plain(legend.lo)),
    el("i", { class: "ramp", style: { background: rampOf(legend.ramp) } }),
    el("span", { class: "end" }, plain(legend.hi) + (words.dock.unit(legend.unit) ? `\u2009${words.dock.unit(legend.unit)}` : "")),
  ];
}

export function start(app) {
  const { store, keys, panel } = app;
  const say = words.show;
  const state = { open: false, all: false, three: false, kept: {}, same: true, find: "" };
  const button = el(
    "button",
    { type: "button", class: "show-open", title: `${say.label} (B)`, "aria-haspopup": "dialog", "aria-expanded": "false", onclick: toggle },
    el("span", {}),
    icon("down"),
  );
  const legend = el("span", { class: "legend-ends" });
  const pop = el("div", { class: "pick", role: "dialog", "aria-label": say.label, hidden: true });
  document.getElementById("map-host").append(pop);

  const current = () => showOf(store.state.scene, store.state.show);
  const keyOf = () => (state.same ? store.state.show : `${store.state.show} ${store.state.date}`);
  const unit = (show) => (show.unit && show.unit !== "1" ? show.unit : store.state.scene?.quantity === "reflectance" ? "reflectance" : "");

  function drawChip() {
    const show = current();
    if (!show) {
      panel.chip("show");
      return;
    }
    button.firstChild.textContent = show.name;
    const range = show.kind === "band" ? (store.state.stretch ?? show) : show;
    const ramp = show.kind === "composite" ? null : { ramp: show.ramp, lo: range.lo, hi: range.hi, unit: show.unit };
    fill(legend, ramp ? legendOf(ramp) : []);
    legend.hidden = !ramp;
    const chip = panel.chip("show", [button, legend]);
    chip.classList.add("show-chip");
    chip.parentNode.prepend(chip);
  }

  function plainBands(show) {
    const { scene } = store.state;
    const names = show.bands.map((id) => scene.bands.find((band) => band.id === id)?.name ?? id);
    if (show.kind === "band") return names[0] === show.name ? show.bands[0] : names[0];
    if (show.id === "rgb") return names.join(", ");
    return names[0].replace(/ \d$/, "").replace("short-wave infrared", "shortwave");
  }

  function hover(show) {
    const { scene } = store.state;
    const told = show.bands.map((id) => {
      const band = scene.bands.find((one) => one.id === id);
      return band?.nm ? `${id}, ${Math.round(band.nm)} nm` : id;
    });
    return told.join(" \u00b7 ");
  }

  function row(show) {
    const on = current()?.id === show.id;
    const right =
      show.kind === "index"
        ? el("i", { class: "ramp", style: { background: rampOf(show.ramp) } })
        : el("span", { class: "val" }, plainBands(show));
    return el(
      "button",
      { type: "button", role: "radio", "aria-checked": String(on), tabindex: on ? 0 : -1, title: hover(show), dataset: { show: show.id }, onclick: () => take(show.id) },
      el("span", { class: "dot" }),
      el("span", { class: "nm" }, show.name),
      right,
    );
  }

  function take(id) {
    if (!id) return;
    const stretch = state.kept[id] ?? state.kept[`${id} ${store.state.date}`] ?? null;
    store.set({ show: id, stretch });
  }

  function group(title, shows, extra = null) {
    if (!shows.length && !extra) return null;
    const list = el("div", { role: "radiogroup", "aria-label": title }, shows.map(row));
    if (!shows.some((show) => show.id === current()?.id)) list.firstChild?.setAttribute("tabindex", "0");
    roving(list, "[role=radio]", { vertical: true, onmove: (item) => take(item.dataset.show) });
    return el("div", { class: "pick-group" }, el("h3", {}, title), list, extra);
  }

  function more(label, open, act) {
    return el("button", { type: "button", class: "pick-more", "aria-expanded": String(open), onclick: act }, el("span", { class: "dot none" }), label, icon("down"));
  }

  function drawPop(focus = null) {
    const { scene } = store.state;
    if (!state.open || !scene) return;
    const composites = scene.shows.filter((show) => show.kind === "composite");
    const indices = scene.shows.filter((show) => show.kind === "index");
    const few = indices.filter((show) => FIRST.includes(show.index));
    const bands = scene.shows.filter((show) => show.kind === "band");
    const show = current();
    const threeOpen = state.three || Boolean(show?.custom);
    const three = scene.bands.length >= 3 ? more(say.three, threeOpen, () => ((state.three = !threeOpen), drawPop(".pick-three select, .pick-more"))) : null;
    const rest = indices.length > few.length || bands.length ? more(say.all, state.all, () => ((state.all = !state.all), drawPop(".pick-find, .pick-all"))) : null;
    fill(
      pop,
      el("div", { class: "pick-scroll" }, [
        group(say.together, composites, [three, threeOpen && scene.bands.length >= 3 ? chooser(show) : null]),
        group(say.indices, few.length || !indices.length ? few : indices.slice(0, 3), few.length ? null : undefined),
        rest,
        state.all ? everything(indices.filter((one) => !few.includes(one)), bands) : null,
      ]),
      stretchBlock(show),
    );
    if (focus) pop.querySelector(focus)?.focus();
  }

  function everything(indices, bands) {
    const host = el("div", { class: "pick-all" });
    const list = el("div", {});
    const refresh = () => {
      const wanted = state.find.trim().toLowerCase();
      const fits = (show) => !wanted || `${show.name} ${show.hint ?? ""} ${show.bands.join(" ")}`.toLowerCase().includes(wanted);
      const [own, others] = [bands.filter(fits).slice(0, 40), indices.filter(fits).slice(0, 80)];
      const none = own.length + others.length ? null : el("p", { class: "pick-none" }, say.nothing);
      fill(list, group(say.bands, own), group(say.others, others), none);
    };
    if (indices.length + bands.length > 12) {
      const field = { class: "pick-find", type: "search", placeholder: say.search, "aria-label": say.search, value: state.find };
      host.append(el("input", { ...field, oninput: (event) => ((state.find = event.target.value), refresh()) }));
    }
    refresh();
    host.append(list);
    return host;
  }

  function chooser(show) {
    const { scene } = store.state;
    const chosen = show?.bands?.length === 3 ? [...show.bands] : scene.bands.slice(0, 3).map((band) => band.id);
    const selects = say.colours.map((colour, i) => {
      const options = scene.bands.map((band) =>
        el("option", { value: band.id }, band.name && band.name !== band.id ? `${band.id}, ${band.name}` : band.id),
      );
      const select = el("select", { "aria-label": colour }, options);
      select.value = chosen[i];
      select.addEventListener("change", () => {
        chosen[i] = select.value;
        take(`bands:${chosen.join(",")}`);
      });
      return el("label", { class: `three ${["red", "green", "blue"][i]}` }, el("span", {}, colour), select);
    });
    return el("div", { class: "pick-three" }, selects);
  }

  function stretchBlock(show) {
    if (!show) return null;
    const decimals = Number.isFinite(show.lo) && Number.isFinite(show.hi) ? Math.min(4, digits(show.hi - show.lo, 1)) : 3;
    const plain = (value) => number(value, Math.max(0, decimals)).replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, "");
    if (show.kind === "index") {
      return el("div", { class: "stretch" }, el("p", {}, say.fixed(plain(show.lo), plain(show.hi))));
    }
    const now = store.state.stretch ?? { lo: show.lo, hi: show.hi };
    const field = (label, value, name) =>
      el("label", {}, el("span", {}, label), el("input", {
        type: "text", inputmode: "decimal", name, autocomplete: "off", value: Number.isFinite(value) ? String(Number(value.toFixed(5))) : "",
        onchange: apply, onkeydown: (event) => event.key === "Enter" && apply(),
      }));
    const [from, to] = [field(say.from, now.lo, "lo"), field(say.to, now.hi, "hi")];
    const same = el("input", { type: "checkbox", checked: state.same, onchange: () => ((state.same = same.checked), apply()) });
    const sentence = el("p", { class: "said" });
    const tell = (problem = "") => {
      const range = store.state.stretch ?? { lo: show.lo, hi: show.hi };
      const known = Number.isFinite(range.lo) && Number.isFinite(range.hi);
      sentence.textContent = problem || (known ? say.sentence(plain(range.lo), plain(range.hi), unit(show)) : say.each(unit(show)));
      sentence.classList.toggle("wrong", Boolean(problem));
    };
    const value = (label) => Number.parseFloat(label.querySelector("input").value.replace(",", ".").replace("\u2212", "-"));
    function apply() {
      const [lo, hi] = [value(from), value(to)];
      if (!(lo < hi)) {
        tell(say.wrong);
        return;
      }
      const untouched = lo === Number(show.lo?.toFixed?.(5)) && hi === Number(show.hi?.toFixed?.(5));
      delete state.kept[store.state.show];
      if (!untouched) state.kept[keyOf()] = { lo, hi };
      store.set({ stretch: untouched ? null : { lo, hi } });
      tell();
      reset.hidden = untouched;
    }
    const reset = el("button", { type: "button", class: "link", hidden: !store.state.stretch, onclick: () => {
      for (const key of Object.keys(state.kept)) if (key.split(" ")[0] === store.state.show) delete state.kept[key];
      store.set({ stretch: null });
      drawPop("[name=lo]");
    } }, say.reset);
    tell();
    const many = (store.state.scene.dates ?? []).length > 1;
    return el(
      "div",
      { class: "stretch", role: "group", "aria-label": say.stretch },
      el("div", { class: "stretch-head" }, el("h3", {}, say.stretch), reset),
      el("div", { class: "ends" }, from, to),
      many ? el("label", { class: "check" }, same, el("span", {}, say.same)) : null,
      sentence,
    );
  }

  function toggle() {
    if (state.open) shut();
    else open();
  }

  function open() {
    if (!store.state.scene) return;
    state.open = true;
    pop.hidden = false;
    document.getElementById("chips").classList.add("picking");
    button.setAttribute("aria-expanded", "true");
    drawPop();
    (pop.querySelector("[aria-checked=true]") ?? pop.querySelector("button"))?.focus({ preventScroll: true });
  }

  function shut(back = true) {
    if (!state.open) return false;
    const held = pop.contains(document.activeElement);
    state.open = false;
    pop.hidden = true;
    document.getElementById("chips").classList.remove("picking");
    button.setAttribute("aria-expanded", "false");
    if (held && back) button.focus({ preventScroll: true });
    return true;
  }

  pop.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      event.stopPropagation();
      event.preventDefault();
      shut();
    }
  });
  document.addEventListener("pointerdown", (event) => {
    if (state.open && !pop.contains(event.target) && !button.contains(event.target)) shut(false);
  });
  keys.add("b", say.key, toggle, () => Boolean(store.state.scene), { group: "layers" });
  keys.add("Escape", say.close, () => shut(), () => state.open, { shown: false, always: true });
  store.on(["scene"], () => {
    state.kept = {};
    state.three = false;
    const { scene, show } = store.state;
    if (scene && !show?.startsWith?.("bands:") && !scene.shows.some((one) => one.id === show)) store.set({ show: scene.default_show, stretch: null });
    shut(false);
  });
  store.on(["date"], () => {
    if (state.same) return;
    store.set({ stretch: state.kept[store.state.show] ?? state.kept[`${store.state.show} ${store.state.date}`] ?? null });
  });
  store.on(["scene", "show", "stretch"], drawChip);
  store.on(["scene", "show"], () => {
    if (!state.open) return;
    const inside = pop.contains(document.activeElement) ? document.activeElement.dataset?.show : null;
    drawPop(inside ? `[data-show="${CSS.escape(inside)}"]` : null);
  });
  drawChip();
  app.ways = { open, close: shut, current, of: showOf };
}
