// What the schema says of the place where the caret is.

const SAMPLE_FIELDS = ["output_text", "output_json", "output_tools", "choices", "output_audio"];
const LENIENT = /"(?:[^"\\]|\\.)*"?|[{}[\],:]|[^\s{}[\],:"]+/g;
const lexicon = { schema: null, kinds: new Map() };

const unquoted = (token) => {
  try {
    return String(JSON.parse(token));
  } catch {
    return token.replace(/^"|"$/g, "");
  }
};

// The objects around a place of JSON, the outermost first: { key, fields: name -> [from, to, text] }.
// A text may be half written: what is wrong with it is said elsewhere.
const jsonFrames = (text, at) => {
  const open = [];
  let seen = null;
  const look = () => { seen ??= open.filter((one) => !one.isList).map((one) => ({ ...one })); };
  for (const { 0: token, index } of text.matchAll(LENIENT)) {
    if (index > at) look();
    const top = open.at(-1);
    if (token === "{" || token === "[") open.push({ isList: token === "[", key: null, isKey: token === "{", fields: new Map() });
    else if (token === "}" || token === "]") {
      if (index + 1 > at) look();
      open.pop();
    } else if (top && !top.isList) {
      if (token === ",") Object.assign(top, { isKey: true, key: null });
      else if (token === ":") top.isKey = false;
      else if (top.isKey) {
        top.key = unquoted(token);
        top.fields.set(top.key, null);
      } else if (top.key !== null) top.fields.set(top.key, [index, index + token.length, unquoted(token)]);
    }
    if (index + token.length >= at && !"{[,".includes(token)) look();
  }
  look();
  return seen;
};

const YAML_ENTRY = /^(\s*(?:- +)*)("[^"]*"|[\w.$-]+):(?:\s+(.*))?$/;

const yamlFrames = (text, at) => {
  const lines = text.split("\n");
  const row = text.slice(0, at).split("\n").length - 1;
  const starts = [];
  lines.reduce((sum, line) => { starts.push(sum); return sum + line.length + 1; }, 0);
  const entry = (line) => {
    const found = YAML_ENTRY.exec(lines[line] ?? "");
    if (!found || PYTHON_WORD.test(found[2])) return null;
    const value = (found[3] ?? "").trim();
    const from = starts[line] + lines[line].length - (found[3] ?? "").length;
    return { deep: found[1].length, key: found[2].replace(/"/g, ""), value: [from, from + value.length, value.replace(/^["']|["']$/g, "")] };
  };
  const fieldsAt = (line, deep) => {
    const fields = new Map();
    for (const way of [-1, 1]) {
      for (let other = way < 0 ? line : line + 1; other >= 0 && other < lines.length; other += way) {
        const one = entry(other);
        const blank = lines[other].length - lines[other].trimStart().length;
        if (one && one.deep === deep) fields.set(one.key, one.value[2] ? one.value : null);
        else if (lines[other].trim() && blank < deep && (!one || one.deep < deep)) break;
      }
    }
    return fields;
  };
  const frames = [];
  let deepest = Infinity;
  for (let line = row; line >= 0; line -= 1) {
    const one = entry(line);
    const blank = lines[line].length - lines[line].trimStart().length;
    if (one && one.deep < deepest && (line === row || frames.length || one.deep < lines[row].length - lines[row].trimStart().length || !lines[row].trim())) {
      frames.unshift({ key: one.key, fields: fieldsAt(line, one.deep) });
      deepest = one.deep;
    } else if (!one && lines[line].trim() && line === row) deepest = Math.max(blank, 1);
  }
  return frames;
};

const framesAt = (text, at) => (isYaml(text) ? yamlFrames(text, at) : jsonFrames(text, at));

const resolved = (node) => {
  const name = /^#\/\$defs\/(.+)$/.exec(own(node, "$ref") || "");
  return name ? own(own(lexicon.schema, "$defs"), name[1]) : node;
};

// The schema of a field of an object, through lists and choices; null where none says it.
const fieldOf = (node, key) => {
  const here = resolved(node);
  if (!isObject(here)) return null;
  const direct = own(own(here, "properties"), key);
  if (direct) return direct;
  for (const one of [own(here, "items"), own(here, "then"), ...list(own(here, "anyOf")), ...list(own(here, "oneOf"))]) {
    const found = one && fieldOf(one, key);
    if (found) return found;
  }
  return isObject(own(here, "additionalProperties")) ? here.additionalProperties : null;
};

const valuesOf = (node) => {
  const here = resolved(node);
  if (!isObject(here)) return [];
  if (Array.isArray(here.enum)) return here.enum;
  if ("const" in here) return [here.const];
  if (here.type === "boolean") return [true, false];
  return list(here.anyOf).flatMap(valuesOf);
};

const wordsOf = (node) => own(node, "description") || own(resolved(node), "description") || "";

// What is to be said: { key, of, words, values, range, given }; null where the schema says nothing.
const helpAt = (text, at) => {
  const frames = framesAt(text, at);
  const typed = frames.findLastIndex((one) => lexicon.kinds.has(one.fields.get("type")?.[2]));
  const last = frames.at(-1);
  if (!last) return null;
  if (last.key === "type") {
    const [given, outer] = [last.fields.get("type"), frames.slice(0, -1)];
    const nested = outer.some((one) => one.fields.get("type")?.[2] === "multi");
    const kind = lexicon.kinds.get(given?.[2]);
    const isGrader = kind ? lexicon.graders.includes(given[2]) : !outer.length || nested || outer.at(-1).key === "grader";
    if (isGrader) {
      const values = lexicon.graders.filter((one) => !nested || one !== "multi");
      return { key: "type", of: "", words: kind ? wordsOf(kind) : "What kind of grader this is.", values, given };
    }
  }
  if (typed < 0) return null;
  const name = frames[typed].fields.get("type")[2];
  let node = lexicon.kinds.get(name);
  const whole = node;
  for (const one of frames.slice(typed)) {
    if (one.key === null) break;
    const next = fieldOf(node, one.key);
    if (!next) return { key: one.key, of: name, words: `${name} has no field of this name.`, values: [], given: null };
    node = next;
  }
  if (last.key === null && frames.length - 1 === typed) {
    const missing = Object.keys(own(whole, "properties") || {}).filter((key) => !last.fields.has(key) && key !== "$schema");
    const needed = missing.filter((key) => list(own(whole, "required")).includes(key));
    return { key: name, of: "", words: `${wordsOf(whole)}${needed.length ? ` It needs ${needed.join(", ")}.` : ""}${missing.length > needed.length ? ` It may have ${missing.filter((key) => !needed.includes(key)).join(", ")}.` : ""}`, values: [], given: null };
  }
  const needs = frames.length - 1 === typed && list(own(whole, "required")).includes(last.key);
  return { key: last.key ?? "", of: name, words: wordsOf(node), values: valuesOf(node), given: last.fields.get(last.key), needs, fallback: own(node, "default") };
};

// The template around a place, if it is in one.
const templateAt = (text, at) => {
  const from = text.lastIndexOf("{{", at);
  if (from < 0) return null;
  const end = text.indexOf("}}", from);
  return (end < 0 || end + 2 >= at) && !text.slice(from, at).includes("\n") && !text.slice(from + 2, at).includes("}}") ? [from, end < 0 ? at : end + 2] : null;
};

const variablesHere = () => {
  const found = members(editors.item.text);
  return [...(found ? [...found.keys()].slice(0, 30).map((key) => `item.${key}`) : []), ...SAMPLE_FIELDS.map((key) => `sample.${key}`)];
};

// Put a text in the place of another, as if it were typed: it can be undone.
const replaceAt = (editor, from, to, text) => {
  editor.area.focus();
  editor.area.setSelectionRange(from, to);
  if (!document.execCommand("insertText", false, text)) editor.area.setRangeText(text, from, to, "end");
  editor.read(true);
};

const choices = (values, given, act) => values.slice(0, 40).map((value) => button(shortened(value, 60), () => act(value), {
  class: "value", "aria-pressed": String(given?.[2] === String(value)),
}));

const helpView = (editor) => {
  const { text, area } = editor;
  const at = area.selectionStart;
  const within = templateAt(text, at);
  if (within) {
    const put = (name) => replaceAt(editor, ...within, `{{ ${name} }}`);
    return [make("code", "{{ … }}"), " stands for what the row has there. ", ...choices(variablesHere(), null, put)];
  }
  const found = lexicon.schema && helpAt(text, at);
  if (!found) return [];
  const { key, of, words, values, given, needs, fallback } = found;
  const written = (value) => (isYaml(text) && typeof value === "string" ? value : JSON.stringify(value));
  const facts = [needs ? "needed" : "", fallback !== undefined && fallback !== null && fallback !== "" ? `default ${JSON.stringify(fallback)}` : ""].filter(Boolean);
  return [
    make("code", shortened(key, 80)), ...(of ? [make("span", ` in ${of}`, { class: "of" })] : []), ` ${shortened(words, 600)} `,
    ...(facts.length ? [make("span", `(${facts.join(", ")}) `, { class: "of" })] : []),
    ...(given ? choices(values, given, (value) => replaceAt(editor, given[0], given[1], written(value))) : values.length > 1 ? [values.join(", ")] : []),
  ];
};

const readSchema = async () => {
  try {
    const { body } = await ask("/playground/schema", { quiet: true });
    const defs = own(body, "$defs");
    lexicon.schema = body;
    lexicon.kinds = new Map(entries(defs).map(([, one]) => [own(own(own(one, "properties"), "type"), "const"), one]).filter(([kind]) => typeof kind === "string"));
    lexicon.graders = list(own(own(defs, "grader"), "oneOf")).map((one) => own(own(own(resolved(one), "properties"), "type"), "const")).filter((kind) => typeof kind === "string");
  } catch (error) {
    if (!(error instanceof Trouble)) throw error; // The page works without it.
  }
};

// Shown while an editor of a grader has the caret; F1 reads it out, for a caret that moves must not speak.
const startHelp = (name) => {
  const editor = editors[name];
  const box = byId(`${name}-help`);
  let seen = "";
  const tell = () => {
    if (document.activeElement !== editor.area) return;
    const key = `${editor.area.selectionStart} ${editor.text}`;
    if (key === seen) return;
    seen = key;
    box.replaceChildren(...helpView(editor));
  };
  document.addEventListener("selectionchange", tell);
  for (const event of ["input", "keyup", "click", "focus"]) editor.area.addEventListener(event, tell);
  editor.area.addEventListener("keydown", (event) => {
    if (event.key !== "F1") return;
    event.preventDefault();
    const words = [...box.childNodes].map((one) => one.textContent).join(" ").replace(/\s+/g, " ").trim();
    byId("spoken").textContent = words || "The schema says nothing of this place.";
  });
};
