// All documents of the reader, newest first, as pictures; searched by their words.

import { html, useEffect, useRef, useState } from "../core/ui.js";
import { api, homeOf } from "../core/api.js";
import { go, to } from "../core/route.js";
import { count, STATUS, titleOf } from "../core/words.js";
import { useKeys } from "../core/keys.js";
import { askForKey } from "./dialogs.js";
import { useSource } from "./picture.js";

const PAGE = 24;
const PAUSE = 250; // ms of no typing before it is searched

export function History({ query }) {
  const field = useRef(null);
  const [status, setStatus] = useState("");
  const timer = useRef(null);
  useEffect(() => {
    document.title = "Documents · InterleaveThinker";
  }, []);
  useKeys({ "/": () => field.current.focus() });
  const search = (text) => {
    clearTimeout(timer.current);
    timer.current = setTimeout(() => history.replaceState(null, "", to.history(text)) ?? dispatchEvent(new HashChangeEvent("hashchange")), PAUSE);
  };
  return html`<div class="history">
    <h1>Documents</h1>
    <form role="search" class="row" onSubmit=${(event) => { event.preventDefault(); go(to.history(field.current.value)); }}>
      <input ref=${field} type="search" aria-label="Search in requests and steps" placeholder="Search" defaultValue=${query} onInput=${(event) => search(event.target.value)} />
      <select aria-label="Only documents that are" value=${status} onChange=${(event) => setStatus(event.target.value)}>
        <option value="">all</option>${Object.entries(STATUS).map(([value, name]) => html`<option value=${value}>${name.toLowerCase()}</option>`)}
      </select>
    </form>
    <${Gallery} query=${query} status=${status} />
  </div>`;
}

/** Documents as cards. `most`: only so many, and no way to see more. */
export function Gallery({ query = "", status = "", most }) {
  const [runs, setRuns] = useState(null);
  const [next, setNext] = useState(null);
  const [trouble, setTrouble] = useState(null);
  const wanted = { limit: most ?? PAGE, ...(query ? { search: query } : {}), ...(status ? { status } : {}) };
  const load = async (before, cursor) => {
    try {
      const page = await api.list(cursor ? { ...wanted, cursor } : wanted);
      setRuns([...before, ...page.runs]);
      setNext(page.next);
      setTrouble(null);
    } catch (problem) {
      setTrouble(problem);
      if (problem.status === 401) askForKey();
    }
  };
  useEffect(() => {
    load([]);
  }, [query, status]);
  if (trouble) return html`<p class="trouble" role="alert">${trouble.sentence}</p>`;
  if (!runs) return html`<p class="soft">Looking…</p>`;
  if (!runs.length) return html`<p class="soft">${query || status ? "Nothing like that was found." : "None yet. Ask for one above."}</p>`;
  return html`<div>
    <ul class="gallery" aria-label="Documents">${runs.map((run) => html`<${Card} key=${run.id} run=${run} />`)}</ul>
    ${next && !most && html`<button type="button" class="plain more" onClick=${() => load(runs, next)}>More</button>`}
  </div>`;
}

function Card({ run }) {
  const day = new Date(run.created_at);
  return html`<li><a class="card" href=${to.document(run.id)}>
    <div class="cover">${run.cover
      ? html`<${Cover} run=${run} />`
      : html`<span aria-hidden="true">${titleOf(run.prompt, 90)}</span>`}</div>
    <div class="about"><strong>${titleOf(run.prompt, 90)}</strong>
      <small>${run.steps > 0 && `${count(run.steps, "step")} · `}<span class=${`dot ${run.status}`}></span>${STATUS[run.status]} · <time datetime=${run.created_at}>${day.toLocaleDateString()} ${day.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })}</time></small></div>
  </a></li>`;
}

function Cover({ run }) {
  const source = useSource(homeOf(run.id).picture(run.cover.digest, 256));
  return source && html`<img src=${source} alt="" loading="lazy" onLoad=${(event) => event.target.classList.toggle("crisp", event.target.naturalWidth < 200)} />`;
}
