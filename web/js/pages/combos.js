// Combos: named lists of models; other names; chains for when all else has failed; and where a name leads.

import { html, useState } from "../../vendor/preact.js";
import { del, path, post } from "../api.js";
import { money, ms, number, percent, UNKNOWN } from "../format.js";
import { useAction, useLoad } from "../load.js";
import { go, useRoute } from "../router.js";
import { Badge, Button, confirm, Dialog, Failed, Head, Loaded, Table, Tabs, toast } from "../ui.js";
import { Aliases } from "./combos/aliases.js";
import { Chains } from "./combos/chains.js";
import { Explain } from "./combos/explain.js";
import { ComboForm } from "./combos/form.js";
import { ProxyForm } from "./providers/proxy.js";

const TABS = { list: ["Combos", List], aliases: ["Aliases", Aliases], chains: ["Fallback chains", Chains], explain: ["Explain", Explain] };

export function Combos() {
  const { rest: [at = "list"] } = useRoute();
  const Tab = (TABS[at] ?? TABS.list)[1];
  return html`
    <${Head} title="Combos" about="Lists of models under one name, other names for models, and where each name leads." />
    <${Tabs} label="Combos" tabs=${Object.entries(TABS).map(([id, [title]]) => [id, title])} at=${at in TABS ? at : "list"} onChange=${(to) => go(`combos/${to}`)} />
    <${Tab} key=${at} />`;
}

function List() {
  const combos = useLoad("/api/combos", { every: 15 });
  const used = useLoad("/api/combos/metrics?period=24h", { every: 15 });
  const [open, setOpen] = useState(null);
  const [proxied, setProxied] = useState(null);
  const [tested, setTested] = useState(null);
  const [remove, busy, error] = useAction(async ({ name }) => {
    if (!await confirm({ title: `Remove ${name}?`, text: "Requests for it are refused from now on, unless another combo or alias has the name.", action: "Remove" })) return;
    await del(path`/api/combos/${name}`);
    toast(`${name} is gone.`);
    combos.reload();
  });
  const done = (combo) => { setOpen(null); toast(`${combo.name} acts from now on.`); combos.reload(); };
  return html`
    <div class="row"><${Button} kind="main-action" onClick=${() => setOpen({})}>Make a combo<//></div>
    <${Failed} error=${error ?? (combos.error ? null : used.error)} />
    <${Loaded} from=${combos}>${(data) => html`<${Table} caption="Combos" rows=${data.combos} rowKey=${(row) => row.name}
      empty="No combos yet. With one, a single name stands for several models that are tried in turn." columns=${[
        { key: "name", title: "Name", cell: (row) => html`<strong>${row.name}</strong>`, sort: (row) => row.name },
        { key: "strategy", title: "Strategy", cell: (row) => html`<${Badge} kind=${row.strategy ? "accent" : ""}>${row.strategy ?? "as for all"}<//>`, sort: (row) => row.strategy },
        { key: "models", title: "Models", cell: (row) => row.models.map((step, at) => html`${at > 0 && html`<br />`}<code>${step.model}</code>${row.strategy === "weighted" ? html` <span class="note">× ${step.weight}</span>` : ""}`) },
        { key: "now", title: "Now", cell: (row) => html`<${Badge} kind=${row.targets.length ? "good" : "bad"} title=${row.targets.join("\n")}>${row.targets.length} can be asked<//>
          ${row.leftOut.length > 0 && html` <${Badge} kind="warn" title=${row.leftOut.map((out) => `${out.target}: ${out.why}`).join("\n")}>${row.leftOut.length} left out<//>`}` },
        { key: "used", title: "Last 24 hours", number: true, sort: (row) => used.data?.metrics[row.name]?.totalRequests ?? 0, cell: (row) => html`<${Used} by=${used.data?.metrics[row.name]} known=${used.data !== undefined} />` },
        { key: "actions", title: html`<span class="visually-hidden">Actions</span>`, kind: "actions", cell: (row) => html`
          <${Button} kind="quiet" aria-label="Edit ${row.name}" onClick=${() => setOpen(row)}>Edit<//>
          <${Button} kind="quiet" aria-label="Test ${row.name}" onClick=${() => setTested(row)}>Test<//>
          <${Button} kind="quiet" aria-label="Network proxy of ${row.name}" onClick=${() => setProxied(row)}>Proxy<//>
          <${Button} kind="quiet" aria-label="Explain ${row.name}" onClick=${() => go(`combos/explain?${new URLSearchParams({ model: row.name })}`)}>Explain<//>
          <${Button} kind="quiet" aria-label="Remove ${row.name}" busy=${busy} onClick=${() => remove(row)}>Remove<//>` },
      ]} />`}<//>
    ${open && html`<${ComboForm} key=${open.name ?? ""} of=${open} onDone=${done} onClose=${() => setOpen(null)} />`}
    ${proxied && html`<${Proxy} of=${proxied} onClose=${() => setProxied(null)} />`}
    ${tested && html`<${Test} of=${tested} onClose=${() => setTested(null)} />`}`;
}

/** What it has done: how many requests, how many well, how many of them took more than one attempt. */
function Used({ by, known }) {
  if (!by) return known ? "0" : "…";
  const targets = Object.entries(by.byTarget).map(([name, each]) => `${name}: ${number(each.totalRequests)}, ${ms(each.avgLatencyMs)}`);
  return html`<span title=${targets.join("\n")}>${number(by.totalRequests)}</span><br />
    <span class="note">${percent(by.totalSuccesses, by.totalRequests)} well${by.fallbackCount > 0 && `, ${number(by.fallbackCount)} after another`}<br />${ms(by.avgLatencyMs)}, ${by.unknownCost && !by.cost ? `cost ${UNKNOWN}` : money(by.cost)}</span>`;
}

/** Its network proxy, once it is known which it has. */
function Proxy({ of: { name }, onClose }) {
  const held = useLoad(`/api/settings/proxy?${new URLSearchParams({ level: "combo", id: name })}`);
  const title = `Network proxy of ${name}`;
  if (held.data === undefined) return html`<${Dialog} title=${title} onClose=${onClose}><${Loaded} from=${held}>${() => null}<//><//>`;
  return html`<${ProxyForm} level="combo" id=${name} title=${title} proxy=${held.data.proxy} onClose=${onClose} />`;
}

function Test({ of, onClose }) {
  const [found, setFound] = useState(null);
  const [run, busy, error] = useAction(async () => { setFound(null); setFound((await post("/api/combos/test", { comboName: of.name })).results); });
  return html`<${Dialog} title="Test ${of.name}" large onClose=${onClose}>
    <p>Each target is asked for a few tokens, which costs a little where tokens cost something.</p>
    <${Failed} error=${error} />
    ${found && html`<${Table} caption="What each target did" rows=${found.map((each, id) => ({ ...each, id }))} empty="Nobody can be asked: Explain says why." columns=${[
      { key: "model", title: "Target", cell: (row) => html`<code>${row.model}</code><br /><span class="note">${row.account}</span>` },
      { key: "status", title: "Works", cell: (row) => html`<${Badge} kind=${row.status === "ok" ? "good" : "bad"}>${row.status === "ok" ? "yes" : row.statusCode ?? "no"}<//>` },
      { key: "ms", title: "Time", number: true, cell: (row) => ms(row.latencyMs) },
      { key: "error", title: "What it said", cell: (row) => row.error ?? "–" },
    ]} />`}
    <div class="dialog-foot"><${Button} onClick=${onClose}>Close<//><${Button} kind="main-action" busy=${busy} onClick=${run}>${found ? "Test again" : "Ask each of them"}<//></div>
  <//>`;
}
