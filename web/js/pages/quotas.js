// Quotas: how much is left, of what accounts may be asked and of what keys may spend.

import { html } from "../../vendor/preact.js";
import { ago, duration, money, number, time } from "../format.js";
import { useLoad } from "../load.js";
import { Badge, Bar, Card, Head, LinkButton, Loaded, Table } from "../ui.js";

const EVERY = 10;
const CAUSES = { rate: "a rate limit", quota: "a quota that is used up" };

export function Quotas() {
  const limits = useLoad("/api/rate-limits", { every: EVERY });
  const health = useLoad("/api/monitoring/health", { every: EVERY });
  const budgets = useLoad("/api/usage/budget", { every: EVERY });
  return html`
    <${Head} title="Quotas" about="How much is left: of what accounts may be asked, and of what keys may spend. Looked at every ${EVERY} seconds." />
    <${Card} title="Accounts" aside=${html`<${LinkButton} to="providers" kind="quiet">Limits are set under Providers<//>`}>
      <${Loaded} from=${limits}>${(data) => html`<${Accounts} of=${data.connections} />`}<//><//>
    <${Card} title="Used up"><${Loaded} from=${health}>${({ cooling }) => html`<${UsedUp} of=${cooling} />`}<//><//>
    <${Card} title="Keys" aside=${html`<${LinkButton} to="costs/budget" kind="quiet">Budgets are set under Costs<//>`}>
      <${Loaded} from=${budgets}>${(data) => html`<${Budgets} of=${data.budgets} />`}<//><//>`;
}

/** So much of so many, with a bar; what has no limit is only counted. */
const Share = ({ part, whole, label }) => (whole === null ? html`${number(part)} <span class="note">no limit</span>`
  : html`<${Bar} part=${part} whole=${whole} label=${label} /><span class="note">${number(part)} of ${number(whole)}</span>`);

const Accounts = ({ of }) => html`<${Table} caption="Accounts and their limits" rows=${of} rowKey=${(row) => row.connectionId}
  empty="No account has a limit, and no provider has said that one is reached." columns=${[
    { key: "name", title: "Account", cell: (row) => html`<strong>${row.name}</strong><br /><span class="note">${row.provider}</span>`, sort: (row) => row.name },
    { key: "minute", title: "In the last minute", cell: (row) => html`<${Share} part=${row.minute} whole=${row.rpm} label="Requests of ${row.name} in the last minute" />` },
    { key: "running", title: "At once", cell: (row) => html`<${Share} part=${row.running} whole=${row.concurrency} label="Exchanges of ${row.name} at once" />` },
    { key: "queued", title: "Waiting", number: true, cell: (row) => number(row.queued) },
    { key: "shut", title: "Its provider allows nothing for", cell: (row) => !Object.keys(row.shut).length ? "–" : Object.entries(row.shut).map(([model, seconds], at) => html`${at > 0 && html`<br />`}<code>${model}</code> <${Badge} kind="bad">${duration(seconds)}<//>`) },
  ]} />`;

const UsedUp = ({ of }) => html`<${Table} caption="Limits and quotas that providers have said to be used up" empty="No provider says that a limit or a quota is used up."
  rows=${of.filter(({ cause }) => cause in CAUSES).map((each, id) => ({ ...each, id }))} columns=${[
    { key: "whose", title: "Whose", cell: (row) => html`${row.whose} <span class="note">${row.scope}</span>` }, { key: "model", title: "Model", cell: (row) => row.model ?? "all" },
    { key: "after", title: "After", cell: (row) => html`${CAUSES[row.cause]} <span class="note">${row.after}</span>` }, { key: "seconds", title: "Not asked for", number: true, cell: (row) => duration(row.seconds) },
  ]} />`;

const Budgets = ({ of }) => html`<${Table} caption="Budgets and what is left of them" rows=${of} rowKey=${(row) => `${row.keyId} ${row.period}`} empty="No key has a budget." columns=${[
  { key: "key", title: "Key", cell: (row) => html`<strong>${row.key}</strong> <span class="note">${row.period}</span>`, sort: (row) => row.key },
  { key: "spent", title: "Spent", cell: (row) => html`<${Bar} part=${row.spent} whole=${row.limit} warn=${row.warn} label="Spent of ${row.key}, ${row.period}" /><span class="note">${money(row.spent)} of ${money(row.limit)}</span>` },
  { key: "left", title: "Left", number: true, cell: (row) => money(row.left), sort: (row) => row.left },
  { key: "resets", title: "Begins anew", cell: (row) => html`<span title="${time(row.resetsAt)}, ${row.zone}">${ago(row.resetsAt)}</span>` },
]} />`;
