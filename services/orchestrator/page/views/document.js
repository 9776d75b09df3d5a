// A document while it is made and after: what stands, how far it is, and everything a reader may wish of it.

import { html, useEffect, useRef, useState } from "../core/ui.js";
import { homeOf, readAs } from "../core/api.js";
import { isFinal, keptOf } from "../core/fold.js";
import { Follower, tellTabs } from "../core/follow.js";
import { useKeys } from "../core/keys.js";
import { go, to } from "../core/route.js";
import { pin } from "../core/session.js";
import { sharedHome } from "../core/shared.js";
import { tellOf, titleOf, troubleOf } from "../core/words.js";
import { Actions } from "./actions.js";
import { Deleted, Footer, GivenPictures, Outline } from "./around.js";
import { askForKey } from "./dialogs.js";
import { PlanReview } from "./plan.js";
import { announce, note } from "./say.js";
import { Standing } from "./standing.js";
import { Step } from "./step.js";
import { Trace } from "./trace.js";
import { WishDialog } from "./wishes.js";

const FEW = 6; // events in one go that are told of one by one; more are a page being opened

/** The run's state (core/follow.js), from the first event on for as long as the view is shown. */
function useRun(home) {
  const [state, setState] = useState({ document: null, connection: "opening" });
  const follower = useRef(null);
  useEffect(() => {
    follower.current = new Follower(home, setState);
    return () => follower.current.stop();
  }, [home]);
  return [state, () => follower.current?.again()];
}

function useTold(state) {
  const told = useRef(0);
  useEffect(() => {
    const { recorded, document } = state;
    if (!document) return;
    const fresh = recorded.slice(told.current);
    const first = told.current === 0;
    told.current = recorded.length;
    if (first && fresh.length > 1) return;
    const words = fresh.slice(-FEW).map((each) => tellOf(each, document)).filter(Boolean);
    if (words.length) announce(words.join(" "));
  }, [state.recorded]);
}

/** A document of one's own, or one that was shared: then the link says first which one it is. */
export function DocumentPage({ route }) {
  const [home, setHome] = useState(null);
  const [problem, setProblem] = useState(null);
  const find = () => {
    setProblem(null);
    if (route.name === "shared") sharedHome(route.id).then(setHome, setProblem);
    else setHome(homeOf(route.id));
  };
  useEffect(() => {
    find();
    return () => readAs(null);
  }, [route.name, route.id]);
  if (!home) return html`<${Opening} state=${{ problem }} again=${find} />`;
  return html`<${DocumentView} home=${home} route=${route} />`;
}

function DocumentView({ home, route }) {
  const [state, again] = useRun(home);
  const [wish, setWish] = useState(null);
  const [current, setCurrent] = useState(null);
  const [opened, setOpened] = useState({});
  const { document: doc } = state;
  const live = doc !== null && !isFinal(doc.status);
  useTold(state);
  useTitle(doc);

  /** Does something to the run, and shows what comes of it. */
  const act = async (call, said) => {
    try {
      const answer = await call();
      again();
      tellTabs(home.id);
      if (said) note(said);
      return answer;
    } catch (problem) {
      if (problem.status === 401) askForKey();
      note(problem.sentence ?? String(problem), true);
      return null;
    }
  };
  const indexes = doc ? doc.steps.map((entry) => entry.step.index) : [];
  const stand = (index) => {
    setCurrent(index);
    const article = window.document.getElementById(`step-${index}`);
    article?.focus({ preventScroll: true });
    article?.scrollIntoView({ block: "start" });
  };
  const move = (by) => {
    const place = indexes.indexOf(current);
    stand(indexes[place < 0 ? 0 : Math.min(indexes.length - 1, Math.max(0, place + by))]);
  };
  const entry = doc?.steps.find((each) => each.step.index === current);
  const mine = doc && !home.readOnly;
  const onStep = (kind) => mine && entry && !live && setWish({ kind, entry });
  const toggle = (index, open) => setOpened((before) => ({ ...before, [index]: open }));
  const pinOf = (image) => {
    pin(home.id, image);
    note("Pinned: the next document you ask for is given this picture.");
  };
  useKeys({
    j: () => indexes.length && move(1),
    k: () => indexes.length && move(-1),
    a: () => entry && toggle(current, !window.document.querySelector(`#step-${current} .tries`)?.open),
    r: () => onStep("redraw"),
    e: () => onStep("text"),
    b: () => onStep("branch"),
    p: () => mine && entry && keptOf(entry) && pinOf(keptOf(entry).image),
    c: () => mine && !live && setWish({ kind: "continue" }),
    s: () => mine && setWish({ kind: "share" }),
    x: () => doc && setWish({ kind: "export" }),
    t: () => mine && go(route.name === "trace" ? to.document(home.id) : to.trace(home.id)),
  });

  if (!doc) return html`<${Opening} state=${state} again=${again} />`;
  const drawing = doc.status === "processing" ? (state.progress?.step ?? nextOf(doc)) : null;
  const context = { home, state, doc, live, act, setWish, pinOf, drawing };
  if (route.name === "trace") return html`<${Trace} ...${context} />`;
  return html`<div class="document">
    <${Outline} doc=${doc} live=${live} drawing=${drawing} current=${current} stand=${stand} />
    <div class="sheet">
      <header class="heading">
        ${home.readOnly && html`<p class="soft shared">A shared document; it can be read, not changed.</p>`}
        <h1>${titleOf(doc.request.brief.prompt)}</h1>
        ${doc.origin && !home.readOnly && html`<p class="soft">Branched at step ${doc.origin.from_step} from <a href=${to.document(doc.origin.run_id)}>an earlier document</a>.</p>`}
        <${Standing} ...${context} />
        ${!home.readOnly && html`<${Actions} ...${context} />`}
        ${home.readOnly && html`<div class="actions"><button type="button" class="plain" onClick=${() => setWish({ kind: "export" })}>Export</button></div>`}
        ${troubleOf(doc) && html`<p class=${`trouble ${doc.status}`}>${troubleOf(doc)}</p>`}
      </header>
      <${GivenPictures} home=${home} doc=${doc} />
      ${doc.status === "waiting" && !home.readOnly
        ? html`<${PlanReview} ...${context} />`
        : html`<div class="steps">
            ${doc.steps.map((each) => html`<${Step} key=${each.step.index} entry=${each} ...${context} current=${current === each.step.index}
              stand=${() => setCurrent(each.step.index)} open=${opened[each.step.index]} toggle=${(open) => toggle(each.step.index, open)} />`)}
            ${live && !isPlanned(state.recorded) && doc.status === "processing" && html`<p class="writing soft" aria-hidden="true"><span class="pulse"></span> The plan is being written…</p>`}
          </div>`}
      ${mine && !live && doc.deleted?.length > 0 && html`<${Deleted} ...${context} />`}
      <${Footer} doc=${doc} />
    </div>
    ${wish && html`<${WishDialog} wish=${wish} ...${context} close=${() => setWish(null)} />`}
  </div>`;
}

const isPlanned = (recorded) => recorded.some(({ event }) => event.type === "planned");

/** The step whose turn it is, by what is finished. */
function nextOf(doc) {
  const open = doc.steps.find((entry) => (!entry.finished || entry.reopened) && (entry.step.prompt || entry.asked));
  return open ? open.step.index : null;
}

function useTitle(doc) {
  const sign = { processing: "… ", queued: "… ", waiting: "? ", failed: "✕ ", partial: "! " }[doc?.status] ?? "";
  const title = doc ? `${sign}${titleOf(doc.request.brief.prompt, 60)} · InterleaveThinker` : "InterleaveThinker";
  useEffect(() => {
    document.title = title;
  }, [title]);
}

function Opening({ state, again }) {
  if (!state.problem) return html`<p class="soft opening">${state.connection === "retrying" ? "The server does not answer; trying again…" : "Opening…"}</p>`;
  return html`<div class="opening"><h1>This document cannot be shown</h1><p class="trouble" role="alert">${state.problem.sentence}</p>
    <div class="row">${state.problem.status === 401 && html`<button type="button" class="main" onClick=${askForKey}>Enter a key</button>`}
      <button type="button" class="plain" onClick=${again}>Try again</button><a class="plain" href=${to.home}>Start page</a></div></div>`;
}
