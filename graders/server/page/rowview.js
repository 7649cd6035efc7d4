// The rows of a file beside the editors: shown ten at a time, opened.

const openRows = (file) => {
  if (state.file) state.file.closed = true;
  const rows = new RowFile(file);
  Object.assign(state, { file: rows, first: 0, row: null, rewards: new Map(), rows: state.rows + 1, rowsFile: (state.rowsFile ?? 0) + 1 });
  closeTrial();
  byId("rows").hidden = false;
  byId("rows-which").hidden = true;
  byId("rows-body").replaceChildren();
  unsay("rows");
  let shown = false;
  rows.survey(() => {
    if (rows !== state.file) return;
    tellRows();
    if (!shown && (rows.size >= PAGE || rows.done)) {
      shown = true;
      showRows(0).then(() => openFirst(rows));
    }
  }).catch(() => {
    if (rows === state.file) say("rows", `${file.name} cannot be read any more; open it again.`, { bad: true });
  });
};

const openFirst = (rows) => {
  const first = (state.page || []).find((one) => one.text !== undefined);
  if (rows === state.file && first && !state.row) openRow(first, false);
};

const tellRows = () => {
  const rows = state.file;
  const part = rows.done ? "" : ` so far, ${Math.floor((rows.read / Math.max(rows.file.size, 1)) * 100)} % read`;
  byId("rows-said").textContent = `${shortened(rows.file.name, 80)}: ${plural(rows.size, "row")}${part}`;
  byId("rows-goto").max = Math.max(rows.size - 1, 0);
  turns(byId("rows-back"), byId("rows-next"), state.first === 0, state.first + PAGE >= rows.size);
};

const showRows = async (first) => {
  state.rows += 1;
  const number = state.rows;
  const page = await state.file.page(first, PAGE);
  if (number !== state.rows) return;
  Object.assign(state, { first, page });
  drawRows();
  tellRows();
};

const drawRows = () => {
  const held = byId("rows-body").contains(document.activeElement) ? document.activeElement.textContent : null;
  byId("rows-body").replaceChildren(...(state.page || []).map((row) => {
    const reward = state.rewards.get(row.index);
    const number = button(count(row.index), () => openRow(row), { class: "row", "aria-label": `Open row ${row.index}` });
    number.disabled = row.text === undefined;
    const [item, answer] = row.text === undefined ? [] : beginning(row.text);
    const texts = row.text === undefined ? [make("td", row.problem, { class: "bad", colspan: "2" })] : [make("td", item, { class: "item" }), make("td", answer, { class: "answer" })];
    return make("tr", [
      make("th", number, { scope: "row" }), ...texts, make("td", reward ?? "", { class: reward === "failed" ? "n bad" : "n" }),
    ], { "aria-current": state.row && state.row.index === row.index ? "true" : null });
  }));
  if (held) [...byId("rows-body").querySelectorAll("button")].find((one) => one.textContent === held)?.focus();
};

const openRow = (row, byHand = true) => {
  if (row.text === undefined) return;
  const { item, samples } = textsOf(row.text);
  state.row = row;
  byId("rows-which").hidden = samples.length < 2;
  byId("rows-sample").replaceChildren(...samples.slice(0, 1000).map((_, at) => make("option", `${at + 1} of ${samples.length}`, { value: String(at) })));
  state.samples = samples;
  const sample = samples[0] || (state.fromRow ? { kind: "text", text: "" } : {});
  state.fromRow = Boolean(samples[0]) || state.fromRow;
  replaceTexts({ item, sample: sample.text, kind: sample.kind }, `Row ${row.index}`);
  drawRows();
  if (!samples.length) note("sample", "This row has no sample; write one.");
  if (byHand) said(`Row ${row.index} is in the editors.`);
  if (byHand && trial.done && trial.seen === trialKey()) showOpenRow();
};

const remember = (row, body, drawn = true) => {
  if (!state.rewards) return;
  const reward = own(own(body, "grade"), "reward");
  state.rewards.set(row.index, isNumber(reward) ? figure(reward) : own(body, "ok") ? "failed" : "no grader");
  if (state.page && drawn) drawRows();
};

const goToRow = () => {
  const wanted = Number(byId("rows-goto").value);
  const rows = state.file;
  if (byId("rows-goto").value === "" || !Number.isInteger(wanted) || wanted < 0 || wanted >= rows.size) {
    said(rows.done ? `The file has the rows 0 to ${count(Math.max(rows.size - 1, 0))}.` : "That row is not read yet.", true);
    return;
  }
  showRows(wanted - (wanted % PAGE)).then(() => {
    const row = state.page.find((one) => one.index === wanted);
    if (row) openRow(row);
  });
};
