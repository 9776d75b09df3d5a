// The start page: ask for a new document, and the newest ones below.

import { html, useEffect, useRef, useState } from "../core/ui.js";
import { api } from "../core/api.js";
import { askOf, newSeed, SIZES } from "../core/ask.js";
import { go, to } from "../core/route.js";
import { pins, setPins, unpin } from "../core/session.js";
import { Advanced, uncover } from "./advanced.js";
import { askForKey, Field } from "./dialogs.js";
import { filesOf, Given, takeFiles, useDrop } from "./given.js";
import { Gallery } from "./history.js";

const DRAFT = "interleavethinker.draft";
const EXAMPLES = [
  "How do I draw a snowman with a red hat, step by step?",
  "Tell a picture story about an orange cat that loses a white balloon.",
  "Show me how to set a table for one with a purple plate, a green cup and a red apple.",
];

export function Home() {
  const form = useRef(null);
  const [prompt, setPrompt] = useState(sessionStorage.getItem(DRAFT) ?? "");
  const [given, setGiven] = useState([]);
  const [trouble, setTrouble] = useState("");
  const [busy, setBusy] = useState(false);
  const add = async (files) => {
    const taken = await takeFiles(files, given);
    setGiven((before) => [...before, ...taken]);
  };
  const { over, ...drop } = useDrop(add);
  useEffect(() => {
    document.title = "InterleaveThinker";
  }, []);
  const write = (text) => {
    setPrompt(text);
    sessionStorage.setItem(DRAFT, text);
  };
  const paste = (event) => {
    const files = filesOf(event.clipboardData);
    if (!files.length) return;
    event.preventDefault();
    add(files);
  };
  const send = async (event) => {
    event.preventDefault();
    if (busy) return;
    if (!prompt.trim()) {
      setTrouble("Write what the document shall show.");
      form.current.elements.prompt.focus();
      return;
    }
    setBusy(true);
    setTrouble("");
    try {
      const run = await api.create(askOf(new FormData(form.current), given, pins()));
      sessionStorage.removeItem(DRAFT);
      setPins([]);
      go(to.document(run.id));
    } catch (problem) {
      if (problem.status === 401) askForKey();
      setTrouble(problem.sentence ?? String(problem));
      setBusy(false);
    }
  };
  const quick = (event) => event.key === "Enter" && (event.ctrlKey || event.metaKey) && form.current.requestSubmit();
  return html`<div class="home">
    <form ref=${form} class=${`compose ${over ? "over" : ""}`} onSubmit=${send} onInvalidCapture=${uncover} ...${drop} onPaste=${paste} onKeyDown=${quick}>
      <h1><label for="prompt">What shall the pictures tell?</label></h1>
      <textarea id="prompt" name="prompt" rows="3" maxlength="32000" placeholder=${EXAMPLES[0]} value=${prompt}
        aria-describedby=${trouble ? "trouble" : null} onInput=${(event) => write(event.target.value)}></textarea>
      <${Given} given=${given} change=${setGiven} pinned=${pins()} unpin=${unpin} add=${add} />
      ${trouble && html`<p id="trouble" class="trouble" role="alert">${trouble}</p>`}
      <div class="row send">
        <label class="check"><input type="checkbox" name="review_plan" /> Let me review the plan first</label>
        <button class="main" disabled=${busy}>${busy ? "Asking…" : "Make the document"}</button>
      </div>
      <${Settings} />
    </form>
    ${!prompt && html`<div class="examples"><span class="soft">For example</span>${EXAMPLES.map((text) =>
      html`<button type="button" class="chip" onClick=${() => { write(text); form.current.elements.prompt.focus(); }}>${text}</button>`)}</div>`}
    <section class="recent" aria-labelledby="recent"><h2 id="recent">Newest documents</h2><${Gallery} most=${8} /></section>
  </div>`;
}

function Settings() {
  const [size, setSize] = useState("");
  const [seed, setSeed] = useState("");
  const generators = useGenerators();
  return html`<details class="settings"><summary>Settings</summary><div class="grid">
    <fieldset class="wide"><legend>How strict is the critic?</legend><div class="choices">
      ${[["off", "Off", "first drawings stand"], ["quick", "Quick", "its word counts"], ["strict", "Strict", "only when it is sure"]].map(([value, name, what]) =>
        html`<label><input type="radio" name="critic" value=${value} defaultChecked=${value === "quick"} /><span>${name} <small>${what}</small></span></label>`)}
    </div></fieldset>
    <${Field} label="Style" hint="how the pictures look" className="wide"><textarea name="style" rows="2" maxlength="2000" placeholder="Watercolour on rough paper, soft morning light."></textarea><//>
    <${Field} label="Characters" hint="who is in them" className="wide"><textarea name="characters" rows="2" maxlength="2000" placeholder="Mimi is an orange cat with a blue scarf."></textarea><//>
    ${generators.length > 1 && html`<${Field} label="Generator"><select name="generator">
      ${generators.map((name, place) => html`<option value=${place ? name : ""}>${name}</option>`)}</select><//>`}
    <${Field} label="Size of the pictures"><select name="size" value=${size} onChange=${(event) => setSize(event.target.value)}>
      ${SIZES.map(([value, name]) => html`<option value=${value}>${name}</option>`)}</select><//>
    ${size === "own" && html`<${Field} label="Width" hint="pixels"><input type="number" name="width" min="16" max="4096" required /><//>
      <${Field} label="Height" hint="pixels"><input type="number" name="height" min="16" max="4096" required /><//>`}
    <${Field} label="Attempts at a step" hint="up to 20"><input type="number" name="max_attempts" min="1" max="20" placeholder="5" /><//>
    <${Field} label="Steps" hint="at most"><input type="number" name="max_steps" min="1" max="100" placeholder="25" /><//>
    <${Field} label="Drawings in all" hint="at most"><input type="number" name="max_draws" min="1" placeholder="no limit" /><//>
    <div class="field"><label for="seed">Seed <small>empty: a new one each time</small></label><div class="row tight">
      <input id="seed" type="number" name="seed" min="0" max="4294967295" placeholder="new" value=${seed} onInput=${(event) => setSeed(event.target.value)} />
      <button type="button" class="plain" aria-label="Roll a seed" onClick=${() => setSeed(String(newSeed()))}>⚄</button></div></div>
    <${Advanced} />
  </div></details>`;
}

function useGenerators() {
  const [names, setNames] = useState([]);
  useEffect(() => {
    api.generators().then(setNames, () => {}); // an installation that does not tell offers no choice
  }, []);
  return names;
}
