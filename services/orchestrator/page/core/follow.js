// Follows a run: its events from the first one on, again and again where the line is cut, never one twice.
// Left to others: what events mean (fold.js), and how they are shown (views).

import { api, now } from "./api.js";
import { fold, isFinal } from "./fold.js";
import { readEvents } from "./sse.js";

const FIRST_WAIT = 500; // ms; doubled at each try in vain
const LONGEST_WAIT = 15_000;
const HIDDEN_PAUSE = 20_000; // a hidden tab looks up this often: browsers allow six connections to a server
const tabs = typeof BroadcastChannel === "undefined" ? null : new BroadcastChannel("interleavethinker");

/** Tells this browser's other tabs that something was wished of a run, so that they look at it again. */
export const tellTabs = (run) => tabs?.postMessage(run);

export class Follower {
  /** `home`: where the document lives (api.js). `told` is called after changes; `state` is what there is to show. */
  constructor(home, told) {
    this.home = home;
    this.told = told;
    this.recorded = [];
    this.state = { document: null, recorded: this.recorded, progress: null, connection: "opening", problem: null, at: now() };
    this.ended = new AbortController();
    this.wake = () => {};
    const { signal } = this.ended;
    if (tabs) tabs.addEventListener("message", ({ data }) => data === home.id && this.again(), { signal });
    document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && this.again(), { signal });
    window.addEventListener("online", () => this.again(), { signal });
    this.work();
  }

  /** Look at once whether there is something new. */
  again() {
    this.wake();
  }

  stop() {
    this.ended.abort();
    this.wake();
  }

  async work() {
    let wait = FIRST_WAIT;
    while (!this.ended.signal.aborted) {
      try {
        await this.read();
        wait = FIRST_WAIT;
        if (this.over) this.show({ connection: "over", progress: null });
        else this.show({ connection: "retrying" });
      } catch (problem) {
        if (this.ended.signal.aborted) return;
        if (problem.status >= 400 && problem.status < 500 && problem.status !== 429) this.show({ problem, connection: "over" });
        else this.show({ connection: "retrying" });
      }
      const rest = this.over || this.state.problem ? null : wait;
      await this.pause(document.visibilityState === "hidden" && rest ? HIDDEN_PAUSE : rest);
      wait = Math.min(wait * 2, LONGEST_WAIT);
    }
  }

  get over() {
    this.refold();
    return this.state.document !== null && isFinal(this.state.document.status);
  }

  async read() {
    const cut = new AbortController();
    const end = () => cut.abort();
    this.ended.signal.addEventListener("abort", end);
    const hidden = setInterval(() => document.visibilityState === "hidden" && end(), HIDDEN_PAUSE);
    try {
      const body = await api.events(this.home.events, this.recorded.length, cut.signal);
      this.show({ connection: "open", problem: null });
      for await (const { event, data, id } of readEvents(body)) {
        const said = JSON.parse(data);
        if (event === "progress") this.show({ progress: said, at: now() });
        else if (id !== null && said.seq === this.recorded.length + 1) this.take(said);
      }
    } finally {
      clearInterval(hidden);
      this.ended.signal.removeEventListener("abort", end);
    }
  }

  take(recorded) {
    this.recorded.push(recorded);
    this.fresh = true;
    const { type, step } = recorded.event;
    const settled = type === "drawn" && step === this.state.progress?.step; // what it was about is there now
    this.show(type === "finished" || settled ? { progress: null, at: now() } : { at: now() });
  }

  /** Folds and tells, once for all that came in one go. */
  show(more) {
    this.state = { ...this.state, ...more };
    if (this.telling) return;
    this.telling = setTimeout(() => {
      this.telling = null;
      if (this.ended.signal.aborted) return;
      this.refold();
      this.told(this.state);
    }, 0);
  }

  refold() {
    if (!this.fresh) return;
    this.fresh = false;
    const { document, unknown } = fold(this.recorded);
    this.state = { ...this.state, document, recorded: [...this.recorded] };
    if (unknown.length) this.ask();
  }

  /** Events of a newer server than this page: the server folds them better. */
  async ask() {
    const known = this.recorded.length;
    const { document } = await this.home.read().catch(() => ({}));
    if (document && known === this.recorded.length) {
      this.state = { ...this.state, document };
      this.told(this.state);
    }
  }

  pause(milliseconds) {
    return new Promise((resolve) => {
      const timer = milliseconds === null ? null : setTimeout(resolve, milliseconds);
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
