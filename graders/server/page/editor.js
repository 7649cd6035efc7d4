// A text area with line numbers and underlines: a mirror behind it holds the same lines, unseen.

const FLAT_LENGTH = 40_000; // Longer texts do not wrap: then a line's place is known without layout.
const FLAT_LINES = 1_500;
const MOST_COLUMNS = 20_000; // Of one line, in the mirror.

// Columns come in characters, as Python counts them; texts here are counted in UTF-16.
const unitsOf = (line, column) => {
  let at = 0;
  for (let seen = 1; seen < column && at < line.length; seen += 1) {
    at += line.codePointAt(at) > 0xffff ? 2 : 1;
  }
  return at;
};

// How far a place goes for which only its beginning is known: a key with its value, a word.
const extent = (line, from) => {
  const rest = line.slice(from);
  const token = /^"(?:[^"\\]|\\.)*"?(?:\s*:\s*(?:"(?:[^"\\]|\\.)*"?|[^\s,{}[\]"]+|[{[]))?/.exec(rest)
    || /^[\w.$-]+:\s+\S.*/.exec(rest) || /^[\w.$-]+/.exec(rest) || /^./u.exec(rest);
  return from + (token ? token[0].trimEnd().length : 0);
};

// The beginning and end of what a message's own line of carets points at, from a key on.
const pointed = (line, from, message) => {
  const [, shown, carets] = String(message).split("\n");
  const mark = /^( *)(\^+)$/.exec(carets || "");
  if (!mark) return null;
  const begin = shown.startsWith("…") ? 1 : 0;
  const excerpt = shown.slice(begin).replace(/…$/, "");
  const before = mark[1].length - begin;
  const chars = [...excerpt];
  if (before < 0 || before > chars.length) return null;
  for (const written of [JSON.stringify, String]) {
    const as = (text) => (written === JSON.stringify ? JSON.stringify(text).slice(1, -1) : text);
    const at = line.indexOf(as(excerpt), from);
    if (at >= 0 && excerpt) {
      const start = at + as(chars.slice(0, before).join("")).length;
      return [start, start + as(chars.slice(before, before + mark[2].length).join("")).length];
    }
  }
  return null;
};

// A line of a python source: in a JSON text it stands between two \n, in YAML on a line of its own.
const sourceLine = (lines, line, from, number) => {
  const text = lines[line];
  const found = /"source"\s*:\s*"/.exec(text.slice(from));
  if (!found) {
    const own = lines[line + number];
    if (own === undefined || !/source:\s*[|>]/.test(text)) return null;
    return [line + number, own.length - own.trimStart().length, own.trimEnd().length];
  }
  let at = from + found.index + found[0].length;
  const escape = /[^"\\]*(?:\\(?!n)[^][^"\\]*)*/y;
  for (let passed = 1; passed <= number; passed += 1) {
    escape.lastIndex = at;
    escape.test(text);
    const end = escape.lastIndex;
    if (passed === number) {
      const blank = /^(?: |\\t)*/.exec(text.slice(at, end))[0].length;
      return [line, at + blank, end];
    }
    if (text.slice(end, end + 2) !== "\\n") return null;
    at = end + 2;
  }
  return null;
};

// A mark as lines and units of a text: { line, from, to, level }, line counted from 0.
const settled = (lines, { line, column, end, message, path, level }) => {
  if (!Number.isInteger(line) || line < 1 || line > lines.length) return null;
  let row = line - 1;
  const text = lines[row];
  let from = Math.min(unitsOf(text, isNumber(column) ? column : 1), Math.max(text.length - 1, 0));
  let to = Number.isInteger(end) ? unitsOf(text, end) : 0;
  if (!Number.isInteger(end)) {
    const number = /\(line (\d+)/.exec(message || "");
    const inside = number && /source"?\]?$/.test(path || "") ? sourceLine(lines, row, from, Number(number[1])) : null;
    const place = pointed(text, from, message);
    if (inside) [row, from, to] = inside;
    else if (place) [from, to] = place;
    else to = extent(text, from);
  }
  const most = lines[row].length;
  return { line: row, from: Math.min(from, most), to: Math.min(Math.max(to, from + 1), most), level };
};

const LEVELS = ["info", "warning", "error"];

// Marks of one line side by side: where several are, the worst is seen, and of those the shortest.
const painted = (marks) => {
  const edges = [...new Set(marks.flatMap(({ from, to }) => [from, to]))].sort((a, b) => a - b);
  const rank = (one) => [LEVELS.indexOf(one.level), one.from - one.to];
  const found = [];
  edges.slice(0, -1).forEach((from, at) => {
    const to = edges[at + 1];
    const here = marks.filter((one) => one.from <= from && one.to >= to);
    if (!here.length) return;
    const best = here.reduce((a, b) => {
      const [[x, y], [u, v]] = [rank(a), rank(b)];
      return u > x || (u === x && v > y) ? b : a;
    });
    const last = found.at(-1);
    if (last && last.of === best && last.to === from) last.to = to;
    else found.push({ from, to, level: best.level, of: best });
  });
  return found;
};

class Editor {
  constructor(id, { onEdit, code = true }) {
    this.area = byId(id);
    this.box = this.area.parentElement;
    this.mirror = this.box.querySelector(".mirror");
    this.sheet = make("div", null, { class: "sheet" });
    this.mirror.append(this.sheet);
    this.lines = [""];
    this.shown = [];
    this.marks = new Map(); // What they are of -> marks
    this.onEdit = onEdit;
    this.code = code;
    this.area.addEventListener("input", () => this.read(true));
    this.area.addEventListener("scroll", () => this.follow(), { passive: true });
    new ResizeObserver(() => this.follow(true)).observe(this.area);
    this.read(false);
  }

  get text() { return this.area.value; }

  set text(text) {
    this.area.value = text;
    this.area.scrollTop = 0;
    this.area.scrollLeft = 0;
    this.marks.clear();
    this.read(true);
  }

  // Whether lines have numbers and do not bend to the text's language.
  set isCode(code) {
    if (this.code === code) return;
    this.code = code;
    this.draw(true);
  }

  read(edited) {
    const before = this.lines;
    this.lines = this.area.value.split("\n");
    if (edited) this.shift(before);
    this.draw();
    if (edited) this.onEdit();
  }

  // Marks stay with their lines; those of a line that was changed go.
  shift(before) {
    const after = this.lines;
    const most = Math.min(before.length, after.length);
    let head = 0;
    while (head < most && before[head] === after[head]) head += 1;
    let tail = 0;
    while (tail < most - head && before.at(-1 - tail) === after.at(-1 - tail)) tail += 1;
    const moved = after.length - before.length;
    for (const [name, marks] of this.marks) {
      this.marks.set(name, marks.flatMap((mark) => {
        if (mark.line < head) return [mark];
        return mark.line >= before.length - tail ? [{ ...mark, line: mark.line + moved }] : [];
      }));
    }
  }

  // Marks of one origin replace the earlier ones of it.
  mark(name, places) {
    const marks = places.map((one) => settled(this.lines, one)).filter(Boolean);
    this.marks.set(name, marks);
    this.draw(true);
  }

  // Put the caret at a place and show it.
  jump(place) {
    const mark = settled(this.lines, place);
    if (!mark) return;
    const start = this.lines.slice(0, mark.line).reduce((sum, line) => sum + line.length + 1, 0);
    this.area.focus({ preventScroll: true });
    this.area.setSelectionRange(start + mark.from, start + mark.to);
    this.draw();
    const top = this.flat ? mark.line * this.height : (this.sheet.children[mark.line] || this.sheet).offsetTop;
    this.area.scrollTop = top - this.area.clientHeight / 3;
    this.area.scrollLeft = 0;
    if (this.flat || mark.from > 200) this.area.scrollLeft = Math.max(0, mark.from * this.width - this.area.clientWidth / 2);
    this.box.scrollIntoView({ block: "nearest" });
    this.follow();
  }

  get height() { return parseFloat(getComputedStyle(this.area).lineHeight) || 20; }

  get width() { return this.height * 0.4; }

  // Lines with their marks, by line.
  get marked() {
    const found = new Map();
    for (const mark of [...this.marks.values()].flat()) {
      if (!found.has(mark.line)) found.set(mark.line, []);
      found.get(mark.line).push(mark);
    }
    return found;
  }

  draw(all = false) {
    this.flat = this.area.value.length > FLAT_LENGTH || this.lines.length > FLAT_LINES;
    this.box.classList.toggle("flat", this.flat);
    this.box.classList.toggle("prose", !this.code);
    // The text is then seen in the mirror alone, in its colours.
    const [coloured, yaml] = [this.code && !this.flat, this.code && isYaml(this.area.value)];
    all ||= coloured !== this.coloured || yaml !== this.yaml;
    Object.assign(this, { coloured, yaml });
    this.box.classList.toggle("coloured", coloured);
    this.area.wrap = this.flat ? "off" : "soft";
    const digits = Math.max(String(this.lines.length).length, 2);
    this.box.style.setProperty("--digits", digits);
    const marked = this.marked;
    if (this.flat) {
      this.window(marked);
      return;
    }
    // Only the lines that changed are made anew.
    const key = (line) => {
      const marks = marked.get(line) || [];
      return `${marks.map((one) => `${one.from}:${one.to}:${one.level}`).join()}|${this.lines[line]}`;
    };
    const keys = this.lines.map((_, line) => key(line));
    const old = all ? [] : this.shown;
    if (all || !old.length) this.sheet.replaceChildren();
    const most = Math.min(keys.length, old.length);
    let head = 0;
    while (head < most && keys[head] === old[head]) head += 1;
    let tail = 0;
    while (tail < most - head && keys.at(-1 - tail) === old.at(-1 - tail)) tail += 1;
    for (let gone = old.length - tail - head; gone > 0; gone -= 1) this.sheet.children[head].remove();
    const fresh = document.createDocumentFragment();
    for (let line = head; line < keys.length - tail; line += 1) {
      fresh.append(this.line(line, marked.get(line)));
    }
    this.sheet.insertBefore(fresh, this.sheet.children[head] || null);
    this.shown = keys;
    this.sheet.style.setProperty("--first", 0);
    this.follow();
  }

  // Of a long text, only the lines that can be seen.
  window(marked) {
    const [height, top] = [this.height, this.area.scrollTop];
    const first = Math.max(0, Math.floor(top / height) - 5);
    const last = Math.min(this.lines.length, Math.ceil((top + this.area.clientHeight) / height) + 5);
    this.sheet.replaceChildren();
    for (let line = first; line < last; line += 1) this.sheet.append(this.line(line, marked.get(line)));
    this.shown = [];
    this.sheet.style.setProperty("--first", first);
    this.place(first * height);
  }

  line(number, marks = []) {
    const text = this.lines[number];
    const row = make("div", null, { class: "line" });
    const level = marks.reduce((worst, one) => Math.max(worst, LEVELS.indexOf(one.level)), -1);
    if (level >= 0) row.classList.add(LEVELS[level]);
    const inner = make("span", null, { class: "written" });
    const colours = !this.coloured || text.length > MOST_COLUMNS ? [] : this.yaml ? yamlColours(text) : jsonColours(text);
    let at = 0;
    for (const { from, to, level: word } of painted(marks.filter((one) => one.from <= MOST_COLUMNS))) {
      const end = Math.min(to, MOST_COLUMNS);
      inner.append(...dyed(text, at, from, colours), make("mark", from < end ? dyed(text, from, end, colours) : " ", { class: word }));
      at = end;
    }
    if (!this.flat) inner.append(...(at < text.length ? dyed(text, at, text.length, colours) : at ? [] : ["\u200b"]));
    row.append(inner);
    return row;
  }

  follow(resized = false) {
    if (this.flat) {
      this.window(this.marked);
      return;
    }
    if (resized || !this.fitted) this.sheet.style.setProperty("--wide", `${this.area.clientWidth}px`);
    this.fitted = true;
    this.place(0);
  }

  place(above) {
    this.sheet.style.transform = `translateY(${above - this.area.scrollTop}px)`;
    this.sheet.style.setProperty("--left", `${-this.area.scrollLeft}px`);
  }
}
