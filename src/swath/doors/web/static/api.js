// The one way to the server: JSON in and out, refusals as sentences, jobs followed to their end, events.

/** "a scene has pixels" as a sentence: "A scene has pixels." */
export function sentence(text) {
  const said = String(text || "").trim();
  if (!said) return "";
  return said[0].toUpperCase() + said.slice(1) + (/[.!?:]$/.test(said) ? "" : ".");
}

/** What was got, as a sentence: "none" is said as "Got none." */
const gotten = (text) => (!text ? "" : /^[A-Z0-9].*[.!?]$/s.test(text) ? text : sentence(`got ${text}`));

export class Refused extends Error {
  constructor(status, { rule, got, remedy, ...more } = {}) {
    super([sentence(rule), gotten(got), sentence(remedy)].filter(Boolean).join(" "));
    this.name = "Refused";
    this.status = status;
    this.rule = sentence(rule);
    this.got = gotten(got);
    this.remedy = sentence(remedy);
    this.more = more;
  }
}

const WRITE = { "X-Swath": "1" };
const KINDS = ["job", "labels", "layers", "maps", "scenes"];
const RESTS = [500, 1000, 2000, 4000, 8000];

function address(path, params) {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(params || {})) {
    if (value !== null && value !== undefined) query.set(key, Array.isArray(value) ? value.join(",") : String(value));
  }
  const text = query.toString();
  return path.replace(/^\//, "") + (text ? (path.includes("?") ? "&" : "?") + text : "");
}

async function read(answer) {
  const kind = answer.headers.get("Content-Type") || "";
  const body = /json/.test(kind) ? await answer.json() : answer.status === 204 ? null : await answer.text();
  if (answer.ok) return body;
  const said = body && typeof body === "object" ? body : { rule: "The server refused.", got: `Status ${answer.status}.` };
  throw new Refused(answer.status, said);
}

export function makeApi(words) {
  const listeners = new Map();
  let stream = null;
  let connected = true;
  let tries = 0;
  let timer = 0;

  function tell(kind, record) {
    for (const fn of [...(listeners.get(kind) || [])]) {
      try {
        fn(record);
      } catch (fault) {
        console.error(fault);
      }
    }
  }

  function reached(yes) {
    if (yes === connected) return;
    connected = yes;
    tell("connected", yes);
  }

  async function ask(path, options = {}, params = null) {
    let answer;
    try {
      answer = await fetch(address(path, params), { credentials: "same-origin", ...options });
    } catch (fault) {
      if (fault.name === "AbortError") throw fault;
      reached(false);
      again();
      throw new Refused(0, words.gone);
    }
    reached(true);
    return read(answer);
  }

  const get = (path, params, options) => ask(path, options, params);
  const post = (path, body = {}, options = {}) =>
    ask(path, {
      method: "POST",
      ...options,
      headers: { "Content-Type": "application/json", ...WRITE, ...options.headers },
      body: JSON.stringify(body),
    });
  const del = (path) => ask(path, { method: "DELETE", headers: { "Content-Type": "application/json", ...WRITE } });

  /** Send one file of the person's disk; fetch reads it piece by piece. */
  const upload = (file, path = "api/scenes/upload") =>
    ask(path, {
      method: "POST",
      headers: { "Content-Type": "application/octet-stream", "X-Swath-Name": encodeURIComponent(file.name), ...WRITE },
      body: file,
    });

  /** fn(record) for every server event of this kind ("connected" and "resync" are the page's own); returns off(). */
  function on(kind, fn) {
    if (!listeners.has(kind)) listeners.set(kind, new Set());
    listeners.get(kind).add(fn);
    return () => listeners.get(kind).delete(fn);
  }

  function ended(job) {
    if (job.state === "done") return { result: job.result };
    if (job.state === "cancelled") return { fault: new Refused(499, words.cancelled) };
    if (job.state === "failed") return { fault: new Refused(500, job.error || words.failed) };
    return null;
  }

  /** Post, then follow the job by events, with a slow poll beneath in case an event is lost. */
  function run(path, body, onProgress = null) {
    const handle = { id: null, job: null, cancelled: false, promise: null, cancel: null };
    let off = () => {};
    let poll = 0;
    handle.promise = (async () => {
      const said = await post(path, body);
      handle.job = said.job;
      handle.id = said.job.id;
      if (handle.cancelled) await handle.cancel();
      return await new Promise((resolve, reject) => {
        const step = (job) => {
          handle.job = job;
          if (onProgress) onProgress(job);
          const end = ended(job);
          if (!end) return false;
          if (end.fault) reject(end.fault);
          else resolve(end.result);
          return true;
        };
        const look = async () => {
          try {
            const record = await get(`api/jobs/${handle.id}`);
            if (step(record.job || record)) return;
          } catch (fault) {
            if (fault.status && fault.status !== 503) {
              reject(fault);
              return;
            }
          }
          poll = setTimeout(look, stream && stream.readyState === 1 ? 3000 : 700);
        };
        off = on("job", (job) => job.id === handle.id && step(job));
        if (!step(said.job)) poll = setTimeout(look, 700);
      });
    })().finally(() => {
      off();
      clearTimeout(poll);
    });
    handle.cancel = async () => {
      handle.cancelled = true;
      if (handle.id) await del(`api/jobs/${handle.id}`);
    };
    return handle;
  }

  // The stream of events closes while the tab is hidden: a browser holds six connections to a host for all tabs.
  let last = "";
  let opened = false;

  function listen() {
    if (stream || document.hidden) return;
    stream = new EventSource(address("api/events", last ? { after: last } : null));
    stream.onopen = () => {
      tries = 0;
      reached(true);
      if (opened && !last) tell("resync", null);
      opened = true;
    };
    stream.onerror = () => {
      close();
      tries += 1;
      again();
    };
    stream.addEventListener("hello", (event) => (last = event.lastEventId || last));
    stream.addEventListener("reset", () => tell("resync", null));
    for (const kind of KINDS) {
      stream.addEventListener(kind, (event) => {
        last = event.lastEventId || last;
        tell(kind, JSON.parse(event.data));
      });
    }
  }

  function close() {
    if (stream) stream.close();
    stream = null;
  }

  function again() {
    clearTimeout(timer);
    timer = setTimeout(async () => {
      try {
        await get("api/health");
        close();
        listen();
      } catch {
        reached(false);
        tries += 1;
        again();
      }
    }, RESTS[Math.min(tries, RESTS.length - 1)]);
  }

  document.addEventListener("visibilitychange", () => (document.hidden ? close() : listen()));

  return { get, post, del, upload, run, on, tell, listen, address, retry: () => ((tries = 0), again()), connected: () => connected };
}
