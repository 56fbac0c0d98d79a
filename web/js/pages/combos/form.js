// Making and editing a combo: what it lists in which order, how it chooses, and how patient it is.

import { html, useState } from "../../../vendor/preact.js";
import { path, post, put } from "../../api.js";
import { useAction } from "../../load.js";
import { Button, Dialog, Failed, Field } from "../../ui.js";
import { ModelNames, useModelNames } from "./names.js";

const STRATEGIES = [["", "As for all combos"], ["priority", "priority: in this order"], ["round-robin", "round-robin: each in turn"], ["random", "random"],
  ["weighted", "weighted: by shares"], ["least-used", "least-used"], ["cost-optimized", "cost-optimized: the cheapest first"]];
const WAITS = [["queueTimeoutMs", "For an account that is at its limit"], ["connectTimeoutMs", "For the connection"], ["firstByteTimeoutMs", "For the head of a stream"],
  ["firstContentTimeoutMs", "For the first content"], ["idleTimeoutMs", "Between two pieces of a stream"], ["totalTimeoutMs", "For the end of the answer"]];
const SWITCH = [["", "As for all combos"], ["on", "Yes"], ["off", "No"]];
const seconds = (wait) => (wait === null || wait === undefined ? "" : String(wait / 1000));
const milliseconds = (text) => (text === "" ? null : Math.round(Number(text) * 1e6) / 1e3);

export function ComboForm({ of, onDone, onClose }) {
  const known = of.name !== undefined;
  const [form, setForm] = useState(() => ({
    name: of.name ?? "", strategy: of.strategy ?? "", models: of.models?.map(({ model, weight }) => ({ model, weight: String(weight) })) ?? [{ model: "", weight: "1" }],
    resume: { true: "on", false: "off" }[of.config?.resume] ?? "",
    retries: of.config?.maxRetries ?? "", retryDelayMs: seconds(of.config?.retryDelayMs), hedge: { true: "on", false: "off" }[of.config?.hedge] ?? "",
    ...Object.fromEntries(WAITS.map(([id]) => [id, seconds(of.config?.[id])])),
  }));
  const set = (more) => setForm((before) => ({ ...before, ...more }));
  const names = useModelNames().filter((name) => name !== of.name);
  const [save, busy, error] = useAction(async () => {
    const body = {
      models: form.models.filter(({ model }) => model.trim()).map(({ model, weight }) => ({ model: model.trim(), weight: weight === "" ? 1 : Number(weight) })),
      strategy: form.strategy || null,
      config: { maxRetries: form.retries === "" ? null : Number(form.retries), hedge: form.hedge === "" ? null : form.hedge === "on", resume: form.resume === "" ? null : form.resume === "on",
        retryDelayMs: milliseconds(form.retryDelayMs),
        ...Object.fromEntries(WAITS.map(([id]) => [id, milliseconds(form[id])])) },
    };
    onDone(known ? await put(path`/api/combos/${of.name}`, body) : await post("/api/combos", { name: form.name.trim(), ...body }));
  });
  const wrong = error?.fields ?? {};
  const wait = ([id, label]) => html`<${Field} key=${id} label="${label}, seconds" type="number" min="0" step="any" value=${form[id]} placeholder="as for all"
    onChange=${(value) => set({ [id]: value })} wrong=${wrong[`config.${id}`]} />`;
  const own = ["retries", "retryDelayMs", "hedge", "resume", ...WAITS.map(([id]) => id)].some((id) => form[id] !== "");
  return html`<${Dialog} title=${known ? `Edit ${of.name}` : "Make a combo"} large onClose=${onClose}><form onSubmit=${(event) => { event.preventDefault(); save(); }}>
    <${ModelNames} names=${names} />
    <div class="two">
      ${!known && html`<${Field} label="Name" required maxlength="100" value=${form.name} onChange=${(name) => set({ name })} wrong=${wrong.name} help="What clients ask for: letters, digits and _ . / -" />`}
      <${Field} label="Strategy" as="select" options=${STRATEGIES} value=${form.strategy} onChange=${(strategy) => set({ strategy })} wrong=${wrong.strategy} />
    </div>
    <${Steps} models=${form.models} weighted=${form.strategy === "weighted"} onChange=${(models) => set({ models })} wrong=${Object.entries(wrong).find(([name]) => name.startsWith("models"))?.[1]} />
    <details open=${own}><summary>How each target is tried</summary><div class="stack">
      <div class="two">
        <${Field} label="Times it is asked again" type="number" min="0" max="10" value=${form.retries} placeholder="as for all" onChange=${(retries) => set({ retries })} wrong=${wrong["config.maxRetries"]} />
        ${wait(["retryDelayMs", "Before each of these"])}
        <${Field} label="Ask the next one too when one is late" as="select" options=${SWITCH} value=${form.hedge} onChange=${(hedge) => set({ hedge })} wrong=${wrong["config.hedge"]} />
        <${Field} label="Go on with a text that breaks off" as="select" options=${SWITCH} value=${form.resume} onChange=${(resume) => set({ resume })} wrong=${wrong["config.resume"]} />
      </div>
      <h3>How long it is waited for</h3><div class="two">${WAITS.map(wait)}</div>
    </div></details>
    <${Failed} error=${error} />
    <div class="dialog-foot"><${Button} onClick=${onClose}>Cancel<//>
      <${Button} kind="main-action" type="submit" busy=${busy} disabled=${!(known || form.name.trim()) || !form.models.some(({ model }) => model.trim())}>${known ? "Save" : "Make it"}<//></div>
  </form><//>`;
}

/** What a combo lists: dragged into order, or moved by the arrows. */
function Steps({ models, weighted, onChange, wrong }) {
  const [held, setHeld] = useState(null);
  const [over, setOver] = useState(null);
  const change = (at, more) => onChange(models.map((each, n) => (n === at ? { ...each, ...more } : each)));
  const move = (from, to) => { const next = [...models]; next.splice(to, 0, ...next.splice(from, 1)); onChange(next); };
  const drop = (at) => { if (held !== null && held !== at) move(held, at); setHeld(null); setOver(null); };
  return html`<fieldset class="steps"><legend>Models, in order</legend>
    ${models.map((each, at) => html`<div key=${at} class="step ${over === at && held !== at ? "drop-mark" : ""}"
        onDragOver=${(event) => { if (held !== null) { event.preventDefault(); setOver(at); } }} onDrop=${(event) => { event.preventDefault(); drop(at); }}>
      <span class="drag" draggable="true" aria-hidden="true" title="Drag into order" onDragStart=${(event) => { event.dataTransfer.effectAllowed = "move"; event.dataTransfer.setData("text/plain", each.model); setHeld(at); }}
        onDragEnd=${() => { setHeld(null); setOver(null); }}>⠿</span>
      <input class="grow" list="model-names" aria-label="Model ${at + 1}" placeholder="provider/model or a combo" value=${each.model} aria-invalid=${wrong ? "true" : undefined} onInput=${(event) => change(at, { model: event.target.value })} />
      ${weighted && html`<input class="share" type="number" min="0" step="any" aria-label="Share of model ${at + 1}" title="Its share" value=${each.weight} onInput=${(event) => change(at, { weight: event.target.value })} />`}
      <span class="moves"><${Button} kind="quiet" aria-label="Move model ${at + 1} up" disabled=${at === 0} onClick=${() => move(at, at - 1)}>↑<//>
      <${Button} kind="quiet" aria-label="Move model ${at + 1} down" disabled=${at === models.length - 1} onClick=${() => move(at, at + 1)}>↓<//>
      <${Button} kind="quiet" aria-label="Remove model ${at + 1}" disabled=${models.length === 1} onClick=${() => onChange(models.filter((_, n) => n !== at))}>✕<//></span>
    </div>`)}
    ${wrong && html`<span class="wrong" role="alert">${wrong}</span>`}
    <div><${Button} onClick=${() => onChange([...models, { model: "", weight: "1" }])}>Add a model<//></div>
  </fieldset>`;
}
