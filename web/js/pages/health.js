// Health: how the gateway and its providers are doing, looked at every ten seconds.

import { html } from "../../vendor/preact.js";
import { del, post } from "../api.js";
import { ago, bytes, duration, ms, number } from "../format.js";
import { useAction, useLoad } from "../load.js";
import { Badge, Button, Card, confirm, Failed, Head, Loaded, Pairs, Table, toast } from "../ui.js";

const EVERY = 10;
const KINDS = { CLOSED: "good", HALF_OPEN: "warn", OPEN: "bad" };

export function Health() {
  const health = useLoad("/api/monitoring/health", { every: EVERY });
  const usage = useLoad("/api/usage/analytics?period=1h", { every: EVERY });
  const limits = useLoad("/api/rate-limits", { every: EVERY });
  const kept = useLoad("/api/cache", { every: EVERY });
  const [reset, busy, error] = useAction(async () => {
    if (!await confirm({ title: "Reset all?", text: "All cool-downs end, all breakers close, and learned limits are forgotten. Whoever still fails will be asked again.", action: "Reset all" })) return;
    await del("/api/monitoring/health");
    toast("Everybody is as good as new.");
    health.reload();
  });
  return html`
    <${Head} title="Health" about="Looked at every ${EVERY} seconds."><${Button} kind="danger" busy=${busy} onClick=${reset}>Reset all<//><//>
    <${Failed} error=${error} />
    <div class="cards wide">
      <${Card} title="System"><${Loaded} from=${health}>${({ status, system }) => html`<${Pairs} of=${[
        ["Status", html`<${Badge} kind=${status === "ok" ? "good" : "warn"}>${status}<//>`], ["Version", system.version],
        ["Up for", duration(system.uptime)], ["Memory, at most", bytes(system.peakMemory)], ["Event loop lag", `${ms(system.loopLag)} in the last minute, at most ${ms(system.loopLagMax)}`],
        ["Connections", system.connectionsLimit ? `${number(system.connections)} of ${number(system.connectionsLimit)}` : number(system.connections)], ["Requests in flight", number(system.requests)], ["Python", `${system.python} on ${system.platform}`], ["Process", system.pid],
      ]} />`}<//><//>
      <${Card} title="Providers and accounts"><${Loaded} from=${health}>${(data) => html`<${Breakers} of=${data} />`}<//><//>
      <${Card} title="Rate limits"><${Loaded} from=${limits}>${(data) => html`<${Limits} of=${data.connections} />`}<//><//>
      <${Card} title="Lock-outs"><${Loaded} from=${health}>${({ lockouts }) => html`<${Lockouts} of=${lockouts} reload=${health.reload} />`}<//><//>
      <${Card} title="Answers kept"><${Loaded} from=${kept}>${(data) => html`<${Kept} of=${data} reload=${kept.reload} />`}<//><//>
      <${Card} title="Time to answer, last hour"><${Loaded} from=${usage}>${({ percentiles }) => html`<${Table} caption="Percentiles"
        rows=${Object.entries(percentiles).map(([id, times]) => ({ id, times: times.latency }))} empty="Nobody has answered in the last hour."
        columns=${[{ key: "id", title: "Provider", cell: (row) => row.id },
          ...["p50", "p95", "p99"].map((title, at) => ({ key: title, title, number: true, cell: (row) => ms(row.times[at]) }))]} />`}<//><//>
    </div>
    <${Card} title="Cooling down"><${Loaded} from=${health}>${({ cooling }) => html`<${Table} caption="Cool-downs" empty="Nobody is cooling down."
      rows=${cooling.map((each, id) => ({ ...each, id }))} columns=${[
        { key: "whose", title: "Whose", cell: (row) => html`${row.whose} <span class="note">${row.scope}</span>` }, { key: "model", title: "Model", cell: (row) => row.model ?? "all" },
        { key: "seconds", title: "For", number: true, cell: (row) => duration(row.seconds) }, { key: "after", title: "After", cell: (row) => row.after },
        { key: "times", title: "In a row", number: true, cell: (row) => number(row.times) },
      ]} />`}<//><//>`;
}

function Breakers({ of }) {
  const rows = [["provider", of.providerHealth], ["account", of.accountHealth]].flatMap(([kind, found]) =>
    Object.entries(found).map(([name, each]) => ({ id: `${kind} ${name}`, kind, name, ...each })));
  return html`<${Table} caption="Circuit breakers" rows=${rows} empty="No breaker has counted a failure." columns=${[
    { key: "name", title: "Who", cell: (row) => html`${row.name} <span class="note">${row.kind}</span>` },
    { key: "state", title: "Breaker", cell: (row) => html`<${Badge} kind=${KINDS[row.state]}>${row.state}<//>` },
    { key: "failures", title: "Failures", number: true, cell: (row) => number(row.failures) },
    { key: "seconds", title: "Tries in", number: true, cell: (row) => (row.seconds === null ? "–" : duration(row.seconds)) },
  ]} />`;
}

const Limits = ({ of }) => html`<${Table} caption="Rate limits" rows=${of.map((each) => ({ ...each, id: each.connectionId }))}
  empty="No account has limits." columns=${[
    { key: "name", title: "Account", cell: (row) => html`${row.name} <span class="note">${row.provider}</span>` },
    { key: "running", title: "Running", number: true, cell: (row) => number(row.running) },
    { key: "queued", title: "Waiting", number: true, cell: (row) => number(row.queued) },
    { key: "minute", title: "This minute", number: true, cell: (row) => number(row.minute) },
    { key: "shut", title: "Not allowed for", cell: (row) => Object.entries(row.shut).map(([model, seconds]) => `${model}: ${duration(seconds)}`).join(", ") || "–" },
  ]} />`;

function Lockouts({ of, reload }) {
  const [unlock, busy, error] = useAction(async (identifier) => {
    await post("/api/policies", { action: "unlock", identifier });
    toast(`${identifier} may try again.`);
    reload();
  });
  return html`<${Failed} error=${error} /><${Table} caption="Lock-outs" rows=${of.map((each) => ({ ...each, id: each.identifier }))} empty="Nobody is locked out." columns=${[
    { key: "who", title: "Who", cell: (row) => row.identifier }, { key: "until", title: "Until", cell: (row) => ago(row.until) },
    { key: "failures", title: "Wrong", number: true, cell: (row) => number(row.failures) },
    { key: "unlock", title: html`<span class="visually-hidden">Unlock</span>`, kind: "actions", cell: (row) => html`<${Button} kind="quiet" busy=${busy} onClick=${() => unlock(row.identifier)}>Unlock<//>` },
  ]} />`;
}

function Kept({ of: { semanticCache: cache, idempotency }, reload }) {
  const [clear, busy, error] = useAction(async () => {
    if (!await confirm({ title: "Forget every answer?", text: "Who asks the same again is answered anew, which costs what it costs.", action: "Forget them" })) return;
    const { removed } = await del("/api/cache");
    toast(`${number(removed)} answers are forgotten.`);
    reload();
  });
  return html`<${Pairs} of=${[
    ["Cache", html`<${Badge} kind=${cache.enabled ? "good" : ""}>${cache.enabled ? "on" : "off"}<//>`],
    ["Answers", `${number(cache.dbEntries)} of ${number(cache.entriesLimit)}, ${bytes(cache.bytes)}`],
    ["Given again", `${number(cache.hits)} equal, ${number(cache.similarHits)} similar`],
    ["Sent twice", number(idempotency.repeats)],
  ]} /><${Failed} error=${error} /><div class="row"><${Button} busy=${busy} disabled=${!cache.dbEntries} onClick=${clear}>Forget them<//></div>`;
}
