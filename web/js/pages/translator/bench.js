// The test bench: which features come through between which dialects.

import { html, useEffect, useState } from "../../../vendor/preact.js";
import { del, post } from "../../api.js";
import { ms, number } from "../../format.js";
import { useAction, useLoad } from "../../load.js";
import { Badge, Button, Card, Check, Dialog, Failed, Field, Loaded, Pairs, Table } from "../../ui.js";
import { DIALECTS, Shown } from "./sides.js";

const API = "/api/translator/bench";
const NAMES = Object.fromEntries(DIALECTS);
const SHORT = { openai: "Chat", responses: "Resp.", claude: "Claude", gemini: "Gemini" };
const STATES = {
  passed: ["good", "✓", "passed"],
  lossy: ["warn", "≈", "came through, but for what was said to be left out"],
  failed: ["bad", "✗", "failed"],
  skipped: ["", "–", "not tried"],
  running: ["accent", "…", "under way"],
  waiting: ["", "·", "waiting"],
};
const ALL = DIALECTS.map(([id]) => id);
const at = (cell) => (cell.upstream === null ? "the account" : NAMES[cell.upstream]);

export function Bench() {
  const [running, setRunning] = useState(false);
  const run = useLoad(API, { every: running ? 0.5 : 0 });
  useEffect(() => { if (run.data) setRunning(run.data.running); }, [run.data]);
  return html`<${Loaded} from=${run}>${(data) => html`
    <${Wanted} run=${data} onChange=${() => run.reload()} />
    ${data.total > 0 && html`<${Found} run=${data} />`}`}<//>`;
}

function Wanted({ run, onChange }) {
  const accounts = useLoad("/api/providers");
  const [form, setForm] = useState({ clients: ALL, upstreams: ALL, features: run.features.map(({ id }) => id), account: "", model: "", atOnce: "4" });
  const set = (more) => setForm((before) => ({ ...before, ...more }));
  const real = form.account !== "";
  const [start, starting, error] = useAction(async () => {
    const { account, model, atOnce, ...chosen } = form;
    await post(API, { ...chosen, atOnce: Number(atOnce), ...(real && { account, model }) });
    onChange();
  });
  const [stop, stopping, failure] = useAction(async () => { await del(API); onChange(); });
  const wrong = error?.fields ?? {};
  const features = run.features.map(({ id, title, real: can }) => [id, title, real && !can]);
  const count = form.clients.length * (real ? 1 : form.upstreams.length) * form.features.length;
  return html`<${Card} title="What is tried out"><form onSubmit=${(event) => { event.preventDefault(); start(); }}>
    <div class="fields">
      <${Field} label="Asked" as="select" value=${form.account} wrong=${wrong.account} onChange=${(account) => set({ account })}
        options=${[["", "Scripted upstreams"], ...(accounts.data?.connections ?? []).map(({ id, name, provider }) => [id, `${provider}: ${name}`])]} />
      ${real && html`<${Field} label="Its model" required value=${form.model} wrong=${wrong.model} onChange=${(model) => set({ model })} />`}
      <${Field} label="At once" as="select" options=${["1", "2", "3", "4"]} value=${form.atOnce} onChange=${(atOnce) => set({ atOnce })} />
    </div>
    <div class="two">
      <${Choice} title="Asked in" options=${DIALECTS} value=${form.clients} onChange=${(clients) => set({ clients })} />
      ${!real && html`<${Choice} title="Answered in" options=${DIALECTS} value=${form.upstreams} onChange=${(upstreams) => set({ upstreams })} />`}
    </div>
    <${Choice} title="Features" options=${features} value=${form.features} onChange=${(chosen) => set({ features: chosen })} />
    ${(error && !Object.keys(wrong).length) && html`<${Failed} error=${error} />`}${failure && html`<${Failed} error=${failure} />`}
    <div class="row spread"><span class="note">${number(count)} requests${real ? ", which the account is asked for, and paid." : ", to nobody but this machine."}</span>
      <div class="row">${run.running && html`<${Button} busy=${stopping} onClick=${stop}>Stop<//>`}
        <${Button} type="submit" kind="main-action" busy=${starting} disabled=${run.running || !count}>Run<//></div></div>
    </form><//>`;
}

function Choice({ title, options, value, onChange }) {
  const change = (id, on) => onChange(options.map(([each]) => each).filter((each) => (each === id ? on : value.includes(each))));
  const every = options.every(([id]) => value.includes(id));
  return html`<fieldset class="choice"><legend>${title}</legend>
    ${options.map(([id, name, out]) => html`<${Check} label=${name} value=${value.includes(id)} disabled=${!!out} onChange=${(on) => change(id, on)} />`)}
    <${Button} kind="quiet" onClick=${() => onChange(every ? [] : options.map(([id]) => id))}>${every ? "None" : "All"}<//></fieldset>`;
}

function Found({ run }) {
  const [open, setOpen] = useState(null);
  const counts = Object.keys(STATES).map((state) => [state, run.cells.filter((cell) => cell.state === state).length]).filter(([, count]) => count);
  const titles = Object.fromEntries(run.features.map(({ id, title }) => [id, title]));
  const told = run.cells.filter(({ state }) => state === "failed" || state === "lossy");
  const cell = open === null ? null : run.cells[open];
  return html`<${Card} title=${run.running ? "Under way" : "What was found"} aside=${html`<${Button} disabled=${run.running} onClick=${() => save(run)}>Export as JSON<//>`}>
      ${run.running && html`<progress max=${run.total} value=${run.done} aria-label="Requests that are done"></progress>`}
      <p role="status">${run.model && html`<code>${run.model}</code>: `}${number(run.done)} of ${number(run.total)} done. ${counts.map(([state, count]) => html`
        <${Badge} kind=${STATES[state][0]}>${number(count)} ${state}<//> `)}</p>
      <${Matrix} run=${run} titles=${titles} onOpen=${setOpen} />
    <//>
    ${told.length > 0 && html`<${Card} title="What did not come through"><ul class="plain">${told.map((of) => html`<li key=${of.number}>
      <div class="row"><${Badge} kind=${STATES[of.state][0]}>${of.state}<//><${Button} kind="quiet" onClick=${() => setOpen(of.number)}>${titles[of.feature]}<//>
        <span class="note">${NAMES[of.client]} → ${at(of)}</span></div><div>${of.reason}</div></li>`)}</ul><//>`}
    ${cell && html`<${Dialog} large title=${titles[cell.feature]} onClose=${() => setOpen(null)}><${Cell} of=${cell} /><//>`}`;
}

function Matrix({ run, titles, onOpen }) {
  const clients = [...new Set(run.cells.map(({ client }) => client))];
  const upstreams = [...new Set(run.cells.map(({ upstream }) => upstream))];
  const rows = new Map();
  for (const cell of run.cells) rows.set(cell.feature, [...(rows.get(cell.feature) ?? []), cell]);
  const edge = (index) => (index % upstreams.length === upstreams.length - 1 ? "edge" : "");
  const square = (cell, index) => {
    const [kind, sign, words] = STATES[cell.state];
    const said = `${titles[cell.feature]}, ${NAMES[cell.client]} to ${at(cell)}: ${words}${cell.reason ? `: ${cell.reason}` : ""}`;
    return html`<td key=${cell.number} class=${edge(index)}><button class="badge ${kind}" title=${said} aria-label=${said} onClick=${() => onOpen(cell.number)}>${sign}</button></td>`;
  };
  return html`<div class="table-wrap" tabindex="0" role="region" aria-label="Features by pairs of dialects"><table class="matrix">
    <thead><tr><th scope="col" rowspan="2">Feature</th>${clients.map((client) => html`<th scope="colgroup" class="edge" colspan=${upstreams.length}>${NAMES[client]} asked of</th>`)}</tr>
      <tr>${clients.flatMap((client) => upstreams.map((upstream) => html`<th scope="col" key=${client + upstream} class=${edge(upstreams.indexOf(upstream))}>${upstream === null ? "account" : SHORT[upstream]}</th>`))}</tr></thead>
    <tbody>${[...rows].map(([feature, cells]) => html`<tr key=${feature}><th scope="row">${titles[feature]}</th>${cells.map(square)}</tr>`)}</tbody></table></div>`;
}

function Cell({ of }) {
  const found = useLoad(of.exchange ? `${API}/${of.number}` : null);
  const columns = ["what", "expected", "got"].map((key) => ({ key, title: { what: "What", expected: "Expected", got: "Came" }[key], cell: (row) => row[key] || "nothing" }));
  return html`
    <${Pairs} of=${[
      ["Between", `${NAMES[of.client]} → ${at(of)}`], ["Came out", html`<${Badge} kind=${STATES[of.state][0]}>${of.state}<//>`], ["Why", of.reason || "everything came through"],
      ["Status", of.status ?? "–"], ["Time taken", ms(of.ms)],
    ]} />
    ${of.failures.length > 0 && html`<${Table} caption="What did not come through" rows=${of.failures} rowKey=${(row) => row.what} columns=${columns} />`}
    ${of.exchange ? html`<${Loaded} from=${found}>${(exchange) => html`<${Shown} of=${exchange} />`}<//>`
      : html`<p class="note">${of.state === "skipped" ? "Nothing was sent." : "It has no exchange: nobody was asked."}</p>`}`;
}

/** Give the run as a file. */
function save({ running, done, features, cells, ...run }) {
  const said = { ...run, startedAt: iso(run.startedAt), endedAt: iso(run.endedAt), cells: cells.map(({ exchange, number: _, ...cell }) => cell) };
  const link = Object.assign(document.createElement("a"), {
    href: URL.createObjectURL(new Blob([JSON.stringify(said, null, 2)], { type: "application/json" })),
    download: `test-bench-${iso(run.startedAt).slice(0, 16).replaceAll(":", "")}.json`,
  });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

const iso = (at) => (at === null ? "" : new Date(at * 1000).toISOString());
