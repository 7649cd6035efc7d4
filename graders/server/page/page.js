// The page put together: editors, running, linting, samples, rows, links, tabs.

const state = { run: 0, lint: 0, rows: 0, stop: null, info: null, edited: false, ran: null, seen: null };
const MOST_FILE = 4_194_304; // Bytes of a file that is opened into an editor.
const MOST_FINDINGS = 50;
const editors = {};

const textsNow = () => ({
  grader: editors.grader.text, item: editors.item.text, sample: editors.sample.text,
  kind: byId("kind-json").checked ? "json" : "text", target: byId("target").value,
});

const setKind = (kind) => {
  byId("kind-json").checked = kind === "json";
  byId("kind-text").checked = kind !== "json";
  editors.sample.isCode = kind === "json";
};

// Texts from elsewhere take the place of those here; what was written by hand can be had back.
const replaceTexts = (texts, why) => {
  const before = textsNow();
  if (state.edited) say("texts", `${why} took the place of your texts.`, { act: () => replaceTexts(before, "What you had"), word: "Undo" });
  else unsay("texts");
  for (const name of ["grader", "item", "sample"]) {
    if (texts[name] !== undefined && texts[name] !== editors[name].text) editors[name].text = texts[name];
  }
  if (texts.kind) setKind(texts.kind);
  if (texts.target) byId("target").value = texts.target;
  if (texts.other !== undefined) {
    editors.other.text = texts.other;
    compareNow(true);
  }
  byId("start").value = "";
  state.edited = false;
  checkJson("item");
  checkJson("sample");
  lintSoon();
};

const unseen = (text) => {
  const found = text.match(UNSEEN);
  if (!found) return "";
  const names = [...new Set(found.slice(0, 1000).map((one) => `U+${hex(one)}`))];
  return `${plural(found.length, "unseen character")}: ${names.slice(0, 5).join(", ")}${names.length > 5 ? " …" : ""}. `;
};

const note = (name, text, bad = false) => {
  const line = byId(`${name}-state`);
  if (line.textContent !== text) line.textContent = text;
  line.classList.toggle("bad", bad);
  byId(name).setAttribute("aria-invalid", String(bad));
};

// Line and column of a place, as a mark that begins there.
const placeOf = (text, at) => {
  const before = text.slice(0, at);
  const line = before.split("\n").length;
  const column = [...before.slice(before.lastIndexOf("\n") + 1)].length + 1;
  return { line, column, end: column + 1, level: "error" };
};

// What is wrong with the JSON of an editor, said and underlined; null where nothing is.
const checkJson = (name) => {
  const editor = editors[name];
  const text = editor.text;
  const hidden = unseen(text);
  const isJson = name === "item" || byId("kind-json").checked;
  if (!isJson || !text.trim()) {
    editor.mark("json", []);
    note(name, hidden);
    return isJson && name === "sample" ? "The sample is empty: write a JSON object, or switch it to text." : null;
  }
  const wrong = scanJson(text);
  if (!wrong) {
    editor.mark("json", []);
    const odd = name === "sample" && !/^\s*\{/.test(text);
    note(name, hidden + (odd ? "The sample is JSON, but no object." : ""), odd);
    return odd ? "The sample is JSON, but no object; write one, or switch it to text." : null;
  }
  const place = placeOf(text, wrong.at);
  editor.mark("json", [place]);
  const said = `Line ${place.line}, column ${place.column}: ${wrong.message}.`;
  note(name, hidden + said, true);
  return `The ${name} is no JSON. ${said}`;
};

// Item and sample go as they are written: a number keeps its digits.
const rowNow = () => {
  const parts = editors.item.text.trim() ? [`"item":${editors.item.text}`] : [];
  parts.push(`"sample":${byId("kind-json").checked ? editors.sample.text : JSON.stringify(editors.sample.text)}`);
  return parts.join(",");
};
const bodyNow = () => `{"grader":${JSON.stringify(editors.grader.text)},"target":${JSON.stringify(byId("target").value)},${rowNow()}}`;

const runningNow = (running) => {
  byId("stop").hidden = !running;
  byId("run").setAttribute("aria-busy", String(running));
};

const stopRun = () => {
  state.run += 1;
  if (state.stop) state.stop.abort();
  state.stop = null;
  if (!byId("stop").hidden && byId("stop") === document.activeElement) byId("run").focus();
  runningNow(false);
};

// What the figures show anyway is only said, for those who hear the page.
const said = (sentence, bad = false, shown = true) => {
  byId("results-said").textContent = sentence;
  byId("results-said").classList.toggle("unseen", !shown);
  byId("results-said").classList.toggle("bad", bad);
};

const freshen = () => {
  const old = state.ran !== null && state.ran !== JSON.stringify(textsNow());
  byId("results").classList.toggle("old", old);
  if (old && state.seen && byId("stop").hidden) said(`${state.seen} The texts were changed since; run again.`);
  byId("glance").textContent = state.seen ? `${old ? "Before the change: " : ""}${state.seen.replace(/\.$/, "")}` : "";
  tellLint();
};

const jumpGrader = (place) => {
  const { line, column, end, message, path } = place;
  editors.grader.jump({ line, column, end: end ?? undefined, message, path });
};

// What was opened stays open where the next result has it, too, and what was closed stays closed.
const fillResult = (views) => {
  const box = byId("result");
  const held = box.contains(document.activeElement) ? document.activeElement.closest("details[data-key]")?.dataset.key ?? "" : null;
  const were = new Map([...box.querySelectorAll("details[data-key]")].map((one) => [one.dataset.key, one.open]));
  box.replaceChildren(...views);
  for (const one of box.querySelectorAll("details[data-key]")) one.open = were.get(one.dataset.key) ?? one.open;
  if (held !== null) ([...box.querySelectorAll("details[data-key]")].find((one) => one.dataset.key === held)?.querySelector("summary") ?? byId("results-name")).focus({ preventScroll: true });
};

const showAnswer = (answer, isSame) => {
  const body = answer.body;
  const grader = editors.grader;
  if (own(body, "ok") === true) {
    const failures = [...list(own(own(body, "grade"), "failures")), ...list(own(own(body, "grade"), "replaced"))].filter(isObject);
    grader.mark("run", isSame ? failures.map((one) => ({ ...one, end: one.end ?? undefined, level: "error" })) : []);
    fillResult(resultView(answer, jumpGrader));
    const reward = own(own(body, "grade"), "reward");
    state.seen = isNumber(reward) ? `Reward ${figure(reward)}.` : `No reward: ${plural(failures.length, "failure")}.`;
    state.failed = failures.length > 0;
  } else {
    const faults = list(own(body, "faults")).filter(isObject);
    grader.mark("run", isSame ? faults.map((one) => ({ ...one, level: "error" })) : []);
    fillResult(faultsView(faults, jumpGrader));
    state.seen = `The grader has ${plural(faults.length, "fault")}.`;
    state.failed = false;
  }
  if (isSame) {
    state.lint += 1;
    showLint(list(own(body, "faults")), list(own(body, "findings")));
  }
  said(state.seen, own(body, "ok") !== true, false);
};

// On a narrow screen the result stands below what was edited.
const comeTo = () => {
  const top = byId("results").getBoundingClientRect().top;
  if (top < 0 || top > window.innerHeight - 120) byId("results").scrollIntoView({ block: "start" });
};

// Whether a text can be sent: a server reads no more of one than it says.
const excess = (text) => {
  const most = own(own(state.info, "limits"), "body_bytes");
  const size = new Blob([text]).size;
  return isNumber(most) && size > most
    ? `The texts have ${count(size)} bytes together, and this server takes up to ${count(most)} (graders serve --max-body).` : "";
};

// Returns whether a grade came of it.
const run = async ({ scroll = false, quiet = false } = {}) => {
  stopRun();
  const number = state.run;
  unsay("run");
  if (!editors.grader.text.trim()) {
    said("There is no grader: paste one, open a file, or start from a sample.", true);
    editors.grader.area.focus();
    return false;
  }
  for (const name of ["item", "sample"]) {
    const wrong = checkJson(name);
    if (wrong) {
      said(wrong, true);
      editors[name].area.focus();
      return false;
    }
  }
  const [grader, text] = [editors.grader.text, bodyNow()];
  const tooMuch = excess(text);
  if (tooMuch) {
    said(tooMuch, true);
    return false;
  }
  const texts = JSON.stringify(textsNow());
  const row = state.row;
  state.stop = new AbortController();
  runningNow(true);
  said("Running …");
  try {
    const answer = await ask("/playground/run", { method: "POST", text, signal: state.stop.signal });
    if (number !== state.run) return false; // A newer run is under way, or it was stopped.
    state.ran = texts;
    runningNow(false);
    showAnswer(answer, grader === editors.grader.text);
    if (scroll) comeTo();
    if (row) remember(row, answer.body);
    freshen();
    return own(answer.body, "ok") === true;
  } catch (error) {
    if (number !== state.run) return false;
    runningNow(false);
    said("Nothing came of this run.", true);
    if (!(error instanceof Trouble)) throw error;
    if (!quiet) say("run", error.message, { bad: true, act: run });
    return false;
  }
};

// Lint

const showFindings = (faults, findings) => {
  const all = [
    ...faults.map((one) => ({ ...one, severity: "error", code: own(one, "code") })),
    ...findings.filter((one) => !faults.some((fault) => own(fault, "line") === own(one, "line") && String(own(fault, "message")).startsWith(own(one, "message")))),
  ].filter(isObject);
  const level = (one) => (LEVELS.includes(own(one, "severity")) ? one.severity : "warning");
  editors.grader.mark("lint", all.map((one) => ({ ...one, level: level(one) })));
  byId("findings").replaceChildren(...all.slice(0, MOST_FINDINGS).map((one) => {
    const line = own(one, "line");
    const fix = own(one, "fix");
    return make("li", [
      make("span", level(one), { class: `level ${level(one)}` }), " ", make("code", shortened(own(one, "code") || "", 60)), " ",
      ...(Number.isInteger(line) ? [button(`line ${line}`, () => jumpGrader(one), { "aria-label": `Go to line ${line} of the grader` }), " "] : []),
      shortened(String(own(one, "message") || "").split("\n")[0], 600),
      ...(fix ? [make("span", shortened(fix, 600), { class: "fix" })] : []),
    ], { class: level(one) });
  }));
  byId("findings").hidden = !all.length;
  const numbers = LEVELS.toReversed().map((word) => [word, all.filter((one) => level(one) === word).length]).filter(([, size]) => size);
  state.lintWords = numbers.map(([word, size]) => (word === "info" ? plural(size, "hint") : plural(size, word))).join(", ");
  tellLint();
};

// What was found for whom, by what; and that a failure beside it is of the row, where the lint has nothing of it.
const tellLint = () => {
  if (state.lintWords === undefined) return;
  const where = byId("target").selectedOptions[0].textContent;
  const target = byId("target").value === "local" ? "" : ` for ${where}`;
  const rows = rowLintNow() ? ` with ${state.rowLint.more ? "the first " : ""}${plural(state.rowLint.rows, "row")}` : "";
  const failed = state.failed && state.ran === JSON.stringify(textsNow()) ? " What failed in this run stands under Result." : "";
  const words = state.lintWords || `nothing found${failed && !rows ? " in the grader itself" : ""}`;
  note("grader", unseen(editors.grader.text) + (editors.grader.text.trim() ? `Lint${target}${rows}: ${words}.${failed}` : ""));
};

// The lint that has seen rows holds for as long as the grader is the same: one that has not knows less.
const rowLintNow = () => {
  const found = state.rowLint;
  return found && found.grader === editors.grader.text && found.target === byId("target").value ? found.findings : null;
};
const showLint = (faults, findings) => showFindings(faults, faults.length ? findings : rowLintNow() ?? findings);

const lint = async () => {
  state.lint += 1;
  const number = state.lint;
  if (state.linting) state.linting.abort();
  state.linting = new AbortController();
  const text = editors.grader.text;
  if (!text.trim()) {
    showFindings([], []);
    return;
  }
  const request = JSON.stringify({ grader: text, target: byId("target").value });
  if (excess(request)) {
    note("grader", `Not linted: ${excess(request)}`, true);
    return;
  }
  try {
    const { body } = await ask("/playground/lint", { method: "POST", text: request, signal: state.linting.signal, quiet: true });
    if (number !== state.lint || text !== editors.grader.text) return;
    showLint(list(own(body, "faults")), list(own(body, "findings")));
    unsay("lint");
  } catch (error) {
    if (number !== state.lint) return;
    if (!(error instanceof Trouble)) throw error;
    note("grader", `Not linted: ${error.message}`, true);
  }
};
const lintSoon = debounced(lint, 350);

// Files and what is dropped

const openInto = async (name, file) => {
  if (/\.(jsonl|ndjson)$/i.test(file.name) && name !== "rows") {
    openRows(file);
    return;
  }
  if (file.size > MOST_FILE) {
    say("file", `${file.name} has ${count(file.size)} bytes; an editor takes up to ${count(MOST_FILE)}. A file of rows opens with Open rows.`, { bad: true });
    return;
  }
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(await file.arrayBuffer());
    if (name === "sample") setKind(/^\s*\{/.test(text) && !scanJson(text) ? "json" : "text");
    replaceTexts({ [name]: text }, file.name);
    unsay("file");
    editors[name].area.focus();
  } catch (error) {
    const why = error instanceof TypeError ? "is no UTF-8 text" : "cannot be read";
    say("file", `${file.name} ${why}.`, { bad: true });
  }
};

const fileButton = (name, open) => {
  const input = byId(`${name}-file`);
  byId(`${name}-open`).addEventListener("click", () => input.click());
  input.addEventListener("change", () => {
    const file = input.files[0];
    input.value = "";
    if (file) open(file);
  });
};

const dropZone = (box, open) => {
  const carries = (event) => [...(event.dataTransfer?.types || [])].includes("Files");
  box.addEventListener("dragover", (event) => {
    if (!carries(event)) return;
    event.preventDefault();
    event.stopPropagation();
    box.classList.add("over");
  });
  box.addEventListener("dragleave", () => box.classList.remove("over"));
  box.addEventListener("drop", (event) => {
    if (!carries(event)) return;
    event.preventDefault();
    event.stopPropagation();
    box.classList.remove("over");
    const file = event.dataTransfer.files[0];
    if (file) open(file);
  });
};

// Links

const share = async () => {
  const fragment = await packed({ ...textsNow(), ...(byId("other-pane").hidden ? {} : { other: editors.other.text }) });
  const address = fragment === null ? "" : `${location.origin}${location.pathname}#${fragment}`;
  if (fragment === null || address.length > MOST_LINK) {
    say("link", `The texts are too long for a link (${count(fragment === null ? MOST_STATE : address.length)} characters; browsers open up to ${count(MOST_LINK)}). Share them as files.`, { bad: true });
    return;
  }
  unsay("link");
  history.replaceState(null, "", `#${fragment}`);
  byId("link-text").value = address;
  byId("link-said").textContent = address.length > LONG_LINK
    ? `The link has ${count(address.length)} characters. Some programs cut links that long; a damaged link says so when it is opened.`
    : `The link has ${count(address.length)} characters and opens these texts and switches.`;
  byId("link").showModal();
  byId("link-copy").focus();
};

const copyLink = async () => {
  byId("link-text").select();
  byId("link-said").textContent = (await copyText(byId("link-text").value))
    ? "Copied." : "This browser does not let pages copy. The link is selected: copy it by hand.";
};

const openLink = async () => {
  const texts = await unpacked(location.hash);
  if (texts === null) return;
  if (typeof texts === "string") {
    say("link", texts, { bad: true });
    return;
  }
  unsay("link");
  replaceTexts(texts, "The link");
  said("The link's texts are in the editors.");
};

// Tabs, theme, keys

const TABS = ["play", "jobs", "evals"];
const showTab = (name, focus = true) => {
  const leaves = TABS.some((one) => one !== name && byId(one).contains(document.activeElement));
  for (const one of TABS) {
    const tab = byId(`tab-${one}`);
    tab.setAttribute("aria-selected", String(one === name));
    tab.tabIndex = one === name ? 0 : -1;
    byId(one).hidden = one !== name;
    if ((focus || leaves) && one === name) tab.focus();
  }
  if (name === "jobs") look();
  if (name === "evals") lookAtEvals();
};

const startTabs = () => {
  for (const name of TABS) byId(`tab-${name}`).addEventListener("click", () => showTab(name));
  byId("tabs").addEventListener("keydown", (event) => {
    const at = TABS.findIndex((name) => byId(`tab-${name}`) === document.activeElement);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: TABS.length - 1 }[event.key];
    if (at < 0 || to === undefined) return;
    event.preventDefault();
    showTab(TABS[(to + TABS.length) % TABS.length]);
  });
};

const closeRows = () => {
  if (!state.file) return;
  state.file.closed = true;
  Object.assign(state, { file: null, row: null, page: null, rows: state.rows + 1 });
  byId("rows").hidden = true;
  closeTrial();
};

const useSample = () => {
  const chosen = byId("start").value;
  const sample = list(own(state.info, "samples"))[Number(chosen)];
  if (chosen === "" || !isObject(sample)) return;
  const text = (name) => String(own(sample, name) ?? "");
  const isJson = /^\s*\{/.test(text("sample")) && own(sample, "kind") !== "text" && !scanJson(text("sample")) && /"output_/.test(text("sample"));
  replaceTexts({ grader: text("grader"), item: text("item"), sample: text("sample"), kind: own(sample, "kind") || (isJson ? "json" : "text") }, `The sample ${shortened(own(sample, "name") || "", 60)}`);
  closeRows();
  state.row = null;
  byId("start").value = chosen; // An arrow goes on from here to the next one.
  offerRows(text("name"), text("rows"));
};

// A sample brings rows to grade it on.
const offerRows = (name, rows) => {
  const size = rows.split("\n").filter((one) => one.trim()).length;
  state.sampleRows = size > 1 ? new File([rows], `${name}.jsonl`) : null;
  byId("rows-try").hidden = state.sampleRows === null;
  byId("rows-try").textContent = `Grade its ${plural(size, "row")}`;
};

// The first sight of the page is a grader at work, unless a link or somebody's hand was there before.
const openWithSample = async () => {
  if (state.edited || location.hash.length > 1 || editors.grader.text || state.opened) return;
  state.opened = true;
  byId("start").value = "0";
  useSample();
  if (!byId("play").hidden) await run({ quiet: true });
};

const readInfo = async () => {
  try {
    const { body } = await ask("/playground/info");
    state.info = body;
    unsay("info");
    const samples = list(own(body, "samples")).filter(isObject);
    byId("start").replaceChildren(make("option", "a sample …", { value: "" }), ...samples.map((one, at) => make("option", shortened(own(one, "name") || `sample ${at + 1}`, 60), { value: String(at) })));
    const host = own(body, "judge");
    const judge = typeof host === "string" && host ? (host === "local" ? "Judges are asked in the server itself." : `Judges are asked at ${shortened(host, 80)}.`) : "";
    openWithSample();
    byId("about").textContent = `graders ${shortened(own(body, "version") || "", 40)}. ${judge} This page loads nothing and sends nothing anywhere but to the server it came from.`;
  } catch (error) {
    if (!(error instanceof Trouble)) throw error;
    say("info", error.message, { bad: true, act: readInfo, word: error.kind === "token" ? "Give the token" : "Try again" });
  }
};

const edited = (name) => () => {
  state.edited = true;
  byId("start").value = "";
  freshen();
  if (name === "grader") lintSoon();
  else if (checks[name]) checks[name]();
  trialEdited();
};
const checks = { item: debounced(() => checkJson("item"), 250), sample: debounced(() => checkJson("sample"), 250) };

const start = () => {
  startTheme();
  startTabs();
  for (const name of ["other", "grader", "item", "sample"]) {
    editors[name] = new Editor(name, { onEdit: edited(name), code: name !== "sample" });
    if (name !== "other") fileButton(name, (file) => openInto(name, file));
    dropZone(editors[name].box, (file) => openInto(name, file));
  }
  for (const name of ["grader", "other"]) startHelp(name);
  readSchema();
  startBatch();
  fileButton("rows", openRows);
  dropZone(document.body, (file) => openRows(file));
  byId("run").addEventListener("click", () => run({ scroll: true }));
  byId("stop").addEventListener("click", () => {
    stopRun();
    said("Stopped.");
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !document.querySelector("dialog[open]") && byId("evals").hidden) {
      event.preventDefault();
      if (byId("play").hidden) showTab("play", false);
      run({ scroll: true });
    }
  });
  if (/Mac|iPhone|iPad/.test(navigator.platform)) byId("keys").textContent = "⌘ Enter runs";
  byId("skip").addEventListener("click", (event) => {
    event.preventDefault(); // The fragment is the link's.
    byId("main").focus();
  });
  byId("start").addEventListener("change", useSample);
  byId("target").addEventListener("change", () => {
    lint();
    freshen();
    trialEdited();
  });
  for (const kind of ["text", "json"]) {
    byId(`kind-${kind}`).addEventListener("change", () => {
      setKind(kind);
      checkJson("sample");
      freshen();
    });
  }
  byId("rows-close").addEventListener("click", () => {
    closeRows();
    byId("rows-open").focus();
  });
  byId("rows-try").addEventListener("click", () => {
    if (!state.sampleRows) return;
    openRows(state.sampleRows);
    gradeRows({ come: true });
  });
  byId("rows-back").addEventListener("click", () => showRows(Math.max(0, state.first - PAGE)));
  byId("rows-next").addEventListener("click", () => showRows(state.first + PAGE));
  byId("rows-goto").addEventListener("change", goToRow);
  byId("rows-run").addEventListener("click", () => gradeRows({ come: true }));
  byId("rows-sample").addEventListener("change", () => {
    const sample = state.samples[Number(byId("rows-sample").value)];
    replaceTexts({ sample: sample.text, kind: sample.kind }, "Another sample of the row");
  });
  byId("share").addEventListener("click", share);
  byId("link-copy").addEventListener("click", copyLink);
  byId("link-close").addEventListener("click", () => byId("link").close());
  byId("token-form").addEventListener("submit", giveToken);
  byId("token-not").addEventListener("click", () => byId("token").close(""));
  startJobs();
  startJobMake();
  startEvals();
  window.addEventListener("hashchange", openLink);
  openLink();
  readInfo();
};

start();
