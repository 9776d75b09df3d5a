// The dialogs in which a reader wishes something of a document: each fills in one call to the API.

import { html, useState } from "../core/ui.js";
import { api } from "../core/api.js";
import { newSeed } from "../core/ask.js";
import { go, to } from "../core/route.js";
import { tellTabs } from "../core/follow.js";
import { progressOf } from "../core/words.js";
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

/** Where no drawing is left, what is wished needs a higher limit. */
function BudgetField({ doc }) {
  const { draws, most } = progressOf(doc);
  if (!most) return null;
  return html`<${Field} label="Drawings in all" hint=${`${draws} of ${most} are made`}>
    <input type="number" name="max_draws" min=${draws + 1} defaultValue=${draws >= most ? draws + 5 : most} /><//>`;
}
const budgetOf = (form, doc) => {
  const most = number(form, "max_draws");
  return most && most !== doc.request.budget.max_draws ? { ...doc.request.budget, max_draws: most } : undefined;
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
  return html`<${Dialog} title=${`Redraw step ${entry.step.index}`} close=${close} submit=${send} done="Redraw">
    <${Field} label="What to draw" hint="the critic judges by it"><textarea data-first name="prompt" rows="4" required maxlength="8000" defaultValue=${planned}></textarea><//>
    <div class="grid"><${SeedField} hint="empty: a new one" />
      <${Field} label="Attempts" hint="at most"><input type="number" name="max_attempts" min="1" max="20" placeholder=${doc.request.max_attempts} /><//>
      <${BudgetField} doc=${doc} /></div>
    ${later && html`<label class="check"><input type="checkbox" name="later" /> Redraw the steps after it too <small>(else they are marked as out of date)</small></label>`}
    <p class="soft">The picture that stands does so until the new one is settled; no attempt is lost.</p>
  <//>`;
}

function Text({ wish: { entry }, home, close, wished }) {
  const { step } = entry;
  const long = step.auxiliary_text !== null && step.auxiliary_text !== "";
  const send = (form) => {
    const asked = { name: text(form, "name"), [long ? "auxiliary_text" : "instruction"]: text(form, "text") };
    return wished(() => api.editText(home.id, step.index, asked), "The text is changed; its picture stays.");
  };
  return html`<${Dialog} title=${`The text of step ${step.index}`} close=${close} submit=${send}>
    <${Field} label="Name"><input name="name" maxlength="200" defaultValue=${step.name} /><//>
    <${Field} label="Text"><textarea data-first name="text" rows="5" defaultValue=${long ? step.auxiliary_text : step.instruction}></textarea><//>
    <p class="soft">What is drawn does not change; to change that, redraw the step.</p>
  <//>`;
}

function Insert({ wish, home, doc, close, wished }) {
  const after = wish.after ?? doc.steps.at(-1)?.step.index ?? 0;
  const send = (form) => {
    const step = given({ name: text(form, "name"), instruction: text(form, "instruction"), prompt: text(form, "prompt") });
    if (!step.instruction && !step.prompt) throw new Error("Write an instruction, or what to draw.");
    return wished(() => api.insert(home.id, doc, after, step));
  };
  return html`<${Dialog} title=${after ? `A new step after step ${after}` : "A new first step"} close=${close} submit=${send} done="Insert">
    <${Field} label="Name" hint="may be empty"><input name="name" maxlength="200" /><//>
    <${Field} label="Instruction" hint="what the reader reads"><textarea data-first name="instruction" rows="3"></textarea><//>
    <${Field} label="What to draw" hint="empty: a step in words only"><textarea name="prompt" rows="3" maxlength="8000"></textarea><//>
  <//>`;
}

function Delete({ wish: { entry }, home, doc, close, wished }) {
  const send = () => wished(() => api.remove(home.id, doc, entry.step.index), `Step ${entry.step.index} is deleted.`);
  return html`<${Dialog} title=${`Delete step ${entry.step.index}?`} close=${close} submit=${send} done="Delete it">
    <p>The steps after it move up. Those drawn from its picture are marked as out of date.</p><//>`;
}

function Branch({ wish: { entry }, home, close, wished }) {
  const { index } = entry.step;
  const send = async (form) => {
    const run = await wished(() => api.branch(home.id, given({ from_step: index, seed: number(form, "seed") ?? newSeed(), critic: form.get("critic") })));
    go(to.document(run.id));
  };
  return html`<${Dialog} title=${`Branch at step ${index}`} close=${close} submit=${send} done="Branch">
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
