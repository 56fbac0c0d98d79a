// The program and its database: out, in, back to a copy, and whether it is well.

import { html, useRef, useState } from "../../../vendor/preact.js";
import { del, get, path, post, put, upload } from "../../api.js";
import { ago, bytes, duration, time } from "../../format.js";
import { useAction, useLoad } from "../../load.js";
import { Badge, Button, Card, Check, confirm, Failed, Loaded, Pairs, Table, toast } from "../../ui.js";

const PATH = "/api/db-backups";
const REASONS = { manual: "by hand", scheduled: "scheduled", import: "before an import", restore: "before going back", migration: "before a migration" };

export function Storage() {
  const copies = useLoad(PATH);
  return html`<${System} /><${Out} /><${In} reload=${copies.reload} /><${Copies} of=${copies} /><${Health} />`;
}

function System() {
  const health = useLoad("/api/monitoring/health", { every: 10 });
  return html`<${Card} title="System"><${Loaded} from=${health}>${({ system }) => html`<${Pairs} of=${[
    ["OmniRoute", system.version], ["Python", system.python], ["On", system.platform],
    ["Running for", duration(system.uptime)], ["Most memory held", bytes(system.peakMemory)],
  ]} />`}<//><//>`;
}

const Out = () => html`<${Card} title="Export">
  <p class="note">The database holds everything; credentials in it are encrypted, and open only with <code>secrets.json</code> of the data directory.
    The archive has no credential at all, and nothing that was said: it may be shown to others.</p>
  <div class="row"><a class="button" href="${PATH}/export" download>The database (.sqlite)</a>
    <a class="button" href="${PATH}/exportAll" download>Without credentials (.tar.gz)</a></div><//>`;

function In({ reload }) {
  const file = useRef(), keyFile = useRef();
  const [how, setHow] = useState({ withoutCredentials: false, withoutHistory: false, force: false });
  const [part, setPart] = useState(null);
  const [done, setDone] = useState(null);
  const [run, busy, error] = useAction(async () => {
    const [chosen] = file.current.files;
    setDone(null);
    if (!chosen) throw new Error("Choose a file first.");
    if (!await confirm({ title: `Import ${chosen.name}?`, text: "It takes the place of the whole configuration, and its history is added. What is here is backed up first.", action: "Import it" })) return;
    const form = new FormData();
    form.append("file", chosen);
    if (keyFile.current.files[0]) form.append("keyFile", keyFile.current.files[0]);
    try {
      setDone(await upload(`${PATH}/import?${new URLSearchParams(how)}`, form, setPart));
      toast("Imported.");
    } finally {
      setPart(null);
      reload();
    }
  });
  const check = (name, label) => html`<${Check} label=${label} value=${how[name]} onChange=${(value) => setHow({ ...how, [name]: value })} />`;
  return html`<${Card} title="Import"><form onSubmit=${(event) => { event.preventDefault(); run(); }}>
    <p class="note">An exported file. Requests go on being served; when anything is wrong with it, nothing changes.</p>
    <div class="two"><div class="field"><label for="import-file">File (.sqlite or .tar.gz, 100 MB at most)</label><input type="file" id="import-file" ref=${file} accept=".sqlite,.gz" /></div>
      <div class="field"><label for="import-key">secrets.json of where it was made, if that was elsewhere</label><input type="file" id="import-key" ref=${keyFile} accept=".json" /></div></div>
    ${check("withoutCredentials", "Without credentials: accounts need their keys anew")}
    ${check("withoutHistory", "Without what was asked there")}
    ${check("force", "Even where its lists of addresses keep out this machine, or me")}
    ${part !== null && html`<progress max="1" value=${part < 1 ? part : undefined} aria-label="Import"></progress>
      <p class="note" role="status">${part < 1 ? `${Math.round(part * 100)} % sent` : "Checking it and taking it over …"}</p>`}
    <${Failed} error=${error} />
    ${done && html`<p class="banner" role="status">Here now: ${done.connectionCount} accounts, ${done.nodeCount} nodes, ${done.comboCount} combos,
      ${done.keysKept ? "the keys of before" : `${done.apiKeyCount} keys`}; ${done.historyAdded} exchanges of history were added.
      ${done.withoutCredential.length > 0 && ` Without a credential: ${done.withoutCredential.join(", ")}.`} What was here before is the backup ${done.backup}.</p>`}
    <div class="row"><${Button} kind="main-action" type="submit" busy=${busy}>Import<//></div>
  </form><//>`;
}

function Copies({ of }) {
  const [make, making, failed] = useAction(async () => { await put(PATH); toast("A backup is made."); of.reload(); });
  const [back, restoring, refused] = useAction(async (copy) => {
    if (!await confirm({ title: "Go back to this backup?", text: `The configuration becomes that of ${time(copy.createdAt)}. What is here now is backed up first; history stays.`, action: "Go back" })) return;
    const done = await post(PATH, { backupId: copy.id });
    toast(`Went back. What was here is ${done.backup}.`);
    of.reload();
  });
  const [remove, removing, wrong] = useAction(async (copy) => {
    if (!await confirm({ title: "Delete this backup?", text: `${copy.filename} cannot be brought back.`, action: "Delete it" })) return;
    await del(path`/api/db-backups/${copy.id}`);
    toast("The backup is deleted.");
    of.reload();
  });
  return html`<${Card} title="Backups" aside=${html`<${Button} busy=${making} onClick=${make}>Back up now<//>`}>
    <p class="note">Made by hand, before each import and migration, and every <code>backup.every</code> hours; <code>backup.keep</code> of each reason stay. Both are below.</p>
    <${Failed} error=${failed ?? refused ?? wrong} />
    <${Loaded} from=${of} lines=${4}>${({ backups }) => html`<${Table} caption="Backups" rows=${backups} empty="No backups yet." columns=${[
      { key: "at", title: "Made", cell: (copy) => html`<span title=${time(copy.createdAt)}>${ago(copy.createdAt)}</span>`, sort: (copy) => copy.createdAt },
      { key: "reason", title: "Reason", cell: (copy) => html`<${Badge}>${REASONS[copy.reason] ?? copy.reason}<//>` },
      { key: "size", title: "Size", number: true, cell: (copy) => bytes(copy.size), sort: (copy) => copy.size },
      { key: "actions", title: html`<span class="visually-hidden">Actions</span>`, kind: "actions", cell: (copy) => html`
        <${Button} kind="quiet" busy=${restoring} aria-label="Go back to ${copy.id}" onClick=${() => back(copy)}>Go back<//>
        <${Button} kind="quiet" busy=${removing} aria-label="Delete ${copy.id}" onClick=${() => remove(copy)}>Delete<//>` },
    ]} />`}<//><//>`;
}

function Health() {
  const [found, setFound] = useState(null);
  const [look, busy, error] = useAction(async () => setFound(await get("/api/storage/health")));
  return html`<${Card} title="Is the database well?" aside=${html`<${Button} busy=${busy} onClick=${look}>Check it<//>`}>
    <p class="note">Reads all of it, which takes a while when the history is long.</p>
    <${Failed} error=${error} />
    ${found && html`<${Table} caption="Checks" rowKey=${(row) => row.name} rows=${found.checks} columns=${[
      { key: "ok", title: "", cell: (row) => html`<${Badge} kind=${row.ok ? "ok" : "bad"}>${row.ok ? "ok" : "fail"}<//>` },
      { key: "name", title: "Check", cell: (row) => row.name },
      { key: "found", title: "Found", cell: (row) => html`${row.found}${row.advice && html`<br /><span class="note">${row.advice}</span>`}` },
    ]} />`}<//>`;
}
