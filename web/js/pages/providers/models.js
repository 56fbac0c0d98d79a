// The models of a provider: those that are known, and those that the user adds.

import { html, useState } from "../../../vendor/preact.js";
import { del, path, post } from "../../api.js";
import { compact } from "../../format.js";
import { useAction, useLoad } from "../../load.js";
import { Badge, Button, confirm, Dialog, Failed, Field, Loaded, Table, toast } from "../../ui.js";

const NEW = { modelId: "", modelName: "", contextLength: "", maxOutputTokens: "" };
const WHERE = { modelName: "name" };

export function Models({ row, onClose }) {
  const loaded = useLoad(path`/api/providers/${row.id}/models`);
  const [changed, setChanged] = useState(false);
  const again = () => { setChanged(true); loaded.reload(); };
  return html`<${Dialog} title="Models of ${row.name}" large onClose=${() => onClose(changed)}>
    <p class="note">Any model behind <code>${row.prefix}/</code> is passed on, also one that is not in this list. A model that is added is listed to clients, and what is said of it goes before what is known.</p>
    <${Add} row=${row} again=${again} />
    <${Loaded} from=${loaded}>${({ models }) => html`<${List} row=${row} models=${models} again=${again} />`}<//><//>`;
}

function Add({ row, again }) {
  const [values, setValues] = useState(NEW);
  const [add, busy, error] = useAction(async () => {
    const said = { provider: row.id, modelId: values.modelId };
    if (values.modelName) said.modelName = values.modelName;
    for (const name of ["contextLength", "maxOutputTokens"]) if (values[name]) said[name] = Number(values[name]);
    await post("/api/provider-models", said);
    toast(`Ask for it as ${row.prefix}/${values.modelId}`);
    setValues(NEW);
    again();
  });
  const bind = (name) => ({ value: values[name], wrong: error?.fields?.[WHERE[name] ?? name], onChange: (value) => setValues((before) => ({ ...before, [name]: value })) });
  return html`<form onSubmit=${(event) => { event.preventDefault(); add(); }}>
    <div class="cards four">
      <${Field} label="Model id" required placeholder="as the provider calls it" ...${bind("modelId")} />
      <${Field} label="Name" ...${bind("modelName")} />
      <${Field} label="Context, tokens" type="number" min="1" ...${bind("contextLength")} />
      <${Field} label="Most output, tokens" type="number" min="1" ...${bind("maxOutputTokens")} />
    </div>
    <${Failed} error=${error} />
    <div class="row"><${Button} kind="main-action" type="submit" busy=${busy}>Add the model<//></div></form>`;
}

function List({ row, models, again }) {
  const [remove, busy, error] = useAction(async (id) => {
    if (!await confirm({ title: `Forget ${id}?`, text: "What was said of it is gone. What the catalog knows of it stays.", action: "Forget" })) return;
    await del(`/api/provider-models?${new URLSearchParams({ provider: row.id, model: id })}`);
    toast(`${id} is forgotten.`);
    again();
  });
  return html`<${Failed} error=${error} /><${Table} caption="Models of ${row.name}" rows=${models} empty="None is known by name." columns=${[
    { key: "id", title: "Ask for", cell: (each) => html`<code>${row.prefix}/${each.id}</code> ${each.custom && html`<${Badge} kind="accent">yours<//>`}`, sort: (each) => each.id },
    { key: "name", title: "Name", cell: (each) => (each.name === each.id ? "" : each.name) },
    { key: "context", title: "Context", number: true, cell: (each) => compact(each.contextLength), sort: (each) => each.contextLength },
    { key: "output", title: "Most output", number: true, cell: (each) => compact(each.maxOutputTokens), sort: (each) => each.maxOutputTokens },
    { key: "do", title: html`<span class="visually-hidden">Forget</span>`, kind: "actions", cell: (each) => each.custom && html`<${Button} kind="quiet" busy=${busy} aria-label="Forget ${each.id}" onClick=${() => remove(each.id)}>Forget<//>` },
  ]} />`;
}
