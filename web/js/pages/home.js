// The first page: where the gateway is, what is still to be done, and how it is doing.

import { html } from "../../vendor/preact.js";
import { compact, money, ms, number, percent } from "../format.js";
import { useLoad } from "../load.js";
import { Badge, Card, Head, LinkButton, Loaded, Secret, Table } from "../ui.js";
import { cost } from "./usage.js";

export function Home() {
  const endpoint = useLoad("/api/endpoint");
  const usage = useLoad("/api/usage/analytics?period=24h&by=model", { every: 30 });
  return html`
    <${Head} title="Home" about="One endpoint in front of every provider." />
    <${Loaded} from=${endpoint}>${(data) => html`
      <${Card} title="Your endpoint" aside=${html`<${LinkButton} to="endpoint">How to use it<//>`}>
        <${Secret} text=${data.url} />
        <p class="note">${data.requireKey ? "Requests need a key." : "Requests from this machine need no key."}</p>
      <//>
      <${Steps} of=${data} asked=${usage.data?.summary.requests} />`}<//>
    <${Loaded} from=${usage} lines=${4}>${({ summary, rows }) => html`
      <div class="cards four">
        <${Card} title="Requests, 24 hours"><p class="figure">${number(summary.requests)}</p>
          <p class="note">${number(summary.failed)} failed (${percent(summary.failed, summary.requests)})</p><//>
        <${Card} title="Tokens, 24 hours"><p class="figure">${compact(summary.input + summary.output)}</p>
          <p class="note">${compact(summary.input)} in, ${compact(summary.output)} out</p><//>
        <${Card} title="Cost, 24 hours"><p class="figure">${summary.unknownCost && !summary.cost ? "unknown" : money(summary.cost)}</p>
          <p class="note">${summary.unknownCost ? `${number(summary.unknownCost)} exchanges at unknown prices` : "all prices are known"}</p><//>
        <${Card} title="Time to answer"><p class="figure">${ms(summary.latencyMs)}</p><p class="note">${ms(summary.ttftMs)} to the first token</p><//>
      </div>
      ${rows.length > 0 && html`<${Card} title="Busiest models" aside=${html`<${LinkButton} to="usage">All usage<//>`}>
        <${Table} caption="Busiest models of the last 24 hours" rows=${rows.slice(0, 6)} rowKey=${(row) => row.id} columns=${[
          { key: "name", title: "Model", cell: (row) => row.name },
          { key: "requests", title: "Requests", number: true, cell: (row) => number(row.requests) },
          { key: "tokens", title: "Tokens", number: true, cell: (row) => compact(row.input + row.output) },
          { key: "cost", title: "Cost", number: true, cell: cost },
        ]} /><//>`}`}<//>`;
}

/** What is to be done before the first request, until all of it is. */
function Steps({ of, asked }) {
  const steps = [
    [of.accounts + of.nodes > 0, "Connect a provider", "providers", "An account at a provider, or a server of your own."],
    [of.keys > 0 || !of.requireKey, "Make a key", "keys", of.requireKey ? "Clients have to show one." : "Only needed for other machines, limits and budgets."],
    [asked > 0, "Ask something", "endpoint", "Point a client at the endpoint."],
  ];
  if (steps.every(([done]) => done)) return null;
  return html`<${Card} title="To begin with"><div class="stack">${steps.map(([done, title, to, why]) => html`
    <div class="row spread"><span class="row"><${Badge} kind=${done ? "good" : "accent"}>${done ? "done" : "to do"}<//> <strong>${title}</strong>
      <span class="note">${why}</span></span>${!done && html`<${LinkButton} to=${to}>${title}<//>`}</div>`)}</div><//>`;
}
