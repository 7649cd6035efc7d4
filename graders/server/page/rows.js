// A file of rows, of any size: only the rows that are shown are ever read whole.

const SLICE = 4_194_304; // Bytes read at a time.
const EVERY = 64; // Of so many rows, the place of one is kept.
const MOST_ROW = 8_388_608; // Bytes of a row that is opened.
const PAGE = 10;

const isBlank = (bytes, from, to) => {
  for (let at = from; at < to; at += 1) {
    const byte = bytes[at];
    if (byte !== 32 && byte !== 9 && byte !== 13) return false;
  }
  return true;
};

// Yields rows in batches: [start, end, line] in bytes; blank lines are no rows, as for graders.
async function* spansOf(file, from = 0, line = 1) {
  let [start, at, blank] = [from, from, true];
  while (at < file.size) {
    const bytes = new Uint8Array(await file.slice(at, at + SLICE).arrayBuffer());
    if (!bytes.length) throw new Error("the file ended early");
    const batch = [];
    let seen = at === 0 && bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
    if (seen) start = 3;
    for (let end = bytes.indexOf(10, seen); end >= 0; end = bytes.indexOf(10, seen)) {
      if (!(blank && isBlank(bytes, seen, end))) batch.push([start, at + end, line]);
      [seen, start, line, blank] = [end + 1, at + end + 1, line + 1, true];
    }
    blank = blank && isBlank(bytes, seen, bytes.length);
    at += bytes.length;
    if (at >= file.size && start < at && !blank) batch.push([start, at, line]);
    yield batch;
  }
}

class RowFile {
  constructor(file) {
    this.file = file;
    this.places = []; // Of every EVERYth row: [start, line]
    this.size = 0;
    this.read = 0;
    this.done = false;
    this.closed = false;
  }

  // Go through the file once for where its rows are.
  async survey(tell) {
    for await (const batch of spansOf(this.file)) {
      if (this.closed) return;
      for (const [start, , line] of batch) {
        if (this.size % EVERY === 0) this.places.push([start, line]);
        this.size += 1;
      }
      this.read = Math.min(this.read + SLICE, this.file.size);
      tell();
    }
    this.done = true;
    tell();
  }

  // The rows from one on: { index, line, text } or { index, line, problem }.
  async page(first, most) {
    const place = this.places[Math.floor(first / EVERY)];
    if (!place) return [];
    const found = [];
    let index = first - (first % EVERY);
    for await (const batch of spansOf(this.file, place[0], place[1])) {
      for (const [start, end, line] of batch) {
        if (index >= first && found.length < most) found.push(await this.row(index, start, end, line));
        index += 1;
      }
      if (found.length >= most) break;
    }
    return found;
  }

  // Every row, from the first on.
  async* all() {
    let index = 0;
    for await (const batch of spansOf(this.file)) {
      for (const [start, end, line] of batch) {
        if (this.closed) return;
        yield await this.row(index, start, end, line);
        index += 1;
      }
    }
  }

  async row(index, start, end, line) {
    if (end - start > MOST_ROW) {
      return { index, line, problem: `line ${count(line)} has ${count(end - start)} bytes: too long for this page` };
    }
    let text;
    try {
      const bytes = await this.file.slice(start, end).arrayBuffer();
      text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    } catch (error) {
      const why = error instanceof TypeError ? "is no UTF-8 text" : "cannot be read any more; open the file again";
      return { index, line, problem: `line ${count(line)} ${why}` };
    }
    const wrong = scanJson(text.trim());
    if (wrong) return { index, line, problem: `line ${count(line)} is no JSON: ${wrong.message} (column ${wrong.at + 1})` };
    return { index, line, text: text.trim() };
  }
}

// A row's texts: { item, samples: [{ kind, text }] }. A row without an item is its own item, but
// for what it records of rollouts: a job shows graders no more of it, either.
const textsOf = (row) => {
  const whole = members(row) || new Map();
  const rest = [...whole].filter(([name]) => name !== "sample" && name !== "samples");
  let other = row;
  if (rest.length < whole.size) other = `{${rest.map(([name, text]) => `${JSON.stringify(name)}:${text}`).join(",")}}`;
  const item = prettyJson(whole.has("item") ? whole.get("item") : other);
  const given = [];
  if (whole.has("samples")) given.push(...elements(whole.get("samples")));
  else if (whole.has("sample")) given.push(whole.get("sample"));
  const samples = given.filter((one) => one !== "null").map((one) => (
    one.startsWith('"') ? { kind: "text", text: JSON.parse(one) } : { kind: "json", text: prettyJson(one) }
  ));
  return { item, samples };
};

// How a row begins, in short: what stands in its item, with its names, and its answer.
const SHORT = 200;
const beginning = (row) => {
  const plainly = (text) => (text.startsWith('"') ? JSON.parse(text) : text).slice(0, SHORT);
  const { item, samples } = textsOf(row);
  const id = members(row)?.get("id");
  const told = [...(members(item) ?? [["", item]])].slice(0, 8).map(([name, text]) => (name ? `${name}: ` : "") + plainly(text));
  const [first] = samples;
  const answer = first && first.kind === "json" ? plainly(members(first.text)?.get("output_text") ?? first.text) : first?.text ?? "";
  return [[...(id ? [plainly(id)] : []), ...told].join(" · "), answer].map((text) => visible(text.slice(0, 2 * SHORT).replace(/\s+/g, " ")));
};
