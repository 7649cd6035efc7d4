// Elements. A text reaches the page as a text node and in no other way.

const SVG = "http://www.w3.org/2000/svg";
const byId = (id) => document.getElementById(id);

const make = (name, content, attributes = {}) => {
  const made = document.createElement(name);
  if (content !== undefined && content !== null) made.append(...[content].flat());
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== null && value !== false) made.setAttribute(key, value === true ? "" : value);
  }
  return made;
};

const draw = (name, attributes = {}, content) => {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (content !== undefined) made.append(...[content].flat());
  return made;
};

const button = (word, act, attributes = {}) => {
  const made = make("button", word, { type: "button", ...attributes });
  made.addEventListener("click", act);
  return made;
};

// Whoever stands on what goes away goes on at the next place: the page's beginning is where nobody was.
const shut = (one, yes, next) => {
  const held = yes && one.contains(document.activeElement);
  one.hidden = yes;
  if (held) next.focus({ preventScroll: true });
};
const turns = (back, next, isFirst, isLast) => {
  const held = document.activeElement;
  [back.disabled, next.disabled] = [isFirst, isLast];
  if (held === back && isFirst) next.focus();
  if (held === next && isLast) back.focus();
};
// Arrows go from row to row of a table's body; Escape closes the row that has the focus.
const walked = (rows) => rows.addEventListener("keydown", (event) => {
  const buttons = [...rows.querySelectorAll("button.row")];
  const at = buttons.indexOf(document.activeElement);
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (at >= 0 && step && buttons[at + step]) {
    event.preventDefault();
    buttons[at + step].focus();
  } else if (event.key === "Escape") {
    const line = [...rows.children].find((one) => one.contains(document.activeElement));
    const opener = line.querySelector("button.row") || line.previousElementSibling.querySelector("button.row");
    if (opener.getAttribute("aria-expanded") === "true") opener.click();
  }
});
// A button at work keeps the focus, which a disabled one would lose.
const work = (one, yes) => one.setAttribute("aria-disabled", String(yes));
const isAtWork = (one) => one.getAttribute("aria-disabled") === "true";

// A request that failed, as a sentence.
class Trouble extends Error {
  constructor(sentence, kind, status = 0) {
    super(sentence);
    this.kind = kind; // lost, refused, token
    this.status = status;
  }
}

// A sentence above the page, each kind once; with a way out where there is one.
const notices = new Map();
const say = (kind, sentence, { bad = false, act = null, word = "Try again" } = {}) => {
  unsay(kind);
  const close = button("Dismiss", () => unsay(kind), { class: "plain" });
  const box = make("p", [
    make("span", shortened(sentence, 600)),
    ...(act ? [button(word, () => { unsay(kind); act(); })] : []),
    close,
  ], { class: bad ? "notice bad" : "notice" });
  notices.set(kind, box);
  byId("notices").append(box);
};
const unsay = (kind) => {
  const box = notices.get(kind);
  if (!box) return;
  if (box.contains(document.activeElement)) byId("main").focus({ preventScroll: true });
  box.remove();
  notices.delete(kind);
};

const debounced = (act, wait) => {
  let timer = 0;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(act, wait);
  };
};

const copyText = async (text) => {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false; // Not allowed, or the page did not come over https or from this machine.
  }
};
