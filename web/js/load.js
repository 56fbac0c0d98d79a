// Hooks: what a page loads, what it saves, what it hears live.

import { useCallback, useEffect, useRef, useState } from "../vendor/preact.js";
import { get } from "./api.js";

/**
 * Load something of the API. Gives {data, error, loading, reload}; what is there stays while it is loaded again.
 * `every` loads it again after so many seconds, as long as the page can be seen.
 */
export function useLoad(path, { every = 0 } = {}) {
  const [state, setState] = useState({ data: undefined, error: null, loading: true });
  const current = useRef(0);
  const reload = useCallback(async () => {
    const mine = ++current.current;
    if (!path) return;
    setState((before) => ({ ...before, loading: true }));
    try {
      const data = await get(path);
      if (mine === current.current) setState({ data, error: null, loading: false });
    } catch (error) {
      if (mine === current.current) setState((before) => ({ ...before, error, loading: false }));
    }
  }, [path]);
  useEffect(() => {
    setState({ data: undefined, error: null, loading: true });
    reload();
    return () => { current.current += 1; };
  }, [reload]);
  useEffect(() => {
    if (!every) return undefined;
    const timer = setInterval(() => { if (!document.hidden) reload(); }, every * 1000);
    return () => clearInterval(timer);
  }, [reload, every]);
  return { ...state, reload };
}

/** Do something that may fail: gives [run, busy, error]; `run` resolves to the result, or undefined where it failed. */
export function useAction(work) {
  const [state, setState] = useState({ busy: false, error: null });
  const run = async (...values) => {
    setState({ busy: true, error: null });
    try {
      const result = await work(...values);
      setState({ busy: false, error: null });
      return result ?? true;
    } catch (error) {
      setState({ busy: false, error });
      return undefined;
    }
  };
  return [run, state.busy, state.error, () => setState({ busy: false, error: null })];
}

/**
 * Hear a WebSocket of this host as long as the page is there; it is opened again after it breaks, ever later.
 * `hear` gets each message's JSON. Gives "connecting", "open" or "broken".
 */
export function useLive(path, hear, on = true) {
  const [state, setState] = useState("connecting");
  const heard = useRef(hear);
  heard.current = hear;
  useEffect(() => {
    if (!on) return undefined;
    let socket, timer, wait = 500, ended = false;
    const open = () => {
      const url = new URL(path, location.href);
      url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
      socket = new WebSocket(url);
      socket.onopen = () => { wait = 500; setState("open"); };
      socket.onmessage = (message) => heard.current(JSON.parse(message.data));
      socket.onclose = () => {
        if (ended) return;
        setState("broken");
        timer = setTimeout(open, wait);
        wait = Math.min(wait * 2, 15000);
      };
    };
    open();
    return () => { ended = true; clearTimeout(timer); socket?.close(); };
  }, [path, on]);
  return state;
}
