// All pages, in the order of the menu. An icon is one SVG path on a grid of 24.

import { html } from "../vendor/htm-preact.js";
import { Head, LinkButton } from "./ui.js";
import { Home } from "./pages/home.js";

export const NAV = [
  { id: "", title: "Home", Page: Home, icon: "M4 11 12 4l8 7v8a1 1 0 0 1-1 1h-5v-6h-4v6H5a1 1 0 0 1-1-1z" },
];

const Missing = () => html`<${Head} title="Not found" about="There is no such page here." />
  <p><${LinkButton} to="">To the first page<//></p>`;

/** The page of an address; what there is not is said. */
export const page = (id) => NAV.find((each) => each.id === id) ?? { id, title: "Not found", Page: Missing };
