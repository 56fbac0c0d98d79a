// Two bodies of different dialects beside each other, and one exchange with all that was said in it.

import { html, useMemo, useState } from "../../../vendor/preact.js";
import { path } from "../../api.js";
import { money, ms, number } from "../../format.js";
import { compare, isDropped } from "../../leaves.js";
import { useLoad } from "../../load.js";
import { Badge, Button, Check, copy, Loaded, Pairs, Tabs } from "../../ui.js";

export const DIALECTS = [["openai", "OpenAI Chat"], ["responses", "OpenAI Responses"], ["claude", "Anthropic Messages"], ["gemini", "Gemini"]];

export const parsed = (text) => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

export const pretty = (text) => {
  const value = parsed(text);
  return value === undefined ? text : JSON.stringify(value, null, 2);
};

/** A body as people read it: JSON laid out, and so is each event of a stream. */
const laidOut = (text) => (/^(data|event):/.test(text) ? text.replace(/^data: ?(\{.*\})\r?$/gm, (_, json) => `data: ${pretty(json)}`) : pretty(text));

/** Two bodies with their differences marked; two that are no JSON as they are. */
export function SideBySide({ before, after, dropped = [], names = ["", ""], raw = false }) {
  const marked = useMemo(() => {
    const [one, other] = [parsed(before), parsed(after)];
    return raw || one === undefined || other === undefined ? null : compare(one, other);
  }, [before, after, raw]);
  const titled = (name, inside) => html`<div class="stack">${name && html`<h3>${name}</h3>`}${inside}</div>`;
  const plain = (text) => html`<pre class="code wrap" tabindex="0">${raw ? text : laidOut(text)}</pre>`;
  const lined = (all, marks) => html`<pre class="code" tabindex="0">${all.map((line) => {
    const out = marks && isDropped(line.path, dropped);
    return html`<span class=${out ? "gone" : line.kind || "same"} title=${out ? "left out" : undefined}>${line.text}</span>`;
  })}</pre>`;
  return html`
    ${marked && html`<p class="note">Red values are in the first only, green ones in the second only; what has only moved is grey.</p>`}
    <div class="two">${titled(names[0], marked ? lined(marked[0], true) : plain(before))}
      ${titled(names[1], marked ? lined(marked[1], false) : plain(after))}</div>`;
}

export const failed = (exchange) => exchange.state === "done" && !(exchange.status >= 200 && exchange.status < 400 && !exchange.error);

export function Outcome({ of }) {
  if (of.state !== "done") return html`<${Badge} kind="accent">${of.state}<//>`;
  return html`<${Badge} kind=${failed(of) ? "bad" : "good"}>${of.status}<//>`;
}

const NOTHING = { start: "", headers: [], text: "", cut: false };
const TABS = [["request", "Request"], ["answer", "Answer"], ["attempts", "Attempts and times"]];

/** An exchange with the client's side beside the upstream's; it is looked at again until it is over, or given as `detail`. */
export function Exchange({ id, detail = null, every = 1 }) {
  const [done, setDone] = useState(false);
  const looked = useLoad(path`/api/translator/exchanges/${id}`, { every: done || detail ? 0 : every });
  const found = detail ? { data: detail } : looked;
  if (found.data?.state === "done" && !done) setDone(true);
  return html`<${Loaded} from=${found}>${(exchange) => html`<${Shown} of=${exchange} />`}<//>`;
}

/** An exchange that is here already. */
export function Shown({ of }) {
  const [tab, setTab] = useState("request");
  const [raw, setRaw] = useState(false);
  const [at, setAt] = useState(null);
  const chosen = at ?? Math.max(0, of.steps.length - 1);
  const step = of.steps[chosen];
  return html`
    <div class="row spread">
      <div class="row"><${Outcome} of=${of} /><strong>${of.modelAsked || "no model"}</strong> <span class="note">${
        `${of.clientDialect} → ${step ? `${step.dialect}, ${step.target} (${step.account})` : "nobody was asked"}`}</span></div>
      ${of.mitmweb && html`<a class="button" href=${of.mitmweb} target="_blank" rel="noopener">Open in mitmweb</a>`}
    </div>
    ${of.error && html`<p class="banner bad">${of.error}</p>`}
    ${of.dropped.length > 0 && html`<p class="banner warn">Left out, as the other dialect cannot say it:
      ${of.dropped.map((name) => html` <${Badge} kind="warn">${name}<//>`)}</p>`}
    <${Tabs} label="What is shown" tabs=${TABS} at=${tab} onChange=${setTab} />
    ${tab === "attempts" ? html`<${Attempts} of=${of} />` : html`
      <div class="row"><${Check} label="As it was on the wire" value=${raw} onChange=${setRaw} />
        ${of.steps.length > 1 && of.steps.map((each, index) => html`
          <${Button} kind=${index === chosen ? "main-action" : ""} onClick=${() => setAt(index)}>Attempt ${index + 1}<//>`)}</div>
      <${Both} of=${of} step=${step} tab=${tab} raw=${raw} />`}`;
}

function Both({ of, step, tab, raw }) {
  const [client, upstream] = tab === "request" ? [of.clientRequest, step?.request] : [of.clientReply, step?.reply];
  const [one, other] = tab === "request" ? [client, upstream] : [upstream, client];
  const names = tab === "request" ? ["Client", "Upstream"] : ["Upstream", "Client"];
  const head = (name, said) => html`<details><summary>${name}: ${said ? said.start : "nothing"}</summary>
    <pre class="code wrap" tabindex="0">${(said ?? NOTHING).headers.map(([key, value]) => `${key}: ${value}\n`)}</pre></details>`;
  const cut = [one, other].some((said) => said?.cut);
  return html`
    <div class="two">${head(names[0], one)}${head(names[1], other)}</div>
    ${cut && html`<p class="banner warn">Only the first 256 KB of a body are kept.</p>`}
    <${SideBySide} before=${one?.text ?? ""} after=${other?.text ?? ""} dropped=${tab === "request" ? of.dropped : []} names=${names} raw=${raw} />
    <div class="row">${[[names[0], one], [names[1], other]].map(([name, said]) => said && html`
      <${Button} kind="quiet" onClick=${() => copy(said.text)}>Copy: ${name.toLowerCase()}<//>`)}</div>`;
}

const PHASES = [["began", "began"], ["sent", "request sent"], ["head", "head came"], ["content", "first content"], ["ended", "ended"]];

function Attempts({ of }) {
  return html`
    <${Pairs} of=${[
      ["Key", of.keyName ?? "none"], ["Whole request", ms(of.latencyMs)], ["First content", ms(of.ttftMs)], ["In the gateway", ms(of.overheadMs)],
      ["Tokens", `${number(of.input)} in, ${number(of.output)} out, ${number(of.cacheRead)} from a cache`], ["Cost", money(of.cost)], ["Exchange", html`<code>${of.id}</code>`],
    ]} />
    <ol class="stack">${of.steps.map((step) => html`<li><strong>${step.target}</strong> (${step.account}) <${Badge}
        kind=${{ ok: "good", hedged: "", asking: "accent", answering: "accent" }[step.outcome] ?? "bad"}>${step.outcome}<//>
      <div class="note">${PHASES.filter(([name]) => name in step.times).map(([name, text]) => `${text} after ${ms(step.times[name])}`).join(", ")}</div>
      ${step.detail && html`<div class="note">${step.detail}</div>`}</li>`)}</ol>`;
}
