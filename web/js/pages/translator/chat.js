// The chat tester: a request through the gateway itself, as a client would send it, with all that is said on the way.

import { html, useEffect, useRef, useState } from "../../../vendor/preact.js";
import { lines } from "../../api.js";
import { bytes } from "../../format.js";
import { useLoad } from "../../load.js";
import { Badge, Button, Card, Check, Failed, Field } from "../../ui.js";
import { DIALECTS, Exchange, parsed } from "./sides.js";

const HOW = [["text", "In words"], ["body", "As JSON"]];
const LONGEST = 200_000; // characters of an answer that are drawn while it comes
const NOTHING = { on: false, status: null, text: "", size: 0, exchange: null, detail: null, cut: false, error: null };

/** The request's body in each dialect, to begin with. */
const BODIES = {
  openai: ({ model, system, text, stream }) => ({ model, messages: [...(system ? [{ role: "system", content: system }] : []), { role: "user", content: text }], stream }),
  responses: ({ model, system, text, stream }) => ({ model, ...(system && { instructions: system }), input: text, stream }),
  claude: ({ model, system, text, stream }) => ({ model, max_tokens: 1024, ...(system && { system }), messages: [{ role: "user", content: text }], stream }),
  gemini: ({ system, text }) => ({ ...(system && { systemInstruction: { parts: [{ text: system }] } }), contents: [{ role: "user", parts: [{ text }] }] }),
};

/** The words of one event, or of a whole answer, of any dialect. */
const words = (said) => [
  ...(said.choices ?? []).map(({ delta, message }) => (delta ?? message)?.content),
  said.type === "response.output_text.delta" ? said.delta : said.delta?.text,
  ...(said.candidates ?? []).flatMap(({ content }) => (content?.parts ?? []).filter((part) => !part.thought).map((part) => part.text)),
  ...(said.type === "message" ? said.content ?? [] : []).map((block) => block.text),
  ...(said.object === "response" ? said.output ?? [] : []).flatMap((item) => (item.content ?? []).map((part) => part.text)),
].filter((each) => typeof each === "string").join("");

const spoken = (text) => {
  const whole = parsed(text);
  if (whole && typeof whole === "object") return words(whole);
  return [...text.matchAll(/^data: ?(\{.*\})\r?$/gm)].map(([, json]) => words(parsed(json) ?? {})).join("");
};

/** Send something, and hear what comes; gives [what has come, send, stop]. What comes in one frame is drawn at once. */
function useSending() {
  const [shown, show] = useState(NOTHING);
  const now = useRef(NOTHING);
  const ends = useRef(null);
  const frame = useRef(0);
  const draw = (more) => {
    now.current = { ...now.current, ...more };
    frame.current ||= requestAnimationFrame(() => { frame.current = 0; show(now.current); });
  };
  const stop = () => ends.current?.abort();
  useEffect(() => () => { stop(); cancelAnimationFrame(frame.current); }, []);
  const send = async (given) => {
    const ending = (ends.current = new AbortController());
    now.current = NOTHING;
    draw({ on: true });
    const hear = ({ text, ...more }) => draw(text === undefined ? more : { text: (now.current.text + text).slice(0, LONGEST), size: now.current.size + text.length });
    try {
      await lines("/api/translator/send", given, hear, { signal: ending.signal });
    } catch (error) {
      draw({ error: error.name === "AbortError" ? "You have stopped it; the upstream was hung up on." : error.message, refused: error });
    }
    draw({ on: false });
  };
  return [shown, send, stop];
}

export function Chat() {
  const catalog = useLoad("/api/models/catalog");
  const keys = useLoad("/api/keys");
  const samples = useLoad("static/samples.json");
  const [form, setForm] = useState({ how: "text", dialect: "openai", model: "", system: "", text: "Say hello, and who you are, in one sentence.", body: "", stream: true, key: "" });
  const [come, send, stop] = useSending();
  const set = (more) => setForm((before) => ({ ...before, ...more }));
  const asJson = (of) => JSON.stringify(BODIES[of.dialect](of), null, 2);
  const change = (how) => set(how === "body" && !form.body ? { how, body: asJson(form) } : { how });
  const take = ({ dialect, body }) => set({ how: "body", dialect, body: JSON.stringify({ ...body, ...(form.model && dialect !== "gemini" && { model: form.model }) }, null, 2) });
  const byPath = form.dialect === "gemini"; // Google names the model, and whether it streams, in the path
  const inWords = form.how === "text";
  const submit = (event) => {
    event.preventDefault();
    const { dialect, model, system, text, body, stream, key } = form;
    send({ dialect, model, stream, ...(inWords ? { system, text } : { body }), ...(key && { key }) });
  };
  const names = [...Object.values(catalog.data?.catalog ?? {}).flatMap(({ models }) => models), ...(catalog.data?.combos ?? []), ...(catalog.data?.aliases ?? [])];
  const requests = (samples.data ?? []).filter(({ kind }) => kind === "request");
  const wrong = come.refused?.fields ?? {};
  return html`
    <${Card} title="Request"><form onSubmit=${submit}>
      <div class="fields">
        <${Field} label="Dialect" as="select" options=${DIALECTS} value=${form.dialect} onChange=${(dialect) => set({ dialect, ...(!inWords && { body: asJson({ ...form, dialect }) }) })} />
        <${Field} label="Model" list="chat-models" value=${form.model} required=${inWords || byPath} placeholder=${inWords || byPath ? "provider/model or a combo" : "as the JSON says"}
          wrong=${wrong.model} disabled=${!inWords && !byPath} onChange=${(model) => set({ model })} />
        <datalist id="chat-models">${names.map(({ id }) => html`<option value=${id} />`)}</datalist>
        <${Field} label="As" as="select" options=${[["", "Nobody: no key"], ...(keys.data?.keys ?? []).map(({ id, name }) => [id, `The key ${name}`])]} value=${form.key}
          wrong=${wrong.key} onChange=${(key) => set({ key })} />
        <${Field} label="Given" as="select" options=${HOW} value=${form.how} onChange=${change} />
        ${!inWords && html`<${Field} label="Sample" as="select" options=${[["", "Choose one…"], ...requests.map(({ title, dialect }, at) => [String(at), `${title} (${dialect})`])]} value=""
          onChange=${(at) => at && take(requests[Number(at)])} />`}
      </div>
      ${inWords ? html`
        <${Field} label="System prompt" value=${form.system} placeholder="none" onChange=${(system) => set({ system })} />
        <${Field} label="Message" as="textarea" rows="4" required value=${form.text} onChange=${(text) => set({ text })} />`
      : html`<${Field} label="Body" as="textarea" rows="14" required help="It is sent to the byte, whatever it is." value=${form.body} onChange=${(body) => set({ body })} />`}
      <div class="row spread">
        ${inWords || byPath ? html`<${Check} label="As a stream" value=${form.stream} onChange=${(stream) => set({ stream })} />`
          : html`<span class="note">The body says whether it streams.</span>`}
        <div class="row">${come.on && html`<${Button} onClick=${stop}>Stop<//>`}<${Button} type="submit" kind="main-action" busy=${come.on}>Send<//></div>
      </div>
      <p class="note">It goes the way of every request: routing, limits, fallbacks, translation, usage and cost. Real accounts are asked, and paid.</p>
    </form><//>
    <${Answer} of=${come} />
    ${(come.detail || (come.exchange && come.on)) && html`<${Card} title="The exchange">
      <${Exchange} key=${come.exchange} id=${come.exchange} detail=${come.detail} /><//>`}`;
}

function Answer({ of }) {
  if (!of.on && !of.text && !of.error && of.status === null) return null;
  const said = spoken(of.text);
  const good = of.status >= 200 && of.status < 300;
  return html`<${Card} title="Answer" aside=${html`<div class="row" role="status">
      ${of.status === null ? of.on && html`<${Badge} kind="accent">waiting for it<//>` : html`<${Badge} kind=${good ? "good" : "bad"}>${of.status}<//>`}
      ${of.status !== null && html`<span class="note">${of.on ? "coming, " : ""}${bytes(of.size)}</span>`}</div>`}>
    ${of.error && html`<${Failed} error=${{ message: of.error }} />`}
    ${of.cut && html`<p class="banner warn">It is too long to be shown whole, and was hung up on.</p>`}
    ${said && html`<p class="spoken">${said}</p>`}
    ${!said && of.text && html`<pre class="code wrap" tabindex="0">${of.text}</pre>`}<//>`;
}
