// Colours of JSON, and of YAML as far as a line tells: what stands where in it, by class.

const JSON_PART = /("(?:[^"\\]|\\.)*"?)(\s*:)?|(-?\d[\w.+-]*)|\b(true|false|null)\b/g;
const YAML_KEY = /^(\s*(?:- +)*)("[^"]*"|[A-Za-z_$][\w.$-]*)(?=:(?:\s|$))/;
const YAML_PART = /("(?:[^"\\]|\\.)*"|'[^']*')|(?<![\w.-])(-?\d+(?:\.\d+)?)(?![\w.-])|(?<![\w.-])(true|false|null)(?![\w.-])|(\{\{[^}]*\}\})/g;
const INSIDE = /(\{\{[^}]*\}\}?)|(\\(?:u[0-9a-fA-F]{4}|.))/g;
const PYTHON_WORD = /^(?:else|try|finally)$/;

const isYaml = (text) => /^\s*[^\s{[]/.test(text);

// Parts of a string: templates and escapes stand out.
const withinString = (text, from, to, found) => {
  let at = from;
  const put = (end, kind) => {
    if (end > at) found.push({ from: at, to: end, kind });
    at = end;
  };
  for (const one of text.slice(from, to).matchAll(INSIDE)) {
    put(from + one.index, "string");
    put(from + one.index + one[0].length, one[1] ? "template" : "escape");
  }
  put(to, "string");
};

const jsonColours = (line) => {
  const found = [];
  for (const one of line.matchAll(JSON_PART)) {
    const [, string, colon, number] = one;
    const end = one.index + (string ?? one[0]).length;
    if (string && colon) found.push({ from: one.index, to: end, kind: "key" });
    else if (string) withinString(line, one.index, end, found);
    else found.push({ from: one.index, to: end, kind: number ? "number" : "word" });
  }
  return found;
};

const yamlColours = (line) => {
  if (/^\s*#/.test(line)) return [{ from: 0, to: line.length, kind: "comment" }];
  const found = [];
  const key = YAML_KEY.exec(line);
  let from = 0;
  if (key && !PYTHON_WORD.test(key[2])) {
    from = key[0].length;
    found.push({ from: key[1].length, to: from, kind: "key" });
  }
  for (const one of line.slice(from).matchAll(YAML_PART)) {
    const [start, end] = [from + one.index, from + one.index + one[0].length];
    if (one[1]) withinString(line, start, end, found);
    else found.push({ from: start, to: end, kind: one[2] ? "number" : one[3] ? "word" : "template" });
  }
  return found;
};

// Part of a line as nodes, in its colours.
const dyed = (text, from, to, colours) => {
  const nodes = [];
  let at = from;
  for (const one of colours) {
    if (one.to <= at || one.from >= to) continue;
    const [start, end] = [Math.max(one.from, at), Math.min(one.to, to)];
    if (start > at) nodes.push(text.slice(at, start));
    nodes.push(make("span", text.slice(start, end), { class: `of-${one.kind}` }));
    at = end;
  }
  if (at < to) nodes.push(text.slice(at, to));
  return nodes;
};
