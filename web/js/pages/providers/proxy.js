// The network proxy of a place: for all, of a provider, of a combo or of an account.

import { html, useState } from "../../../vendor/preact.js";
import { post, put } from "../../api.js";
import { ms } from "../../format.js";
import { useAction } from "../../load.js";
import { Button, Dialog, Failed, Field, toast } from "../../ui.js";

const TYPES = [["none", "Nothing said here"], ["direct", "Past every proxy"], ["http", "HTTP"], ["https", "HTTPS"], ["socks5", "SOCKS5"], ["socks5h", "SOCKS5, names looked up there"]];

export const proxyText = (proxy) => (proxy.type === "direct" ? "past every proxy" : `${proxy.type}://${proxy.locked ? "••••@" : ""}${proxy.host.includes(":") ? `[${proxy.host}]` : proxy.host}:${proxy.port}`);

/** Set it, take it away, or try it. User and password are typed, and never shown again. */
export function ProxyForm({ level, id, title, proxy, onClose }) {
  const [values, setValues] = useState({ type: proxy?.type ?? "none", host: proxy?.host ?? "", port: proxy?.port ?? "", username: "", password: "" });
  const [save, busy, error] = useAction(async () => {
    await put("/api/settings/proxy", { level, id, proxy: body() });
    toast("Saved; it acts at once.");
    onClose(true);
  });
  const [result, setResult] = useState(null);
  const [test, testing, failed] = useAction(async () => {
    setResult(null);
    // What is saved here is tried with its password, unless something else was typed.
    setResult(await post("/api/settings/proxy/test", saved ? { level, id } : { proxy: body() }));
  });
  const through = !["none", "direct"].includes(values.type);
  const body = () => {
    if (values.type === "none") return null;
    if (!through) return { type: values.type };
    const login = values.username ? { username: values.username, password: values.password } : {};
    return { type: values.type, host: values.host.trim(), port: String(values.port), ...login };
  };
  const saved = proxy?.locked && !values.username && ["type", "host", "port"].every((name) => String(proxy[name]) === String(values[name]));
  const bind = (name) => ({ value: values[name], wrong: (error || failed)?.fields?.[`proxy.${name}`], onChange: (value) => setValues((before) => ({ ...before, [name]: value })) });
  return html`<${Dialog} title=${title} onClose=${onClose}>
    <form onSubmit=${(event) => { event.preventDefault(); save(); }}>
      <${Field} label="Proxy" as="select" options=${TYPES} ...${bind("type")} help="The first that says anything counts: account, combo, provider, for all, then the environment." />
      ${through && html`
        <${Field} label="Host" required ...${bind("host")} placeholder="proxy.example.com" />
        <${Field} label="Port" type="number" min="1" max="65535" required ...${bind("port")} />
        <${Field} label="User" autocomplete="off" ...${bind("username")} help=${proxy?.locked ? "Empty keeps user and password, as long as the proxy is the same." : "Empty where it wants none."} />
        <${Field} label="Password" type="password" autocomplete="off" ...${bind("password")} />`}
      <${Failed} error=${error || failed} />
      ${result && html`<p class="banner ${result.success ? "good" : "bad"}" role="status">${result.success ? `It works: the world sees ${result.publicIp} (${ms(result.latencyMs)}).` : `It does not work: ${result.error}`}</p>`}
      <div class="dialog-foot">
        ${values.type !== "none" && html`<${Button} busy=${testing} onClick=${test}>Try it<//>`}
        <${Button} onClick=${onClose}>Cancel<//><${Button} kind="main-action" type="submit" busy=${busy}>Save<//></div>
      ${values.type !== "none" && html`<p class="note">Trying it asks api.ipify.org which address the world sees.</p>`}
    </form><//>`;
}
