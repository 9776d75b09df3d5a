// The dialogs in which a reader wishes something of a document: each fills in one call to the API.

import { html, useState } from "../core/ui.js";
import { api } from "../core/api.js";
import { newSeed } from "../core/ask.js";
import { go, to } from "../core/route.js";
import { tellTabs } from "../core/follow.js";
import { numberOf, progressOf } from "../core/words.js";
import { Dialog, Field } from "./dialogs.js";
import { note } from "./say.js";
import { Export, Share } from "./away.js";

const KINDS = { redraw: Redraw, text: Text, insert: Insert, delete: Delete, branch: Branch, continue: Continue, resume: Resume, share: Share, export: Export };

/** The dialog of a wish, `{kind, ...}`; nothing where the wish makes no sense at the moment. */
export function WishDialog({ wish, ...context }) {
  const Kind = KINDS[wish.kind];
  const { act, home } = context;
  /** The call, whose problem stays in the dialog. */
  const wished = async (call, said) => {
    const answer = await call();
    if (said) note(said);
    tellTabs(home.id);
    await act(async () => answer);
    return answer;
  };
  return html`<${Kind} wish=${wish} ...${context} wished=${wished} />`;
}

const text = (form, name) => form.get(name)?.trim() ?? "";
const number = (form, name) => (text(form, name) ? Number(text(form, name)) : undefined);
const given = (fields) => Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined && value !== ""));

function SeedField({ hint }) {
  const [seed, setSeed] = useState("");
  return html`<div class="field"><label for="wish-seed">Seed <small>${hint}</small></label><div class="row tight">
    <input id="wish-seed" type="number" name="seed" min="0" max="4294967295" value=${seed} onInput=${(event) => setSeed(event.target.value)} />
    <button type="button" class="plain" aria-label="Roll a seed" onClick=${() => setSeed(String(newSeed()))}>⚄</button></div></div>`;
}

/** Where no drawing is left, what is wished needs a higher limit; seconds count anew. */
function BudgetField({ doc }) {
  const { draws, most } = progressOf(doc);
  const seconds = doc.request.budget.max_seconds;
  const time = seconds && html`<${Field} label="Time in all" hint="seconds, counted anew"><input type="number" name="max_seconds" min="0.1" step="any" defaultValue=${seconds} /><//>`;
  if (!most) return time;
  return html`${time}<${Field} label="Drawings in all" hint=${`${draws} of ${most} are made`}>
    <input type="number" name="max_draws" min=${draws + 1} defaultValue=${draws >= most ? draws + 5 : most} /><//>`;
}
const budgetOf = (form, doc) => {
  const now = doc.request.budget;
  const budget = { ...now, max_draws: number(form, "max_draws") ?? now.max_draws, max_seconds: number(form, "max_seconds") ?? now.max_seconds };
  return budget.max_draws !== now.max_draws || budget.max_seconds !== now.max_seconds ? budget : undefined;
};

function Redraw({ wish: { entry }, home, doc, close, wished }) {
  const planned = entry.asked ?? entry.step.prompt ?? "";
  const later = doc.steps.some((each) => each.step.index > entry.step.index && (each.step.prompt || each.asked));
  const send = (form) => {
    const prompt = text(form, "prompt");
    const asked = given({
      prompt: prompt === planned ? undefined : prompt,
      seed: number(form, "seed") ?? newSeed(),
      max_attempts: number(form, "max_attempts"),
      budget: budgetOf(form, doc),
      later: form.get("later") ? "redraw" : undefined,
    });
    return wished(() => api.redraw(home.id, entry.step.index, asked));
  };
  return html`<${Dialog} title=${`Redraw step ${numberOf(entry)}`} close=${close} submit=${send} done="Redraw">
    <${Field} label="What to draw" hint="the critic judges by it"><textarea data-first name="prompt" rows="4" required maxlength="8000" defaultValue=${planned}></textarea><//>
    <div class="grid"><${SeedField} hint="empty: a new one" />
      <${Field} label="Attempts" hint="at most"><input type="number" name="max_attempts" min="1" max="20" placeholder=${doc.request.max_attempts} /><//>
      <${BudgetField} doc=${doc} /></div>
    ${later && html`<label class="check"><input type="checkbox" name="later" /> <span>Redraw the steps after it too <small>else they are marked as out of date</small></span></label>`}
    <p class="soft">The picture that stands does so until the new one is settled; no attempt is lost.</p>
  <//>`;
}

function Text({ wish: { entry }, home, close, wished }) {
  const { step } = entry;
  const field = step.auxiliary_text ? "auxiliary_text" : "instruction";
  const send = (form) => {
    const said = { name: step.name, [field]: step[field] ?? "", prompt: step.prompt ?? "" };
    const now = { name: text(form, "name"), [field]: text(form, "text"), prompt: text(form, "prompt") };
    const changed = Object.fromEntries(Object.entries(now).filter(([name, value]) => value !== said[name]));
    if (!changed.prompt && changed.prompt !== undefined) changed.prompt = null;
    if (!Object.keys(changed).length) return null;
    return wished(() => api.editText(home.id, step.index, changed), "The text is changed; the picture stays.");
  };
  return html`<${Dialog} title=${`The text of step ${numberOf(entry)}`} close=${close} submit=${send}>
    <${Field} label="Name"><input name="name" maxlength="200" defaultValue=${step.name} /><//>
    <${Field} label="Text"><textarea data-first name="text" rows="5" defaultValue=${step[field] ?? ""}></textarea><//>
    <${Field} label="What to draw" hint="nothing is drawn before you redraw the step"><textarea name="prompt" rows="3" maxlength="8000" defaultValue=${step.prompt ?? ""}></textarea><//>
  <//>`;
}

function Insert({ wish, home, doc, close, wished }) {
  const after = wish.after ?? doc.steps.at(-1)?.step.index ?? 0;
  const before = doc.steps.find((entry) => entry.step.index === after);
  const send = (form) => {
    const step = given({ name: text(form, "name"), instruction: text(form, "instruction"), prompt: text(form, "prompt"), budget: budgetOf(form, doc) });
    if (!step.instruction && !step.prompt) throw new Error("Write an instruction, or what to draw.");
    return wished(() => api.insert(home.id, { after, ...step, ...(step.prompt ? { seed: newSeed() } : {}) }));
  };
  return html`<${Dialog} title=${before ? `A new step after step ${numberOf(before)}` : "A new first step"} close=${close} submit=${send} done="Insert">
    <${Field} label="Name" hint="may be empty"><input name="name" maxlength="200" /><//>
    <${Field} label="Instruction" hint="what the reader reads"><textarea data-first name="instruction" rows="3"></textarea><//>
    <${Field} label="What to draw" hint="empty: a step in words only"><textarea name="prompt" rows="3" maxlength="8000"></textarea><//>
    <${BudgetField} doc=${doc} />
  <//>`;
}

function Delete({ wish: { entry }, home, close, wished }) {
  const send = () => wished(() => api.remove(home.id, entry.step.index), "The step is deleted; it can be put back.");
  return html`<${Dialog} title=${`Delete step ${numberOf(entry)}?`} close=${close} submit=${send} done="Delete it">
    <p>The steps after it move up. Those drawn from its picture are marked as out of date. It can be put back.</p><//>`;
}

function Branch({ wish: { entry }, home, close, wished }) {
  const { index } = entry.step;
  const send = async (form) => {
    const run = await wished(() => api.branch(home.id, given({ from_step: index, seed: number(form, "seed") ?? newSeed(), critic: form.get("critic") })));
    go(to.document(run.id));
  };
  return html`<${Dialog} title=${`Branch at step ${numberOf(entry)}`} close=${close} submit=${send} done="Branch">
    <p>A new document that shares ${index > 1 ? "the steps before this one" : "the plan"} and draws the rest anew. This one stays as it is.</p>
    <div class="grid"><${SeedField} hint="empty: a new one" />
    <${Field} label="Critic"><select name="critic"><option value="">as here</option><option value="off">off</option><option value="quick">quick</option><option value="strict">strict</option></select><//></div><//>`;
}

function Continue({ home, close, wished }) {
  const send = async (form) => {
    const asked = given({ prompt: text(form, "prompt"), seed: newSeed(), review_plan: form.get("review_plan") ? true : undefined });
    const run = await wished(() => api.goOn(home.id, asked));
    go(to.document(run.id));
  };
  return html`<${Dialog} title="Continue this document" close=${close} submit=${send} done="Continue">
    <${Field} label="How shall it go on?"><textarea data-first name="prompt" rows="3" required maxlength="16000" placeholder="Two more steps: the snowman at night."></textarea><//>
    <label class="check"><input type="checkbox" name="review_plan" /> Let me review the plan first</label>
    <p class="soft">A new document; its planner is shown everything that stands here.</p><//>`;
}

function Resume({ home, doc, close, wished }) {
  const send = (form) => wished(() => api.resume(home.id, budgetOf(form, doc)));
  return html`<${Dialog} title="Go on from what stands" close=${close} submit=${send} done="Resume">
    ${doc.problem && html`<p>It was cut short: ${doc.problem.detail}.</p>`}
    <p>Nothing that is finished is asked or drawn again.</p><${BudgetField} doc=${doc} /><//>`;
}
