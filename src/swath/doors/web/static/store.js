// One state object. set(patch) changes it and tells those who watch one of the changed keys, once per change.

export const start = {
  phase: "starting", // starting | empty | loading | ready
  scene: null,
  scenes: [],
  abilities: null,
  limits: null,
  roots: [],
  version: "",
  view: null,
  date: null,
  show: null,
  stretch: null,
  mode: "look",
  map: null,
  maps: [],
  samples: [],
  pixel: null,
  compare: { a: null, b: null, swipe: 0.5 },
  theme: "light",
  labels: [],
  classes: [],
  chosenClass: null,
  tool: "point",
  jobs: {},
  failed: {},
  connected: true,
  webgl: true,
};

export function makeStore(initial = start) {
  const state = { ...initial };
  const watchers = new Set();

  function set(patch) {
    const changed = new Set();
    const before = {};
    for (const [key, value] of Object.entries(patch)) {
      if (Object.is(state[key], value)) continue;
      before[key] = state[key];
      state[key] = value;
      changed.add(key);
    }
    if (!changed.size) return;
    for (const watcher of [...watchers]) {
      if (!watcher.keys || watcher.keys.some((key) => changed.has(key))) {
        try {
          watcher.fn(state, before);
        } catch (fault) {
          console.error(fault);
        }
      }
    }
  }

  /** on("scene", fn), on(["date", "show"], fn) or on(null, fn): fn(state, before); returns off(). */
  function on(keys, fn) {
    const watcher = { keys: keys === null ? null : [keys].flat(), fn };
    watchers.add(watcher);
    return () => watchers.delete(watcher);
  }

  return { state, set, on };
}

export const store = makeStore();
