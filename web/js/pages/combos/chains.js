// Fallback chains: models that are asked when all that a request itself means has failed.

import { html, useState } from "../../../vendor/preact.js";
import { del, post } from "../../api.js";
import { useAction, useLoad } from "../../load.js";
import { Badge, Button, confirm, Dialog, Failed, Field, Loaded, Table, toast } from "../../ui.js";

const words = (text) => text.split(/[\s,]+/).filter(Boolean);

export function Chains() {
  const chains = useLoad("/api/fallback/chains");
  const [open, setOpen] = useState(false);
  const [remove, busy, error] = useAction(async ({ name }) => {
    if (!await confirm({ title: `Remove ${name}?`, text: "Nothing stands behind what has failed then, unless another chain does.", action: "Remove" })) return;
    await del(`/api/fallback/chains?${new URLSearchParams({ name })}`);
    toast(`${name} is gone.`);
    chains.reload();
  });
  const done = (name) => { setOpen(false); toast(`${name} acts from now on.`); chains.reload(); };
  return html`
    <div class="row"><${Button} kind="main-action" onClick=${() => setOpen(true)}>Add a chain<//></div>
    <p class="note">They are asked in this order, the oldest first, when all that a request itself means has failed.</p>
    <${Failed} error=${error} />
    <${Loaded} from=${chains}>${(data) => html`<${Table} caption="Fallback chains" rows=${data.chains} rowKey=${(row) => row.name} empty="No chains yet." columns=${[
      { key: "name", title: "Name", cell: (row) => html`<strong>${row.name}</strong>` },
      { key: "serves", title: "Behind", cell: (row) => (row.serves.length ? row.serves.map((each) => html`<code>${each}</code> `) : "every request") },
      { key: "models", title: "Models", cell: (row) => row.models.map((model, at) => html`${at > 0 && html`<br />`}<code>${model}</code>
        ${row.leftOut[model] && html` <${Badge} kind="warn" title=${row.leftOut[model]}>left out<//>`}`) },
      { key: "actions", title: html`<span class="visually-hidden">Actions</span>`, kind: "actions", cell: (row) => html`
        <${Button} kind="quiet" aria-label="Remove ${row.name}" busy=${busy} onClick=${() => remove(row)}>Remove<//>` },
    ]} />`}<//>
    ${open && html`<${Form} onDone=${done} onClose=${() => setOpen(false)} />`}`;
}

function Form({ onDone, onClose }) {
  const [form, setForm] = useState({ name: "", models: "", serves: "" });
  const [save, busy, error] = useAction(async () => {
    await post("/api/fallback/chains", { name: form.name.trim(), models: words(form.models), serves: words(form.serves) });
    onDone(form.name.trim());
  });
  const bind = (name) => ({ value: form[name], wrong: error?.fields[name], onChange: (value) => setForm({ ...form, [name]: value }) });
  return html`<${Dialog} title="Add a chain" onClose=${onClose}><form onSubmit=${(event) => { event.preventDefault(); save(); }}>
    <${Field} label="Name" required maxlength="100" ...${bind("name")} />
    <${Field} label="Models" as="textarea" rows="4" ...${bind("models")} help="As openai/gpt-4o, one a line, in the order in which they are asked." />
    <${Field} label="Behind" as="textarea" rows="2" ...${bind("serves")} help="Names that it stands behind, * for any run; none: every request." />
    <${Failed} error=${error} />
    <div class="dialog-foot"><${Button} onClick=${onClose}>Cancel<//><${Button} kind="main-action" type="submit" busy=${busy} disabled=${!form.name.trim() || !words(form.models).length}>Add it<//></div>
  </form><//>`;
}
