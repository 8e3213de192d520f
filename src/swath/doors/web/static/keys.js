// Single keys act only when no field has the focus, and only when they are on (Help turns them off).
// keys.add("m", "Label, map, judge", fn, when): "Shift+ArrowUp", "Ctrl+z", " " and "?" are keys too.

const KEPT = "swath.keys";

function named(event) {
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const shift = event.shiftKey && (event.key.length > 1 || /[a-z]/i.test(event.key));
  const level3 = event.key.length === 1 && event.getModifierState?.("AltGraph"); // brackets of many keyboards
  const control = !level3 && (event.ctrlKey || event.metaKey);
  return `${control ? "Ctrl+" : ""}${!level3 && event.altKey ? "Alt+" : ""}${shift ? "Shift+" : ""}${key}`;
}

// On most keyboards Shift with a bracket or comma types another sign; the sign is what arrives.
const SHIFTED = { "Shift+[": "{", "Shift+]": "}", "Shift+,": "<", "Shift+.": ">" };

function normal(key) {
  if (SHIFTED[key]) return SHIFTED[key];
  const parts = key.length > 1 ? key.split("+") : [key];
  const last = parts.pop() || "+";
  const order = ["Ctrl", "Alt", "Shift"].filter((part) => parts.includes(part));
  return [...order, last.length === 1 ? last.toLowerCase() : last].join("+");
}

/** What Space and Enter press by themselves. */
const PRESSED = "a, button, input, select, summary, [role=button], [role=radio], [role=slider], [role=checkbox], [role=option], [role=tab]";

function inField(target) {
  if (!target || !target.closest) return false;
  if (target.isContentEditable) return true;
  const field = target.closest("input, textarea, select");
  return Boolean(field && !["checkbox", "radio", "button", "range"].includes(field.type));
}

export function makeKeys() {
  const list = [];
  const ups = [];
  let on = true;
  try {
    on = localStorage.getItem(KEPT) !== "off";
  } catch {
    on = true;
  }

  /** when() false lets the next one with the same key try; the latest added goes first. Returns off(). */
  function add(key, label, fn, when = null, { group = "", always = false, shown = true } = {}) {
    const entry = { key: normal(key), said: key, label, fn, when, group, always, shown };
    list.unshift(entry);
    return () => list.splice(list.indexOf(entry), 1);
  }

  /** fn() when the key is let go (hold Space). */
  function release(key, fn) {
    ups.push({ key: normal(key), fn });
  }

  // Letters, digits and signs: what a speech program might type. Those of the map act while the map has the focus.
  const single = (name) => /^(Shift\+)?.$/su.test(name);
  const onMap = () => document.activeElement?.classList.contains("maplibregl-canvas");

  addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing) return;
    const name = named(event);
    const field = inField(event.target);
    if (document.querySelector("dialog[open]")) return;
    for (const entry of [...list]) {
      if (entry.key !== name) continue;
      if (single(name) && !on && !entry.always && !(entry.group === "view" && onMap())) continue;
      if (field && !entry.always && !["Escape", "Ctrl+Enter"].includes(name)) continue;
      if ((name === " " || name === "Enter") && !entry.always && event.target.closest?.(PRESSED)) continue;
      if (entry.when && !entry.when(event)) continue;
      if (entry.fn(event) === false) continue;
      event.preventDefault();
      return;
    }
  });
  addEventListener("keyup", (event) => {
    for (const entry of ups) if (entry.key === normal(event.key)) entry.fn(event);
  });

  return {
    add,
    release,
    list: () => list.filter((entry) => entry.shown).reverse(),
    get on() {
      return on;
    },
    set on(value) {
      on = Boolean(value);
      try {
        localStorage.setItem(KEPT, on ? "on" : "off");
      } catch {
        // Kept for this page only.
      }
    },
  };
}
