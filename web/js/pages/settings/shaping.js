// What is wanted of every request: how much models think, and what they are told first.

import { html, useState } from "../../../vendor/preact.js";
import { put } from "../../api.js";
import { useAction, useLoad } from "../../load.js";
import { Button, Card, Failed, Field, Loaded, toast } from "../../ui.js";

const THINKING = "/api/settings/thinking-budget";
const PROMPT = "/api/settings/system-prompt";
const MODES = [["passthrough", "passthrough: as the client says"], ["auto", "auto: as the model likes"], ["custom", "custom: as said here"], ["adaptive", "adaptive: by the task"]];
const EFFORTS = [["", "As the tokens say"], "none", "minimal", "low", "medium", "high", "xhigh", "max"];

/** Both, each loaded by itself. */
export function Shaping() {
  const thinking = useLoad(THINKING);
  const prompt = useLoad(PROMPT);
  return html`
    <${Card} title="Thinking"><${Loaded} from=${thinking}>${(data) => html`<${Thinking} key=${JSON.stringify(data)} of=${data} reload=${thinking.reload} />`}<//><//>
    <${Card} title="System prompt"><${Loaded} from=${prompt}>${(data) => html`<${Prompt} key=${data.prompt} of=${data} reload=${prompt.reload} />`}<//><//>`;
}

function Thinking({ of, reload }) {
  const [form, setForm] = useState({ mode: of.mode, budget: String(of.customBudget), effort: of.effortLevel ?? "" });
  const set = (more) => setForm((before) => ({ ...before, ...more }));
  const [save, busy, error] = useAction(async () => {
    await put(THINKING, { mode: form.mode, customBudget: form.budget === "" ? null : Number(form.budget), effortLevel: form.effort || null });
    toast("It acts from now on.");
    reload();
  });
  const wrong = error?.fields ?? {};
  return html`<form onSubmit=${(event) => { event.preventDefault(); save(); }}>
    <${Field} label="Who says how much models think" as="select" options=${MODES} value=${form.mode} wrong=${wrong.mode} onChange=${(mode) => set({ mode })} />
    ${form.mode === "custom" && html`<${Field} label="Tokens of thinking" type="number" min="0" step="1" value=${form.budget} wrong=${wrong.customBudget} onChange=${(budget) => set({ budget })} help="0 for none." />`}
    ${["custom", "adaptive"].includes(form.mode) && html`<${Field} label=${form.mode === "custom" ? "Effort, in place of the tokens" : "Effort to start from"} as="select"
      options=${form.mode === "custom" ? EFFORTS : [["", "medium, as nothing is said"], ...EFFORTS.slice(1)]} value=${form.effort} wrong=${wrong.effortLevel} onChange=${(effort) => set({ effort })} />`}
    <${Failed} error=${error} />
    <div class="row"><${Button} kind="main-action" type="submit" busy=${busy}>Save<//></div>
  </form>`;
}

function Prompt({ of, reload }) {
  const [text, setText] = useState(of.prompt);
  const [save, busy, error] = useAction(async () => {
    await put(PROMPT, { enabled: !!text.trim(), ...(text.trim() && { prompt: text }) });
    toast(text.trim() ? "Every model is told that from now on." : "Models are told nothing more.");
    reload();
  });
  return html`<form onSubmit=${(event) => { event.preventDefault(); save(); }}>
    <${Field} label="What every model is told before the client's own instructions" as="textarea" rows="6" value=${text} wrong=${error?.fields.prompt} onChange=${setText} help="Empty: nothing." />
    <${Failed} error=${error} />
    <div class="row"><${Button} kind="main-action" type="submit" busy=${busy} disabled=${text === of.prompt}>Save<//></div>
  </form>`;
}
