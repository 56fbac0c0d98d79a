// The management API: one way to ask, one kind of error.

/** What the API refused: `fields` maps a field's name to what is wrong with it. */
export class ApiError extends Error {
  constructor(status, message, fields = {}) {
    super(message);
    this.status = status;
    this.fields = fields;
  }
}

const listeners = new Set();

/** Hear of it when a log-in has ended. Returns what takes the listener away again. */
export function onLoggedOut(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function xsrf() {
  const found = document.cookie.match(/(?:^|;\s*)_mitmproxy_xsrf=([^;]*)/);
  return found ? { "x-xsrftoken": decodeURIComponent(found[1]) } : {};
}

/**
 * Ask for something; resolves to the JSON of the answer, or to its text where it is not JSON.
 * `body` is sent as JSON unless it is a Blob or FormData. Raises ApiError; `status` 0 is a gateway that does not answer.
 */
export async function ask(method, path, body, options) {
  const answer = await reach(method, path, body, options);
  const said = await read(answer);
  if (answer.ok) return said;
  throw refused(answer.status, said);
}

/** Ask for what comes line by line: `hear` gets the JSON of each. Ends when `signal` aborts it, or all has come. */
export async function lines(path, body, hear, { signal } = {}) {
  const answer = await reach("POST", path, body, { signal });
  if (!answer.ok) throw refused(answer.status, await read(answer));
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
    const all = (rest + piece.value).split("\n");
    rest = all.pop();
    for (const line of all) hear(JSON.parse(line));
  }
}

/** Send a form with files; `hear` is told which part of it has gone, 1 while the gateway works on it. Else as `ask`. */
export function upload(path, form, hear) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", path);
    for (const [name, value] of Object.entries(xsrf())) request.setRequestHeader(name, value);
    request.upload.onprogress = ({ loaded, total }) => hear(total ? loaded / total : 0);
    request.upload.onload = () => hear(1);
    request.onerror = () => reject(new ApiError(0, "The gateway does not answer. Is it running?"));
    request.onload = async () => {
      try {
        const said = await read(new Response(request.responseText, { headers: { "content-type": request.getResponseHeader("content-type") || "" } }));
        if (request.status < 300) resolve(said);
        else reject(refused(request.status, said));
      } catch (error) { reject(error); }
    };
    request.send(form);
  });
}

async function reach(method, path, body, { signal } = {}) {
  const raw = body instanceof Blob || body instanceof FormData;
  const headers = { accept: "application/json", ...(method === "GET" ? {} : xsrf()) };
  if (body !== undefined && !raw) headers["content-type"] = "application/json";
  try {
    return await fetch(path, {
      method, headers, signal, credentials: "same-origin", cache: "no-store",
      body: body === undefined || raw ? body : JSON.stringify(body),
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, "The gateway does not answer. Is it running?");
  }
}

async function read(answer) {
  const text = await answer.text();
  const isJson = (answer.headers.get("content-type") || "").includes("json");
  if (!isJson || !text) return text;
  try {
    return JSON.parse(text);
  } catch {
    throw new ApiError(answer.status, "The gateway's answer could not be read.");
  }
}

function refused(status, said) {
  if (status === 401) listeners.forEach((listener) => listener());
  const error = said?.error;
  const message = typeof error === "string" ? error : error?.message || `The gateway answered ${status}.`;
  const fields = {};
  for (const { field, message: why } of error?.details || []) fields[field] = why;
  return new ApiError(status, message, fields);
}

export const get = (path, options) => ask("GET", path, undefined, options);
export const post = (path, body) => ask("POST", path, body);
export const put = (path, body) => ask("PUT", path, body);
export const patch = (path, body) => ask("PATCH", path, body ?? {});
export const del = (path, body) => ask("DELETE", path, body);

/** Put values into a path: path`/api/keys/${id}`. */
export function path(parts, ...values) {
  return parts.reduce((all, part, at) => all + encodeURIComponent(values[at - 1]) + part);
}
