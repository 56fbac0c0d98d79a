// Who may come in at all, by address.

import { html, useState } from "../../../vendor/preact.js";
import { put } from "../../api.js";
import { ago, time } from "../../format.js";
import { useAction, useLoad } from "../../load.js";
import { Button, Card, Check, confirm, Dialog, Failed, Field, Loaded, Table, toast } from "../../ui.js";

const PATH = "/api/settings/ip-filter";
const MODES = [["off", "off: the lists keep nobody out"], ["blacklist", "blacklist: who is denied is kept out"],
  ["whitelist", "whitelist: only who is allowed comes in"], ["whitelist-priority", "whitelist-priority: who is denied is kept out, unless he is allowed too"]];
const words = (text) => text.split(/[\s,]+/).filter(Boolean);

export function Access() {
  const filter = useLoad(PATH);
  return html`<${Loaded} from=${filter} lines=${6}>${(data) => html`
    <${Lists} key=${JSON.stringify([data.mode, data.blacklist, data.whitelist])} of=${data} reload=${filter.reload} />
    <${Bans} of=${data} reload=${filter.reload} />`}<//>`;
}

function Lists({ of, reload }) {
  const [form, setForm] = useState({ mode: of.mode, whitelist: of.whitelist.join("\n"), blacklist: of.blacklist.join("\n"), force: false });
  const set = (more) => setForm((before) => ({ ...before, ...more }));
  const [save, busy, error] = useAction(async () => {
    await put(PATH, { mode: form.mode, whitelist: words(form.whitelist), blacklist: words(form.blacklist), force: form.force });
    toast("The lists act from now on.");
    reload();
  });
  const wrong = error?.fields ?? {};
  const list = (name, label) => html`<${Field} label=${label} as="textarea" rows="5" value=${form[name]} wrong=${wrong[name]} onChange=${(value) => set({ [name]: value })} help="As 203.0.113.7 or 10.0.0.0/8, one a line." />`;
  return html`<${Card} title="Who may come in, by address"><form onSubmit=${(event) => { event.preventDefault(); save(); }}>
    <p class="note">For asking models and for managing alike. You ask from <code>${of.you}</code>.</p>
    <${Field} label="How the lists act" as="select" options=${MODES} value=${form.mode} wrong=${wrong.mode} onChange=${(mode) => set({ mode })} />
    <div class="two">${list("whitelist", "Allowed")}${list("blacklist", "Denied")}</div>
    <${Failed} error=${error} />
    ${(wrong.force || form.force) && html`<${Check} label="Even where that keeps out this machine, or me" value=${form.force} onChange=${(force) => set({ force })} />`}
    <div class="row"><${Button} kind="main-action" type="submit" busy=${busy}>Save the lists<//></div>
  </form><//>`;
}

function Bans({ of, reload }) {
  const [open, setOpen] = useState(false);
  const [end, busy, error] = useAction(async ({ ip }) => {
    if (!await confirm({ title: `End the ban of ${ip}?`, text: "It may come in again at once, as far as the lists let it.", action: "End it", kind: "main-action" })) return;
    await put(PATH, { removeBan: ip });
    toast(`${ip} is banned no more.`);
    reload();
  });
  return html`<${Card} title="Bans" aside=${html`<${Button} onClick=${() => setOpen(true)}>Ban an address<//>`}>
    <p class="note">They act in every mode, and no list goes before them.</p>
    <${Failed} error=${error} />
    <${Table} caption="Bans" rows=${of.tempBans} rowKey=${(row) => row.ip} empty="Nobody is banned." columns=${[
      { key: "ip", title: "Who", cell: (row) => html`<code>${row.ip}</code>` },
      { key: "until", title: "Until", cell: (row) => html`<span title=${time(row.until)}>${ago(row.until)}</span>`, sort: (row) => row.until },
      { key: "reason", title: "Why", cell: (row) => row.reason || "–" },
      { key: "actions", title: html`<span class="visually-hidden">Actions</span>`, kind: "actions", cell: (row) => html`
        <${Button} kind="quiet" aria-label="End the ban of ${row.ip}" busy=${busy} onClick=${() => end(row)}>End<//>` },
    ]} />
    ${open && html`<${BanForm} onDone=${(ip) => { setOpen(false); toast(`${ip} is banned.`); reload(); }} onClose=${() => setOpen(false)} />`}<//>`;
}

function BanForm({ onDone, onClose }) {
  const [form, setForm] = useState({ ip: "", minutes: "60", reason: "", force: false });
  const set = (more) => setForm((before) => ({ ...before, ...more }));
  const [save, busy, error] = useAction(async () => {
    await put(PATH, { tempBan: { ip: form.ip.trim(), durationMs: Number(form.minutes) * 60000, reason: form.reason }, force: form.force });
    onDone(form.ip.trim());
  });
  const wrong = error?.fields ?? {};
  return html`<${Dialog} title="Ban an address" onClose=${onClose}><form onSubmit=${(event) => { event.preventDefault(); save(); }}>
    <${Field} label="Address or network" required value=${form.ip} wrong=${wrong.tempBan ?? wrong["tempBan.ip"]} onChange=${(ip) => set({ ip })} />
    <div class="two"><${Field} label="Minutes" type="number" min="1" step="any" required value=${form.minutes} wrong=${wrong["tempBan.durationMs"]} onChange=${(minutes) => set({ minutes })} />
      <${Field} label="Why" maxlength="200" value=${form.reason} onChange=${(reason) => set({ reason })} help="For whoever looks at the list." /></div>
    <${Failed} error=${error} />
    ${(wrong.force || form.force) && html`<${Check} label="Even where that keeps out this machine, or me" value=${form.force} onChange=${(force) => set({ force })} />`}
    <div class="dialog-foot"><${Button} onClick=${onClose}>Cancel<//><${Button} kind="danger" type="submit" busy=${busy} disabled=${!form.ip.trim()}>Ban it<//></div>
  </form><//>`;
}
