// Making a job of the grader in the editor and of rows.

const MOST_CONVERTED = 64_000_000; // Bytes of rows that are rewritten here; larger files come as training rows.

// A template's paths filled in from an item; what is not there stays as it is written.
const filledIn = (template, item) => template.replace(/\{\{\s*item((?:\.\w+)+)\s*\}\}/g, (whole, path) => {
  const value = path.slice(1).split(".").reduce((at, key) => own(at, key), item);
  return value === undefined ? whole : typeof value === "string" ? value : JSON.stringify(value);
});

// A row as a job takes it: fields of the item beside what is asked and what was answered. As it is written
// where it has messages; numbers keep their digits.
const trainingRow = (text, prompt) => {
  const whole = members(text);
  if (whole === null) return { wrong: "is no JSON object" };
  if (whole.has("messages")) return { text };
  const item = whole.has("item") ? members(whole.get("item")) : new Map([...whole].filter(([key]) => key !== "sample" && key !== "samples"));
  if (item === null) return { wrong: "has an item that is no object" };
  const asked = filledIn(prompt, JSON.parse(whole.has("item") ? whole.get("item") : text));
  if (/\{\{/.test(asked)) return { wrong: `lacks what ${/\{\{[^}]*\}?\}?/.exec(asked)[0]} asks for` };
  const fields = [...item].filter(([key]) => !["messages", "sample", "samples"].includes(key)).map(([key, value]) => `${JSON.stringify(key)}:${value}`);
  const { samples } = textsOf(text);
  const said = samples.map((one) => (one.kind === "text" ? JSON.stringify(one.text) : one.text));
  return { text: `{${[`"messages":[{"role":"user","content":${JSON.stringify(asked)}}]`, ...fields, ...(said.length ? [`"samples":[${said.join(",")}]`] : [])].join(",")}}` };
};

const trainingFile = async (file, prompt) => {
  if (file.size > MOST_CONVERTED) return file;
  const lines = [];
  for await (const row of new RowFile(file).all()) {
    if (row.text === undefined) throw new Trouble(`${file.name}: ${row.problem}.`, "refused");
    const { text, wrong } = trainingRow(row.text, prompt);
    if (wrong) throw new Trouble(`${file.name}: line ${count(row.line)} ${wrong}.`, "refused");
    lines.push(text);
  }
  if (!lines.length) throw new Trouble(`${file.name} has no rows.`, "refused");
  return new File([`${lines.join("\n")}\n`], file.name);
};

// The grader of the editor as a job's: JSON text, or a sentence that says why not.
const rewardText = () => {
  const text = editors.grader.text.trim();
  if (!text) return { wrong: "There is no grader in the editor: write one under Grade a sample first." };
  const wrong = scanJson(text);
  if (wrong) return { wrong: `The grader in the editor is no JSON, which a job's grader is: ${wrong.message}.` };
  const found = members(text);
  if (!found) return { wrong: "The editor holds several criteria; a job has one grader: combine them by a multi." };
  if (!found.has("type") && found.has("grader")) return { text: found.get("grader") };
  const method = members(found.get("method") ?? "");
  const held = method && members(members(method.get("reinforcement") ?? "")?.get("grader") ?? "");
  return held ? { text: members(method.get("reinforcement")).get("grader") } : { text };
};

const uploadTraining = async (file) => {
  const form = new FormData();
  form.append("purpose", "fine-tune");
  form.append("file", file, file.name);
  return own((await ask("/v1/files", { method: "POST", form })).body, "id");
};

const jobMakeSaid = (text, bad = false) => {
  byId("jobs-make-said").textContent = text;
  byId("jobs-make-said").classList.toggle("bad", bad);
};

const makeJob = async (event) => {
  event.preventDefault();
  const { text, wrong } = rewardText();
  const train = byId("jobs-make-train").files[0] ?? state.file?.file;
  if (wrong || !train) {
    jobMakeSaid(wrong ?? "Choose a file of training rows.", true);
    return;
  }
  if (isAtWork(byId("jobs-make-yes"))) return;
  work(byId("jobs-make-yes"), true);
  jobMakeSaid("Uploading the rows …");
  try {
    const prompt = byId("jobs-make-prompt").value;
    const rows = await uploadTraining(await trainingFile(train, prompt));
    const other = byId("jobs-make-valid").files[0];
    const valid = other ? await uploadTraining(await trainingFile(other, prompt)) : rows;
    const suffix = byId("jobs-make-suffix").value.trim();
    const body = `{"model":${JSON.stringify(byId("jobs-make-model").value.trim())},"training_file":${JSON.stringify(rows)},"validation_file":${JSON.stringify(valid)},`
      + `${suffix ? `"suffix":${JSON.stringify(suffix)},` : ""}"method":{"type":"reinforcement","reinforcement":{"grader":${text}}}}`;
    const made = await ask(JOBS, { method: "POST", text: body });
    byId("jobs-make").close();
    if (isObject(made.body)) jobs.found.unshift(made.body);
    openJob(idOf(made.body), true);
    byId("job-name").focus();
  } catch (error) {
    if (!(error instanceof Trouble)) throw error;
    jobMakeSaid(`Not made. ${shortened(error.message, 600)}`, true);
  } finally {
    work(byId("jobs-make-yes"), false);
  }
};

// What is asked by default: the first text of the open row that no template of the grader compares with.
const firstPrompt = () => {
  const item = members(editors.item.text);
  const keys = item ? [...item.keys()] : [];
  const asked = keys.find((key) => /^(question|prompt|input|query|instruction|task)$/i.test(key)) ?? keys.find((key) => !editors.grader.text.includes(`item.${key}`)) ?? keys[0];
  return asked && /^\w+$/.test(asked) ? `{{ item.${asked} }}` : "{{ item.question }}";
};

const startJobMake = () => {
  byId("job-make").addEventListener("click", () => {
    const { wrong } = rewardText();
    jobMakeSaid(wrong ?? "A dry run: every row graded, step by step, and a verdict. Its grader is the one in the editor.", Boolean(wrong));
    byId("jobs-make-rows").textContent = state.file ? `None chosen: those that are open, ${shortened(state.file.file.name, 60)}.` : "";
    byId("jobs-make-prompt").value = firstPrompt();
    byId("jobs-make").showModal();
    byId("jobs-make-suffix").focus();
  });
  byId("jobs-make-form").addEventListener("submit", makeJob);
  byId("jobs-make-not").addEventListener("click", () => byId("jobs-make").close());
};
