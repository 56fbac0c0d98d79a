// All pages, in the order of the menu. An icon is one SVG path on a grid of 24.

import { html } from "../vendor/preact.js";
import { Head, LinkButton } from "./ui.js";
import { Combos } from "./pages/combos.js";
import { Costs } from "./pages/costs.js";
import { Endpoint } from "./pages/endpoint.js";
import { Health } from "./pages/health.js";
import { Home } from "./pages/home.js";
import { Keys } from "./pages/keys.js";
import { Providers } from "./pages/providers.js";
import { Quotas } from "./pages/quotas.js";
import { Settings } from "./pages/settings.js";
import { Translator } from "./pages/translator.js";
import { Usage } from "./pages/usage.js";

export const NAV = [
  { id: "", title: "Home", Page: Home, icon: "M4 11 12 4l8 7v8a1 1 0 0 1-1 1h-5v-6h-4v6H5a1 1 0 0 1-1-1z" },
  { id: "endpoint", title: "Endpoint", Page: Endpoint, icon: "M9 7H6a5 5 0 0 0 0 10h3m6-10h3a5 5 0 0 1 0 10h-3M8 12h8" },
  { id: "keys", title: "API keys", Page: Keys, icon: "M15 9a4 4 0 1 0-3.5 4L5 19.5V22h3v-2h2v-2h2l1.5-1.5M16 8h.01" },
  { id: "providers", title: "Providers", Page: Providers, icon: "M5 4h14v6H5zm0 10h14v6H5zm3-7h.01M8 17h.01" },
  { id: "combos", title: "Combos", Page: Combos, icon: "M12 3 3 8l9 5 9-5zM3 12l9 5 9-5M3 16l9 5 9-5" },
  { id: "usage", title: "Usage", Page: Usage, icon: "M4 20V10m6 10V4m6 16v-7m4 7H2" },
  { id: "costs", title: "Costs", Page: Costs, icon: "M12 3v18m4-14.5C15 5 13.500 4.500 12 4.500c-2.500 0-4 1.300-4 3.500 0 4.500 8.500 2.500 8.500 7.500 0 2.300-1.800 3.800-4.500 3.800-2 0-3.700-.8-4.600-2.400" },
  { id: "quotas", title: "Quotas", Page: Quotas, icon: "M4 18a8 8 0 1 1 16 0M12 18l4-6M4 18h16" },
  { id: "health", title: "Health", Page: Health, icon: "M3 12h4l3 8 4-16 3 8h4" },
  { id: "translator", title: "Translator", Page: Translator, icon: "M4 7h12l-3-3m7 13H8l3 3" },
  { id: "settings", title: "Settings", Page: Settings, icon: "M4 7h10m4 0h2M4 17h2m4 0h10M16 5a2 2 0 1 1 0 4 2 2 0 0 1 0-4zM8 15a2 2 0 1 1 0 4 2 2 0 0 1 0-4z" },
];

const Missing = () => html`<${Head} title="Not found" about="There is no such page here." />
  <p><${LinkButton} to="">To the first page<//></p>`;

/** The page of an address; what there is not is said. */
export const page = (id) => NAV.find((each) => each.id === id) ?? { id, title: "Not found", Page: Missing };
