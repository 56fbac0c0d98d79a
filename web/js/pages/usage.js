// Usage and logs: what was asked over time, by whom, and each exchange.

import { html, useMemo, useState } from "../../vendor/preact.js";
import { path } from "../api.js";
import { HeatMap, TimeChart } from "../charts.js";
import { ago, compact, money, ms, number, percent, time } from "../format.js";
import { useLoad } from "../load.js";
import { go, useRoute } from "../router.js";
import { Badge, Button, Card, Dialog, Field, Head, Loaded, Pairs, Table, Tabs } from "../ui.js";

const PERIODS = [["1h", "Last hour"], ["24h", "24 hours"], ["7d", "7 days"], ["30d", "30 days"], ["90d", "90 days"], ["all", "Everything"]];
const BY = [["provider", "Provider"], ["model", "Model"], ["key", "Key"], ["account", "Account"]];
const NOBODY = { provider: "nobody answered", account: "nobody answered", key: "no key", model: "no model" };
const MEASURES = {
  requests: { title: "Requests", of: (sum) => sum.requests, format: compact },
  tokens: { title: "Tokens", of: (sum) => sum.input + sum.output, format: compact },
  cost: { title: "Cost", of: (sum) => sum.cost, format: money },
};

/** A sum of money of which a part may be unknown. */
export const cost = (sum) => {
  if (!sum.unknownCost) return money(sum.cost);
  return html`${sum.cost ? money(sum.cost) : ""} <${Badge} kind="warn" title="No price is known for these: set one under Costs">${number(sum.unknownCost)} unknown<//>`;
};

export function Usage() {
  const { query } = useRoute();
  const [period, tab] = [query.get("period") || "24h", query.get("tab") || "overview"];
  const to = (more) => go(`usage?${new URLSearchParams({ ...Object.fromEntries(query), ...more })}`, { replace: true });
  return html`
    <${Head} title="Usage" about="What was asked, what it used and what it cost. Numbers are the providers' own.">
      <${Field} label="Period" as="select" options=${PERIODS} value=${period} onChange=${(value) => to({ period: value })} />
    <//>
    <${Tabs} label="Usage" tabs=${[["overview", "Overview"], ["log", "Exchanges"]]} at=${tab} onChange=${(value) => to({ tab: value })} />
    ${tab === "log" ? html`<${Log} period=${period} />` : html`<${Overview} period=${period} />`}`;
}

function Overview({ period }) {
  const [by, setBy] = useState("provider");
  const loaded = useLoad(`/api/usage/analytics?period=${period}&by=${by}`, { every: 30 });
  const empty = html`<p>Nothing was asked in this time.</p>`;
  return html`<${Loaded} from=${loaded} isEmpty=${(data) => !data.summary.requests} empty=${empty} lines=${8}>${(data) => html`
    <${Figures} sum=${data.summary} />
    <${Over} data=${data} by=${by} setBy=${setBy} />
    <${Table} caption="Usage by ${by}" rows=${data.rows} rowKey=${(row) => row.id ?? ""} columns=${columns(by)} />
    <div class="two">
      <${Card} title="When people ask"><${HeatMap} cells=${data.week} label="Exchanges by hour and weekday"
        format=${(value) => `${number(value)} exchanges`} /><p class="note">By hour and weekday, in the gateway's time zone.</p><//>
      <${Card} title="How long providers take"><${Latencies} of=${data.percentiles} /><//>
    </div>`}<//>`;
}

const Figures = ({ sum }) => html`<div class="cards four">
  <${Card} title="Requests"><p class="figure">${number(sum.requests)}</p>
    <p class="note">${number(sum.failed)} failed (${percent(sum.failed, sum.requests)})</p><//>
  <${Card} title="Tokens"><p class="figure">${compact(sum.input + sum.output)}</p>
    <p class="note">${compact(sum.input)} in, of these ${compact(sum.cacheRead)} from a cache; ${compact(sum.output)} out</p><//>
  <${Card} title="Cost"><p class="figure">${sum.unknownCost && !sum.cost ? "unknown" : money(sum.cost)}</p>
    <p class="note">${sum.unknownCost ? `${number(sum.unknownCost)} exchanges at unknown prices are not in it` : "of all exchanges"}</p><//>
  <${Card} title="Time"><p class="figure">${ms(sum.latencyMs)}</p><p class="note">on average; ${ms(sum.ttftMs)} to the first token</p><//>
</div>`;

function Over({ data, by, setBy }) {
  const [measure, setMeasure] = useState("requests");
  const { of, format, title } = MEASURES[measure];
  const [times, series] = useMemo(() => {
    const at = data.timeline.map((step) => step.at);
    const names = data.series.map(({ id, name }) => ({ id, name: name ?? NOBODY[by] }));
    return [at, names.map(({ id, name }) => ({
      name, values: data.timeline.map((step) => { const sum = step.sums.find((each) => each.id === id); return sum ? of(sum) : 0; }),
    }))];
  }, [data, measure]);
  return html`<${Card} title="${title} over time" aside=${html`<div class="row">
      <${Field} label="Show" as="select" value=${measure} onChange=${setMeasure} options=${Object.entries(MEASURES).map(([id, { title: shown }]) => [id, shown])} />
      <${Field} label="By" as="select" value=${by} onChange=${setBy} options=${BY} /></div>`}>
    <${TimeChart} times=${times} series=${series} format=${format} bars=${series.length === 1} label="${title} over time by ${by}" /><//>`;
}

const columns = (by) => [
  { key: "name", title: BY.find(([id]) => id === by)[1], cell: (row) => row.name ?? NOBODY[by], sort: (row) => row.name },
  { key: "requests", title: "Requests", number: true, cell: (row) => number(row.requests), sort: (row) => row.requests },
  { key: "failed", title: "Failed", number: true, cell: (row) => number(row.failed), sort: (row) => row.failed },
  { key: "input", title: "Tokens in", number: true, cell: (row) => compact(row.input), sort: (row) => row.input },
  { key: "cached", title: "Cached", number: true, cell: (row) => compact(row.cacheRead), sort: (row) => row.cacheRead },
  { key: "output", title: "Tokens out", number: true, cell: (row) => compact(row.output), sort: (row) => row.output },
  { key: "cost", title: "Cost", number: true, cell: cost, sort: (row) => row.cost },
  { key: "latency", title: "Time", number: true, cell: (row) => ms(row.latencyMs), sort: (row) => row.latencyMs },
];

function Latencies({ of }) {
  const rows = Object.entries(of).map(([id, times]) => ({ id, ...times }));
  const column = (key, title, which, at) => ({ key, title, number: true, cell: (row) => ms(row[which]?.[at]), sort: (row) => row[which]?.[at] });
  return html`<${Table} caption="Percentiles by provider" rows=${rows} empty="No provider has answered in this time." columns=${[
    { key: "id", title: "Provider", cell: (row) => row.id, sort: (row) => row.id },
    column("p50", "p50", "latency", 0), column("p95", "p95", "latency", 1), column("p99", "p99", "latency", 2),
    column("f50", "first token p50", "ttft", 0), column("f95", "p95", "ttft", 1),
  ]} />`;
}

/** Whether an exchange went well, as a badge. */
export const Outcome = ({ row }) => {
  if (row.error) return html`<${Badge} kind="bad" title=${row.error}>${row.status ?? "gone"}<//>`;
  return html`<${Badge} kind=${row.status < 400 ? "good" : "bad"}>${row.status ?? "–"}<//>`;
};

function Log({ period }) {
  const [filter, setFilter] = useState({ text: "", outcome: "" });
  const [open, setOpen] = useState(null);
  const [pages, setPages] = useState([""]);
  const query = new URLSearchParams({ period, ...(filter.text && { search: filter.text }), ...(filter.outcome && { outcome: filter.outcome }),
    ...(pages.at(-1) && { before: pages.at(-1) }) });
  const loaded = useLoad(`/api/usage/call-logs?${query}`, { every: pages.length === 1 ? 5 : 0 });
  const set = (more) => { setFilter({ ...filter, ...more }); setPages([""]); };
  return html`
    <div class="row">
      <${Field} label="Search" value=${filter.text} placeholder="model, provider, account, key or id" onChange=${(text) => set({ text })} />
      <${Field} label="Outcome" as="select" value=${filter.outcome} options=${[["", "All"], ["ok", "Went well"], ["failed", "Failed"]]} onChange=${(outcome) => set({ outcome })} />
    </div>
    <${Loaded} from=${loaded} lines=${10}>${({ logs, next }) => html`
      <${Table} caption="Exchanges, the newest first" rows=${logs} onRow=${setOpen} empty="No exchange fits." columns=${[
        { key: "at", title: "When", cell: (row) => html`<time datetime=${row.at} title=${time(row.at)}>${ago(row.at)}</time>` },
        { key: "status", title: "", cell: (row) => html`<${Outcome} row=${row} />` },
        { key: "model", title: "Asked", cell: (row) => row.modelAsked },
        { key: "served", title: "Served by", cell: (row) => html`${row.modelServed ?? "–"}${row.accountName ? ` · ${row.accountName}` : ""}${row.replayed ? html` <${Badge} kind="accent">${row.replayed}<//>` : ""}` },
        { key: "key", title: "Key", cell: (row) => row.keyName ?? "–" },
        { key: "attempts", title: "Attempts", number: true, cell: (row) => number(row.attempts.length) },
        { key: "tokens", title: "Tokens", number: true, cell: (row) => (row.input === null ? "–" : `${compact(row.input)} → ${compact(row.output)}`) },
        { key: "cost", title: "Cost", number: true, cell: (row) => (row.cost === null && row.input === null ? "–" : money(row.cost)) },
        { key: "time", title: "Time", number: true, cell: (row) => ms(row.latencyMs) },
        { key: "open", title: html`<span class="visually-hidden">Details</span>`, kind: "actions",
          cell: (row) => html`<${Button} kind="quiet" aria-label="Details of ${row.id}" onClick=${() => setOpen(row)}>Details<//>` },
      ]} />
      <div class="row spread">
        <${Button} disabled=${pages.length === 1} onClick=${() => setPages(pages.slice(0, -1))}>Newer<//>
        <${Button} disabled=${!next} onClick=${() => setPages([...pages, next])}>Older<//>
      </div>`}<//>
    ${open && html`<${Exchange} row=${open} onClose=${() => setOpen(null)} />`}`;
}

/** One exchange with all its attempts. */
export function Exchange({ row, onClose }) {
  const loaded = useLoad(path`/api/usage/call-logs/${row.id}`);
  return html`<${Dialog} title="Exchange ${row.id}" large onClose=${onClose}><${Loaded} from=${loaded}>${(one) => html`
    <${Pairs} of=${[
      ["When", time(one.at)], ["Asked", `${one.modelAsked} (${one.clientDialect}, ${one.path}${one.streamed ? ", streamed" : ""})`],
      ["Served by", one.modelServed ? `${one.modelServed} (${one.upstreamDialect})` : "nobody"], ["Combo", one.combo ?? "–"],
      ["Account", one.accountName ?? "–"], ["Key", one.keyName ?? "no key"],
      ["Outcome", html`<${Outcome} row=${one} /> ${one.error ?? ""}`],
      ["Tokens", one.input === null ? "not said by the provider"
        : `${number(one.input)} in (${number(one.cacheRead)} cached, ${number(one.cacheWrite)} written to a cache), ${number(one.output)} out (${number(one.reasoning)} thinking)`],
      ["Cost", money(one.cost)], ["Time", `${ms(one.latencyMs)}; ${ms(one.ttftMs)} to the first token; ${ms(one.overheadMs)} in the gateway`],
      ["Answered before", one.replayed ?? "no"], ["Left out", one.dropped.length ? one.dropped.join(", ") : "nothing"],
    ]} />
    <h3>Attempts</h3>
    <${Table} caption="Attempts" rows=${one.attempts.map((each, at) => ({ ...each, id: at }))} empty="Nobody was asked." columns=${[
      { key: "n", title: "", number: true, cell: (each) => each.id + 1 },
      { key: "target", title: "Target", cell: (each) => html`${each.target}<br /><span class="note">${each.account}</span>` },
      { key: "outcome", title: "Outcome", cell: (each) => html`<${Badge} kind=${{ ok: "good", hedged: "" }[each.outcome] ?? "bad"}>${each.outcome}<//> ${each.status ?? ""}` },
      { key: "ms", title: "Time", number: true, cell: (each) => ms(each.ms) },
      { key: "detail", title: "What it said", cell: (each) => each.detail },
    ]} />`}<//><//>`;
}
