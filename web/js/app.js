// The panel's frame: who is here, where they are, and the page of it.

import { html, render, useEffect, useState } from "../vendor/preact.js";
import { get, onLoggedOut, post } from "./api.js";
import { Button, Failed, Field, toast } from "./ui.js";
import { useAction } from "./load.js";
import { follow, useRoute } from "./router.js";
import { NAV, page as pageOf } from "./pages.js";

const THEMES = { system: "As the system", light: "Light", dark: "Dark" };

function useTheme() {
  const [theme, setTheme] = useState(() => localStorage.getItem("omniroute-theme") || "system");
  useEffect(() => {
    const dark = matchMedia("(prefers-color-scheme: dark)");
    const show = () => { document.documentElement.dataset.theme = theme === "system" ? (dark.matches ? "dark" : "light") : theme; };
    show();
    localStorage.setItem("omniroute-theme", theme);
    dark.addEventListener("change", show);
    return () => dark.removeEventListener("change", show);
  }, [theme]);
  return [theme, setTheme];
}

function Login({ onDone }) {
  const [password, setPassword] = useState("");
  const [send, busy, error] = useAction(async () => {
    await post("/api/auth/login", { password });
    onDone();
  });
  return html`<main class="login"><form class="card" onSubmit=${(event) => { event.preventDefault(); send(); }}>
    <div class="brand"><img src="static/icon.svg" alt="" /> OmniRoute</div>
    <${Field} label="Password" type="password" autocomplete="current-password" value=${password} onChange=${setPassword} autofocus
      help="Forgotten, or never seen? Set one with: omniroute-ctl password set" />
    <${Failed} error=${error} />
    <${Button} kind="main-action" type="submit" busy=${busy} disabled=${!password}>Log in<//>
  </form></main>`;
}

function Side({ at, open, onClose, theme, setTheme, logOut }) {
  return html`<aside class="side ${open ? "open" : ""}" id="side">
    <a class="brand" href="/omniroute/"><img src="static/icon.svg" alt="" /> OmniRoute</a>
    <nav class="nav" aria-label="Pages" onClick=${onClose}>${NAV.map(({ id, title, icon }) => html`
      <a key=${id} href="/omniroute/${id}" aria-current=${id === at ? "page" : undefined}>
        <svg viewBox="0 0 24 24" aria-hidden="true"><path d=${icon} /></svg>${title}</a>`)}</nav>
    <div class="side-foot">
      <${Field} label="Look" as="select" value=${theme} onChange=${setTheme} options=${Object.entries(THEMES)} />
      ${logOut && html`<${Button} onClick=${logOut}>Log out<//>`}
    </div>
  </aside>`;
}

function App() {
  const { page } = useRoute();
  const [theme, setTheme] = useTheme();
  const [who, setWho] = useState(null);
  const [failed, setFailed] = useState(null);
  const [menu, setMenu] = useState(false);
  const look = () => get("/api/auth/status").then((said) => { setFailed(null); setWho(said); }, setFailed);
  useEffect(() => { look(); }, []);
  useEffect(() => onLoggedOut(() => setWho((before) => ({ ...before, authenticated: false }))), []);
  const shown = pageOf(page);
  useEffect(() => {
    document.title = `${shown.title} · OmniRoute`;
    setMenu(false);
  }, [page]);
  useEffect(() => {
    const escape = (event) => {
      if (event.key !== "Escape" || !document.querySelector("#side.open")) return;
      setMenu(false);
      document.querySelector("[aria-controls=side]").focus();
    };
    addEventListener("keydown", escape);
    return () => removeEventListener("keydown", escape);
  }, []);
  if (failed) return html`<div class="state failed" role="alert"><p>${failed.message}</p><${Button} onClick=${look}>Try again<//></div>`;
  if (!who) return html`<p class="boot">Loading…</p>`;
  if (!who.authenticated) return html`<${Login} onDone=${look} />`;
  const logOut = who.requireLogin === false ? null : () => post("/api/auth/logout").then(look, (error) => toast(error.message, { bad: true }));
  return html`
    <a class="skip" href="#main">To the page</a>
    <div class="top"><${Button} kind="quiet" aria-expanded=${menu} aria-controls="side" onClick=${() => setMenu(!menu)}>☰ Menu<//>
      <strong>${shown.title}</strong></div>
    <div class="frame" onClick=${follow}>
      ${menu && html`<button class="veil" aria-label="Close the menu" onClick=${() => setMenu(false)}></button>`}
      <${Side} at=${shown.id} open=${menu} onClose=${() => setMenu(false)} theme=${theme} setTheme=${setTheme} logOut=${logOut} />
      <main class="main" id="main" key=${shown.id}><${shown.Page} /></main>
    </div>`;
}

const host = document.getElementById("app");
host.replaceChildren();
render(html`<${App} />`, host);
