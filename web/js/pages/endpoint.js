// Endpoint: where clients go, how each says it, and which models they can ask for.

import { html, useState } from "../../vendor/preact.js";
import { compact } from "../format.js";
import { useLoad } from "../load.js";
import { Badge, Card, copy, Field, Head, Loaded, Secret, Table, Tabs, Button } from "../ui.js";

export function Endpoint() {
  const loaded = useLoad("/api/endpoint");
  return html`
    <${Head} title="Endpoint" about="Every client speaks its own dialect; any model answers in it." />
    <${Loaded} from=${loaded}>${(data) => html`
      <${Card} title="Address"><${Secret} text=${data.url} />
        <p class="note">${data.requireKey ? "A key is needed: as Authorization: Bearer, x-api-key, x-goog-api-key or ?key=." : "From this machine no key is needed; one that is shown must be right."}</p><//>
      <${Clients} url=${data.url} />`}<//>
    <${Models} />`;
}

const CLIENTS = {
  claude: ["Claude Code", (url) => `export ANTHROPIC_BASE_URL=${url}\nexport ANTHROPIC_AUTH_TOKEN=your-key\nclaude --model MODEL`],
  codex: ["Codex", (url) => `# ~/.codex/config.toml\nmodel = "MODEL"\nmodel_provider = "omniroute"\n\n[model_providers.omniroute]\nname = "OmniRoute"\nbase_url = "${url}/v1"\nwire_api = "responses"\nenv_key = "OMNIROUTE_API_KEY"`],
  gemini: ["Gemini CLI", (url) => `# ~/.gemini/settings.json: {"security": {"auth": {"selectedType": "gemini-api-key"}}}\nexport GOOGLE_GEMINI_BASE_URL=${url}\nexport GEMINI_API_KEY=your-key\ngemini --model MODEL`],
  openai: ["OpenAI SDK", (url) => `from openai import OpenAI\n\nclient = OpenAI(base_url="${url}/v1", api_key="your-key")\nclient.chat.completions.create(model="MODEL", messages=[{"role": "user", "content": "Hello"}])`],
  anthropic: ["Anthropic SDK", (url) => `from anthropic import Anthropic\n\nclient = Anthropic(base_url="${url}", api_key="your-key")\nclient.messages.create(model="MODEL", max_tokens=500, messages=[{"role": "user", "content": "Hello"}])`],
  curl: ["curl", (url) => `curl ${url}/v1/chat/completions \\\n  -H 'authorization: Bearer your-key' -H 'content-type: application/json' \\\n  -d '{"model": "MODEL", "messages": [{"role": "user", "content": "Hello"}]}'`],
};

function Clients({ url }) {
  const [at, setAt] = useState("claude");
  const text = CLIENTS[at][1](url);
  return html`<${Card} title="Clients" aside=${html`<${Button} kind="quiet" onClick=${() => copy(text)}>Copy<//>`}>
    <${Tabs} label="Clients" tabs=${Object.entries(CLIENTS).map(([id, [title]]) => [id, title])} at=${at} onChange=${setAt} />
    <pre class="code" tabindex="0">${text}</pre><//>`;
}

const all = (catalog) => Object.values(catalog).flatMap(({ provider, models }) => models.map((model) => ({ ...model, provider })));

function Models() {
  const loaded = useLoad("/api/models/catalog");
  const [search, setSearch] = useState("");
  return html`<${Card} title="Models that can be asked for">
    <${Loaded} from=${loaded} isEmpty=${({ catalog }) => !all(catalog).length} empty="None yet: connect a provider first.">${({ catalog }) => {
      const data = all(catalog);
      const rows = data.filter(({ id }) => id.toLowerCase().includes(search.toLowerCase()));
      return html`<${Field} label="Search" value=${search} onChange=${setSearch} help="${rows.length} of ${data.length}" />
        <${Table} caption="Models" rows=${rows.slice(0, 300)} columns=${[
          { key: "id", title: "Name", cell: (row) => html`<code>${row.id}</code>`, sort: (row) => row.id },
          { key: "by", title: "Of", cell: (row) => html`<${Badge}>${row.provider}<//>`, sort: (row) => row.provider },
          { key: "context", title: "Context", number: true, cell: (row) => compact(row.contextLength), sort: (row) => row.contextLength },
          { key: "output", title: "Most output", number: true, cell: (row) => compact(row.maxOutputTokens), sort: (row) => row.maxOutputTokens },
          { key: "copy", title: html`<span class="visually-hidden">Copy</span>`, kind: "actions", cell: (row) => html`<${Button} kind="quiet" aria-label="Copy ${row.id}" onClick=${() => copy(row.id)}>Copy<//>` },
        ]} />`;
    }}<//><//>`;
}
