// The parts that pages are made of: each shows its empty, loading and failed state itself.

import { html, render, useEffect, useRef, useState } from "../vendor/preact.js";
import { go } from "./router.js";

let ids = 0;
function useId() {
  const id = useRef(null);
  id.current ??= `f${(ids += 1)}`;
  return id.current;
}

/** A page's heading with what can be done on it. */
export const Head = ({ title, about, children }) => html`
  <header class="head">
    <div><h1 tabindex="-1">${title}</h1>${about && html`<p>${about}</p>`}</div>
    ${children && html`<div class="actions">${children}</div>`}
  </header>`;

export const Card = ({ title, aside, kind = "", children }) => html`
  <section class="card ${kind}">
    ${(title || aside) && html`<header>${title && html`<h2>${title}</h2>`}${aside}</header>`}
    ${children}
  </section>`;

/** A button; `kind` is main-action, danger or quiet. It shows that it is busy and cannot be pressed twice. */
export const Button = ({ kind = "", busy = false, disabled = false, type = "button", children, ...rest }) => html`
  <button type=${type} class="button ${kind}" disabled=${disabled || busy} aria-busy=${busy} ...${rest}>
    ${busy ? html`<span aria-hidden="true">…</span>` : null}${children}
  </button>`;

export const Badge = ({ kind = "", children, title }) => html`<span class="badge ${kind}" title=${title}>${children}</span>`;

/** What is going on with something that is loaded: shows children only when it is there. */
export function Loaded({ from, empty, isEmpty, lines = 3, children }) {
  const { data, error, loading, reload } = from;
  if (error && data === undefined)
    return html`<div class="state failed" role="alert"><p>${error.message}</p><${Button} onClick=${reload}>Try again<//></div>`;
  if (data === undefined && loading)
    return html`<div class="stack" aria-busy="true" aria-label="Loading">
      ${Array.from({ length: lines }, () => html`<div class="skeleton"></div>`)}</div>`;
  if (data !== undefined && isEmpty?.(data)) return html`<div class="state">${empty}</div>`;
  return html`${error && html`<${Failed} error=${error} />`}${children(data)}`;
}

/** What went wrong; it comes into view when it does. */
export function Failed({ error }) {
  const element = useRef();
  useEffect(() => element.current?.scrollIntoView({ block: "nearest" }), [error]);
  return error ? html`<p class="banner bad" role="alert" ref=${element}>${error.message}</p>` : null;
}

/**
 * A table. `columns`: {key, title, cell(row), number, sort(row)}; a heading with `sort` sorts by it.
 * `onRow` makes rows open something.
 */
export function Table({ columns, rows, rowKey = (row) => row.id, onRow, caption, empty = "Nothing here." }) {
  const [order, setOrder] = useState({ key: null, down: false });
  const by = columns.find((column) => column.key === order.key)?.sort;
  const sorted = by ? [...rows].sort((a, b) => compare(by(a), by(b)) * (order.down ? -1 : 1)) : rows;
  if (!rows.length) return html`<div class="table-wrap"><div class="state">${empty}</div></div>`;
  const heading = (column) => {
    if (!column.sort) return column.title;
    const on = order.key === column.key;
    return html`<button onClick=${() => setOrder({ key: column.key, down: on && !order.down })}>
      ${column.title}${on ? (order.down ? " ↓" : " ↑") : ""}</button>`;
  };
  const aria = (column) => (order.key === column.key ? (order.down ? "descending" : "ascending") : undefined);
  return html`
    <div class="table-wrap" tabindex="0" role="region" aria-label=${caption}>
      <table>
        <caption class="visually-hidden">${caption}</caption>
        <thead><tr>${columns.map((column) => html`
          <th scope="col" class=${column.number ? "number" : ""} aria-sort=${aria(column)}>${heading(column)}</th>`)}</tr></thead>
        <tbody>${sorted.map((row) => html`
          <tr key=${rowKey(row)} class=${onRow ? "link" : ""} onClick=${onRow && ((event) => pressed(event) || onRow(row))}>
            ${columns.map((column) => html`<td class=${(column.number ? "number " : "") + (column.kind || "")}>${column.cell(row)}</td>`)}
          </tr>`)}</tbody>
      </table>
    </div>`;
}

const pressed = (event) => event.target.closest("button, a, input, select, label");

function compare(a, b) {
  if (a === b) return 0;
  if (a === null || a === undefined) return 1;
  if (b === null || b === undefined) return -1;
  return a < b ? -1 : 1;
}

/** A labelled input of any kind, with help and with what is wrong with it. `as` is input, select or textarea. */
export function Field({ label, help, wrong, as = "input", options, value, onChange, ...rest }) {
  const id = useId();
  const described = [help && `${id}-h`, wrong && `${id}-w`].filter(Boolean).join(" ") || undefined;
  const shared = { id, value: value ?? "", "aria-describedby": described, "aria-invalid": wrong ? "true" : undefined, ...rest };
  const input = (event) => onChange?.(event.target.value);
  const control = {
    input: () => html`<input ...${shared} onInput=${input} />`,
    textarea: () => html`<textarea rows="5" spellcheck="false" ...${shared} onInput=${input} />`,
    select: () => html`<select ...${shared} onChange=${input}>
      ${(options || []).map((each) => {
        const [of, shown] = Array.isArray(each) ? each : [each, each];
        return html`<option value=${of} selected=${of === (value ?? "")}>${shown}</option>`;
      })}</select>`,
  }[as];
  return html`<div class="field"><label for=${id}>${label}</label>${control()}
    ${help && html`<span class="help" id="${id}-h">${help}</span>`}
    ${wrong && html`<span class="wrong" id="${id}-w" role="alert">${wrong}</span>`}</div>`;
}

export const Check = ({ label, help, value, onChange, ...rest }) => html`
  <label class="check"><input type="checkbox" checked=${!!value} onChange=${(event) => onChange(event.target.checked)} ...${rest} />
    <span>${label}${help && html`<br /><span class="note">${help}</span>`}</span></label>`;

/** A dialog over the page; Escape and its buttons close it, and the focus goes back to where it was. */
export function Dialog({ title, large = false, onClose, children }) {
  const element = useRef();
  useEffect(() => {
    const before = document.activeElement;
    const shown = element.current;
    shown.showModal();
    return () => {
      shown.close(); // as long as it is open, nothing behind it takes the focus
      if (before?.isConnected) before.focus();
    };
  }, []);
  return html`<dialog ref=${element} class=${large ? "large" : ""} aria-label=${title}
      onCancel=${(event) => { event.preventDefault(); onClose(); }}
      onClick=${(event) => event.target === element.current && event.detail && outside(event, element.current) && onClose()}>
    <div class="dialog-body"><div class="row spread"><h2 class="grow">${title}</h2>
      <button class="button quiet" aria-label="Close" onClick=${onClose}>✕</button></div>${children}</div></dialog>`;
}

function outside(event, element) {
  const box = element.getBoundingClientRect();
  return event.clientX < box.left || event.clientX > box.right || event.clientY < box.top || event.clientY > box.bottom;
}

/** Ask once before something that cannot be undone; resolves to whether it was confirmed. */
export function confirm({ title, text, action, kind = "danger" }) {
  return new Promise((resolve) => {
    const host = document.body.appendChild(document.createElement("div"));
    const end = (answer) => { render(null, host); host.remove(); resolve(answer); };
    render(html`<${Dialog} title=${title} onClose=${() => end(false)}><p>${text}</p>
      <div class="dialog-foot"><${Button} onClick=${() => end(false)}>Cancel<//>
      <${Button} kind=${kind} onClick=${() => end(true)}>${action}<//></div><//>`, host);
  });
}

let toasts = null;

/** Say shortly that something was done, or that it was not. */
export function toast(text, { bad = false } = {}) {
  toasts ??= Object.assign(document.body.appendChild(document.createElement("div")), { className: "toasts", role: "status" });
  toasts.setAttribute("aria-live", "polite");
  const one = Object.assign(document.createElement("div"), { className: `toast ${bad ? "bad" : ""}`, textContent: text });
  toasts.append(one);
  setTimeout(() => one.remove(), bad ? 8000 : 4000);
}

/** Put text on the clipboard; where a page of plain HTTP may not, select it the old way. */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = Object.assign(document.body.appendChild(document.createElement("textarea")), { value: text });
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    if (!done) return toast("It could not be copied: select it and copy it by hand.", { bad: true });
  }
  return toast("Copied.");
}

export const Secret = ({ text, label = "Copy" }) => html`
  <div class="secret"><code>${text}</code><${Button} kind="quiet" onClick=${() => copy(text)}>${label}<//></div>`;

/** Tabs; `tabs`: [[id, title], …]. Arrow keys go from one to the next. */
export function Tabs({ tabs, at, onChange, label }) {
  const move = (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const next = tabs[(tabs.findIndex(([id]) => id === at) + step + tabs.length) % tabs.length][0];
    onChange(next);
    event.currentTarget.querySelector(`[data-tab="${next}"]`)?.focus();
  };
  return html`<div class="tabs" role="tablist" aria-label=${label} onKeyDown=${move}>${tabs.map(([id, title]) => html`
    <button role="tab" data-tab=${id} aria-selected=${id === at} tabindex=${id === at ? 0 : -1} onClick=${() => onChange(id)}>${title}</button>`)}</div>`;
}

/** How much of something is used: green, then warning from `warn`, then red when it is all gone. */
export function Bar({ part, whole, warn = 0.8, label }) {
  const share = whole ? Math.min(1, Math.max(0, part / whole)) : 0;
  const kind = share >= 1 ? "bad" : share >= warn ? "warn" : "";
  return html`<div class="bar ${kind}" role="meter" aria-label=${label} aria-valuemin="0" aria-valuemax=${whole} aria-valuenow=${part}>
    <svg viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true"><rect width=${100 * share} height="4" /></svg></div>`;
}

export const Pairs = ({ of }) => html`<dl class="pairs">${of.map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`)}</dl>`;

export const LinkButton = ({ to, kind = "", children }) => html`
  <a class="button ${kind}" href="/omniroute/${to}" onClick=${(event) => { event.preventDefault(); go(to); }}>${children}</a>`;
