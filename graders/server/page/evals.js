// Evals: the list, one of them with its criteria and runs, and what can be done with them.

const EVALS = "/playground/evals";
const MOST_RATES = 4; // Criteria with a column of their own.
const MOST_PASTED = 1_048_576; // Bytes of a file that comes into the text box; a larger one is uploaded.

const evals = {
  found: [], more: false, current: null, shown: null, runs: [], moreRuns: false, chosen: new Set(), file: null,
  timer: 0, misses: 0, number: 0, asked: false, looking: false, again: false, seen: {}, most: 20, mostRuns: 20,
};

const evalsShown = () => !byId("evals").hidden && !document.hidden;
const evalPath = (...rest) => `/v1/evals/${rest.map((one) => (/^[a-z]+$/.test(one) ? one : encodeURIComponent(one))).join("/")}`;
const reportPath = (run, other) => `/evals/${encodeURIComponent(evals.current)}/runs/${encodeURIComponent(run)}${other ? `?with=${encodeURIComponent(other)}` : ""}`;
const evalTitle = (one) => shortened(own(one, "name") || own(one, "id") || "eval", 80);
const runBadge = (run) => make("span", runWord(run), { class: `badge ${/^[a-z_]+$/.test(own(run, "status") || "") ? run.status : ""}` });
const runCounts = (run) => VERDICTS.map((one) => own(own(run, "result_counts"), one) || 0);

// Draw a part again only where something changed, and keep the focus where it was.
const redraw = (id, data, draws) => {
  const seen = JSON.stringify(data);
  if (evals.seen[id] === seen) return;
  evals.seen[id] = seen;
  const box = byId(id);
  const held = box.contains(document.activeElement) ? document.activeElement.dataset.id : null;
  box.replaceChildren(...draws());
  if (held) ([...box.querySelectorAll("[data-id]")].find((one) => one.dataset.id === held) ?? box.closest("section").querySelector("h2")).focus();
};

const evalRow = (one) => {
  const last = own(one, "last");
  const row = button([
    make("span", [make("bdi", evalTitle(one)), ...(isObject(last) ? [" · ", runBadge(last)] : [])]),
    make("small", `${plural(own(one, "criteria") || 0, "criterion").replace("criterions", "criteria")} · ${plural(own(one, "runs") || 0, "run")}${dayOf(own(one, "created_at")) ? ` · ${dayOf(one.created_at).toLocaleDateString()}` : ""}`),
  ], () => openEval(own(one, "id")), { "aria-current": own(one, "id") === evals.current ? "true" : null });
  row.dataset.id = own(one, "id") ?? "";
  return make("li", row);
};

const showEvals = () => {
  redraw("evals-list", [evals.found, evals.current], () => evals.found.map(evalRow));
  shut(byId("evals-more"), !evals.more, byId("evals-name"));
  const said = evals.found.length
    ? `${plural(evals.found.length, "eval")}${evals.more ? " and older ones" : ""}.`
    : "There are no evals yet. Make one of the grader in the editor, or with an OpenAI client whose base_url is this server.";
  if (byId("evals-said").textContent !== said) byId("evals-said").textContent = said;
};

const criterionWord = (one) => {
  const words = [own(one, "operation"), own(one, "evaluation_metric"), own(one, "model")].filter((word) => typeof word === "string");
  if (isNumber(own(one, "pass_threshold"))) words.push(`passes from ${one.pass_threshold}`);
  const labels = list(own(one, "passing_labels"));
  if (labels.length) words.push(`passes on ${labels.join(", ")}`);
  return shortened(words.join(" · "), 200);
};

const criterionLine = (one) => make("tr", [
  make("th", make("bdi", shortened(own(one, "name") || "criterion", 80)), { scope: "row" }),
  make("td", shortened(own(one, "type") || "", 40).replace(/_/g, " ")), make("td", criterionWord(one)),
]);

const rateOf = (run, id) => {
  const found = list(own(run, "per_testing_criteria_results")).find((one) => own(one, "testing_criteria") === id);
  const counts = VERDICTS.map((one) => own(found, one) || 0);
  return percent(counts[0], counts.reduce((sum, one) => sum + one, 0));
};

const runLine = (run, criteria) => {
  const id = own(run, "id");
  const counts = runCounts(run);
  const all = counts.reduce((sum, one) => sum + one, 0);
  const name = titleOfRun(run);
  const choose = make("input", null, { type: "checkbox", "aria-label": `Compare ${name}` });
  choose.checked = evals.chosen.has(id);
  choose.dataset.id = `choose ${id}`;
  choose.addEventListener("change", () => chooseRun(id, choose.checked));
  const act = (word, action) => {
    const made = button(word, action, { class: "plain", "aria-label": `${word} ${name}` });
    made.dataset.id = `act ${id}`; // The same place, whatever can be done there now.
    return made;
  };
  const link = make("a", make("bdi", name), { href: reportPath(id) });
  link.dataset.id = `open ${id}`;
  const moment = dayOf(own(run, "created_at"));
  const small = [own(run, "model") ? shortened(run.model, 60) : "", moment ? moment.toLocaleString() : ""].filter(Boolean).join(" · ");
  return make("tr", [
    make("td", choose), make("th", [link, make("small", [runBadge(run), ` · ${small}`])], { scope: "row" }),
    make("td", [verdictBar(counts), percent(counts[0], all)], { class: "n rate", title: counts.map((one, at) => `${count(one)} ${VERDICTS[at]}`).join(", ") }), make("td", count(all), { class: "n" }),
    ...criteria.map((one) => make("td", rateOf(run, own(one, "id")), { class: "n" })),
    make("td", isGoing(run) ? act("Cancel", () => cancelRun(run)) : act("Delete", () => deleteRun(run)), { class: "n" }),
  ]);
};

const showEval = () => {
  const one = evals.shown;
  shut(byId("eval"), !one, byId("evals-name"));
  if (!one) return;
  byId("eval-name").textContent = evalTitle(one);
  byId("eval-lead").textContent = [own(one, "id"), dayOf(own(one, "created_at"))?.toLocaleString()].filter(Boolean).map((word) => shortened(word, 80)).join(" · ");
  const criteria = list(own(one, "testing_criteria")).filter(isObject);
  redraw("eval-criteria", criteria, () => criteria.slice(0, 100).map(criterionLine));
  const rated = criteria.slice(0, MOST_RATES);
  redraw("runs-head", rated, () => [make("tr", [
    make("th", make("span", "Compare", { class: "unseen" }), { scope: "col" }), make("th", "Run", { scope: "col" }),
    make("th", "Passed", { scope: "col", class: "n" }), make("th", "Rows", { scope: "col", class: "n" }),
    ...rated.map((criterion) => make("th", make("bdi", shortened(own(criterion, "name") || "criterion", 30)), { scope: "col", class: "n" })),
    make("th", make("span", "Act", { class: "unseen" }), { scope: "col" }),
  ])]);
  redraw("runs-body", [evals.runs, [...evals.chosen], rated], () => (evals.runs.length
    ? evals.runs.map((run) => runLine(run, rated)) : [make("tr", make("td", "None yet.", { colspan: String(5 + rated.length), class: "soft" }))]));
  shut(byId("runs-more"), !evals.moreRuns, byId("eval-name"));
  byId("runs-compare").disabled = evals.chosen.size !== 2;
  const going = evals.runs.filter(isGoing).length;
  const said = evals.runs.length ? `${plural(evals.runs.length, "run")}${evals.moreRuns ? " and older ones" : ""}, ${going} at work.${evals.runs.length > 1 ? " Choose two to see them side by side." : ""}` : "";
  if (byId("runs-said").textContent !== said) byId("runs-said").textContent = said;
};

const chooseRun = (id, yes) => {
  if (yes) evals.chosen.add(id);
  else evals.chosen.delete(id);
  // The two that were chosen last count.
  if (evals.chosen.size > 2) evals.chosen.delete([...evals.chosen][0]);
  showEval();
};

const compareRuns = () => {
  const [one, other] = evals.runs.map((run) => own(run, "id")).filter((id) => evals.chosen.has(id)).reverse();
  if (one && other) location.assign(reportPath(one, other)); // The older one is A.
};

const readEval = async () => {
  const [id, number] = [evals.current, evals.number];
  if (id === null) return;
  const { body } = await ask(`${EVALS}/${encodeURIComponent(id)}?limit=${evals.mostRuns}`, { quiet: true });
  if (number !== evals.number) return;
  Object.assign(evals, { shown: own(body, "eval") || null, runs: list(own(body, "runs")).filter(isObject), moreRuns: own(body, "has_more") === true });
  showEval();
};

const lookAtEvals = async () => {
  clearTimeout(evals.timer);
  if (evals.looking || !evalsShown()) return;
  evals.looking = true;
  let wait = LATER;
  try {
    const { body } = await ask(`${EVALS}?limit=${evals.most}`, { quiet: evals.asked });
    evals.asked = true;
    evals.found = list(own(body, "data")).filter(isObject);
    evals.more = own(body, "has_more") === true;
    if (evals.current === null && evals.found.length) evals.current = own(evals.found[0], "id") ?? null;
    showEvals();
    await readEval();
    evals.misses = 0;
    unsay("evals");
    if (evals.runs.some(isGoing)) wait = SOON;
  } catch (error) {
    if (!(error instanceof Trouble)) throw error;
    evals.misses += 1;
    wait = Math.min(SOON * 2 ** evals.misses, LATEST);
    if (error.status === 404) {
      Object.assign(evals, { current: null, shown: null, runs: [] });
      showEval();
    }
    if (error.kind === "token") {
      wait = 0;
      say("evals", error.message, { bad: true, act: () => { evals.asked = false; lookAtEvals(); }, word: "Give the token" });
    } else if (evals.misses === 1 || !notices.has("evals")) {
      say("evals", `${error.message} The evals are asked for again by themselves.`, { bad: true, act: lookAtEvals });
    }
  } finally {
    evals.looking = false;
    if (evalsShown() && wait) evals.timer = setTimeout(lookAtEvals, evals.again ? 0 : wait);
    evals.again = false;
  }
};

const lookAtEvalsNow = () => {
  if (evals.looking) evals.again = true;
  else lookAtEvals();
};

const openEval = (id, come = true) => {
  if (typeof id !== "string") return null;
  if (id !== evals.current) {
    evals.number += 1;
    Object.assign(evals, { current: id, shown: null, runs: [], chosen: new Set(), mostRuns: 20 });
  }
  showEvals();
  return readEval().then(() => {
    if (come && byId("eval").getBoundingClientRect().top > window.innerHeight - 120) byId("eval").scrollIntoView({ block: "start" });
  }).catch(() => lookAtEvalsNow()); // It says what is wrong.
};

// Send something, and say where it was not done; returns the answer, or null.
const tell = async (kind, what, path, more) => {
  try {
    const { body } = await ask(path, more);
    unsay(kind);
    return body;
  } catch (error) {
    if (!(error instanceof Trouble)) throw error;
    say(kind, `${what} ${error.message}`, { bad: true });
    return null;
  } finally {
    lookAtEvalsNow();
  }
};

const cancelRun = async (run) => {
  if (!(await sure("Cancel this run?", `${titleOfRun(run)} stops; what was graded so far is kept.`, "Cancel the run", "Leave it running"))) return;
  await tell("run", "The run was not canceled.", evalPath(evals.current, "runs", run.id, "cancel"), { method: "POST" });
};

const deleteRun = async (run) => {
  const rows = plural(runCounts(run).reduce((sum, one) => sum + one, 0), "output item");
  if (!(await sure("Delete this run?", `${titleOfRun(run)} is deleted with its ${rows}; this cannot be undone.`, "Delete the run", "Keep it"))) return;
  evals.chosen.delete(run.id);
  await tell("run", "The run was not deleted.", evalPath(evals.current, "runs", run.id), { method: "DELETE" });
  byId("eval-name").focus();
};

const deleteEval = async () => {
  const one = evals.shown;
  if (!one || !(await sure("Delete this eval?", `${evalTitle(one)} is deleted with all its runs; this cannot be undone.`, "Delete the eval", "Keep it"))) return;
  if (!(await tell("run", "The eval was not deleted.", evalPath(own(one, "id")), { method: "DELETE" }))) return;
  evals.number += 1;
  Object.assign(evals, { current: null, shown: null, runs: [], chosen: new Set() });
  showEval();
  byId("evals-name").focus();
  lookAtEvalsNow();
};
