// Settings: every one of them with what it does, in groups; they act at once.

import { html, useState } from "../../vendor/preact.js";
import { patch } from "../api.js";
import { useAction, useLoad } from "../load.js";
import { go, useRoute } from "../router.js";
import { Badge, Button, Card, confirm, Dialog, Failed, Field, Head, Loaded, Table, Tabs, toast } from "../ui.js";
import { Access } from "./settings/access.js";
import { Resilience } from "./settings/resilience.js";
import { Shaping } from "./settings/shaping.js";
import { Storage } from "./settings/storage.js";

const GROUPS = {
  routing: ["Routing", ["strategy", "sticky_limit", "affinity", "combo"]],
  resilience: ["Resilience", ["cooldowns", "cooldown_wait", "queue", "deadlines", "resume", "hedge"]],
  ai: ["AI", ["cache", "idempotency"]],
  security: ["Security", ["lockout", "trusted_proxies"]],
  advanced: ["Advanced", []],
  storage: ["System and storage", ["backup"]],
};
const head = (name) => name.split(".")[0];
/** What has a part of its own above the table, and the heads of settings that are said there alone. */
const PARTS = { security: Access, ai: Shaping, resilience: Resilience, storage: Storage };
const APART = ["thinking", "system_prompt"];
const known = new Set([...APART, ...Object.values(GROUPS).flatMap(([, heads]) => heads)]);

export function Settings() {
  const { rest: [tab = "routing"] } = useRoute();
  const settings = useLoad("/api/settings");
  const [open, setOpen] = useState(null);
  const [reset, busy, error] = useAction(async (name) => {
    await patch("/api/settings", { settings: { [name]: null } });
    toast(`${name} is the default again.`);
    settings.reload();
  });
  const done = (name) => { setOpen(null); toast(`${name} acts from now on.`); settings.reload(); };
  const shown = ([name]) => (GROUPS[tab]?.[1].length ? GROUPS[tab][1].includes(head(name)) : !known.has(head(name)));
  const Part = PARTS[tab];
  return html`
    <${Head} title="Settings" about="They act at once, also on a gateway that is busy." />
    <${Tabs} label="Settings" tabs=${Object.entries(GROUPS).map(([id, [title]]) => [id, title])} at=${tab} onChange=${(to) => go(`settings/${to}`)} />
    ${tab === "security" && html`<${Password} />`}
    ${Part && html`<${Part} key=${tab} />`}
    <${Failed} error=${error} />
    <${Loaded} from=${settings} lines=${8}>${(data) => html`<${Table} caption="Settings" rowKey=${(row) => row.name}
      rows=${Object.entries(data.settings).filter(shown).map(([name, setting]) => ({ name, ...setting }))} columns=${[
        { key: "name", title: "Setting", cell: (row) => html`<code>${row.name}</code><br /><span class="note">${row.help}</span>` },
        { key: "value", title: "Value", cell: (row) => html`${words(row.value)} ${row.isSet ? html`<${Badge} kind="accent">set<//>` : html`<${Badge}>default<//>`}` },
        { key: "actions", title: html`<span class="visually-hidden">Actions</span>`, kind: "actions", cell: (row) => html`
          <${Button} kind="quiet" aria-label="Change ${row.name}" onClick=${() => setOpen(row)}>Change<//>
          ${row.isSet && html`<${Button} kind="quiet" busy=${busy} aria-label="Default of ${row.name}" onClick=${() => reset(row.name)}>Default<//>`}` },
      ]} />`}<//>
    ${open && html`<${Change} of=${open} onDone=${done} onClose=${() => setOpen(null)} />`}`;
}

function words(value) {
  if (value === null || value === "") return "nothing";
  if (typeof value === "boolean") return value ? "on" : "off";
  const text = String(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}

function Change({ of, onDone, onClose }) {
  const [value, setValue] = useState(typeof of.value === "boolean" ? (of.value ? "on" : "off") : of.value ?? "");
  const [save, busy, error] = useAction(async () => {
    await patch("/api/settings", { settings: { [of.name]: value } });
    onDone(of.name);
  });
  const how = typeof of.value === "boolean" ? { as: "select", options: ["on", "off"] } : of.name === "system_prompt" ? { as: "textarea", rows: 12 } : {};
  return html`<${Dialog} title="Change ${of.name}" onClose=${onClose}><form onSubmit=${(event) => { event.preventDefault(); save(); }}>
    <${Field} label="Value" value=${String(value)} onChange=${setValue} help=${of.help} ...${how} />
    <${Failed} error=${error} />
    <div class="dialog-foot"><${Button} onClick=${onClose}>Cancel<//><${Button} kind="main-action" type="submit" busy=${busy}>Set it<//></div>
  </form><//>`;
}

function Password() {
  const [form, setForm] = useState({ currentPassword: "", newPassword: "" });
  const [save, busy, error] = useAction(async () => {
    if (!await confirm({ title: "Set another password?", text: "Every session ends, this one too.", action: "Set it" })) return;
    await patch("/api/settings", form);
    location.reload();
  });
  const field = (name, label, complete) => html`<${Field} label=${label} type="password" autocomplete=${complete} value=${form[name]}
    onChange=${(value) => setForm({ ...form, [name]: value })} wrong=${error?.fields[name]} />`;
  return html`<${Card} title="Password"><form onSubmit=${(event) => { event.preventDefault(); save(); }}>
    <div class="two">${field("currentPassword", "Current password", "current-password")}${field("newPassword", "New password, 8 characters at least", "new-password")}</div>
    <${Failed} error=${error} />
    <div class="row"><${Button} type="submit" busy=${busy} disabled=${!form.currentPassword || form.newPassword.length < 8}>Set another password<//></div>
  </form><//>`;
}
