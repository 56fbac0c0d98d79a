// Costs: what keys may spend, and what tokens cost.

import { html, useState } from "../../vendor/preact.js";
import { del, patch, post } from "../api.js";
import { money, number, time, ago } from "../format.js";
import { useAction, useLoad } from "../load.js";
import { go, useRoute } from "../router.js";
import { Badge, Bar, Button, Check, confirm, Dialog, Failed, Field, Head, Loaded, Table, Tabs, toast } from "../ui.js";

const PERIODS = [["daily", "A day"], ["weekly", "A week"], ["monthly", "A month"]];
const CLASSES = [["input", "Input"], ["output", "Output"], ["cacheRead", "Cache read"], ["cacheWrite", "Cache write"], ["reasoning", "Reasoning"]];
const WIRE = { cacheRead: "cache_read", cacheWrite: "cache_write" };
const STATES = { ok: "good", warn: "warn", spent: "bad" };

export function Costs() {
  const { rest: [tab = "budget"] } = useRoute();
  return html`
    <${Head} title="Costs" about="What keys may spend, and what tokens cost. Amounts are US dollars." />
    <${Tabs} label="Costs" tabs=${[["budget", "Budget"], ["pricing", "Pricing"]]} at=${tab} onChange=${(to) => go(`costs/${to}`)} />
    ${tab === "pricing" ? html`<${Pricing} />` : html`<${Budgets} />`}`;
}

function Budgets() {
  const budgets = useLoad("/api/usage/budget", { every: 15 });
  const [open, setOpen] = useState(null);
  const [clear, busy, error] = useAction(async (row) => {
    if (!await confirm({ title: "Take the budget away?", text: `${row.key} may spend without a ${row.period} limit then.`, action: "Take it away" })) return;
    await del(`/api/usage/budget?${new URLSearchParams({ keyId: row.keyId ?? "-", period: row.period })}`);
    toast("The budget is gone.");
    budgets.reload();
  });
  const done = () => { setOpen(null); toast("The budget acts from now on."); budgets.reload(); };
  return html`
    <div class="row"><${Button} kind="main-action" onClick=${() => setOpen({})}>Set a budget<//></div>
    <${Failed} error=${error} />
    <${Loaded} from=${budgets}>${(data) => html`<${Table} caption="Budgets" rows=${data.budgets} rowKey=${(row) => `${row.keyId} ${row.period}`}
      empty="No budgets. Without one, keys spend without a limit." columns=${[
        { key: "key", title: "Key", cell: (row) => row.key, sort: (row) => row.key },
        { key: "period", title: "Each", cell: (row) => row.period },
        { key: "spent", title: "Spent", cell: (row) => html`<${Bar} part=${row.spent} whole=${row.limit} warn=${row.warn} label="Spent of ${row.key}, ${row.period}" />
          <span class="note">${money(row.spent)} of ${money(row.limit)}${row.setAside ? `, ${money(row.setAside)} set aside` : ""}</span> ${row.state !== "ok" && html`<${Badge} kind=${STATES[row.state]}>${row.state === "spent" ? "requests are refused" : "nearly spent"}<//>`}` },
        { key: "note", title: "Not certain", cell: (row) => [row.estimated ? `${money(row.estimated)} estimated` : "", row.unpriced ? `${number(row.unpriced)} exchanges of unknown price are not in it` : ""].filter(Boolean).join("; ") || "–" },
        { key: "resets", title: "Begins anew", cell: (row) => html`<span title="${time(row.resetsAt)}, ${row.zone}">${ago(row.resetsAt)}</span>` },
        { key: "actions", title: html`<span class="visually-hidden">Actions</span>`, kind: "actions", cell: (row) => html`
          <${Button} kind="quiet" aria-label="Change the ${row.period} budget of ${row.key}" onClick=${() => setOpen(row)}>Change<//>
          <${Button} kind="quiet" busy=${busy} aria-label="Clear the ${row.period} budget of ${row.key}" onClick=${() => clear(row)}>Clear<//>` },
      ]} />`}<//>
    ${open && html`<${BudgetForm} of=${open} onDone=${done} onClose=${() => setOpen(null)} />`}`;
}

function BudgetForm({ of, onDone, onClose }) {
  const keys = useLoad("/api/keys");
  const [form, setForm] = useState({ keyId: of.period ? of.keyId ?? "-" : "", limit: of.limit ?? "", period: of.period ?? "monthly", warn: of.warn ? Math.round(of.warn * 100) : 80 });
  const set = (more) => setForm({ ...form, ...more });
  const [save, busy, error] = useAction(async () => {
    await post("/api/usage/budget", { keyId: form.keyId, limit: Number(form.limit), period: form.period, warn: Number(form.warn) / 100 });
    onDone();
  });
  const choices = [["", "Choose a key…"], ["-", "Requests without a key"], ...(keys.data?.keys ?? []).map((key) => [key.id, key.name])];
  return html`<${Dialog} title="Set a budget" onClose=${onClose}><form onSubmit=${(event) => { event.preventDefault(); save(); }}>
    <${Field} label="Key" as="select" options=${choices} value=${form.keyId} onChange=${(keyId) => set({ keyId })} wrong=${error?.fields.keyId} />
    <div class="two">
      <${Field} label="US dollars" type="number" min="0" step="any" required value=${form.limit} onChange=${(limit) => set({ limit })} wrong=${error?.fields.limit} />
      <${Field} label="Each" as="select" options=${PERIODS} value=${form.period} onChange=${(period) => set({ period })} />
    </div>
    <${Field} label="Warn from, in percent" type="number" min="1" max="100" value=${form.warn} onChange=${(warn) => set({ warn })} wrong=${error?.fields.warn} />
    <${Failed} error=${error} />
    <div class="dialog-foot"><${Button} onClick=${onClose}>Cancel<//><${Button} kind="main-action" type="submit" busy=${busy} disabled=${!form.keyId || form.limit === ""}>Set it<//></div>
  </form><//>`;
}

const price = (value) => {
  if (value === null || value === undefined) return "–";
  if (typeof value === "object") return html`${money(value.base)}${Object.entries(value.over).map(([from, more]) => html`<br /><span class="note">over ${number(Number(from))}: ${money(more)}</span>`)}`;
  return money(value);
};

function Pricing() {
  const [all, setAll] = useState(false);
  const [search, setSearch] = useState("");
  const prices = useLoad(`/api/pricing${all ? "?everything=true" : ""}`);
  const [open, setOpen] = useState(null);
  const [reset, busy, error] = useAction(async (row) => {
    const [provider, ...model] = row.model.split("/");
    if (!await confirm({ title: "Go back to the library's price?", text: `Your price of ${row.model} is forgotten.`, action: "Go back" })) return;
    await del(`/api/pricing?${new URLSearchParams({ provider, model: model.join("/") })}`);
    prices.reload();
  });
  return html`
    <div class="row"><${Field} label="Search" value=${search} onChange=${setSearch} />
      <${Check} label="All that the price library knows" value=${all} onChange=${setAll} />
      <${Button} kind="main-action" onClick=${() => setOpen({ model: "" })}>Set a price<//></div>
    <p class="note">For a million tokens. What was asked before is priced anew by <code>omniroute-ctl usage reprice</code>.</p>
    <${Failed} error=${error} />
    <${Loaded} from=${prices}>${({ models }) => {
      const rows = models.filter((row) => row.model.toLowerCase().includes(search.toLowerCase()));
      return html`<p class="note">${number(rows.length)} models${rows.length > 300 ? ", the first 300 of them here" : ""}</p>
        <${Table} caption="Prices" rows=${rows.slice(0, 300)} rowKey=${(row) => row.model} empty="No models yet." columns=${[
          { key: "model", title: "Model", cell: (row) => html`<code>${row.model}</code>`, sort: (row) => row.model },
          ...CLASSES.map(([id, title]) => ({ key: id, title, number: true, cell: (row) => price(row[id]) })),
          { key: "by", title: "By", cell: (row) => html`<${Badge} kind=${row.known === false ? "warn" : row.set.length ? "accent" : ""}>${row.by}<//>`, sort: (row) => row.by },
          { key: "actions", title: html`<span class="visually-hidden">Actions</span>`, kind: "actions", cell: (row) => html`
            <${Button} kind="quiet" aria-label="Set the price of ${row.model}" onClick=${() => setOpen(row)}>Set<//>
            ${row.set.length > 0 && html`<${Button} kind="quiet" busy=${busy} aria-label="Reset the price of ${row.model}" onClick=${() => reset(row)}>Reset<//>`}` },
        ]} />`;
    }}<//>
    ${open && html`<${PriceForm} of=${open} onDone=${() => { setOpen(null); toast("The price acts from now on."); prices.reload(); }} onClose=${() => setOpen(null)} />`}`;
}

function PriceForm({ of, onDone, onClose }) {
  const plain = (value) => (typeof value === "number" ? value : "");
  const [form, setForm] = useState({ model: of.model, ...Object.fromEntries(CLASSES.map(([id]) => [id, plain(of[id])])) });
  const set = (more) => setForm({ ...form, ...more });
  const [save, busy, error] = useAction(async () => {
    const [provider, ...model] = form.model.split("/");
    const said = CLASSES.filter(([id]) => form[id] !== "" && String(form[id]) !== String(plain(of[id]))).map(([id]) => [WIRE[id] ?? id, Number(form[id])]);
    await patch("/api/pricing", { [provider]: { [model.join("/")]: Object.fromEntries(said) } });
    onDone();
  });
  return html`<${Dialog} title="Set a price" onClose=${onClose}><form onSubmit=${(event) => { event.preventDefault(); save(); }}>
    <${Field} label="Model" required value=${form.model} onChange=${(model) => set({ model })} help="As openai/gpt-5, or openai/* for all of a provider's." />
    <div class="two">${CLASSES.map(([id, title]) => html`<${Field} key=${id} label="${title}, USD a million" type="number" min="0" step="any" value=${form[id]} onChange=${(value) => set({ [id]: value })} />`)}</div>
    <${Failed} error=${error} />
    <div class="dialog-foot"><${Button} onClick=${onClose}>Cancel<//>
      <${Button} kind="main-action" type="submit" busy=${busy} disabled=${!form.model.includes("/") || CLASSES.every(([id]) => String(form[id]) === String(plain(of[id])))}>Set it<//></div>
  </form><//>`;
}
