// The playground: paste a request, an answer, a stream or a refusal, and see it in another dialect as you type.

import { html, useEffect, useRef, useState } from "../../../vendor/preact.js";
import { post } from "../../api.js";
import { number } from "../../format.js";
import { useLoad } from "../../load.js";
import { Badge, Button, Card, copy, Field } from "../../ui.js";
import { DIALECTS, pretty, SideBySide } from "./sides.js";

const KINDS = [["request", "Request"], ["reply", "Answer, whole"], ["stream", "Answer, streamed"], ["error", "Refusal"]];
const PAUSE = 150; // milliseconds of no typing before it is translated

export function Playground() {
  const samples = useLoad("static/samples.json");
  const [form, setForm] = useState({ kind: "request", from: "openai", to: "claude", text: "", model: "", status: "429" });
  const [said, setSaid] = useState(null);
  const set = (more) => setForm((before) => ({ ...before, ...more }));
  const take = ({ kind, dialect, text, body, status }) => set({ kind, from: dialect, text: text ?? JSON.stringify(body, null, 2), status: String(status ?? 429), ...(dialect === form.to && { to: form.from }) });
  useEffect(() => { if (samples.data && !form.text) take(samples.data[0]); }, [samples.data]);
  const turn = useRef(0);
  useEffect(() => {
    const mine = ++turn.current;
    if (!form.text.trim()) return setSaid(null);
    const timer = setTimeout(async () => {
      try {
        const answer = await post("/api/translator/translate", {
          kind: form.kind, sourceFormat: form.from, targetFormat: form.to, text: form.text,
          ...(form.model && { model: form.model }), ...(form.kind === "error" && { status: Number(form.status) || 500 }),
        });
        if (mine === turn.current) setSaid(answer);
      } catch (error) {
        if (mine === turn.current) setSaid({ success: false, error: { message: error.message } });
      }
    }, PAUSE);
    return () => clearTimeout(timer);
  }, [form]);
  // Who pastes something need not say what it is.
  const find = (event) => {
    const box = event.target;
    setTimeout(async () => {
      const found = await post("/api/translator/detect", { text: box.value }).catch(() => null); // a hint, no more
      if (found?.success) setForm((before) => ({ ...before, kind: found.kind, from: found.format, ...(found.format === before.to && { to: before.from }) }));
    });
  };
  const chosen = (samples.data || []).map((each, at) => [String(at), `${each.title} (${each.dialect})`]);
  const back = () => said?.success && set({ from: form.to, to: form.from, text: said.result });
  return html`
    <div class="row">
      <${Field} label="What" as="select" options=${KINDS} value=${form.kind} onChange=${(kind) => set({ kind })} />
      <${Field} label="From" as="select" options=${DIALECTS} value=${form.from} onChange=${(from) => set({ from })} />
      <${Field} label="To" as="select" options=${DIALECTS} value=${form.to} onChange=${(to) => set({ to })} />
      <${Field} label="Model" value=${form.model} placeholder="as it says" onChange=${(model) => set({ model })} />
      ${form.kind === "error" && html`<${Field} label="Status" type="number" min="400" max="599" value=${form.status} onChange=${(status) => set({ status })} />`}
      <${Field} label="Sample" as="select" options=${[["", "Choose one…"], ...chosen]} value=""
        onChange=${(at) => at && take(samples.data[Number(at)])} />
    </div>
    <div class="two">
      <${Card} title="What is given">
        <${Field} label="Text" as="textarea" rows="22" value=${form.text} onChange=${(text) => set({ text })} onPaste=${find} />
        <div class="row"><${Button} onClick=${() => set({ text: pretty(form.text) })}>Lay out<//>
          <${Button} onClick=${() => set({ text: "" })}>Clear<//></div>
      <//>
      <${Card} title="What becomes of it" aside=${said?.success && html`<div class="row">
          <${Button} kind="quiet" onClick=${() => copy(said.result)}>Copy<//>
          <${Button} kind="quiet" onClick=${back} disabled=${form.kind === "error"}>Translate it back<//></div>`}>
        <${Result} said=${said} /><//>
    </div>
    ${said?.success && form.kind !== "stream" && html`<${Card} title="Side by side">
      <${SideBySide} before=${form.text} after=${said.result} dropped=${said.dropped} /><//>`}`;
}

function Result({ said }) {
  if (!said) return html`<p class="note">Paste something on the left, or choose a sample.</p>`;
  if (!said.success) return html`<p class="banner bad" role="alert">${said.error.message}${said.error.field && html` <code>${said.error.field}</code>`}</p>
    ${said.result && html`<pre class="code wrap" tabindex="0">${said.result}</pre>`}`;
  return html`
    ${said.dropped.length > 0 && html`<p class="banner warn">Left out, as the other dialect cannot say it:
      ${said.dropped.map((name) => html` <${Badge} kind="warn">${name}<//>`)}</p>`}
    ${said.status && html`<p>The client gets status <strong>${said.status}</strong>.</p>`}
    ${said.usage && html`<p class="note">${number(said.usage.input)} tokens in, ${number(said.usage.output)} out, ${number(said.usage.cacheRead)} from a cache.</p>`}
    <pre class="code wrap" tabindex="0">${pretty(said.result)}</pre>`;
}
