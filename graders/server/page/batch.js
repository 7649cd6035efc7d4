// Rows graded together: a summary, the distribution, and the rows to read first; by two graders, what differs.

const PART = 250; // Rows of one request.
const PART_BYTES = 1_000_000;
const MOST_ANSWERS = 20_000; // More are for graders score.
const MOST_LIVE = 500; // Of so many rows, every change of a grader is followed.
const TO_READ = 12;

const trial = { number: 0, stop: null, answers: [], figures: null, sides: [], asks: false, more: false, seen: null, done: false };

// Each answer of a row: { index, at, of, text, body }; a row without an answer has one without a sample.
const answersOf = (row) => {
  const { item, samples } = textsOf(row.text);
  const body = ({ kind, text }) => `{"item":${item},"sample":${kind === "text" ? JSON.stringify(text) : text}}`;
  const all = samples.length ? samples : [null];
  return all.map((one, at) => ({
    index: row.index, at, of: all.length, text: one ? one.text.slice(0, 160) : "", body: one ? body(one) : `{"item":${item}}`,
  }));
};

// The answers of a row of the file; without a file, what is in the editors.
const foundIn = (row) => {
  if (row === null) return [{ index: 0, at: 0, of: 1, text: editors.sample.text.slice(0, 160), body: `{${rowNow()}}` }];
  return row.text === undefined ? [{ index: row.index, at: 0, of: 1, text: row.problem, unreadable: row.problem }] : answersOf(row);
};

// All answers there are, in parts that a request may have.
async function* partsOf(file) {
  const limits = own(state.info, "limits");
  const most = Math.max(1, Math.min(PART, own(limits, "rows") || PART));
  const bytes = Math.min(PART_BYTES, (own(limits, "body_bytes") || Infinity) / 2);
  let [part, size] = [[], 0];
  for await (const row of file ? file.all() : [null]) {
    for (const one of foundIn(row)) {
      const weight = one.body?.length ?? 0;
      if (part.length && (part.length >= most || size + weight > bytes)) {
        yield part;
        [part, size] = [[], 0];
      }
      part.push(one);
      size += weight;
    }
  }
  if (part.length) yield part;
}

const rowName = (answer) => (state.file ? `row ${count(answer.index)}${answer.of > 1 ? `, answer ${answer.at + 1}` : ""}` : "the row in the editors");
const rewardOf = (answer, side) => own(answer.got[side], "reward");
const differs = (answer) => {
  const [one, other] = [rewardOf(answer, 0), rewardOf(answer, 1)];
  if (isNumber(one) && isNumber(other)) return other - one;
  return isNumber(one) || isNumber(other) ? Infinity : 0;
};

// The figures and bars are those that graders score and graders diff give: the server works them out.
const figuresFor = async (answers, sides, signal) => {
  const keys = [...new Set(answers.flatMap((one) => one.got.flatMap((got) => entries(own(got, "sub_rewards")).map(([key]) => key))))];
  // A request holds so many numbers: of very many rows, fewer sub-graders.
  const room = Math.floor((own(own(state.info, "limits"), "body_bytes") || 1e6) / (25 * sides.length * Math.max(answers.length, 1)) - 1);
  const column = (of) => answers.map((one) => (isNumber(of(one)) ? of(one) : null));
  const body = sides.map((_, side) => ({
    rewards: column((one) => rewardOf(one, side)),
    sub_rewards: Object.fromEntries(keys.slice(0, Math.min(20, Math.max(room, 0))).map((key) => [key, column((one) => own(own(one.got[side], "sub_rewards"), key))])),
  }));
  return (await ask("/playground/figures", { method: "POST", text: JSON.stringify({ sides: body }), signal })).body;
};

const histogramView = () => {
  const sides = list(own(trial.figures, "sides"));
  const pictures = sides.map((one, side) => [list(own(one, "bars")), side]).filter(([bars]) => bars.length).map(([bars, side]) => {
    const few = bars.every(([name]) => !name.includes(" – "));
    const spelled = bars.filter(([, size]) => size).map(([name, size]) => `${name.replace(" – ", " to ")}: ${size}`).join("; ");
    const most = Math.max(...bars.map(([, size]) => size), 1);
    return make("figure", [
      ...(sides.length > 1 ? [make("figcaption", `Grader ${"AB"[side]}`)] : []),
      make("div", columnsView(bars, `Rows by reward${sides.length > 1 ? ` of grader ${"AB"[side]}` : ""}. ${spelled}.`), { class: "plot" }),
      make("div", few ? bars.map(([name, size]) => make("span", [String(Number(Number(name).toPrecision(3))), make("small", count(size))])) : [bars[0], bars.at(-1)].map(([name], at) => make("span", name.split(" – ")[at])), { class: few ? "ticks each" : "ticks", "aria-hidden": "true" }),
      make("figcaption", few ? "Rows by reward, with how many" : `Rows by reward; the highest bar has ${plural(most, "row")}`),
    ], { class: "histogram" });
  });
  return pictures.length ? [make("div", pictures, { class: sides.length > 1 ? "pictures two" : "pictures" })] : [];
};

const lineOf = (name, cells, cell = (one) => figure(one)) => make("tr", [make("th", name, { scope: "row" }), ...cells.map((one) => make("td", cell(one), { class: "n" }))]);
const signed = (value) => figure(value).replace(/^-/, "−");
const rangeOf = (low, high) => (isNumber(low) && isNumber(high) ? `${signed(low)} to ${signed(high)}` : "–");

const figuresView = () => {
  const each = list(own(trial.figures, "sides"));
  const of = (name) => each.map((one) => own(one, name));
  const rewards = of("reward");
  const lines = [
    lineOf("Mean reward", of("mean_of_scored")),
    lineOf("95% interval", rewards, (one) => rangeOf(...list(own(one, "mean_95")))),
    lineOf("Scored", each, (one) => `${count(own(one, "scored"))} of ${count(own(one, "rows"))}`),
    lineOf("Failed", of("failed"), (one) => count(one)),
    ...(each.some((one) => own(one, "failed")) ? [lineOf("Mean, failed as 0", of("mean_of_all"))] : []),
    lineOf("Spread", rewards.map((one) => own(one, "spread"))),
    lineOf("Lowest to highest", rewards, (one) => rangeOf(own(one, "min"), own(one, "max"))),
  ];
  for (const key of new Set(each.flatMap((one) => entries(own(one, "sub_rewards")).map(([name]) => name)))) {
    lines.push(lineOf([make("bdi", shortened(key, 60)), make("small", " mean")], of("sub_rewards").map((one) => own(own(one, key), "mean"))));
  }
  const apart = own(trial.figures, "difference");
  if (apart) {
    const changed = trial.answers.filter((one) => differs(one)).length;
    const only = (name, text) => lines.push(lineOf(name, [null, text], (one) => one ?? ""));
    only("Rows that differ", count(changed));
    only("B − A, mean", `${own(apart, "mean_delta") > 0 ? "+" : ""}${signed(own(apart, "mean_delta"))}`);
    only("95% interval of B − A", rangeOf(...list(own(apart, "mean_delta_95"))));
    if (isNumber(own(apart, "mean_delta_p"))) only("By chance (p)", figure(apart.mean_delta_p));
  }
  const head = each.length > 1 ? [make("thead", make("tr", [make("td"), ...["A", "B"].map((one) => make("th", `Grader ${one}`, { scope: "col", class: "n" }))]))] : [];
  return make("table", [make("caption", "Summary of the rows", { class: "unseen" }), ...head, make("tbody", lines)], { class: "summary" });
};

const whyFailed = (answer, sides) => {
  const failed = sides.map((_, side) => list(own(answer.got[side], "failures"))[0]).find((one, side) => one && !isNumber(rewardOf(answer, side)));
  return failed ? `${failed.code}${own(failed, "where") ? ` in ${failed.where}` : ""}: ${failed.message}` : "";
};

// Rows that fail alike, by what they have in common: the first of them stands for all.
const alike = (answers, sides) => {
  const found = new Map();
  for (const answer of answers) {
    const why = whyFailed(answer, sides);
    const key = why ? JSON.stringify([why, ...sides.map((_, side) => rewardOf(answer, side) ?? null)]) : answer;
    found.set(key, [...(found.get(key) ?? []), answer]);
  }
  return new Map([...found.values()].map((all) => [all[0], all.length]));
};

// Failed ones first, each kind of failure once before any twice; then the lowest, or what differs most.
const toRead = (sides) => {
  const seen = new Map();
  const rank = (answer) => {
    const failed = sides.findIndex((_, side) => !isNumber(rewardOf(answer, side)));
    if (sides.length > 1) return [-Math.abs(differs(answer)), 0];
    if (failed < 0) return [1, rewardOf(answer, 0)];
    const code = String(list(own(answer.got[0], "failures"))[0]?.code);
    seen.set(code, (seen.get(code) ?? 0) + 1);
    return [0, seen.get(code)];
  };
  const same = alike(trial.answers, sides);
  const ranked = [...same.keys()].map((answer) => [rank(answer), answer]);
  const wanted = sides.length > 1 ? ranked.filter(([[apart]]) => apart) : ranked;
  return wanted.sort(([a, x], [b, y]) => (a[0] === b[0] ? a[1] - b[1] || x.index - y.index : a[0] - b[0])).slice(0, TO_READ).map(([, answer]) => [answer, same.get(answer)]);
};

const readView = (sides) => {
  const found = toRead(sides);
  const title = make("h3", sides.length > 1 ? "Rows that differ most" : "Rows to read first", { id: "read-name" });
  if (!found.length && !trial.answers.length) return [title, make("p", "There are no rows.", { class: "soft" })];
  const none = trial.answers.every((answer) => sides.every((_, side) => !isNumber(rewardOf(answer, side))));
  if (!found.length) return [title, make("p", none ? "Neither grader gives any row a reward." : "Both graders give every row the same.", { class: "soft" })];
  const cell = (answer, side) => make("td", isNumber(rewardOf(answer, side)) ? figure(rewardOf(answer, side)) : "failed", { class: isNumber(rewardOf(answer, side)) ? "n" : "n bad" });
  const change = (answer) => {
    const by = differs(answer);
    return make("td", Number.isFinite(by) ? `${by > 0 ? "+" : "−"}${figure(Math.abs(by))}` : "one failed", { class: "n" });
  };
  const names = sides.length > 1 ? ["A", "B", "B − A"] : ["Reward"];
  return [title, make("div", make("table", [
    make("caption", title.textContent, { class: "unseen" }),
    make("thead", make("tr", [make("th", "Row", { scope: "col" }), ...names.map((one) => make("th", one, { scope: "col", class: "n" })), make("th", "Why, or the answer", { scope: "col" })])),
    make("tbody", found.map(([answer, times]) => {
      const open = button(state.file ? `${count(answer.index)}${answer.of > 1 ? ` · ${answer.at + 1}` : ""}` : "this", () => readRow(answer), { class: "row", "aria-label": `Read ${rowName(answer)}` });
      return make("tr", [
        make("th", open, { scope: "row" }), ...sides.map((_, side) => cell(answer, side)), ...(sides.length > 1 ? [change(answer)] : []),
        make("td", [shortened(whyFailed(answer, sides) || answer.text, 220), ...(times > 1 ? [make("small", `and ${plural(times - 1, "more row")} like it`)] : [])], { class: "why" }),
      ]);
    })),
  ]), { class: "scroll", role: "region", "aria-labelledby": "read-name", tabindex: "0" })];
};

// A row of the list in the editors, graded.
const readRow = async (answer) => {
  if (state.file) {
    const [row] = await state.file.page(answer.index, 1);
    if (!row || row.text === undefined) return;
    openRow(row, false);
    if (answer.at && state.samples[answer.at]) {
      byId("rows-sample").value = String(answer.at);
      replaceTexts({ sample: state.samples[answer.at].text, kind: state.samples[answer.at].kind }, rowName(answer));
    }
  }
  await run({ scroll: true });
  byId("results-name").focus({ preventScroll: true });
};

const trialSaid = (text, bad = false) => {
  byId("trial-said").textContent = text;
  byId("trial-said").classList.toggle("bad", bad);
};

const drawTrial = () => {
  const { sides } = trial;
  const focus = byId("trial-body").contains(document.activeElement) ? document.activeElement.getAttribute("aria-label") : null;
  byId("trial-body").replaceChildren(
    make("div", [...histogramView(), figuresView()], { class: "figures" }), make("div", readView(sides), { class: "reading" }),
  );
  if (focus) ([...byId("trial-body").querySelectorAll("button")].find((one) => one.getAttribute("aria-label") === focus) ?? byId("trial-again")).focus();
};

const graderTexts = () => [editors.grader.text, ...(byId("other-pane").hidden ? [] : [editors.other.text])];
const trialKey = () => JSON.stringify([graderTexts(), state.file ? state.rowsFile : [editors.item.text, editors.sample.text], byId("target").value]);

const gradePart = async (grader, part, named, signal) => {
  const sent = part.filter((one) => one.body);
  const unread = (one) => ({ reward: null, failures: [{ code: "unreadable_row", message: one.unreadable }] });
  if (!sent.length) return { ok: true, rows: part.map(unread), findings: null };
  const text = `{"grader":${JSON.stringify(grader)},"target":${JSON.stringify(byId("target").value)},"named":${JSON.stringify(named)},"rows":[${sent.map((one) => one.body).join(",")}]}`;
  const { body } = await ask("/playground/rows", { method: "POST", text, signal });
  if (own(body, "ok") !== true) return body;
  const rows = list(own(body, "rows"));
  let at = 0;
  return { ...body, rows: part.map((one) => (one.body ? rows[at++] : unread(one))) };
};

const stopTrial = () => {
  trial.number += 1;
  trial.stop?.abort();
  trial.stop = null;
  shut(byId("trial-stop"), true, byId("trial-again"));
};

// A grader with faults gives no figures: the faults stand with their editor, and the panel says whose they are.
const faulty = (side, body) => {
  const name = ["grader", "other"][side];
  const faults = list(own(body, "faults")).filter(isObject);
  editors[name].mark("run", faults.map((one) => ({ ...one, level: "error" })));
  if (name === "grader") showLint(faults, list(own(body, "findings")));
  else note("other", `${plural(faults.length, "fault")}. ${shortened(String(own(faults[0], "message") || "").split("\n")[0], 300)}`, true);
  trialSaid(`${side || trial.sides.length > 1 ? `Grader ${"AB"[side]}` : "The grader"} has ${plural(faults.length, "fault")}: mend it and the rows are graded.`, true);
  trial.seen = null;
};

const liveReason = () => {
  if (trial.asks) return "off: it asks a model";
  return trial.answers.length > MOST_LIVE ? `off: more than ${count(MOST_LIVE)} rows` : "";
};

// Where the rows are graded and nobody is paid for it, the result is that of the row in the editors, too.
const showOpenRow = () => {
  if (state.file && state.row && state.samples.length && !trial.asks && state.ran !== JSON.stringify(textsNow())) run({ quiet: true });
};

const endTrial = (findings) => {
  const { answers, sides } = trial;
  const failed = answers.filter((one) => !isNumber(rewardOf(one, 0))).length;
  const differing = sides.length > 1 ? ` ${plural(answers.filter((one) => differs(one)).length, "row")} differ${answers.filter((one) => differs(one)).length === 1 ? "s" : ""}.` : failed ? ` ${count(failed)} failed.` : "";
  trialSaid(`${plural(answers.length, answers.some((one) => one.of > 1) ? "answer" : "row")} graded${trial.more ? ` (the first ${count(MOST_ANSWERS)}; graders score takes files of any length)` : ""}.${differing}`);
  byId("live-said").textContent = liveReason();
  // Of a row's own faults the lint knows what the rows told: it is of the same grades.
  if (!findings) return;
  state.rowLint = { grader: sides[0], target: byId("target").value, findings, rows: trial.first, more: answers.length > trial.first };
  showLint([], findings);
};

const gradeRows = async ({ come = false } = {}) => {
  stopTrial();
  const { number } = trial;
  const texts = graderTexts();
  if (!state.file && (checkJson("item") || checkJson("sample"))) return;
  if (texts.some((one) => !one.trim())) {
    trialSaid("A grader is missing: write one, or start from a sample.", true);
    return;
  }
  byId("trial").hidden = false;
  const seen = trialKey();
  const answers = [];
  Object.assign(trial, { stop: new AbortController(), sides: texts, more: false, done: false });
  byId("trial-stop").hidden = false;
  trialSaid("Grading …");
  if (come) byId("trial").scrollIntoView({ block: "nearest" });
  let findings = null;
  try {
    for await (const part of partsOf(state.file)) {
      if (number !== trial.number) return;
      const named = state.file ? state.file.file.name : "the editors";
      const got = await Promise.all(texts.map((text) => gradePart(text, part, named, trial.stop.signal)));
      if (number !== trial.number) return;
      const wrong = got.findIndex((one) => own(one, "ok") !== true);
      if (wrong >= 0) {
        faulty(wrong, got[wrong]);
        return;
      }
      if (!answers.length) [findings, trial.first] = [own(got[0], "findings"), part.length];
      trial.asks = got.some((one) => own(one, "asks") === true);
      part.forEach((one, at) => answers.push({ ...one, body: null, got: got.map((side) => side.rows[at] ?? {}) }));
      for (const one of answers.slice(-part.length)) if (state.file && one.at === 0 && !one.unreadable) remember(one, { ok: true, grade: one.got[0] }, false);
      trial.answers = answers;
      trialSaid(`${count(answers.length)} graded …`);
      if (answers.length >= MOST_ANSWERS) {
        trial.more = true;
        break;
      }
    }
    const figures = await figuresFor(answers, texts, trial.stop.signal);
    if (number !== trial.number) return;
    Object.assign(trial, { seen, answers, figures, done: true });
    note("other", "");
    editors.other.mark("run", []);
    unsay("trial");
    drawTrial();
    if (state.page && state.file) drawRows();
    endTrial(findings);
    freshenTrial();
    showOpenRow();
  } catch (error) {
    if (number !== trial.number) return;
    if (!(error instanceof Trouble)) throw error;
    trialSaid("The rows were not graded.", true);
    say("trial", error.message, { bad: true, act: gradeRows });
  } finally {
    if (number === trial.number) {
      shut(byId("trial-stop"), true, byId("trial-again"));
      trial.stop = null;
    }
  }
};

// What is shown is of the texts that are shown: graded again at once, or marked as older.
const gradeSoon = debounced(() => {
  if (!byId("trial").hidden && trial.seen !== trialKey()) gradeRows();
}, 400);
const freshenTrial = () => {
  const old = !byId("trial").hidden && trial.seen !== null && trial.seen !== trialKey();
  byId("trial").classList.toggle("old", old);
};
const trialEdited = () => {
  if (byId("trial").hidden) return;
  freshenTrial();
  if (byId("live").checked && !liveReason()) gradeSoon();
  else if (trial.seen !== trialKey()) trialSaid("The texts were changed since; grade the rows again.");
};

const compareNow = (on) => {
  const was = !byId("other-pane").hidden;
  if (was === on) return;
  byId("other-pane").hidden = !on;
  byId("compare").setAttribute("aria-pressed", String(on));
  byId("grader-name").textContent = on ? "Grader A" : "Grader";
  byId("grader-both").classList.toggle("two", on);
  if (on && !editors.other.text.trim()) editors.other.text = editors.grader.text;
  editors.grader.draw(true);
  editors.other.draw(true);
};

const closeTrial = () => {
  stopTrial();
  Object.assign(trial, { answers: [], figures: null, seen: null });
  byId("trial").hidden = true;
};

const startBatch = () => {
  byId("trial-again").addEventListener("click", () => gradeRows());
  byId("trial-stop").addEventListener("click", () => {
    stopTrial();
    trialSaid("Stopped.");
  });
  byId("trial-close").addEventListener("click", () => {
    closeTrial();
    compareNow(false);
    byId("run").focus();
  });
  byId("live").addEventListener("change", trialEdited);
  byId("compare").addEventListener("click", () => {
    compareNow(byId("other-pane").hidden);
    if (!byId("other-pane").hidden) editors.other.area.focus();
    if (!byId("other-pane").hidden || !byId("trial").hidden) gradeRows();
  });
};
