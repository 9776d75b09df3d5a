// The orchestrator's HTTP, as the page needs it. Addresses are relative to the page, so that it works under any prefix.
// An answer that is no success becomes a Problem whose `sentence` says what to do.

import { key } from "./session.js";

const BASE = typeof document === "undefined" ? "http://127.0.0.1/" : new URL("./", document.baseURI).href;
let offset = 0; // of the server's clock from this machine's, in ms

/** Now, by the server's clock, in ms. */
export const now = () => Date.now() + offset;

export class Problem extends Error {
  constructor({ status = 0, code = "unreachable", detail = "", retryAfter = null, errors = [] }) {
    super(detail || code);
    Object.assign(this, { status, code, detail, retryAfter, errors });
  }

  /** What is wrong and what to do, for people. */
  get sentence() {
    if (this.status === 0) return "The server does not answer. Check that it is running and that you are connected, then try again.";
    if (this.status === 401) return this.detail.includes("no key") ? `${this.detail}.` : "This installation asks for a key. Enter yours, or ask whoever runs it for one.";
    if (this.status === 403) return `Your key does not allow this: ${this.detail}.`;
    if (this.status === 413) return "The pictures are too large together. Send fewer or smaller ones.";
    if (this.status === 429) return `${capital(this.detail)}. ${this.retryAfter ? `Try again in ${this.retryAfter} s.` : "Try again later."}`;
    if (this.status === 503) return `The service cannot do this just now (${this.detail}). Try again in a moment.`;
    if (this.errors.length) return this.errors.map((each) => `${fieldName(each.at)}: ${each.problem}`).join(". ");
    return capital(this.detail || `The server answered ${this.status}`);
  }
}

const capital = (text) => text && text[0].toUpperCase() + text.slice(1);
const fieldName = (at) => at.replace(/^body\.?/, "").replaceAll("_", " ") || "request";

/** One of the API's links as an address under this page: the installation may be known by several names. A share link's
 * token is taken out of it: the header bears it, and no address of a shared document tells it. */
export function local(url) {
  const { pathname, searchParams } = new URL(url, BASE);
  searchParams.delete("share");
  const place = pathname.search(/\/(interleave|share)\//);
  return place < 0 ? url : BASE + pathname.slice(place + 1) + (searchParams.size ? `?${searchParams}` : "");
}

export const address = (path) => BASE + path.replace(/^\//, "");

let share = null;
/** The token of a shared document that is being read; in place of a key. */
export const readAs = (token) => {
  share = token;
};

/** What a request must bear, if anything. */
export const bearing = () => (share ? `Share ${share}` : key() ? `Bearer ${key()}` : null);

function headers(extra = {}) {
  return bearing() ? { Authorization: bearing(), ...extra } : extra;
}

async function call(path, options = {}) {
  let response;
  try {
    response = await fetch(address(path), { ...options, headers: headers(options.headers) });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem({});
  }
  const date = Date.parse(response.headers.get("date"));
  if (date && Math.abs(date - now()) > 2000) offset = date - Date.now(); // its steps are whole seconds
  if (!response.ok) throw await problemOf(response);
  return response;
}

async function problemOf(response) {
  const body = await response.json().catch(() => ({}));
  return new Problem({
    status: response.status,
    code: body.code,
    detail: body.detail ?? response.statusText,
    retryAfter: body.retry_after ?? response.headers.get("retry-after"),
    errors: body.errors,
  });
}

const json = async (path, options) => (await call(path, options)).json();

function send(method, path, body, unique = method === "POST") {
  const given = body === undefined ? {} : { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } };
  const headers = { ...given.headers, ...(unique ? { "Idempotency-Key": newId() } : {}) };
  return json(path, { ...given, method, headers });
}

/** A random id; crypto.randomUUID exists only where the page came over https or from this machine. */
export const newId = () => [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");

const run = (id) => `interleave/${encodeURIComponent(id)}`;

export const api = {
  create: (ask) => send("POST", "interleave", ask),
  list: (query) => json(`interleave?${new URLSearchParams(query)}`),
  read: (id) => json(run(id)),
  cancel: (id) => send("DELETE", run(id)),
  resume: (id, budget) => send("POST", `${run(id)}/resume`, budget ? { budget } : {}),
  redraw: (id, step, wish) => send("POST", `${run(id)}/steps/${step}/redraw`, wish),
  keep: (id, step, attempt) => send("POST", `${run(id)}/steps/${step}/keep`, { attempt }),
  branch: (id, wish) => send("POST", `${run(id)}/branch`, wish),
  goOn: (id, wish) => send("POST", `${run(id)}/continue`, wish),
  putPlan: (id, steps) => send("PUT", `${run(id)}/plan`, { steps }),
  approve: (id) => send("POST", `${run(id)}/plan/approve`),
  generators: async () => (await json("generators")).generators,
  formats: async () => (await json("formats")).formats,
  editText: (id, step, texts) => send("PATCH", `${run(id)}/steps/${step}`, texts),
  insert: (id, step) => send("POST", `${run(id)}/steps`, step),
  remove: (id, step) => send("DELETE", `${run(id)}/steps/${step}`),
  order: (id, steps) => send("PUT", `${run(id)}/order`, { steps }),
  pinned: (id, references) => send("PUT", `${run(id)}/references`, { references }),
  share: (id, seconds) => send("POST", `${run(id)}/share`, { expires_in: seconds }),
  shared: (id) => json(`${run(id)}/share`),
  unshare: (id) => send("DELETE", `${run(id)}/share`),
  trace: (id) => json(`${run(id)}/trace`),
  blob: async (url, signal) => (await call(url.replace(BASE, ""), { signal })).blob(),
  events: async (path, after, signal) =>
    (await call(path, { signal, headers: { Accept: "text/event-stream", "Last-Event-ID": String(after) } })).body,
  send,
  json,
};

/** Where a document lives: what a view needs to know to show it and its pictures. */
export function homeOf(id, readOnly = false) {
  const path = run(id);
  return {
    id,
    readOnly,
    events: `${path}/events`,
    read: () => api.read(id),
    picture: (digest, width) => address(`${path}/images/${digest}${width ? `?width=${width}` : ""}`),
    export: (format) => address(`${path}/export?format=${format}`),
  };
}
