// The right panel (one at a time), sections of the left panel, chips on the map, the warn bar and what is read aloud.

import { el, fill, icon, iconButton } from "./dom.js";

export function makePanel(words) {
  const right = document.getElementById("right");
  const bar = document.getElementById("bar");
  const chips = document.getElementById("chips");
  const live = document.getElementById("live");
  const stack = { id: null, options: null, from: null };
  const watchers = new Set();
  const bars = new Map();

  function tell() {
    for (const fn of watchers) fn(stack.id);
    document.documentElement.dataset.right = stack.id || "";
  }

  /** options: {title, remark, back: fn, icons: [node], onclose: fn, build(body, foot)}; returns {root, body, foot, remark(text), title(text)}. */
  function open(id, options) {
    if (stack.id && stack.id !== id && stack.options.onclose) stack.options.onclose();
    if (!stack.id) stack.from = document.activeElement;
    stack.id = id;
    stack.options = options;
    const title = el("h2", {}, options.title);
    const remark = el("span", { class: "sub" }, options.remark || "");
    const back = options.back ? iconButton("left-arrow", words.panel.back, { onclick: options.back }) : null;
    const shut = iconButton("x", words.panel.close, { title: `${words.panel.close} (Esc)`, onclick: () => close(id) });
    const body = el("div", { class: "scroll" });
    const foot = el("div", { class: "foot" });
    fill(right, el("div", { class: "head" }, title, remark, el("span", { class: "grow" }), options.icons || [], back, shut), body, foot);
    right.setAttribute("aria-label", options.title);
    right.hidden = false;
    right.dataset.panel = id;
    options.build?.(body, foot);
    foot.hidden = !foot.childNodes.length;
    new MutationObserver(() => (foot.hidden = !foot.childNodes.length)).observe(foot, { childList: true });
    tell();
    return {
      root: right,
      body,
      foot,
      remark: (text) => (remark.textContent = text),
      title: (text) => {
        title.textContent = text;
        right.setAttribute("aria-label", text);
      },
    };
  }

  /** close() shuts whatever is open, close(id) only that one. */
  function close(id = stack.id) {
    if (!stack.id || stack.id !== id) return false;
    const { options, from } = stack;
    const held = right.contains(document.activeElement);
    stack.id = null;
    stack.options = null;
    right.hidden = true;
    delete right.dataset.panel;
    right.replaceChildren();
    tell();
    options.onclose?.();
    if (held && from?.isConnected) from.focus();
    return true;
  }

  /** Sections of the left panel by `order`: layers 10, classes 20, tools 30, maprun 90 (at the bottom). */
  function section(id, { title = null, remark = "", order = 50, icons = [] } = {}) {
    const host = document.getElementById(order >= 90 ? "left-foot" : "left-body");
    const head = title ? el("div", { class: "head" }, el("h2", {}, title), el("span", { class: "sub" }, remark), el("span", { class: "grow" }), icons) : null;
    const body = el("div", { class: "section-body" });
    const root = el("div", { class: "section", id, dataset: { order } }, head, body);
    const after = [...host.children].find((other) => Number(other.dataset.order) > order);
    host.insertBefore(root, after || null);
    return { root, head, body, remark: (text) => head && (head.querySelector(".sub").textContent = text) };
  }

  /** A chip at the top left of the map: chip("doubt", [nodes]); without nodes it goes. Returns the chip. */
  function chip(id, nodes = null) {
    let node = chips.querySelector(`[data-chip="${CSS.escape(id)}"]`);
    if (!nodes) {
      node?.remove();
      return null;
    }
    if (!node) chips.append((node = el("div", { class: "chip", dataset: { chip: id } })));
    return fill(node, [nodes].flat());
  }

  function drawBar() {
    const shown = [...bars.values()].at(-1);
    bar.hidden = !shown;
    if (shown) fill(bar, shown);
    else bar.replaceChildren();
  }

  /** The one bar under the top: warn("gone", [nodes]) shows it, warn("gone", null) takes it away; quiet has no colour. */
  function warn(id, nodes, { close: shut = false, quiet: calm = false } = {}) {
    bars.delete(id);
    if (nodes) {
      const button = shut ? iconButton("x", words.bar.close, { onclick: () => warn(id, null) }) : null;
      bars.set(id, el("div", { class: `bar-row${calm ? " quiet" : ""}` }, el("span", { class: "dot" }), el("div", { class: "bar-text" }, [nodes].flat()), button));
    }
    drawBar();
  }

  let quiet = 0;
  /** say("46 dates clear") reads aloud; kind "warn" also shows the bar (text or a Refused), kind "chip" a chip for some seconds. */
  function say(what, kind = "live") {
    const text = typeof what === "string" ? what : what?.message || String(what);
    live.textContent = live.textContent === text ? `${text}\u00a0` : text;
    if (kind === "warn") warn("said", refusal(what), { close: true });
    if (kind === "chip") {
      clearTimeout(quiet);
      chip("said", text);
      quiet = setTimeout(() => chip("said"), 6000);
    }
  }

  /** Rule, got and remedy as nodes: the rule stands out. */
  function refusal(what) {
    if (typeof what === "string") return [what];
    if (!what?.rule) return [what?.message || String(what)];
    return [el("b", {}, what.rule), " ", [what.got, what.remedy].filter(Boolean).join(" ")];
  }

  return {
    open,
    close,
    section,
    chip,
    warn,
    say,
    refusal,
    on: (fn) => (watchers.add(fn), () => watchers.delete(fn)),
    get id() {
      return stack.id;
    },
    icon,
  };
}
