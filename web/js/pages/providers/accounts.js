// The accounts of one provider: how each stands, and what can be done with it.

import { html, useState } from "../../../vendor/preact.js";
import { ask, del, path, put } from "../../api.js";
import { ago, duration, ms } from "../../format.js";
import { useAction } from "../../load.js";
import { Badge, Button, confirm, Failed, Table, toast } from "../../ui.js";
import { proxyText } from "./proxy.js";

const STATUSES = {
  ready: ["good", "ready"], disabled: ["", "disabled"], blocked: ["bad", "blocked"], broken: ["bad", "breaker open"],
  trying: ["warn", "being tried"], cooling: ["warn", "cooling down"],
};

export function Accounts({ accounts, row, setOpen, reload }) {
  const [found, setFound] = useState({});
  if (!accounts.length) return html`<p class="note">No account.</p>`;
  return html`<${Table} caption="Accounts at ${row.name}" rows=${accounts} columns=${[
    { key: "name", title: "Account", cell: (each) => html`<strong>${each.name}</strong>`, sort: (each) => each.name },
    { key: "status", title: "Status", cell: (each) => html`<${Status} of=${each} />` },
    { key: "priority", title: "Priority", number: true, cell: (each) => each.priority, sort: (each) => each.priority },
    { key: "limits", title: "Limits", cell: limits },
    { key: "way", title: "Way", cell: (each) => html`${each.baseUrl || (each.proxy ? "" : "as the provider")}${each.baseUrl && each.proxy && html`<br />`}${each.proxy && proxyText(each.proxy)}` },
    { key: "used", title: "Last used", cell: (each) => ago(each.lastUsedAt) },
    { key: "do", title: html`<span class="visually-hidden">What can be done</span>`, kind: "actions", cell: (each) => html`
      <${Doings} of=${each} row=${row} setOpen=${setOpen} reload=${reload} tested=${(result) => setFound((before) => ({ ...before, [each.id]: result }))} />` },
  ]} />
  ${accounts.map((each) => found[each.id] && html`<${Found} key=${each.id} name=${each.name} of=${found[each.id]} />`)}`;
}

function limits(each) {
  const said = [each.rpm && `${each.rpm} a minute`, each.gapMs && `${each.gapMs} ms between`, each.concurrency && `${each.concurrency} at once`].filter(Boolean);
  return said.join(", ") || "none";
}

const rest = (each) => `${each.model ? `${each.model}: ` : ""}${duration(each.seconds)} after ${each.after}`;

function Status({ of }) {
  const [kind, text] = STATUSES[of.status];
  return html`<${Badge} kind=${kind}>${text}<//>${of.rests.map((each) => html`<div class="note">${rest(each)}</div>`)}`;
}

const Found = ({ name, of }) => html`<p class="banner ${of.valid ? "good" : "bad"}" role="status">
  <strong>${name}</strong> ${of.valid ? "works" : "does not work"}: ${of.detail} (${ms(of.latencyMs)})</p>`;

function Doings({ of, row, setOpen, reload, tested }) {
  const [test, testing, failed] = useAction(async () => tested(await ask("POST", path`/api/providers/${of.id}/test`)));
  const [turn, turning, unturned] = useAction(async () => {
    await put(path`/api/providers/${of.id}`, { enabled: !of.enabled });
    toast(of.enabled ? `${of.name} is asked no more.` : `${of.name} is asked again.`);
    reload();
  });
  const [remove, removing, unremoved] = useAction(async () => {
    const uses = of.combos.length ? ` These combos use it: ${of.combos.join(", ")}.` : " No combo goes by it now.";
    if (!await confirm({ title: `Remove the account ${of.name}?`, text: `Its key goes for good.${uses}`, action: "Remove" })) return;
    await del(path`/api/providers/${of.id}`);
    toast(`${of.name} is gone.`);
    reload();
  });
  const proxy = { is: "proxy", level: "key", id: of.id, title: `Network proxy of ${of.name}`, proxy: of.proxy };
  return html`<${Failed} error=${failed || unturned || unremoved} />
    <${Button} kind="quiet" busy=${testing} aria-label="Test ${of.name}" onClick=${test}>Test<//>
    <${Button} kind="quiet" aria-label="${of.implied ? "Limits of" : "Edit"} ${of.name}" onClick=${() => setOpen({ is: "account", row, account: of })}>${of.implied ? "Limits" : "Edit"}<//>
    ${!of.implied && html`
      <${Button} kind="quiet" aria-label="Network proxy of ${of.name}" onClick=${() => setOpen(proxy)}>Proxy<//>
      <${Button} kind="quiet" busy=${turning} aria-label="${of.enabled ? "Disable" : "Enable"} ${of.name}" onClick=${turn}>${of.enabled ? "Disable" : "Enable"}<//>
      <${Button} kind="quiet" busy=${removing} aria-label="Remove ${of.name}" onClick=${remove}>Remove<//>`}`;
}
