// API keys: what clients show, what each may do, and when it was used.

import { html, useState } from "../../vendor/preact.js";
import { del, patch, path, post } from "../api.js";
import { ago, date, time } from "../format.js";
import { useAction, useLoad } from "../load.js";
import { Badge, Button, Check, confirm, Dialog, Failed, Field, Head, Loaded, Secret, Table, toast } from "../ui.js";

const NEW = { name: "", models: "", inference: true, admin: false, expires: "", ips: "", rpm: "", concurrency: "" };

export function Keys() {
  const keys = useLoad("/api/keys", { every: 30 });
  const [open, setOpen] = useState(null);
  const [made, setMade] = useState(null);
  const [revoke, busy, error] = useAction(async (key) => {
    const text = `Whoever shows ${key.key} is refused from now on. This cannot be undone.`;
    if (!await confirm({ title: `Revoke ${key.name}?`, text, action: "Revoke" })) return;
    await del(path`/api/keys/${key.id}`);
    toast(`${key.name} opens nothing any more.`);
    keys.reload();
  });
  const done = (key) => {
    setOpen(null);
    keys.reload();
    if (key.scopes && open === NEW) setMade(key);
    else toast(`${key.name} is changed.`);
  };
  return html`
    <${Head} title="API keys" about="What clients show to the gateway. A key is shown once, when it is made; here are only its ends.">
      <${Button} kind="main-action" onClick=${() => setOpen(NEW)}>Make a key<//><//>
    <${Failed} error=${error} />
    <${Loaded} from=${keys}>${(data) => html`<${Table} caption="API keys" rows=${data.keys}
      empty="No keys yet. Without one, requests from this machine are served." columns=${[
        { key: "name", title: "Name", cell: (key) => html`<strong>${key.name}</strong><br /><code>${key.key}</code>`, sort: (key) => key.name },
        { key: "scopes", title: "For", cell: (key) => key.scopes.map((scope) => html`<${Badge} kind=${scope === "admin" ? "warn" : ""}>${scope}<//> `) },
        { key: "models", title: "Models", cell: (key) => key.allowedModels.join(", ") || "all" },
        { key: "limits", title: "Limits", cell: (key) => limits(key) },
        { key: "expires", title: "Expires", cell: (key) => expiry(key), sort: (key) => key.expiresAt },
        { key: "used", title: "Last used", cell: (key) => html`<span title=${time(key.lastUsedAt)}>${ago(key.lastUsedAt)}</span>${key.lastUsedFrom ? html`<br /><span class="note">${key.lastUsedFrom}</span>` : ""}`, sort: (key) => key.lastUsedAt },
        { key: "actions", title: html`<span class="visually-hidden">Actions</span>`, kind: "actions", cell: (key) => html`
          <${Button} kind="quiet" aria-label="Edit ${key.name}" onClick=${() => setOpen(key)}>Edit<//>
          <${Button} kind="quiet" aria-label="Revoke ${key.name}" busy=${busy} onClick=${() => revoke(key)}>Revoke<//>` },
      ]} />`}<//>
    ${open && html`<${Form} key=${open.id ?? "new"} of=${open} onDone=${done} onClose=${() => setOpen(null)} />`}
    ${made && html`<${Dialog} title="The key ${made.name}" onClose=${() => setMade(null)}>
      <p>It is not shown again: put it where the client reads it now.</p><${Secret} text=${made.key} label="Copy the key" />
      <div class="dialog-foot"><${Button} kind="main-action" onClick=${() => setMade(null)}>I have it<//></div><//>`}`;
}

const limits = (key) => {
  const said = [key.rpm && `${key.rpm} a minute`, key.concurrency && `${key.concurrency} at once`, key.ips.length && `from ${key.ips.join(", ")}`];
  return said.filter(Boolean).join("; ") || "none";
};

const expiry = (key) => {
  if (key.expiresAt === null) return "never";
  const over = key.expiresAt * 1000 < Date.now();
  return html`<${Badge} kind=${over ? "bad" : ""} title=${time(key.expiresAt)}>${ago(key.expiresAt)}<//>`;
};

const day = (seconds) => (seconds === null ? "" : new Date(seconds * 1000 - new Date().getTimezoneOffset() * 60000).toISOString().slice(0, 16));
const words = (text) => text.split(/[\s,]+/).filter(Boolean);

function Form({ of, onDone, onClose }) {
  const isNew = of === NEW;
  const [form, setForm] = useState(isNew ? NEW : {
    name: of.name, models: of.allowedModels.join("\n"), inference: of.scopes.includes("inference"), admin: of.scopes.includes("admin"),
    expires: day(of.expiresAt), ips: of.ips.join("\n"), rpm: of.rpm ?? "", concurrency: of.concurrency ?? "",
  });
  const set = (more) => setForm({ ...form, ...more });
  const [save, busy, error] = useAction(async () => {
    const body = {
      name: form.name, allowedModels: words(form.models), ips: words(form.ips),
      scopes: [form.inference && "inference", form.admin && "admin"].filter(Boolean),
      expiresAt: form.expires ? date(form.expires).getTime() / 1000 : 0, rpm: Number(form.rpm || 0), concurrency: Number(form.concurrency || 0),
    };
    onDone(isNew ? await post("/api/keys", body) : await patch(path`/api/keys/${of.id}`, body));
  });
  const wrong = error?.fields ?? {};
  return html`<${Dialog} title=${isNew ? "Make a key" : `Edit ${of.name}`} onClose=${onClose}>
    <form onSubmit=${(event) => { event.preventDefault(); save(); }}>
      <${Field} label="Name" required maxlength="200" value=${form.name} wrong=${wrong.name} onChange=${(name) => set({ name })} help="Who or what will show it." />
      <div class="two">
        <${Check} label="Ask models" value=${form.inference} onChange=${(inference) => set({ inference })} />
        <${Check} label="Administer" help="Everything in this panel, over the API." value=${form.admin} onChange=${(admin) => set({ admin })} />
      </div>
      <${Field} label="Models that it may ask" as="textarea" rows="2" value=${form.models} wrong=${wrong.allowedModels} onChange=${(models) => set({ models })}
        help="One a line; * stands for any run, as in openai/*. None allows all." />
      <${Field} label="Expires" type="datetime-local" value=${form.expires} wrong=${wrong.expiresAt} onChange=${(expires) => set({ expires })} help="Empty: never." />
      <${Field} label="Networks where it may be used" as="textarea" rows="2" value=${form.ips} wrong=${wrong.ips} onChange=${(ips) => set({ ips })}
        help="As 203.0.113.7 or 10.0.0.0/8, one a line. None: everywhere." />
      <div class="two">
        <${Field} label="Requests a minute" type="number" min="0" value=${form.rpm} wrong=${wrong.rpm} onChange=${(rpm) => set({ rpm })} help="Empty: no limit." />
        <${Field} label="Exchanges at once" type="number" min="0" value=${form.concurrency} wrong=${wrong.concurrency} onChange=${(concurrency) => set({ concurrency })} help="Empty: no limit." />
      </div>
      <${Failed} error=${error} />
      <div class="dialog-foot"><${Button} onClick=${onClose}>Cancel<//>
        <${Button} kind="main-action" type="submit" busy=${busy} disabled=${!form.name || !(form.inference || form.admin)}>${isNew ? "Make the key" : "Save"}<//></div>
    </form><//>`;
}
