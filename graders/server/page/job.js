// Jobs: the list, one of them, and what can be done with it. Asked for only while it is looked at.

const ACTIVE = new Set(["validating_files", "queued", "running"]);
// With what they lacked, jobs that train go on (AGAIN in graders/jobs/job.py).
const AGAIN = new Set(["disk_full", "out_of_memory", "process_lost", "training_failed", "training_unavailable"]);
const SOON = 1_000; // Milliseconds to the next look while something runs.
const LATER = 5_000;
const LATEST = 15_000; // And after failures, at most.
const MOST_EVENTS = 200; // Shown; the curve has the points of all.
const JOBS = "/v1/fine_tuning/jobs";

const jobs = {
  found: [], older: [], more: false, current: null, job: null, raw: "", events: new Map(), points: new Map(),
  checkpoints: "", models: [], timer: 0, misses: 0, number: 0, busy: null, seen: "",
};

const isShown = () => !byId("jobs").hidden && !document.hidden;
const jobPath = (id, more = "") => `${JOBS}/${encodeURIComponent(id)}${more}`;
const idOf = (job) => (typeof own(job, "id") === "string" ? job.id : null);
const wordOf = (job) => (textOf(own(job, "status"), 40) || "unknown status").replace(/_/g, " ");
const moment = (value) => (isNumber(value) && Math.abs(value) < 8e12 ? new Date(value * 1000) : null);

const badge = (job) => {
  const status = own(job, "status");
  return make("span", wordOf(job), { class: /^[a-z_]+$/.test(status || "") ? `badge ${status}` : "badge" });
};

// A job that trains has `training` in place of `dry_run`.
const trains = (job) => isObject(own(job, "training"));
const runOf = (job) => (trains(job) ? own(job, "training") : own(job, "dry_run"));

const stepsOf = (job) => {
  const [step, total] = [own(runOf(job), "step"), own(runOf(job), "total_steps")];
  return [isNumber(step) ? step : null, isNumber(total) && total > 0 ? total : null];
};

const progressWord = (job) => {
  const [step, total] = stepsOf(job);
  if (step === null) return "";
  return total === null ? `step ${count(step)}` : `step ${count(step)} of ${count(total)}`;
};

const textOf = (value, limit = 120) => (typeof value === "string" || isNumber(value) ? shortened(value, limit) : "");

const titleOf = (job) => textOf(own(job, "user_provided_suffix"), 80) || textOf(idOf(job), 80) || "job without an id";

const jobRow = (job) => {
  const [step, total] = stepsOf(job);
  const id = idOf(job);
  const made = moment(own(job, "created_at"));
  const bar = total === null ? [] : [make("progress", null, { max: total, value: Math.min(step || 0, total), "aria-hidden": "true" })];
  const row = button([
    make("span", [make("bdi", titleOf(job)), " · ", badge(job)]),
    make("small", [textOf(own(job, "model"), 60), made ? ` · ${made.toLocaleString()}` : "", progressWord(job) ? ` · ${progressWord(job)}` : ""]),
    ...bar,
  ], () => openJob(id, true), { "aria-current": id !== null && id === jobs.current ? "true" : null });
  row.dataset.id = id ?? "";
  row.disabled = id === null;
  return make("li", row);
};

const showJobs = () => {
  const all = [...jobs.found, ...jobs.older];
  const seen = JSON.stringify([all, jobs.current]);
  if (seen === jobs.seen) return;
  jobs.seen = seen;
  const held = byId("jobs-list").contains(document.activeElement) ? document.activeElement.dataset.id : null;
  byId("jobs-list").replaceChildren(...all.map(jobRow));
  if (held) [...byId("jobs-list").querySelectorAll("button")].find((one) => one.dataset.id === held)?.focus();
  shut(byId("jobs-more"), !jobs.more, byId("jobs-name"));
  const active = all.filter((one) => ACTIVE.has(own(one, "status"))).length;
  byId("jobs-said").textContent = all.length
    ? `${plural(all.length, "job")}${jobs.more ? " and older ones" : ""}, ${active} at work.`
    : "There are no jobs yet. Make one with graders job run, or with an OpenAI client whose base_url is this server.";
};

const factsOf = (verdict) => {
  const [rows, rewards, signal] = ["rows", "rewards", "signal"].map((name) => own(verdict, name));
  const facts = [];
  const put = (name, value) => { if (value !== "") facts.push([name, value]); };
  const whole = (value) => (isNumber(value) ? count(value) : "");
  const part = (some, all) => (isNumber(some) && isNumber(all) ? `${count(some)} of ${count(all)}` : "");
  for (const [key, name] of [["training", "Training rows"], ["validation", "Validation rows"]]) put(name, whole(own(rows, key)));
  for (const [key, name] of [["train", "Training"], ["valid", "Validation"]]) {
    const side = own(own(verdict, "rollouts"), key);
    put(`${name} samples scored`, part(own(side, "scored"), own(side, "rollouts")));
    const mean = own(rewards, `${key}_mean`);
    put(`${name} reward, mean`, isNumber(mean) ? figure(mean) : "");
  }
  const [low, high] = [own(rewards, "lowest"), own(rewards, "highest")];
  put("Rewards", isNumber(low) && isNumber(high) ? `${figure(low)} to ${figure(high)}` : "");
  put("Prompts that tell nothing apart", part(own(signal, "constant"), own(signal, "prompts")));
  const tokens = own(verdict, "judge_tokens");
  for (const [key, name] of [["measured", "asked here"], ["whole_job", "in the whole job"]]) {
    for (const [model, kinds] of entries(own(tokens, key))) {
      put(`Tokens of ${shortened(model, 60)}, ${name}`, whole(entries(kinds).reduce((sum, [kind, value]) => (
        sum + (isNumber(value) && !/cached/.test(kind) ? value : 0)), 0)));
    }
  }
  return facts.slice(0, 30);
};

const failureWord = (one) => {
  const first = own(one, "first");
  const where = textOf(own(one, "where"), 80);
  const place = isNumber(own(first, "line")) ? `; first in line ${first.line} of the ${own(first, "split") === "valid" ? "validation" : "training"} file: ${textOf(own(first, "message"), 300)}` : "";
  return `${textOf(own(one, "count"))} × ${textOf(own(one, "code"), 80)}${where ? ` in ${where}` : ""}${place}`;
};

const reasonWord = (one) => {
  if (typeof one === "string") return [shortened(one, 600)];
  const severity = own(one, "severity");
  const level = LEVELS.includes(severity) ? severity : "info";
  return [make("span", level, { class: `level ${level}` }), " ", make("code", textOf(own(one, "code"), 60)), " ", textOf(own(one, "message"), 600)];
};

// What becomes of a job, as the command says it, and how bad that is.
const ENDS = new Map([
  ["would_be_refused", ["this job would be refused", "bad"]],
  ["would_teach_nothing", ["this job would run but teach nothing", "bad"]],
  ["undecided", ["not known: we need something to tell, and it is not here", "unsure"]],
  ["would_run", ["this job would run, as far as its files and its grader go", "good"]],
]);

const errorView = (error) => (own(error, "message") ? [make("div", [
  make("h3", ["Failed: ", make("code", textOf(own(error, "code"), 80) || "error")]),
  make("p", shortened(error.message, 2000)),
  ...(own(error, "param") ? [make("p", ["at ", make("code", shortened(error.param, 200))])] : []),
], { class: "verdict bad" })] : []);

const verdictView = (job) => {
  const failed = errorView(own(job, "error"));
  const verdict = own(runOf(job), "verdict");
  if (!isObject(verdict) || trains(job)) return failed;  // What trained has no verdict of a dry run.
  const outcome = textOf(own(verdict, "outcome"), 80);
  const [word, kind] = ENDS.get(outcome) || [outcome.replace(/_/g, " ") || "none", "bad"];
  const target = textOf(own(verdict, "target"), 20);
  const section = (key, word, wordsOf) => {
    const found = list(own(verdict, key)).slice(0, MOST_SHOWN).map((one) => make("li", wordsOf(one)));
    return found.length ? [...(word ? [make("h4", word)] : []), make("ul", found)] : [];
  };
  return [make("div", [
    make("h3", `Verdict: ${word}${target && target !== "local" ? ` (target ${target})` : ""}`),
    ...section("reasons", "", reasonWord),
    make("dl", factsOf(verdict).map(([name, value]) => make("div", [make("dt", name), make("dd", value)])), { class: "facts" }),
    ...section("failures", "Failures", failureWord),
    ...section("lint", "Lint findings", reasonWord),
    ...section("notes", "Notes", (one) => shortened(one, 600)),
  ], { class: `verdict ${kind}` }), ...failed];
};

const curveWord = (job) => (trains(job) && own(own(job, "method"), "type") !== "reinforcement" ? "Loss" : "Mean reward");

const pointsOf = () => {
  const points = new Map(jobs.points);
  for (const point of cleanPoints(own(own(runOf(jobs.job), "verdict"), "reward_curve"))) points.set(point[0], point);
  return cleanPoints([...points.values()]);
};

const showCurve = () => {
  const points = pointsOf();
  const box = byId("job-curve");
  byId("job-steps").hidden = !points.length;
  if (!points.length) {
    box.replaceChildren();
    return;
  }
  const width = Math.max(240, Math.round(box.clientWidth || 600));
  const seen = JSON.stringify([points, width, stepsOf(jobs.job)]);
  if (box.dataset.seen === seen) return;
  box.dataset.seen = seen;
  const word = curveWord(jobs.job);
  box.replaceChildren(curveView(points, stepsOf(jobs.job)[1], width, word));
  byId("job-steps-name").textContent = `${word} of each step`;
  byId("job-points").replaceChildren(...points.slice(-2000).map(([step, train, valid]) => make("tr", [
    make("td", String(step), { class: "n" }), make("td", figure(train), { class: "n" }), make("td", figure(valid), { class: "n" }),
  ])));
};

const showEvents = () => {
  const all = [...jobs.events.values()].sort((a, b) => (own(b, "created_at") || 0) - (own(a, "created_at") || 0));
  byId("job-events").replaceChildren(...all.slice(0, MOST_EVENTS).map((event) => {
    const when = moment(own(event, "created_at"));
    const level = own(event, "level");
    return make("li", [
      ...(when ? [make("time", when.toLocaleTimeString(), { datetime: when.toISOString() })] : []),
      ...(level === "error" || level === "warn" ? [make("b", `${level} `, { class: level === "error" ? "bad" : "warning" })] : []),
      shortened(own(event, "message") || own(event, "type") || "event", 600),
    ]);
  }), ...(all.length > MOST_EVENTS ? [make("li", `… and ${count(all.length - MOST_EVENTS)} earlier`)] : []));
};

const canGoOn = (job) => trains(job) && own(job, "status") === "failed" && AGAIN.has(own(own(job, "error"), "code"));

const showJob = () => {
  const job = jobs.job;
  shut(byId("job"), !job, byId("jobs-name"));
  if (!job) return;
  const status = own(job, "status");
  const [step, total] = stepsOf(job);
  const put = (id, text) => { if (byId(id).textContent !== text) byId(id).textContent = text; };
  put("job-name", titleOf(job));
  put("job-lead", [idOf(job), own(job, "model"), own(own(job, "method"), "type")].map((one) => textOf(one)).filter(Boolean).join(" · "));
  const dry = !trains(job) && (status === "succeeded" || status === "failed");
  put("job-state", `${wordOf(job)}${dry ? " (a dry run: no weights were trained)" : ""}`);
  byId("job-state").className = /^[a-z_]+$/.test(status || "") ? `badge ${status}` : "badge";
  const bar = byId("job-progress");
  bar.hidden = total === null;
  if (total !== null) {
    bar.max = total;
    bar.value = Math.min(step || 0, total);
    bar.setAttribute("aria-valuetext", progressWord(job));
  }
  allow({
    "job-pause": ACTIVE.has(status), "job-resume": status === "paused" || canGoOn(job), "job-cancel": ACTIVE.has(status) || status === "paused",
  });
  if (byId("job").dataset.seen !== jobs.raw) {
    byId("job").dataset.seen = jobs.raw;
    byId("job-verdict").replaceChildren(...verdictView(job));
    byId("job-json").textContent = shortened(prettyJson(jobs.raw));
  }
  showCurve();
  showChat();
};

// What cannot be done stands nowhere. Focus does not get lost with its button: the next one has it, or the heading.
const allow = (allowed) => {
  const held = document.activeElement.id;
  for (const [id, yes] of Object.entries(allowed)) byId(id).hidden = !yes;
  byId("job-tools").hidden = !Object.values(allowed).includes(true);
  if (allowed[held] !== false) return;
  const next = Object.keys(allowed).find((id) => allowed[id] && id !== "job-cancel");
  byId(next || "job-name").focus();
};

const learn = (event) => {
  const data = own(event, "data");
  const step = own(data, "step");
  if (!isNumber(step)) return;
  const scores = own(data, "scores");
  const first = (...values) => values.find(isNumber) ?? null;
  const rewarded = curveWord(jobs.job) !== "Loss";
  const train = rewarded ? first(own(data, "train_mean_reward"), own(scores, "train_reward_mean")) : first(own(data, "train_loss"));
  const valid = rewarded
    ? first(own(data, "full_valid_mean_reward"), own(data, "valid_mean_reward"), own(scores, "valid_reward_mean"))
    : first(own(data, "full_valid_loss"), own(data, "valid_loss"));
  const known = jobs.points.get(step) || [step, null, null];
  jobs.points.set(step, [step, train ?? known[1], valid ?? known[2]]);
};

// Events come newest first: read on until one is known.
const readEvents = async (id, number) => {
  let after = "";
  let fresh = 0;
  for (let pages = 0; pages < 100; pages += 1) {
    const { body } = await ask(`${jobPath(id, "/events")}?limit=100${after}`, { quiet: true });
    if (number !== jobs.number) return;
    const events = list(own(body, "data")).filter((one) => typeof own(one, "id") === "string");
    const unknown = events.filter((one) => !jobs.events.has(one.id));
    for (const event of unknown) {
      jobs.events.set(event.id, event);
      learn(event);
    }
    fresh += unknown.length;
    if (!own(body, "has_more") || !events.length || unknown.length < events.length) break;
    after = `&after=${encodeURIComponent(events.at(-1).id)}`;
  }
  if (fresh) showEvents();
};

const readCheckpoints = async (id, number) => {
  const { body, raw } = await ask(jobPath(id, "/checkpoints?limit=20"), { quiet: true });
  if (number !== jobs.number || raw === jobs.checkpoints) return;
  jobs.checkpoints = raw;
  const rows = list(own(body, "data")).map((one) => {
    const metrics = own(one, "metrics");
    const mean = [own(metrics, "full_valid_mean_reward"), own(metrics, "valid_reward_mean"), own(one, "valid_reward_mean"), own(metrics, "full_valid_loss")].find(isNumber);
    return make("tr", [
      make("td", String(own(one, "step_number") ?? own(metrics, "step") ?? "–"), { class: "n" }),
      make("td", shortened(own(one, "fine_tuned_model_checkpoint") || own(one, "id") || "–", 160)),
      make("td", figure(mean), { class: "n" }),
    ]);
  });
  jobs.models = list(own(body, "data")).map((one) => own(one, "fine_tuned_model_checkpoint")).filter((one) => typeof one === "string");
  showChat();
  byId("job-checkpoints").replaceChildren(...(rows.length ? rows : [make("tr", make("td", "None yet.", { colspan: "3", class: "soft" }))]));
};

const readJob = async () => {
  const [id, number] = [jobs.current, jobs.number];
  if (id === null) return;
  const { body, raw } = await ask(jobPath(id), { quiet: true });
  if (number !== jobs.number) return;
  [jobs.job, jobs.raw] = [body, raw];
  const same = (one) => (idOf(one) === id && isObject(body) ? body : one);
  [jobs.found, jobs.older] = [jobs.found.map(same), jobs.older.map(same)];
  showJobs();
  showJob();
  await readEvents(id, number);
  if (number !== jobs.number) return;
  await readCheckpoints(id, number);
  if (number === jobs.number) showCurve();
};

const look = async () => {
  clearTimeout(jobs.timer);
  if (jobs.looking || !isShown()) return;
  jobs.looking = true;
  let wait = LATER;
  try {
    const { body } = await ask(`${JOBS}?limit=20`, { quiet: jobs.asked });
    jobs.asked = true;
    const before = jobs.found;
    jobs.found = list(own(body, "data")).filter(isObject);
    const ids = new Set(jobs.found.map(idOf));
    // New jobs push older ones off the first page.
    jobs.older = [...before, ...jobs.older].filter((one) => idOf(one) !== null && !ids.has(idOf(one)));
    if (!jobs.older.length) jobs.more = own(body, "has_more") === true;
    if (jobs.current === null && jobs.found.length) pick(idOf(jobs.found[0]));
    showJobs();
    await readJob();
    jobs.misses = 0;
    unsay("jobs");
    if ([...jobs.found, jobs.job].some((one) => ACTIVE.has(own(one, "status")))) wait = SOON;
  } catch (error) {
    jobs.misses += 1;
    wait = Math.min(SOON * 2 ** jobs.misses, LATEST);
    if (!(error instanceof Trouble)) throw error;
    if (error.kind === "token") {
      wait = 0;
      say("jobs", error.message, { bad: true, act: () => { jobs.asked = false; look(); }, word: "Give the token" });
    } else if (jobs.misses === 1 || !notices.has("jobs")) {
      say("jobs", `${error.message} The jobs are asked for again by themselves.`, { bad: true, act: look });
    }
  } finally {
    jobs.looking = false;
    if (isShown() && wait) jobs.timer = setTimeout(look, jobs.again ? 0 : wait);
    jobs.again = false;
  }
};

// Look now, or as soon as the look that is under way has ended.
const lookNow = () => {
  if (jobs.looking) jobs.again = true;
  else look();
};

const pick = (id) => {
  if (id === jobs.current) return;
  jobs.number += 1;
  Object.assign(jobs, { current: id, job: null, raw: "", events: new Map(), points: new Map(), checkpoints: "", models: [] });
  byId("chat-said").textContent = "";
  delete byId("job-curve").dataset.seen;
  byId("job-events").replaceChildren();
  byId("job-checkpoints").replaceChildren();
};

const openJob = (id, come = false) => {
  pick(id);
  jobs.job = [...jobs.found, ...jobs.older].find((one) => idOf(one) === id) || null;
  showJobs();
  showJob();
  // On a narrow screen the job stands below the list.
  if (come && byId("job").getBoundingClientRect().top > window.innerHeight - 120) byId("job").scrollIntoView({ block: "start" });
  lookNow();
};

const tellJob = async (verb) => {
  const [id, number] = [jobs.current, jobs.number];
  if (id === null || jobs.busy !== null) return;
  jobs.busy = verb;
  showJob();
  try {
    const { body, raw } = await ask(jobPath(id, `/${verb}`), { method: "POST" });
    unsay("job");
    if (number === jobs.number && idOf(body) === id) [jobs.job, jobs.raw] = [body, raw];
  } catch (error) {
    if (!(error instanceof Trouble)) throw error;
    say("job", `The job was not told to ${verb}. ${error.message}`, { bad: true, act: () => tellJob(verb) });
  } finally {
    jobs.busy = null;
    showJob();
    lookNow();
  }
};

// What was trained, to be tried out: the model, and its checkpoints before there is one.
const showChat = () => {
  const model = own(jobs.job, "fine_tuned_model");
  const names = trains(jobs.job) ? [...(typeof model === "string" ? [model] : []), ...jobs.models] : [];
  byId("job-chat").hidden = !names.length;
  const choice = byId("chat-model");
  if (choice.dataset.seen === JSON.stringify(names)) return;
  choice.dataset.seen = JSON.stringify(names);
  choice.replaceChildren(...names.map((name) => make("option", shortened(name, 160), { value: name })));
};

const tryModel = async () => {
  const [model, content, number] = [byId("chat-model").value, byId("chat-prompt").value, jobs.number];
  if (isAtWork(byId("chat-ask"))) return;
  if (!model || !content.trim()) {
    byId("chat-said").textContent = "Write what it is asked first.";
    return;
  }
  work(byId("chat-ask"), true);
  byId("chat-said").textContent = "The model answers …";
  try {
    const { body } = await ask("/v1/chat/completions", { method: "POST", text: JSON.stringify({ model, messages: [{ role: "user", content }] }) });
    const said = own(own(list(own(body, "choices"))[0], "message"), "content");
    if (number === jobs.number) byId("chat-said").textContent = textOf(said, 20_000) || "(nothing)";
  } catch (error) {
    if (!(error instanceof Trouble)) throw error;
    if (number === jobs.number) byId("chat-said").textContent = error.message;
  } finally {
    work(byId("chat-ask"), false);
  }
};

const olderJobs = async () => {
  const last = [...jobs.found, ...jobs.older].map(idOf).filter(Boolean).at(-1);
  if (!last) return;
  try {
    const { body } = await ask(`${JOBS}?limit=20&after=${encodeURIComponent(last)}`);
    jobs.older.push(...list(own(body, "data")).filter(isObject));
    jobs.more = own(body, "has_more") === true;
    showJobs();
  } catch (error) {
    if (!(error instanceof Trouble)) throw error;
    say("jobs", error.message, { bad: true, act: olderJobs });
  }
};

const startJobs = () => {
  for (const id of ["job-name", "jobs-name"]) byId(id).tabIndex = -1;
  byId("job-pause").addEventListener("click", () => tellJob("pause"));
  byId("job-resume").addEventListener("click", () => tellJob("resume"));
  byId("job-cancel").addEventListener("click", async () => {
    const why = `${titleOf(jobs.job)} stops for good; what it has graded is kept.`;
    if (await sure("Cancel this job?", why, "Cancel the job", "Leave it running")) tellJob("cancel");
  });
  byId("sure-no").addEventListener("click", () => byId("sure").close("no"));
  byId("sure-yes").addEventListener("click", () => byId("sure").close("yes"));
  byId("jobs-more").addEventListener("click", olderJobs);
  byId("chat-ask").addEventListener("click", tryModel);
  document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(jobs.timer) : look()));
  new ResizeObserver(() => { if (jobs.job) showCurve(); }).observe(byId("job-curve"));
};
