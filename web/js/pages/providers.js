// Providers: the accounts with how they stand, nodes, and everything that can be added.

import { html, useState } from "../../vendor/preact.js";
import { del, patch, path } from "../api.js";
import { useAction, useLoad } from "../load.js";
import { Badge, Button, Card, confirm, Failed, Field, Head, Loaded, toast } from "../ui.js";
import { Accounts } from "./providers/accounts.js";
import { AccountForm, NodeForm } from "./providers/forms.js";
import { Models } from "./providers/models.js";
import { ProxyForm, proxyText } from "./providers/proxy.js";

const EVERY = 10;
const BREAKERS = { OPEN: "bad", HALF_OPEN: "warn" };

/** Say which combos a change touches. */
export const touched = (combos) => (combos.length ? ` These combos use it: ${combos.join(", ")}.` : "");

export function Providers() {
  const loaded = useLoad("/api/providers", { every: EVERY });
  const [open, setOpen] = useState(null);
  const close = (changed) => {
    setOpen(null);
    if (changed === true) loaded.reload();
  };
  return html`
    <${Head} title="Providers" about="Accounts at providers, and servers of your own.">
      <${Button} disabled=${!loaded.data} onClick=${() => setOpen({ is: "proxy", level: "global", title: "Network proxy for all", proxy: loaded.data.proxy })}>Proxy for all<//>
      <${Button} kind="main-action" onClick=${() => setOpen({ is: "node" })}>Add a node<//><//>
    <${Loaded} from=${loaded} lines=${6}>${(data) => html`<${All} data=${data} setOpen=${setOpen} reload=${loaded.reload} />`}<//>
    ${open && html`<${Open} open=${open} onClose=${close} />`}`;
}

function Open({ open, onClose }) {
  const Form = { account: AccountForm, node: NodeForm, proxy: ProxyForm, models: Models }[open.is];
  return html`<${Form} ...${open} onClose=${onClose} />`;
}

function All({ data, setOpen, reload }) {
  const at = (row) => data.connections.filter((each) => each.provider === row.id);
  const mine = data.providers.filter((row) => !row.node && (at(row).length || row.blocked));
  const nodes = data.providers.filter((row) => row.node);
  const shared = { setOpen, reload, blocked: data.providers.filter((row) => row.blocked).map((row) => row.id) };
  return html`
    ${data.proxy && html`<p class="banner">All goes through <strong>${proxyText(data.proxy)}</strong>, unless a provider, a combo or an account has a proxy of its own.</p>`}
    ${!mine.length && !nodes.length && html`<p class="banner">Nobody is connected yet. Choose a provider below and give its API key, or add a node: a server of your own, such as Ollama.</p>`}
    ${mine.map((row) => html`<${Provider} key=${row.id} row=${row} accounts=${at(row)} ...${shared} />`)}
    ${nodes.map((row) => html`<${Provider} key=${row.id} row=${row} accounts=${at(row)} ...${shared} />`)}
    <${Addable} rows=${data.providers.filter((row) => !row.node && !at(row).length && !row.blocked)} setOpen=${setOpen} />`;
}

function Provider({ row, accounts, blocked, setOpen, reload }) {
  const combos = [...new Set(accounts.flatMap((each) => each.combos))];
  const [block, busy, error] = useAction(async () => {
    const title = `Block ${row.name}?`;
    const text = `It is in no list any more, and nobody may ask it, whatever its accounts.${touched(combos)}`;
    if (!row.blocked && !await confirm({ title, text, action: "Block" })) return;
    await patch("/api/settings", { blockedProviders: row.blocked ? blocked.filter((id) => id !== row.id) : [...blocked, row.id] });
    toast(row.blocked ? `${row.name} may be asked again.` : `${row.name} is blocked.`);
    reload();
  });
  const [remove, removing, failed] = useAction(async () => {
    const text = `Its accounts and models go with it.${touched(combos)}`;
    if (!await confirm({ title: `Remove the node ${row.name}?`, text, action: "Remove" })) return;
    await del(path`/api/provider-nodes/${row.id}`);
    toast(`${row.name} is gone.`);
    reload();
  });
  const title = html`${row.name} <code class="note">${row.prefix}/</code>`;
  const badges = html`<span class="row">
    ${row.node && html`<${Badge} kind="accent">node<//>`}
    ${row.blocked && html`<${Badge} kind="bad">blocked<//>`}
    ${BREAKERS[row.breaker] && html`<${Badge} kind=${BREAKERS[row.breaker]} title="Many failures in a row, at any of its accounts">breaker ${row.breaker === "OPEN" ? "open" : "half open"}<//>`}
    ${row.proxy && html`<${Badge}>${row.proxy.type === "direct" ? "no proxy" : `proxy ${proxyText(row.proxy)}`}<//>`}</span>`;
  return html`<${Card} title=${title} aside=${badges}>
    <p class="note">${row.baseUrl} · ${row.dialects.join(", ")} · ${row.models ? `${row.models} models` : "no models named"}</p>
    <${Failed} error=${error || failed} />
    <${Accounts} accounts=${accounts} row=${row} setOpen=${setOpen} reload=${reload} />
    <div class="row">
      <${Button} aria-label="Add an account at ${row.name}" onClick=${() => setOpen({ is: "account", row })}>Add an account<//>
      <${Button} kind="quiet" aria-label="Models of ${row.name}" onClick=${() => setOpen({ is: "models", row })}>Models<//>
      <${Button} kind="quiet" aria-label="Network proxy of ${row.name}" onClick=${() => setOpen({ is: "proxy", level: "provider", id: row.id, title: `Network proxy of ${row.name}`, proxy: row.proxy })}>Proxy<//>
      <${Button} kind="quiet" busy=${busy} aria-label="${row.blocked ? "Unblock" : "Block"} ${row.name}" onClick=${block}>${row.blocked ? "Unblock" : "Block"}<//>
      ${row.node && html`<${Button} kind="quiet" aria-label="Edit node ${row.name}" onClick=${() => setOpen({ is: "node", row })}>Edit node<//>
        <${Button} kind="quiet" busy=${removing} aria-label="Remove node ${row.name}" onClick=${remove}>Remove node<//>`}
    </div><//>`;
}

function Addable({ rows, setOpen }) {
  const [search, setSearch] = useState("");
  const wanted = search.trim().toLowerCase();
  const found = rows.filter((row) => `${row.name} ${row.id} ${row.prefix}`.toLowerCase().includes(wanted));
  return html`<${Card} title="Can be added">
    <${Field} label="Search providers" value=${search} onChange=${setSearch} help="${found.length} of ${rows.length}" />
    ${found.length ? html`<div class="cards four">${found.map((row) => html`
      <button key=${row.id} class="button tile" onClick=${() => setOpen({ is: "account", row })}><span>${row.name}</span><code class="note">${row.prefix}/</code></button>`)}</div>`
    : html`<div class="state">No provider is called so. Any server that speaks OpenAI's, Anthropic's or Gemini's dialect can be added as a node.</div>`}<//>`;
}
