// Texts: unseen characters named, figures, and JSON as it was written.

const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\u2028\u2029\ufeff\ufffe\uffff]|[\u{e0000}-\u{e007f}]|\p{Surrogate}/gu;
const MARK = "[\\u0300-\\u036f\\u0483-\\u0489\\u0591-\\u05bd\\u0610-\\u061a\\u064b-\\u065f\\u0e31\\u0e34-\\u0e3a\\u0e47-\\u0e4e\\u0f71-\\u0f84\\u1ab0-\\u1aff\\u1dc0-\\u1dff\\u20d0-\\u20ff\\ufe20-\\ufe2f]";
const PILE = new RegExp(`(${MARK}{4})(${MARK}{2,})`, "gu");
const LONGEST = 20_000; // Characters of one text that are shown.

const hex = (character) => character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0");

// The same as graders.htmltext.visible: nothing unseen can turn, hide or break what is near.
const visible = (text) => String(text)
  .replace(/\r\n/g, "\n")
  .replace(UNSEEN, (one) => `⟨U+${hex(one)}⟩`)
  .replace(PILE, (_, kept, more) => `${kept}⟨${more.length} more marks⟩`);

const shortened = (text, limit = LONGEST) => {
  const whole = String(text);
  if (whole.length <= limit) return visible(whole);
  return `${visible(whole.slice(0, limit))} … (${count(whole.length)} characters)`;
};

const count = (number) => number.toLocaleString("en");

const isNumber = (value) => typeof value === "number" && Number.isFinite(value);

// Four decimals, more digits only where needed; the exact value stands beside it.
const figure = (value) => {
  if (!isNumber(value)) return "–";
  if (value && Math.abs(value) < 0.001) return value.toExponential(2);
  return Math.abs(value) < 1000 ? value.toFixed(4) : String(Number(value.toPrecision(6)));
};

const seconds = (value) => {
  if (!isNumber(value)) return "";
  return value < 1 ? `${(value * 1000).toPrecision(3).replace(/\.?0+$/, "")} ms` : `${value.toFixed(2)} s`;
};

const plural = (number, word) => `${count(number)} ${word}${number === 1 ? "" : "s"}`;

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
const own = (object, key) => (isObject(object) && Object.hasOwn(object, key) ? object[key] : undefined);
const entries = (object) => (isObject(object) ? Object.entries(object) : []);
const list = (value) => (Array.isArray(value) ? value : []);

const TOKEN = /[ \t\n\r]*(?:([{}[\],:])|("[^"\\\u0000-\u001f]*(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\u0000-\u001f]*)*")|(-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.+-])|(?:true|false|null)(?!\w)))/y;

// Reads JSON by its tokens. A number keeps the digits it was written with, whatever a browser
// would make of it: 1.0 is not 1 in a template. Returns what is wrong and where, or null.
const scanJson = (text, visit) => {
  const open = [];
  let at = 0;
  let wanted = "value"; // value, first, key, colon, next, end
  const wrong = (message) => {
    const blank = /[ \t\n\r]*/y;
    blank.lastIndex = at;
    blank.test(text);
    const place = blank.lastIndex;
    const got = place >= text.length ? "the text ends" : `there is ${visible(text[place])}`;
    return { at: Math.min(place, Math.max(text.length - 1, 0)), message: `${message}, but ${got}` };
  };
  const WORDS = {
    value: "a value is wanted", first: "a value or the end of the list is wanted", key: "a key in quotes is wanted",
    colon: "a colon is wanted", next: "a comma or the end is wanted", end: "the end is wanted",
  };
  for (;;) {
    TOKEN.lastIndex = at;
    const found = TOKEN.exec(text);
    if (!found) {
      if (wanted === "end" && !/[^ \t\n\r]/.test(text.slice(at))) return null;
      return wrong(WORDS[wanted === "name" ? "key" : wanted]);
    }
    const [, sign, string] = found;
    const token = sign || string || found[3];
    const start = TOKEN.lastIndex - token.length;
    const fits = {
      value: !sign || sign === "{" || sign === "[",
      first: !sign || sign === "{" || sign === "[" || sign === "]",
      name: string || sign === "}",
      key: string,
      colon: sign === ":",
      next: sign === "," || sign === (open.at(-1) === "{" ? "}" : "]"),
      end: false,
    }[wanted];
    if (!fits) return wrong(WORDS[wanted === "name" ? "key" : wanted]);
    at = TOKEN.lastIndex;
    const isKey = wanted === "key" || (wanted === "name" && !sign);
    const depth = open.length;
    if (sign === "{" || sign === "[") {
      open.push(sign);
      wanted = sign === "{" ? "name" : "first";
    } else if (sign === "}" || sign === "]") {
      open.pop();
      wanted = open.length ? "next" : "end";
    } else if (sign === ",") {
      wanted = open.at(-1) === "{" ? "key" : "value";
    } else if (sign === ":") {
      wanted = "value";
    } else if (isKey) {
      wanted = "colon";
    } else {
      wanted = open.length ? "next" : "end";
    }
    if (visit) visit(token, start, at, isKey, depth);
  }
};

// JSON on lines of its own; the tokens stay what they are.
const prettyJson = (text) => {
  const parts = [];
  let last = "";
  const line = (depth) => `\n${"  ".repeat(Math.min(depth, 40))}`;
  const wrong = scanJson(text, (token, start, end, isKey, depth) => {
    const closes = token === "}" || token === "]";
    const opened = last === "{" || last === "[";
    if (closes) parts.push(opened ? "" : line(depth - 1));
    else if (token !== "," && token !== ":" && (opened || (last === "," && depth))) parts.push(line(depth));
    parts.push(token === ":" ? ": " : token);
    last = token;
  });
  return wrong ? text : parts.join("");
};

// The members of an object as they are written: name -> text. null where it is no object.
const members = (text) => {
  const found = new Map();
  let [key, from, first] = [null, 0, ""];
  const wrong = scanJson(text, (token, start, end, isKey, depth) => {
    if (!first) first = token;
    if (depth > 1 && !(depth === 2 && (token === "}" || token === "]"))) return;
    if (isKey) key = JSON.parse(token);
    else if (token === ":" && depth === 1) from = end;
    else if (key !== null && depth === 1 && token !== "," && token !== "}" && token !== "{" && token !== "[") {
      found.set(key, text.slice(from, end).trim());
    } else if (key !== null && depth === 2) {
      found.set(key, text.slice(from, end).trim());
    }
  });
  return wrong || first !== "{" ? null : found;
};

// The elements of a list as they are written.
const elements = (text) => {
  const found = [];
  let from = null;
  const wrong = scanJson(text, (token, start, end, isKey, depth) => {
    const closes = token === "}" || token === "]";
    if (depth === 0 || token === ",") return;
    if (from === null && depth === 1 && !closes) from = start;
    if (depth === 1 ? !closes && token !== "{" && token !== "[" : depth === 2 && closes) {
      found.push(text.slice(from, end));
      from = null;
    }
  });
  return wrong ? [] : found;
};
