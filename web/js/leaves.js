// What two bodies of different dialects have in common: the values, wherever each dialect puts them.

/** The lines of a value as pretty JSON: [{text, leaf, path}]; `leaf` is the value that stands in the line, if one does. */
export function lines(value, path = [], indent = 0, name = "", comma = "") {
  const pad = "  ".repeat(indent);
  const head = pad + (name ? `${JSON.stringify(name)}: ` : "");
  if (value === null || typeof value !== "object") return [{ text: head + JSON.stringify(value) + comma, leaf: value, path }];
  const entries = Array.isArray(value) ? value.map((each, at) => ["", each, at]) : Object.entries(value).map(([key, each]) => [key, each, key]);
  const [open, close] = Array.isArray(value) ? "[]" : "{}";
  if (!entries.length) return [{ text: head + open + close + comma, path }];
  const inside = entries.flatMap(([key, each, at], number) => lines(each, [...path, at], indent + 1, key, number < entries.length - 1 ? "," : ""));
  return [{ text: head + open, path }, ...inside, { text: pad + close + comma, path }];
}

/** Mark the lines of two bodies: a value that only the first has is `gone`, one that only the second has is `new`. */
export function compare(first, second) {
  const [left, right] = [lines(first), lines(second)];
  const counts = (all) => all.reduce((found, { leaf }) => (leaf === undefined ? found : found.set(key(leaf), (found.get(key(leaf)) || 0) + 1)), new Map());
  const [ofLeft, ofRight] = [counts(left), counts(right)];
  const mark = (all, others, kind) => all.map((line) => ({ ...line, kind: line.leaf === undefined || others.has(key(line.leaf)) ? "" : kind }));
  return [mark(left, ofRight, "gone"), mark(right, ofLeft, "new")];
}

const key = (leaf) => `${typeof leaf} ${leaf}`;

/** Whether a line belongs to a field that was left out; `dropped` are names such as `messages.thinking` or `seed`. */
export function isDropped(path, dropped) {
  const names = path.filter((part) => typeof part === "string");
  return dropped.some((name) => {
    const parts = name.split(".");
    return parts.length <= names.length && parts.every((part, at) => names[at] === part);
  });
}
