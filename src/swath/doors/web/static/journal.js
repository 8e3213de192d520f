// Labels as they are drawn: shown at once, written down by the server, kept waiting here while it does not answer.
// The server's journal is the truth; operations carry ids, so sending one twice does no harm.

const KEPT = "swath.waiting.";
const LATE = 2000;
const AT_ONCE = 1000;
const FEW = 100; // operations that are written down here at once; more of them a little later, all together
const SOON = 200;

export const fresh = () => (crypto.randomUUID ? crypto.randomUUID() : [...crypto.getRandomValues(new Uint8Array(16))].map((b) => b.toString(16).padStart(2, "0")).join(""));

/** The colour of a new class: by its name, else the next free one (see geojson.py, which does the same for files). */
const PALETTE = ["#4676c6", "#00520e", "#f5e05d", "#a5c270", "#b14761", "#a98f7e", "#65dbdb", "#742c92"];
const NAMED = [
  [6, /wetland|marsh|swamp|\bbog|flood|peat|snow|\bice/],
  [0, /water|river|lake|\bsea\b|ocean|pond|reservoir/],
  [1, /wood|forest|tree|conifer|broadleaf|palm|mangrove/],
  [2, /crop|field|farm|arable|maize|wheat|soy|rice|agri|cereal|orchard/],
  [3, /grass|meadow|pasture|savanna|range|lawn|shrub/],
  [4, /built|town|urban|city|house|road|building|settlement|roof|industr/],
  [5, /bare|sand|soil|rock|desert|beach|burnt|gravel|quarry/],
  [7, /^other|^rest$/],
];

export function colourOf(name, taken) {
  const used = new Set(taken.map((colour) => colour.toLowerCase()));
  const low = name.toLowerCase();
  for (const [n, pattern] of NAMED) if (pattern.test(low) && !used.has(PALETTE[n])) return PALETTE[n];
  return PALETTE.find((colour) => !used.has(colour)) ?? PALETTE[taken.length % PALETTE.length];
}

/** Carry out one operation on {classes: Map, labels: Map, gone: Set}; the server does the same (journal.py). */
export function apply(state, op) {
  const { classes, labels, gone } = state;
  if (op.op === "class-add") {
    if (!gone.has(op.class.id) && !classes.has(op.class.id)) classes.set(op.class.id, { ...op.class });
  } else if (op.op === "class-change") {
    if (classes.has(op.class.id)) classes.set(op.class.id, { ...classes.get(op.class.id), ...op.class });
  } else if (op.op === "class-delete") {
    classes.delete(op.class.id);
    gone.add(op.class.id);
    for (const [id, label] of labels) {
      if (label.class !== op.class.id) continue;
      labels.delete(id);
      gone.add(id);
    }
  } else if (op.op === "add") {
    if (!gone.has(op.label.id) && !labels.has(op.label.id)) labels.set(op.label.id, { ...op.label });
  } else if (op.op === "change") {
    if (labels.has(op.label.id)) labels.set(op.label.id, { ...labels.get(op.label.id), ...op.label });
  } else if (op.op === "delete") {
    labels.delete(op.label.id);
    gone.add(op.label.id);
  }
}

export function makeJournal({ api, store, panel, tab }) {
  let scene = null;
  let revision = 0;
  let state = { classes: new Map(), labels: new Map(), gone: new Set() };
  let queue = [];
  let busy = false;
  let timer = 0;
  let late = 0;
  let writing = 0;

  const key = () => KEPT + scene.key;

  function remember() {
    try {
      if (queue.length) localStorage.setItem(key(), JSON.stringify(queue));
      else localStorage.removeItem(key());
    } catch {
      // Kept for as long as this page is open.
    }
  }

  /** Writing down what waits takes longer the more it is: of much, not at every click. */
  function rememberSoon() {
    if (queue.length <= FEW) return remember();
    const here = scene;
    writing ||= setTimeout(() => ((writing = 0), here === scene && remember()), SOON);
  }

  function remembered() {
    try {
      const found = JSON.parse(localStorage.getItem(key()) || "[]");
      return Array.isArray(found) ? found : [];
    } catch {
      return [];
    }
  }

  /** Tell the page what there is; labels that no server has yet carry `waiting`. */
  function tell() {
    const waiting = new Set(queue.filter((op) => op.label).map((op) => op.label.id));
    const labels = [...state.labels.values()].filter((label) => state.classes.has(label.class));
    store.set({
      classes: [...state.classes.values()],
      labels: waiting.size ? labels.map((label) => (waiting.has(label.id) ? { ...label, waiting: true } : label)) : labels,
    });
  }

  /** The server's labels with what waits here on top. */
  async function read() {
    const here = scene;
    const said = await api.get("api/labels", { scene: here.id });
    if (here !== scene) return;
    revision = said.revision;
    state = { classes: new Map(said.classes.map((one) => [one.id, one])), labels: new Map(said.labels.map((one) => [one.id, one])), gone: state.gone };
    for (const op of queue) apply(state, op);
    tell();
  }

  async function open(next) {
    if (scene && writing) remember();
    scene = next;
    state = { classes: new Map(), labels: new Map(), gone: new Set() };
    queue = scene ? remembered() : [];
    revision = 0;
    tell();
    if (!scene) return;
    try {
      await read();
    } catch (fault) {
      if (fault.status !== 0) panel.say(fault, "warn");
    }
    flush();
  }

  /** Show operations at once and send them. */
  function push(ops) {
    if (!scene || !ops.length) return;
    const made = ops.map((op) => ({ id: fresh(), ...op }));
    for (const op of made) apply(state, op);
    for (const op of made) queue.push(op);
    rememberSoon();
    tell();
    flush();
  }

  function waits() {
    clearTimeout(late);
    late = 0;
    if (queue.length) late = setTimeout(() => queue.length && store.set({ unsaved: queue.length }), LATE);
    else if (store.state.unsaved) store.set({ unsaved: 0 });
  }

  async function flush() {
    waits();
    if (busy || !scene || !queue.length) return;
    busy = true;
    const here = scene;
    const sent = queue.slice(0, AT_ONCE);
    try {
      const said = await api.post("api/labels/ops", { scene: here.id, base: revision, ops: sent, by: tab });
      if (here !== scene) return;
      took(sent);
      revision = said.revision;
      if (said.ops.length) await read();
      else tell();
    } catch (fault) {
      if (here !== scene) return;
      if (fault.status >= 400 && fault.status < 500 && ![401, 403, 404, 429].includes(fault.status)) {
        // 404 is no refusal of the labels: swath has started again and has not opened the scene yet.
        took(sent);
        panel.say(fault, "warn");
        await read().catch(() => {});
      } else {
        clearTimeout(timer);
        timer = setTimeout(flush, fault.status === 0 ? 2500 : 1000);
        tell();
        busy = false;
        return;
      }
    } finally {
      busy = false;
    }
    if (queue.length) flush();
    else waits();
  }

  function took(sent) {
    const done = new Set(sent.map((op) => op.id));
    queue = queue.filter((op) => !done.has(op.id));
    remember();
  }

  api.on("labels", (record) => {
    if (!scene || record.scene !== scene.id || record.by === tab || record.revision <= revision) return;
    read().catch(() => {});
  });
  api.on("connected", (yes) => yes && flush());
  api.on("resync", () => scene && read().then(flush).catch(() => {}));
  addEventListener("pagehide", () => scene && remember());

  return {
    open,
    push,
    read,
    tab,
    get waiting() {
      return queue.length;
    },
    class: (id) => state.classes.get(id) ?? null,
    label: (id) => state.labels.get(id) ?? null,
    labels: () => [...state.labels.values()],
  };
}
