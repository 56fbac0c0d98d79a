// The translator: what the gateway makes of requests and answers, tried out and watched.

import { html } from "../../vendor/preact.js";
import { go, useRoute } from "../router.js";
import { Head, Tabs } from "../ui.js";
import { Bench } from "./translator/bench.js";
import { Chat } from "./translator/chat.js";
import { Live } from "./translator/live.js";
import { Playground } from "./translator/playground.js";

const TABS = [["playground", "Playground"], ["chat", "Chat tester"], ["bench", "Test bench"], ["live", "Live monitor"]];
const PAGES = { playground: Playground, chat: Chat, bench: Bench, live: Live };

export function Translator() {
  const { rest: [tab = "playground"] } = useRoute();
  const Shown = PAGES[tab] ?? Playground;
  return html`
    <${Head} title="Translator" about="Requests and answers of every dialect, said in every other." />
    <${Tabs} label="Translator" tabs=${TABS} at=${tab} onChange=${(to) => go(`translator/${to}`)} />
    <${Shown} />`;
}
