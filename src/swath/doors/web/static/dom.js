// Elements without innerHTML: el("button", {class: "ghost", title: "...", onclick: fn}, "text", child, ...).

const SVG = "http://www.w3.org/2000/svg";

function put(node, key, value) {
  if (value === null || value === undefined || value === false) return;
  if (key.startsWith("on") && typeof value === "function") node.addEventListener(key.slice(2).toLowerCase(), value);
  else if (key === "dataset") Object.assign(node.dataset, value);
  else if (key === "style") for (const [name, v] of Object.entries(value)) node.style.setProperty(name, v);
  else if (key === "class") node.setAttribute("class", value);
  else if (key === "value" || key === "checked" || key === "indeterminate" || key === "disabled") node[key] = value;
  else node.setAttribute(key, value === true ? "" : String(value));
}

function add(node, children) {
  for (const child of children.flat(3)) {
    if (child === null || child === undefined || child === false) continue;
    node.append(child instanceof Node ? child : String(child));
  }
  return node;
}

/** An HTML element: props are attributes, `on...` functions, `class`, `dataset`, `style` as an object. */
export function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(props || {})) put(node, key, value);
  return add(node, children);
}

/** The same for SVG elements. */
export function svg(tag, props = {}, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [key, value] of Object.entries(props || {})) put(node, key, value);
  return add(node, children);
}

/** An icon of the sprite in index.html, 16 px, not read aloud. */
export function icon(name) {
  return svg("svg", { class: "i", "aria-hidden": "true", viewBox: "0 0 16 16" }, svg("use", { href: `#${name}` }));
}

/** A 32 px button that shows an icon: label is read aloud, title is the sentence with its key. */
export function iconButton(name, label, props = {}) {
  const title = props.title || label;
  return el("button", { type: "button", class: "ghost square", ...props, "aria-label": label, title }, icon(name));
}

/** Take every child away and put these in. */
export function fill(node, ...children) {
  node.replaceChildren();
  return add(node, children);
}

/** A random id (version 4); crypto.randomUUID is absent where the page came over plain HTTP from another computer. */
export function uuid() {
  const b = crypto.getRandomValues(new Uint8Array(16));
  b[6] = (b[6] & 15) | 64;
  b[8] = (b[8] & 63) | 128;
  const hex = [...b].map((v) => v.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

/** Arrow keys, Home and End within a row of items, one of which is in the tab order (roving tabindex). */
export function roving(host, selector, { vertical = false, onmove = null } = {}) {
  const items = () => [...host.querySelectorAll(selector)].filter((item) => !item.hidden && !item.disabled);
  host.addEventListener("keydown", (event) => {
    const list = items();
    const at = list.indexOf(document.activeElement);
    if (at < 0) return;
    const back = vertical ? "ArrowUp" : "ArrowLeft";
    const on = vertical ? "ArrowDown" : "ArrowRight";
    let to = -1;
    if (event.key === on) to = (at + 1) % list.length;
    else if (event.key === back) to = (at + list.length - 1) % list.length;
    else if (event.key === "Home") to = 0;
    else if (event.key === "End") to = list.length - 1;
    if (to < 0) return;
    event.preventDefault();
    for (const item of list) item.tabIndex = item === list[to] ? 0 : -1;
    list[to].focus();
    if (onmove) onmove(list[to]);
  });
}
