// Numbers, times and names as people read them. Unknown is shown as unknown, never as 0.

export const UNKNOWN = "unknown";

const count = new Intl.NumberFormat("en");
const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

export const number = (value) => (value === null || value === undefined ? "–" : count.format(value));
export const compact = (value) => (value === null || value === undefined ? "–" : short.format(value));

/** US dollars; small sums keep the digits that matter. */
export function money(value) {
  if (value === null || value === undefined) return UNKNOWN;
  const digits = value === 0 || Math.abs(value) >= 1 ? 2 : Math.abs(value) >= 0.01 ? 4 : 6;
  return `$${value.toFixed(digits)}`;
}

export function ms(value) {
  if (value === null || value === undefined) return "–";
  return value < 1000 ? `${Math.round(value)} ms` : duration(value / 1000);
}

/** Seconds in words: 0.4 s, 12 s, 3 min, 2 h 5 min, 4 d. */
export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 90) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
  return `${Math.round(hours / 24)} d`;
}

export function bytes(value) {
  if (value === null || value === undefined) return "–";
  const units = ["B", "KB", "MB", "GB", "TB"];
  let at = 0;
  while (value >= 1024 && at < units.length - 1) {
    value /= 1024;
    at += 1;
  }
  return `${at && value < 10 ? value.toFixed(1) : Math.round(value)} ${units[at]}`;
}

/** A time as the reader's clock shows it; takes ISO text or seconds of the epoch. */
export function time(value) {
  const when = date(value);
  return when ? when.toLocaleString([], { dateStyle: "medium", timeStyle: "medium" }) : "–";
}

/** How long ago, or in how long. */
export function ago(value, now = Date.now()) {
  const when = date(value);
  if (!when) return "never";
  const seconds = (now - when.getTime()) / 1000;
  if (Math.abs(seconds) < 5) return "now";
  return seconds > 0 ? `${duration(seconds)} ago` : `in ${duration(-seconds)}`;
}

export function date(value) {
  if (value === null || value === undefined || value === "") return null;
  const when = typeof value === "number" ? new Date(value * 1000) : new Date(value);
  return Number.isNaN(when.getTime()) ? null : when;
}

export const percent = (part, whole) => (whole ? `${Math.round((100 * part) / whole)} %` : "–");
