// How patient the gateway is: profiles for kinds of accounts, and what a provider has of its own.

import { html, useState } from "../../../vendor/preact.js";
import { patch, post } from "../../api.js";
import { useAction, useLoad } from "../../load.js";
import { Button, Card, confirm, Dialog, Failed, Field, Loaded, Table, toast } from "../../ui.js";

const PATH = "/api/resilience";
const FIELDS = [["failures", "Failures in a row that open a breaker"], ["recovery", "Seconds until an open breaker lets one try"], ["base", "Seconds of the first cool-down"],
  ["rate", "The same after a rate limit that names no time"], ["quota", "The same after a quota that is used up"], ["auth", "The same after a refused credential"],
  ["factor", "How much longer each further one is"], ["most", "Seconds of the longest that no provider has named"], ["jitter", "The part that is left to chance, 0 to 1"]];
const KINDS = { apikey: "services on the net", local: "servers of your own" };

export function Resilience() {
  const found = useLoad(PATH);
  const [open, setOpen] = useState(null);
  const [drop, busy, error] = useAction(async (name, values) => {
    if (!await confirm({ title: `Let ${name} go by its profile?`, text: "What is set for it alone is forgotten.", action: "Forget it" })) return;
    await patch(PATH, { profiles: { [name]: Object.fromEntries(Object.keys(values).map((field) => [field, null])) } });
    toast(`${name} goes by its profile.`);
    found.reload();
  });
  const [reset, resetting, failed] = useAction(async (name) => {
    if (!await confirm({ title: `Make ${name} well again?`, text: "Its cool-downs end and its breakers close. Who still fails will be asked again.", action: "Reset it" })) return;
    await post(`${PATH}/reset`, { ref: name });
    toast(`${name} is as good as new.`);
  });
  return html`<${Card} title="Patience with providers" aside=${html`<${Button} onClick=${() => setOpen({ values: {}, isNew: true })}>For one provider<//>`}>
    <p class="note">When breakers open and how long cool-downs are; what a provider has of its own goes before its profile. In seconds, but for counts and factors.</p>
    <${Failed} error=${error || failed} />
    <${Loaded} from=${found}>${({ profiles }) => html`<${Table} caption="Profiles" rowKey=${(row) => row.name} rows=${Object.entries(profiles).map(([name, values]) => ({ name, values }))} columns=${[
      { key: "name", title: "For", cell: (row) => html`<strong>${row.name}</strong><br /><span class="note">${KINDS[row.name] ?? "this provider alone"}</span>` },
      ...FIELDS.map(([id, help]) => ({ key: id, title: html`<span title=${help}>${id}</span>`, number: true, cell: (row) => row.values[id] ?? "–" })),
      { key: "actions", title: html`<span class="visually-hidden">Actions</span>`, kind: "actions", cell: (row) => html`
        <${Button} kind="quiet" aria-label="Change ${row.name}" onClick=${() => setOpen(row)}>Change<//>
        ${!(row.name in KINDS) && html`<${Button} kind="quiet" busy=${busy} aria-label="Forget what ${row.name} has of its own" onClick=${() => drop(row.name, row.values)}>Forget<//>
          <${Button} kind="quiet" busy=${resetting} aria-label="Reset ${row.name}" onClick=${() => reset(row.name)}>Reset<//>`}` },
    ]} />`}<//>
    ${open && html`<${Form} of=${open} onDone=${(name) => { setOpen(null); toast(`${name} is changed.`); found.reload(); }} onClose=${() => setOpen(null)} />`}<//>`;
}

function Form({ of, onDone, onClose }) {
  const [name, setName] = useState(of.name ?? "");
  const [values, setValues] = useState(Object.fromEntries(FIELDS.map(([id]) => [id, String(of.values[id] ?? "")])));
  const providers = useLoad(of.isNew ? "/api/providers" : "");
  const [save, busy, error] = useAction(async () => {
    const said = FIELDS.filter(([id]) => values[id] !== String(of.values[id] ?? "")).map(([id]) => [id, values[id] === "" ? null : Number(values[id])]);
    await patch(PATH, { profiles: { [name]: Object.fromEntries(said) } });
    onDone(name);
  });
  const names = [["", "Choose one…"], ...(providers.data?.providers ?? []).map((each) => [each.id, each.name])];
  return html`<${Dialog} title=${of.isNew ? "Patience with one provider" : `Patience: ${of.name}`} onClose=${onClose}><form onSubmit=${(event) => { event.preventDefault(); save(); }}>
    ${of.isNew && html`<${Field} label="Provider" as="select" options=${names} value=${name} onChange=${setName} />`}
    <div class="stack">${FIELDS.map(([id, label]) => html`<${Field} key=${id} label=${label} type="number" min="0" step="any" value=${values[id]} placeholder=${name in KINDS ? "the default" : "as its profile"}
      wrong=${error?.fields[`profiles.${name}.${id}`]} onChange=${(value) => setValues((before) => ({ ...before, [id]: value }))} />`)}</div>
    <${Failed} error=${error} />
    <div class="dialog-foot"><${Button} onClick=${onClose}>Cancel<//>
      <${Button} kind="main-action" type="submit" busy=${busy} disabled=${!name || FIELDS.every(([id]) => values[id] === String(of.values[id] ?? ""))}>Save<//></div>
  </form><//>`;
}
