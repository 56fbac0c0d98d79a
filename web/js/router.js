// Addresses of pages: /omniroute/PAGE/REST?query, with the browser's own history.

import { useEffect, useState } from "../vendor/preact.js";

const BASE = "/omniroute/";
const changed = new Set();

const here = () => {
  const [page = "", ...rest] = location.pathname.slice(BASE.length).split("/").map(decodeURIComponent);
  return { page, rest, query: new URLSearchParams(location.search) };
};

/** Go to another address of the panel; `replace` leaves no step to go back to. */
export function go(to, { replace = false } = {}) {
  history[replace ? "replaceState" : "pushState"](null, "", BASE + to);
  changed.forEach((listener) => listener());
  if (!replace) scrollTo(0, 0);
}

/** Say where the reader is: {page, rest, query}. */
export function useRoute() {
  const [route, setRoute] = useState(here);
  useEffect(() => {
    const listener = () => setRoute(here());
    changed.add(listener);
    addEventListener("popstate", listener);
    return () => { changed.delete(listener); removeEventListener("popstate", listener); };
  }, []);
  return route;
}

/** Let plain clicks on links of the panel change the page without loading it anew. */
export function follow(event) {
  const link = event.target.closest?.("a[href]");
  if (!link || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  if (link.target || link.origin !== location.origin || !link.pathname.startsWith(BASE) || link.hasAttribute("download")) return;
  event.preventDefault();
  go(link.pathname.slice(BASE.length) + link.search);
}
