// The names of models and combos, offered while one types.

import { html } from "../../../vendor/preact.js";
import { useLoad } from "../../load.js";

/** All names that can be asked for, combos first. */
export function useModelNames() {
  const { data } = useLoad("/api/models/catalog");
  return [...(data?.combos ?? []), ...Object.values(data?.catalog ?? {}).flatMap(({ models }) => models)].map(({ id }) => id);
}

export const ModelNames = ({ names }) => html`<datalist id="model-names">${names.map((name) => html`<option key=${name} value=${name} />`)}</datalist>`;
