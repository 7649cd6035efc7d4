// Making evals of what stands in the editor, and runs of rows.

const lacksThreshold = (part) => {
  const found = members(part);
  return found !== null && found.get("type") === '"text_similarity"' && !found.has("pass_threshold");
};

// A part as a criterion of its own: by its key, and with the threshold that a criterion must have.
const criterionOf = (part, key, threshold) => {
  const fields = new Map(members(part));
  if (key !== null) fields.set("name", JSON.stringify(key));
  if (lacksThreshold(part)) fields.set("pass_threshold", threshold);
  return `{${[...fields].map(([name, value]) => `${JSON.stringify(name)}:${value}`).join(",")}}`;
};

const nameIn = (text) => {
  const name = members(text)?.get("name");
  return name?.startsWith('"') ? JSON.parse(name).slice(0, 1024) : "";
};

// The grader of the editor, as testing criteria: its name and their parts as [key, JSON text], or a sentence that says why not.
const criteriaText = () => {
  const text = editors.grader.text.trim();
  if (!text) return { wrong: "There is no grader in the editor: write one under Grade a sample first." };
  const wrong = scanJson(text);
  if (wrong) return { wrong: `The grader in the editor is no JSON, which an eval's criteria are: ${wrong.message}.` };
  const found = members(text);
  const listed = found ? found.get("testing_criteria") : text;
  if (listed?.startsWith("[")) return { name: nameIn(text), parts: elements(listed).map((one) => [null, one]) };
  const one = found?.has("grader") && !found.has("type") ? found.get("grader") : text;
  const whole = members(one);
  const held = whole?.get("type") === '"multi"' && members(whole.get("graders") ?? "");
  // An eval has criteria where a job has a multi.
  const name = nameIn(one);
  return held ? { name, parts: [...held], said: "A multi is no criterion of an eval: each of its graders becomes one." } : { name, parts: [[null, one]] };
};

const makeEval = async (event) => {
  event.preventDefault();
  const { parts, wrong } = criteriaText();
  const threshold = byId("make-threshold").value;
  if (wrong || (!Number.isFinite(Number(threshold)) || threshold.trim() === "")) {
    byId("make-said").textContent = wrong ?? "From what score a similarity passes is a number.";
    return;
  }
  const text = `[${parts.map(([key, part]) => (members(part) ? criterionOf(part, key, JSON.stringify(Number(threshold))) : part)).join(",")}]`;
  const config = '{"type":"custom","item_schema":{"type":"object"},"include_sample_schema":true}';
  try {
    const body = `{"name":${JSON.stringify(byId("make-name-of").value.trim())},"data_source_config":${config},"testing_criteria":${text}}`;
    const made = await ask("/v1/evals", { method: "POST", text: body });
    const id = own(made.body, "id");
    byId("make").close();
    await openEval(id);
    if (state.file && byId("make-run").checked) await runOpenRows(id);
    lookAtEvalsNow();
    byId("eval-name").focus();
  } catch (error) {
    if (!(error instanceof Trouble)) throw error;
    byId("make-said").textContent = shortened(error.message, 600);
  }
};

// A first run of a new eval, over the rows that are open.
const runOpenRows = async (id) => {
  const { file } = state.file;
  const rows = file.size <= MOST_PASTED ? pastedRows(visibleRows(await file.text())) : { text: await uploadedRows(file) };
  if (rows.wrong) {
    say("run", `The eval was made, but not run: ${rows.wrong}`, { bad: true });
    return;
  }
  const text = `{"name":${JSON.stringify(file.name)},"data_source":{"type":"jsonl","source":${rows.text}}}`;
  await tell("run", "The eval was made, but not run.", evalPath(id, "runs"), { method: "POST", text });
};

// The rows of the text box as a data source's content; a row without an item is its own item.
const pastedRows = (text) => {
  const rows = [];
  for (const [at, line] of text.split("\n").entries()) {
    if (line.trim()) {
      const wrong = scanJson(line.trim());
      if (wrong) return { wrong: `Line ${count(at + 1)} of the rows is no JSON: ${wrong.message}.` };
      if (!members(line.trim())) return { wrong: `Line ${count(at + 1)} of the rows is no JSON object.` };
      const { item, samples } = textsOf(line.trim());
      const [sample] = samples;
      const said = sample ? `,"sample":${sample.kind === "text" ? JSON.stringify(sample.text) : sample.text}` : "";
      rows.push(`{"item":${item}${said}}`);
    }
  }
  if (!rows.length) return { wrong: "There are no rows: paste some, one JSON object a line, or open a file." };
  return { text: `{"type":"file_content","content":[${rows.join(",")}]}` };
};

const uploadedRows = async (file) => {
  const form = new FormData();
  form.append("purpose", "evals");
  form.append("file", file, file.name);
  const { body } = await ask("/v1/files", { method: "POST", form });
  return `{"type":"file_id","id":${JSON.stringify(own(body, "id"))}}`;
};

const dataSource = (rows) => {
  if (!byId("answers-model").checked) return `{"type":"jsonl","source":${rows}}`;
  const template = JSON.stringify([{ role: "user", content: byId("run-prompt").value }]);
  return `{"type":"completions","source":${rows},"model":${JSON.stringify(byId("run-model").value.trim())},`
    + `"input_messages":{"type":"template","template":${template}}}`;
};

const runSaid = (text, bad = false) => {
  byId("run-said").textContent = text;
  byId("run-said").classList.toggle("bad", bad);
};

const startRun = async (event) => {
  event.preventDefault();
  if (isAtWork(byId("run-start"))) return;
  if (byId("answers-model").checked && !byId("run-model").value.trim()) {
    runSaid("Name the model that is to answer.", true);
    byId("run-model").focus();
    return;
  }
  if (byId("answers-model").checked && !byId("run-prompt").value.trim()) {
    runSaid("Write what the model is asked, such as {{ item.question }}.", true);
    byId("run-prompt").focus();
    return;
  }
  const pasted = evals.file ? {} : pastedRows(byId("run-rows").value);
  if (pasted.wrong) {
    runSaid(pasted.wrong, true);
    byId("run-rows").focus();
    return;
  }
  work(byId("run-start"), true);
  runSaid(evals.file ? "Uploading the rows …" : "Starting …");
  try {
    const rows = evals.file ? await uploadedRows(evals.file) : pasted.text;
    const text = `{"name":${JSON.stringify(byId("run-name").value.trim())},"data_source":${dataSource(rows)}}`;
    const tooMuch = excess(text);
    if (tooMuch) throw new Trouble(`${tooMuch} Open them as a file instead.`, "refused");
    await ask(evalPath(evals.current, "runs"), { method: "POST", text });
    runSaid("Started.");
    byId("run-name").value = "";
    chooseFile(null);
  } catch (error) {
    if (!(error instanceof Trouble)) throw error;
    runSaid(`Not started. ${shortened(error.message, 600)}`, true);
  } finally {
    work(byId("run-start"), false);
    lookAtEvalsNow();
  }
};

// A small file comes into the text box, where it can be looked at; a large one is uploaded as it is.
const chooseFile = async (file) => {
  evals.file = null;
  byId("run-rows").disabled = false;
  if (file === null) return;
  if (file.size <= MOST_PASTED) {
    byId("run-rows").value = visibleRows(await file.text());
    runSaid(`The rows of ${shortened(file.name, 80)} are in the box.`);
    return;
  }
  evals.file = file;
  byId("run-rows").value = "";
  byId("run-rows").disabled = true;
  runSaid(`${shortened(file.name, 80)} (${count(file.size)} bytes) is uploaded when the run starts.`);
};

// A byte order mark is no part of the first row.
const visibleRows = (text) => text.replace(/^\ufeff/, "");

const startEvals = () => {
  for (const id of ["eval-name", "evals-name"]) byId(id).tabIndex = -1;
  byId("evals-more").addEventListener("click", () => { evals.most = Math.min(evals.most + 40, 100); lookAtEvalsNow(); });
  byId("runs-more").addEventListener("click", () => { evals.mostRuns = Math.min(evals.mostRuns + 40, 100); lookAtEvalsNow(); });
  byId("runs-compare").addEventListener("click", compareRuns);
  byId("eval-delete").addEventListener("click", deleteEval);
  byId("eval-make").addEventListener("click", () => {
    const { name, parts, wrong, said: unfolded } = criteriaText();
    byId("make-threshold-box").hidden = !parts?.some(([, part]) => lacksThreshold(part));
    byId("make-said").textContent = wrong ?? unfolded ?? "Its criteria are those of the grader in the editor.";
    byId("make-run-box").hidden = !state.file;
    if (state.file) byId("make-run-word").textContent = `and run it over ${shortened(state.file.file.name, 60)} (${plural(state.file.size, "row")})`;
    byId("make-name-of").value = name ?? "";
    byId("make").showModal();
    byId("make-name-of").select();
  });
  byId("make-form").addEventListener("submit", makeEval);
  byId("make-not").addEventListener("click", () => byId("make").close());
  byId("run-form").addEventListener("submit", startRun);
  fileButton("run-rows", chooseFile);
  for (const name of ["rows", "model"]) {
    byId(`answers-${name}`).addEventListener("change", () => { byId("run-asked").hidden = !byId("answers-model").checked; });
  }
  document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(evals.timer) : lookAtEvals()));
  const wanted = new URLSearchParams(location.search).get("evals");
  if (wanted === null) return;
  evals.current = wanted || null;
  showTab("evals", false);
};
