// Adding and changing accounts and nodes.

import { html, useState } from "../../../vendor/preact.js";
import { path, post, put } from "../../api.js";
import { useAction } from "../../load.js";
import { Button, Dialog, Failed, Field, toast } from "../../ui.js";

const DIALECTS = [["openai", "OpenAI Chat"], ["responses", "OpenAI Responses"], ["claude", "Anthropic Messages"], ["gemini", "Gemini"]];

/** Read a number that was typed: nothing is 0, which takes a limit away, and what is none goes as it is, to be refused. */
const numeral = (text) => (String(text).trim() === "" ? 0 : Number.isNaN(Number(text)) ? text : Number(text));

const Foot = ({ busy, action, onClose }) => html`<div class="dialog-foot"><${Button} onClick=${onClose}>Cancel<//>
  <${Button} kind="main-action" type="submit" busy=${busy}>${action}<//></div>`;

/** Values of a form with what binds a field to one of them. */
function useValues(first, error) {
  const [values, setValues] = useState(first);
  const bind = (name) => ({ value: values[name], wrong: error()?.fields?.[name], onChange: (value) => setValues((before) => ({ ...before, [name]: value })) });
  return [values, bind];
}

/** Add an account at a provider, or change one; the key is typed, and never shown again. */
export function AccountForm({ row, account, onClose }) {
  const [save, busy, error] = useAction(async () => {
    const body = { rpm: numeral(values.rpm), gapMs: numeral(values.gapMs), concurrency: numeral(values.concurrency) };
    if (!account?.implied) {
      Object.assign(body, { name: values.name, priority: numeral(values.priority), baseUrl: values.baseUrl.trim() });
      if (values.apiKey) body.apiKey = values.apiKey;
      if (!account && !values.name) delete body.name;
    }
    if (account) await put(path`/api/providers/${account.id}`, body);
    else await post("/api/providers", { provider: row.id, ...body });
    toast(account ? "Saved; it acts at once." : `The account at ${row.name} is there. Test it to see whether its key is right.`);
    onClose(true);
  });
  const [values, bind] = useValues({
    name: account?.name ?? "", apiKey: "", priority: account?.priority ?? 1, baseUrl: account?.baseUrl ?? "",
    rpm: account?.rpm ?? "", gapMs: account?.gapMs ?? "", concurrency: account?.concurrency ?? "",
  }, () => error);
  const keyHelp = account?.hasKey ? "Empty keeps the one that it has." : row.node || row.auth === "none" ? "Empty where it wants none." : "Kept encrypted, and never shown again.";
  return html`<${Dialog} title=${account ? `Change ${account.name}` : `Add an account at ${row.name}`} onClose=${onClose}>
    <form onSubmit=${(event) => { event.preventDefault(); save(); }}>
      ${!account?.implied && html`
        <${Field} label="API key" type="password" autocomplete="off" ...${bind("apiKey")} help=${keyHelp} />
        <${Field} label="Name" ...${bind("name")} help=${account ? undefined : "Empty takes the provider's."} />
        <${Field} label="Priority" type="number" min="0" ...${bind("priority")} help="The lowest is asked first." />
        <${Field} label="Base URL" type="url" placeholder=${row.baseUrl} ...${bind("baseUrl")} help="Empty is the provider's own." />`}
      <div class="cards four">
        <${Field} label="Requests a minute" type="number" min="0" ...${bind("rpm")} />
        <${Field} label="Milliseconds between" type="number" min="0" ...${bind("gapMs")} />
        <${Field} label="Exchanges at once" type="number" min="0" ...${bind("concurrency")} />
      </div>
      <p class="note">Empty is no limit.</p>
      <${Failed} error=${error} />
      <${Foot} busy=${busy} action=${account ? "Save" : "Add the account"} onClose=${onClose} />
    </form><//>`;
}

/** Add a node, or change one. */
export function NodeForm({ row, onClose }) {
  const [save, busy, error] = useAction(async () => {
    const body = { name: values.name, dialect: values.dialect, baseUrl: values.baseUrl.trim() };
    if (!values.name) delete body.name;
    if (row) await put(path`/api/provider-nodes/${row.id}`, body);
    else await post("/api/provider-nodes", { ...body, prefix: values.prefix });
    toast(row ? "Saved; it acts at once." : `Its models are called ${values.prefix}/…`);
    onClose(true);
  });
  const [values, bind] = useValues({ prefix: row?.prefix ?? "", name: row?.name ?? "", dialect: row?.dialects[0] ?? "openai", baseUrl: row?.baseUrl ?? "" }, () => error);
  return html`<${Dialog} title=${row ? `Change the node ${row.name}` : "Add a node"} onClose=${onClose}>
    <form onSubmit=${(event) => { event.preventDefault(); save(); }}>
      ${!row && html`<${Field} label="Prefix" required placeholder="ollama" ...${bind("prefix")} help="Its models are then called prefix/model. It cannot be changed later." />`}
      <${Field} label="Name" ...${bind("name")} help=${row ? undefined : "Empty takes the prefix."} />
      <${Field} label="Dialect" as="select" options=${DIALECTS} ...${bind("dialect")} />
      <${Field} label="Base URL" type="url" required placeholder="http://127.0.0.1:11434/v1" ...${bind("baseUrl")} />
      ${!row && html`<p class="note">Where it wants a key, add an account to it afterwards.</p>`}
      <${Failed} error=${error} />
      <${Foot} busy=${busy} action=${row ? "Save" : "Add the node"} onClose=${onClose} />
    </form><//>`;
}
