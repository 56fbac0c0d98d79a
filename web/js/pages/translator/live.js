// The live monitor: every exchange as it passes.

import { html, useEffect, useRef, useState } from "../../../vendor/preact.js";
import { money, ms, number } from "../../format.js";
import { useLive } from "../../load.js";
import { Badge, Button, Card, Dialog, Field } from "../../ui.js";
import { DIALECTS, Exchange, failed, Outcome } from "./sides.js";

const KEPT = 500; // exchanges, as many as the gateway has the bodies of
const DRAWN = 50; // of them at first: nobody reads more while they pass
const DRAW_EVERY = 250; // milliseconds
const OUTCOMES = [["", "All"], ["running", "Under way"], ["ok", "Answered"], ["failed", "Failed"], ["again", "Fell back"]];
const CONNECTION = { connecting: ["", "connecting…"], open: ["good", "watching"], broken: ["bad", "not connected, trying again"] };

const words = (of) => [of.modelAsked, of.modelServed, of.keyName, of.accountName, of.error, of.id, ...of.attempts.map((each) => each.target)].join(" ").toLowerCase();
const HAS = {
  "": () => true,
  running: (of) => of.state !== "done",
  ok: (of) => of.state === "done" && !failed(of),
  failed,
  again: (of) => of.attempts.length > 1,
};

/** Newest first, and not more than are looked at. */
function useExchanges() {
  const kept = useRef(new Map());
  const missed = useRef(0);
  const timer = useRef(0);
  const [, show] = useState(0);
  const drawn = useRef(0);
  const draw = () => { timer.current = 0; drawn.current = performance.now(); show((count) => count + 1); };
  useEffect(() => () => clearTimeout(timer.current), []);
  const hear = (said) => {
    for (const each of said.exchanges) kept.current.set(each.id, each);
    for (const id of kept.current.keys()) {
      if (kept.current.size <= KEPT) break;
      kept.current.delete(id);
    }
    missed.current += said.missed;
    timer.current ||= setTimeout(draw, Math.max(0, drawn.current + DRAW_EVERY - performance.now()));
  };
  const state = useLive("/api/translator/live", hear);
  const clear = () => { kept.current.clear(); missed.current = 0; draw(); };
  return { all: [...kept.current.values()].reverse(), missed: missed.current, state, clear };
}

export function Live() {
  const { all, missed, state, clear } = useExchanges();
  const [filter, setFilter] = useState({ text: "", outcome: "", dialect: "" });
  const [held, setHeld] = useState(null);
  const [open, setOpen] = useState(null);
  const [most, setMost] = useState(DRAWN);
  const set = (more) => setFilter((before) => ({ ...before, ...more }));
  const text = filter.text.trim().toLowerCase();
  const fits = (of) => HAS[filter.outcome](of) && (!filter.dialect || [of.clientDialect, of.upstreamDialect].includes(filter.dialect)) && (!text || words(of).includes(text));
  const shown = (held ?? all).filter(fits);
  const [kind, said] = CONNECTION[state];
  return html`
    <div class="row">
      <${Field} label="Search" type="search" value=${filter.text} placeholder="model, key, account, error" onChange=${(to) => set({ text: to })} />
      <${Field} label="Outcome" as="select" options=${OUTCOMES} value=${filter.outcome} onChange=${(outcome) => set({ outcome })} />
      <${Field} label="Dialect" as="select" options=${[["", "All"], ...DIALECTS]} value=${filter.dialect} onChange=${(dialect) => set({ dialect })} />
    </div>
    <div class="row spread">
      <div class="row" role="status"><${Badge} kind=${kind}>${said}<//> <span class="note">${number(shown.length)} of the last ${number((held ?? all).length)} exchanges
        ${missed > 0 && `, ${number(missed)} were missed as this page read too slowly`}</span></div>
      <div class="row"><${Button} aria-pressed=${!!held} onClick=${() => setHeld(held ? null : all)}>${held ? "Go on" : "Pause"}<//>
        <${Button} onClick=${() => { clear(); setHeld(null); }}>Clear<//></div>
    </div>
    ${shown.length ? html`<${List} rows=${shown.slice(0, most)} onOpen=${setOpen} />
      ${shown.length > most && html`<div class="row"><${Button} onClick=${() => setMost(most + 4 * DRAWN)}>Show older ones<//></div>`}` : html`<${Card}><div class="state">${
      all.length ? "None of them fits the filter." : "Nothing has passed yet. Ask something of a model: it shows here at once."}</div><//>`}
    ${open && html`<${Dialog} large title="Exchange" onClose=${() => setOpen(null)}><${Exchange} id=${open} /><//>`}`;
}

const COLUMNS = [
  ["Time", "7.5rem"], ["", "5.5rem"], ["Model", ""], ["Served by", ""], ["Attempts", "5.5rem"],
  ["Time taken", "8rem"], ["Tokens", "7.5rem"], ["Cost", "6rem"], ["Key", "8rem"],
];
const rows = new WeakMap(); // A row is made once for each state of its exchange: Preact passes by what is the same.

function List({ rows: all, onOpen }) {
  return html`<div class="table-wrap" tabindex="0" role="region" aria-label="Exchanges"><table class="steady">
    <thead><tr>${COLUMNS.map(([title, width], at) => html`
      <th scope="col" class=${at > 3 && at < 8 ? "number" : ""} style=${{ width }}>${title || html`<span class="visually-hidden">Outcome</span>`}</th>`)}</tr></thead>
    <tbody>${all.map((of) => {
      if (!rows.has(of)) rows.set(of, row(of, onOpen));
      return rows.get(of);
    })}</tbody></table></div>`;
}

const clock = new Intl.DateTimeFormat([], { hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 1, hourCycle: "h23" });

const row = (of, onOpen) => html`<tr key=${of.id} class="link" onClick=${() => onOpen(of.id)}>
  <td><button class="button quiet" aria-label="Show this exchange" onClick=${(event) => { event.stopPropagation(); onOpen(of.id); }}>${clock.format(of.at * 1000)}</button></td>
  <td><${Outcome} of=${of} /></td>
  <td><span class="clamp" title=${of.modelAsked}>${of.modelAsked || "–"}</span> <span class="note">${of.clientDialect}${of.streamed ? ", stream" : ""}</span></td>
  <td><span class="clamp" title=${of.modelServed}>${of.modelServed ?? "–"}</span> <span class="note">${of.upstreamDialect ?? ""}${of.replayed ? `, ${of.replayed}` : ""}</span>
    ${of.dropped.length > 0 && html` <${Badge} kind="warn" title=${of.dropped.join(", ")}>${of.dropped.length} left out<//>`}
    ${of.error && html`<div class="note">${of.error.slice(0, 120)}</div>`}</td>
  <td class="number">${of.attempts.length}</td>
  <td class="number">${of.state === "done" ? ms(of.latencyMs) : "…"} <span class="note">${of.ttftMs === null ? "" : `${ms(of.ttftMs)} to the first`}</span></td>
  <td class="number">${number(of.input)} / ${number(of.output)}</td>
  <td class="number">${of.state === "done" ? money(of.cost) : "…"}</td>
  <td>${of.keyName ?? "–"}</td></tr>`;
