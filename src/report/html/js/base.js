// Small helpers. Text from brokers goes only into text nodes and attributes: nothing here parses text as HTML.

const $ = (id) => document.getElementById(id);

/** Sets attributes, handlers (`onclick`) and properties of an element. */
function attributes(element, given) {
  for (const [name, value] of Object.entries(given || {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  return element;
}

/** An HTML element. */
function h(tag, given, ...inside) {
  const element = attributes(document.createElement(tag), given);
  element.append(...inside.flat().filter((part) => part !== null && part !== undefined && part !== false));
  return element;
}

/** An SVG element. */
function svg(tag, given, ...inside) {
  const element = attributes(document.createElementNS("http://www.w3.org/2000/svg", tag), given);
  element.append(...inside.flat().filter((part) => part !== null && part !== undefined && part !== false));
  return element;
}

/** `1 case`, `2 cases`. */
const plural = (count, what) => `${count} ${what}${count === 1 ? "" : "s"}`;

/** The word with a capital first letter. */
const capital = (word) => word[0].toUpperCase() + word.slice(1);

/** Seconds, with a decimal place only below 10 s. */
const seconds = (s) => (s < 10 ? s.toFixed(1) : Math.round(s)) + " s";

/** Milliseconds since the beginning of a case. */
const clock = (ms) => (ms / 1000).toFixed(3);

/** Text cut to a length. */
const cut = (text, length) => (text.length > length ? text.slice(0, Math.max(1, length - 1)) + "…" : text);

/** Replaces invisible characters by their code points. */
const printable = (text) =>
  text.replace(/[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g, (c) =>
    c === "\n" ? c : `\\u{${c.codePointAt(0).toString(16)}}`);

/** Values in the browser's local storage, which a page from a disk may not be allowed to use. */
const kept = {
  get(name) { try { return localStorage.getItem(name); } catch { return null; } },
  set(name, value) { try { localStorage.setItem(name, value); } catch { /* The value is lost when the page closes. */ } },
};

/** The page's data: JSON, compressed with gzip and encoded in base64. */
async function unpacked(text) {
  if (typeof DecompressionStream === "undefined") {
    document.body.append("This browser is too old for this page: it cannot unpack gzip.");
    throw new Error("no DecompressionStream");
  }
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  return JSON.parse(await new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text());
}
