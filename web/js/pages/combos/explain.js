// Explain: who would be asked for a name, in which order and why. Nobody is asked.

import { html, useState } from "../../../vendor/preact.js";
import { useLoad } from "../../load.js";
import { go, useRoute } from "../../router.js";
import { Badge, Button, Card, Field, Loaded, Table } from "../../ui.js";
import { ModelNames, useModelNames } from "./names.js";

const DIALECTS = [["", "Any"], ["openai", "openai"], ["responses", "responses"], ["claude", "claude"], ["gemini", "gemini"]];

export function Explain() {
  const { query } = useRoute();
  const asked = Object.fromEntries(["model", "key", "dialect"].map((name) => [name, query.get(name) ?? ""]));
  const [form, setForm] = useState(asked);
  const keys = useLoad("/api/keys");
  const names = useModelNames();
  const set = (more) => setForm({ ...form, ...more });
  const said = (of) => new URLSearchParams(Object.entries(of).filter(([, value]) => value));
  const found = useLoad(asked.model && `/api/route/explain?${said(asked)}`);
  const submit = (event) => {
    event.preventDefault();
    if (String(said(form)) === String(said(asked))) found.reload();
    else go(`combos/explain?${said(form)}`, { replace: true });
  };
  return html`
    <${ModelNames} names=${names} />
    <form onSubmit=${submit}><div class="cards four">
      <${Field} label="Model" required list="model-names" maxlength="500" value=${form.model} onChange=${(model) => set({ model })} wrong=${found.error?.fields?.model} placeholder="a model, a combo or an alias" />
      <${Field} label="As the client with the key" as="select" value=${form.key} onChange=${(key) => set({ key })} wrong=${found.error?.fields?.key}
        options=${[["", "No key"], ...(keys.data?.keys ?? []).map((key) => [key.id, key.name])]} />
      <${Field} label="Of the dialect" as="select" options=${DIALECTS} value=${form.dialect} onChange=${(dialect) => set({ dialect })} />
    </div><div class="row"><${Button} kind="main-action" type="submit" disabled=${!form.model.trim()}>Explain<//></div></form>
    <p class="note">For a short request of text. No request is made, and nobody's turn is taken; strategies that draw lots draw anew each time.</p>
    ${asked.model && html`<${Loaded} from=${found}>${(plan) => html`<${Plan} of=${plan} />`}<//>`}`;
}

function Plan({ of }) {
  const way = [of.asked, ...of.aliases.map(({ target }) => target)];
  return html`
    <${Card} title="What the name means"><p>${way.map((name, at) => html`${at > 0 && " → "}<code>${name}</code>`)}${of.combo && html` <${Badge} kind="accent">a combo<//>`}</p>
      ${of.aliases.length > 0 && html`<p class="note">By the alias ${of.aliases[0].pattern}${of.passedOver.length ? `, which is more specific, or older, than ${of.passedOver.map(({ pattern }) => pattern).join(", ")}` : ""}.</p>`}<//>
    <${Card} title="Who would be asked"><${Table} caption="Targets" rows=${of.targets.map((each, id) => ({ ...each, id }))} empty="Nobody can serve it now." columns=${[
      { key: "n", title: "", number: true, cell: (row) => row.id + 1 },
      { key: "target", title: "Target", cell: (row) => html`<code>${row.target}</code><br /><span class="note">${row.account}</span>` },
      { key: "dialect", title: "Dialect", cell: (row) => row.dialect },
      { key: "why", title: "Why", cell: (row) => html`${row.why}${row.limited && html`<br /><${Badge} kind="warn">at its limit now<//> <span class="note">${row.limited}</span>`}` },
      { key: "waits", title: "Waited for", cell: (row) => waits(row.deadlines) },
      { key: "path", title: "By", cell: (row) => row.proxy ?? (row.proxyFrom ? `directly, as the ${row.proxyFrom} says` : "the direct way") },
    ]} /><//>
    ${of.leftOut.length > 0 && html`<${Card} title="Left out"><${Table} caption="Left out" rows=${of.leftOut.map((each, id) => ({ ...each, id }))} columns=${[
      { key: "target", title: "Target", cell: (row) => html`<code>${row.target}</code>` }, { key: "account", title: "Account", cell: (row) => row.account ?? "–" },
      { key: "why", title: "Why", cell: (row) => row.why },
    ]} /><//>`}`;
}

/** The deadlines that somebody has set for less than all requests are marked with whose they are. */
const waits = (of) => Object.entries(of).map(([phase, { seconds, by }], at) => html`${at > 0 && html`<br />`}<span class="note">${phase.replace("_", " ")} ${seconds ? `${seconds} s` : "none"}${by === "all" ? "" : ` (${by})`}</span>`);
