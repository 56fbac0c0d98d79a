// Aliases: other names for models and combos.

import { html, useState } from "../../../vendor/preact.js";
import { del, put } from "../../api.js";
import { useAction, useLoad } from "../../load.js";
import { Button, confirm, Dialog, Failed, Field, Loaded, Table, toast } from "../../ui.js";
import { ModelNames, useModelNames } from "./names.js";

export function Aliases() {
  const aliases = useLoad("/api/models/alias");
  const [open, setOpen] = useState(null);
  const [remove, busy, error] = useAction(async ({ alias }) => {
    if (!await confirm({ title: `Remove ${alias}?`, text: "Names like it mean nothing else from now on.", action: "Remove" })) return;
    await del(`/api/models/alias?${new URLSearchParams({ alias })}`);
    toast(`${alias} is gone.`);
    aliases.reload();
  });
  const done = (alias) => { setOpen(null); toast(`${alias} acts from now on.`); aliases.reload(); };
  return html`
    <div class="row"><${Button} kind="main-action" onClick=${() => setOpen({ alias: "", model: "" })}>Add an alias<//></div>
    <p class="note">The most specific pattern counts, of equal ones the oldest. Combos and names with a provider's prefix go before aliases.</p>
    <${Failed} error=${error} />
    <${Loaded} from=${aliases}>${(data) => html`<${Table} caption="Aliases" rowKey=${(row) => row.alias} rows=${Object.entries(data.aliases).map(([alias, model]) => ({ alias, model }))}
      empty="No aliases yet. With one, clients may keep the names that they know." columns=${[
        { key: "alias", title: "Name or pattern", cell: (row) => html`<code>${row.alias}</code>`, sort: (row) => row.alias },
        { key: "model", title: "Means", cell: (row) => html`<code>${row.model}</code>`, sort: (row) => row.model },
        { key: "actions", title: html`<span class="visually-hidden">Actions</span>`, kind: "actions", cell: (row) => html`
          <${Button} kind="quiet" aria-label="Change ${row.alias}" onClick=${() => setOpen(row)}>Change<//>
          <${Button} kind="quiet" aria-label="Remove ${row.alias}" busy=${busy} onClick=${() => remove(row)}>Remove<//>` },
      ]} />`}<//>
    ${open && html`<${Form} of=${open} onDone=${done} onClose=${() => setOpen(null)} />`}`;
}

function Form({ of, onDone, onClose }) {
  const [form, setForm] = useState({ alias: of.alias, model: of.model });
  const names = useModelNames();
  const [save, busy, error] = useAction(async () => {
    await put("/api/models/alias", { alias: form.alias.trim(), model: form.model.trim() });
    onDone(form.alias.trim());
  });
  return html`<${Dialog} title=${of.alias ? `Change ${of.alias}` : "Add an alias"} onClose=${onClose}><form onSubmit=${(event) => { event.preventDefault(); save(); }}>
    <${ModelNames} names=${names} />
    <${Field} label="Name or pattern" required readonly=${!!of.alias} value=${form.alias} wrong=${error?.fields.alias} onChange=${(alias) => setForm({ ...form, alias })} help="* is any run of characters, ? is one: gpt-*" />
    <${Field} label="Means" required list="model-names" value=${form.model} wrong=${error?.fields.model} onChange=${(model) => setForm({ ...form, model })} help="A model, a combo or another alias." />
    <${Failed} error=${error} />
    <div class="dialog-foot"><${Button} onClick=${onClose}>Cancel<//><${Button} kind="main-action" type="submit" busy=${busy} disabled=${!form.alias.trim() || !form.model.trim()}>Save<//></div>
  </form><//>`;
}
