// The calls every version of npm openai makes; run in a folder where that version is installed.
//
//     node node_script.mjs        with GRADERS_CLIENTS={"open": URL, "token": URL, "key": TOKEN, ...}
//
// Prints one JSON object: the version, the names of the checks that held, and why others did not.
import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { createRequire } from "node:module";

const require = createRequire(path.join(process.cwd(), "package.json"));
const sdk = require("openai");
const { version } = JSON.parse(
  fs.readFileSync(path.join(process.cwd(), "node_modules/openai/package.json"), "utf8"),
);
const { OpenAI, AzureOpenAI, toFile } = sdk;
const given = JSON.parse(process.env.GRADERS_CLIENTS);

const client = (options = {}) =>
  new OpenAI({ baseURL: given.open + "/v1", apiKey: "anything", timeout: 60_000, ...options });
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const collect = async (page) => {
  const all = [];
  for await (const each of page) all.push(each);
  return all;
};
const rejects = async (kind, promise) => {
  try {
    await promise;
  } catch (error) {
    assert.ok(error instanceof kind, `${error.constructor.name} is not ${kind.name}: ${error}`);
    return error;
  }
  assert.fail(`${kind.name} was not thrown`);
};

const exact = {
  type: "string_check", name: "exact", operation: "eq",
  input: "{{ sample.output_text }}", reference: "{{ item.answer }}",
};
const close = {
  type: "text_similarity", name: "close", evaluation_metric: "fuzzy_match",
  input: "{{ sample.output_text }}", reference: "{{ item.answer }}",
};
const python = {
  type: "python", name: "half",
  source: "def grade(sample, item):\n    return len(sample['output_text']) / len(item['answer'])\n",
};
const score = {
  type: "score_model", name: "judge", model: "judge-1", range: [0, 1],
  input: [{ role: "user", content: "Rate {{ sample.output_text }}" }],
  sampling_params: { temperature: 0, max_completions_tokens: 50 },
};
const label = {
  type: "label_model", name: "label", model: "labels-1", labels: ["good", "bad"],
  passing_labels: ["good"], input: [{ role: "user", content: "{{ sample.output_text }}" }],
};
const multi = {
  type: "multi", name: "both", graders: { exact, close },
  calculate_output: "0.5 * exact + 0.5 * close",
};
const slow = {
  type: "python", name: "slow",
  source: "import time\ndef grade(sample, item):\n    time.sleep(item.get('wait', 0.15))\n    return 0.5\n",
};

const upload = async (c, rows = 4, extra = {}) => {
  const lines = Array.from({ length: rows }, (_, n) =>
    JSON.stringify({
      messages: [{ role: "user", content: `Say ${n}.` }],
      answer: String(n), samples: [String(n), "no"], ...extra,
    }),
  );
  const file = await toFile(Buffer.from(lines.join("\n")), "rows.jsonl");
  return (await c.files.create({ file, purpose: "fine-tune" })).id;
};
const reinforcement = (grader) => ({
  type: "reinforcement",
  reinforcement: {
    grader,
    hyperparameters: { n_epochs: 1, batch_size: 2, eval_interval: 1, eval_samples: 1 },
  },
});
const make = async (c, grader = exact, rows = 4, extra = {}, options = {}) =>
  c.fineTuning.jobs.create({
    model: "o4-mini-2025-04-16", training_file: await upload(c, rows, extra),
    validation_file: await upload(c, 2, extra), method: reinforcement(grader), ...options,
  });
const until = async (c, id, ...statuses) => {
  for (let n = 0; n < 900; n++) {
    const now = await c.fineTuning.jobs.retrieve(id);
    if (statuses.includes(now.status)) return now;
    if (["failed", "succeeded", "cancelled"].includes(now.status)) {
      assert.fail(`job is ${now.status}: ${JSON.stringify(now)}`);
    }
    await sleep(100);
  }
  assert.fail(`job ${id} is not ${statuses}`);
};

const checks = {
  async graders_of_every_type() {
    const graders = client().fineTuning.alpha.graders;
    const run = (grader, model_sample, item) => graders.run({ grader, model_sample, item });
    assert.equal((await run(exact, "a", { answer: "a" })).reward, 1);
    assert.equal((await run(python, "ab", { answer: "abcd" })).reward, 0.5);
    const near = (await run(close, "kitten", { answer: "sitting" })).reward;
    assert.ok(near > 0.6 && near < 0.63);
    const both = await run(multi, "a", { answer: "a" });
    assert.deepEqual(both.sub_rewards, { exact: 1, close: 1 });
    const judged = await run(score, "a", {});
    assert.equal(judged.reward, 0.5);
    assert.equal(judged.metadata.sampled_model_name, "judge-1");
    assert.equal((await run(label, "a", {})).reward, 1);
    const missing = await run(exact, "a", {});
    assert.equal(missing.reward, 0);
    assert.equal(missing.metadata.errors.invalid_variable_error, true);
    const broken = await run(python, "ab", { answer: "" });
    assert.match(broken.metadata.errors.python_grader_runtime_error_details, /ZeroDivisionError/);
    assert.equal((await graders.run({ grader: { ...exact, reference: "y" }, model_sample: "y" })).reward, 1);
  },
  async validate() {
    const graders = client().fineTuning.alpha.graders;
    for (const grader of [exact, close, python, score, multi]) {
      const done = await graders.validate({ grader });
      assert.equal(done.grader.type, grader.type);
      assert.equal(done.grader.name, grader.name);
    }
    const { name, ...nameless } = python;
    assert.ok((await graders.validate({ grader: nameless })).grader.name);
  },
  async errors() {
    const c = client();
    const broken = { ...multi, graders: { exact: { ...exact, operation: "equals" } } };
    const error = await rejects(
      sdk.BadRequestError, c.fineTuning.alpha.graders.validate({ grader: broken }),
    );
    assert.equal(error.status, 400);
    assert.equal(error.type, "invalid_request_error");
    assert.equal(error.param, "grader.graders.exact.operation");
    assert.ok(error.code);
    assert.ok(error.requestID);
    for (const call of [
      () => c.files.retrieve("file-nothere"),
      () => c.files.content("file-nothere"),
      () => c.files.delete("file-nothere"),
      () => c.fineTuning.jobs.retrieve("ftjob-nothere"),
      () => c.fineTuning.jobs.cancel("ftjob-nothere"),
      () => c.fineTuning.jobs.pause("ftjob-nothere"),
      () => c.fineTuning.jobs.resume("ftjob-nothere"),
      () => c.fineTuning.jobs.listEvents("ftjob-nothere"),
      () => c.fineTuning.jobs.checkpoints.list("ftjob-nothere"),
      () => c.get("/no/such/path"),
    ]) {
      assert.equal((await rejects(sdk.NotFoundError, call())).type, "invalid_request_error");
    }
    const denied = await rejects(
      sdk.AuthenticationError, client({ baseURL: given.token + "/v1" }).files.list(),
    );
    assert.equal(denied.status, 401);
    assert.deepEqual(
      (await client({ baseURL: given.token + "/v1", apiKey: given.key }).files.list()).data, [],
    );
    await rejects(
      sdk.APIConnectionTimeoutError,
      client({ timeout: 300, maxRetries: 0 }).fineTuning.alpha.graders.run({
        grader: slow, model_sample: "a", item: { wait: 2 },
      }),
    );
    await rejects(
      sdk.APIConnectionError,
      client({ baseURL: given.nobody + "/v1", maxRetries: 0 }).files.list(),
    );
  },
  async a_busy_server_is_asked_again() {
    const c = client({ baseURL: given.narrow + "/v1", maxRetries: 60 });
    const ask = () =>
      c.fineTuning.alpha.graders.run({ grader: slow, model_sample: "a", item: { wait: 0.4 } });
    const done = await Promise.all(Array.from({ length: 8 }, ask));
    assert.deepEqual(done.map((each) => each.reward), Array(8).fill(0.5));
    const once = client({ baseURL: given.narrow + "/v1", maxRetries: 0 });
    const tries = await Promise.allSettled(
      Array.from({ length: 8 }, () =>
        once.fineTuning.alpha.graders.run({ grader: slow, model_sample: "a", item: { wait: 0.6 } }),
      ),
    );
    const refused = tries.filter((each) => each.status === "rejected").map((each) => each.reason);
    assert.ok(refused.length > 0 && refused.length < 8, `${refused.length} were refused`);
    for (const each of refused) {
      assert.ok(each instanceof sdk.RateLimitError || each instanceof sdk.InternalServerError, `${each}`);
      assert.ok(Number(each.headers.get("retry-after")) > 0);
    }
  },
  async files_in_every_form() {
    const c = client();
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), "files-"));
    const place = path.join(folder, "näme with spaces.jsonl");
    fs.writeFileSync(place, "{}\n");
    for (const form of [
      fs.createReadStream(place),
      await toFile(Buffer.from("{}\n"), "a.jsonl"),
      await toFile(Buffer.from("{}\n"), "a.jsonl", { type: "application/jsonl" }),
      new File(["{}\n"], 'quo"ted.jsonl'),
      await toFile((async function* () { yield Buffer.from("{}"); yield Buffer.from("\n"); })(), "b.jsonl"),
    ]) {
      const made = await c.files.create({ file: form, purpose: "fine-tune" });
      assert.equal(made.object, "file");
      assert.equal(made.bytes, 3);
      assert.equal((await c.files.retrieve(made.id)).filename, made.filename);
      const content = await c.files.content(made.id);
      assert.equal(await content.text(), "{}\n");
      const gone = await c.files.delete(made.id);
      assert.equal(gone.deleted, true);
    }
    fs.rmSync(folder, { recursive: true });
  },
  async files_of_twenty_megabytes() {
    const c = client();
    const data = Buffer.alloc(20 << 20, "0123456789abcdefghijklmnopqrstuvwxyz");
    const place = path.join(os.tmpdir(), `big-${process.pid}.bin`);
    fs.writeFileSync(place, data);
    const made = await c.files.create({ file: fs.createReadStream(place), purpose: "user_data" });
    fs.unlinkSync(place);
    assert.equal(made.bytes, data.length);
    const got = Buffer.from(await (await c.files.content(made.id)).arrayBuffer());
    assert.ok(got.equals(data));
    await c.files.delete(made.id);
  },
  async files_page_by_page() {
    const c = client();
    const made = [];
    for (let n = 0; n < 7; n++) {
      const file = await toFile(Buffer.from("{}"), `${n}.jsonl`);
      made.push((await c.files.create({ file, purpose: "fine-tune" })).id);
    }
    const ids = (await collect(c.files.list({ limit: 3 }))).map((each) => each.id);
    assert.deepEqual(ids.filter((id) => made.includes(id)), [...made].reverse());
    const asc = (await collect(c.files.list({ limit: 2, order: "asc" }))).map((each) => each.id);
    assert.deepEqual(asc.filter((id) => made.includes(id)), made);
    let page = await c.files.list({ limit: 3 });
    let pages = 1;
    while (page.hasNextPage()) {
      page = await page.getNextPage();
      pages++;
    }
    assert.ok(pages >= 3);
    for (const id of made) await c.files.delete(id);
  },
  async jobs_run_to_their_end() {
    const c = client();
    const made = await make(c, exact, 4, {}, { metadata: { who: "node" }, suffix: "mine" });
    assert.equal(made.object, "fine_tuning.job");
    const done = await until(c, made.id, "succeeded");
    assert.equal(done.fine_tuned_model, null);
    const results = await c.files.content(done.result_files[0]);
    assert.ok((await results.text()).length > 0);
    const events = await collect(c.fineTuning.jobs.listEvents(made.id, { limit: 2 }));
    assert.equal(new Set(events.map((each) => each.id)).size, events.length);
    assert.ok(events.some((each) => each.type === "metrics" && "train_mean_reward" in each.data));
    const kept = await collect(c.fineTuning.jobs.checkpoints.list(made.id, { limit: 1 }));
    assert.ok(kept.length >= 1 && kept.length <= 3);
    const listed = await collect(c.fineTuning.jobs.list({ limit: 1, metadata: { who: "node" } }));
    assert.ok(listed.some((each) => each.id === made.id));
    for (const verb of ["cancel", "pause", "resume"]) {
      await rejects(sdk.BadRequestError, c.fineTuning.jobs[verb](made.id));
    }
    const checkpoint = kept[0].fine_tuned_model_checkpoint;
    assert.ok(checkpoint.includes(":"));
    const { permissions } = client({ adminAPIKey: "admin" }).fineTuning.checkpoints;
    const given = await collect(permissions.create(checkpoint, { project_ids: ["proj_a", "proj_b"] }));
    assert.deepEqual(given.map((each) => each.project_id), ["proj_a", "proj_b"]);
    if (permissions.list) {
      assert.equal((await collect(permissions.list(checkpoint, { limit: 1 }))).length, 2);
    }
    assert.equal((await permissions.retrieve(checkpoint)).data.length, 2);
    for (const each of given) {
      const gone = await permissions.delete(each.id, { fine_tuned_model_checkpoint: checkpoint });
      assert.equal(gone.deleted, true);
    }
    assert.equal((await permissions.retrieve(checkpoint)).data.length, 0);
  },
  async jobs_pause_resume_and_cancel() {
    const c = client();
    const made = await make(c, slow, 24, { wait: 0.3 });
    await until(c, made.id, "running");
    assert.equal((await c.fineTuning.jobs.pause(made.id)).status, "paused");
    await sleep(800);
    assert.equal((await c.fineTuning.jobs.retrieve(made.id)).status, "paused");
    const resumed = await c.fineTuning.jobs.resume(made.id);
    assert.ok(["queued", "running", "validating_files"].includes(resumed.status));
    await until(c, made.id, "running");
    assert.equal((await c.fineTuning.jobs.cancel(made.id)).status, "cancelled");
  },
  async evals_from_beginning_to_end() {
    const c = client();
    const made = await c.evals.create({
      name: "IT tickets",
      data_source_config: { type: "custom", item_schema: { type: "object" }, include_sample_schema: true },
      testing_criteria: [exact, { ...close, pass_threshold: 0.5 }, label],
    });
    assert.equal((await c.evals.retrieve(made.id)).name, "IT tickets");
    assert.equal((await c.evals.update(made.id, { name: "new" })).name, "new");
    const ended = async (run) => {
      for (let n = 0; n < 900 && ["queued", "in_progress"].includes(run.status); n++) {
        await sleep(100);
        run = await c.evals.runs.retrieve(run.id, { eval_id: made.id });
      }
      assert.equal(run.status, "completed", JSON.stringify(run));
      return run;
    };
    const content = ["a", "b"].map((said) => ({ item: { answer: "a" }, sample: { output_text: said } }));
    const run = await ended(await c.evals.runs.create(made.id, {
      data_source: { type: "jsonl", source: { type: "file_content", content } },
    }));
    assert.deepEqual(run.result_counts, { total: 2, passed: 1, failed: 1, errored: 0 });
    const items = await collect(c.evals.runs.outputItems.list(run.id, { eval_id: made.id, limit: 1 }));
    assert.deepEqual(items.map((one) => one.status), ["pass", "fail"]);
    const asked = { eval_id: made.id, run_id: run.id };
    assert.equal((await c.evals.runs.outputItems.retrieve(items[0].id, asked)).id, items[0].id);
    const sampled = await ended(await c.evals.runs.create(made.id, {
      data_source: {
        type: "completions", model: "labels-1",
        source: { type: "file_content", content: [{ item: { answer: "a" } }] },
        input_messages: { type: "template", template: [{ role: "user", content: "{{ item.answer }}" }] },
      },
    }));
    assert.equal(sampled.model, "labels-1");
    assert.equal((await collect(c.evals.runs.list(made.id, { limit: 1 }))).length, 2);
    await rejects(sdk.BadRequestError, c.evals.runs.cancel(run.id, { eval_id: made.id }));
    assert.ok((await c.evals.runs.delete(run.id, { eval_id: made.id })).deleted);
    assert.ok((await c.evals.delete(made.id)).deleted);
    await rejects(sdk.NotFoundError, c.evals.retrieve(made.id));
  },
  async raw_responses() {
    const graders = client().fineTuning.alpha.graders;
    const body = { grader: exact, model_sample: "a", item: { answer: "a" } };
    const { data, response, request_id } = await graders.run(body).withResponse();
    assert.equal(data.reward, 1);
    assert.equal(response.headers.get("x-request-id"), request_id);
    assert.equal((await (await graders.run(body).asResponse()).json()).reward, 1);
  },
  async azure_clients() {
    for (const options of [
      { endpoint: given.token, apiKey: given.key },
      { baseURL: given.token + "/openai", apiKey: given.key },
      { baseURL: given.token + "/openai/v1", apiKey: given.key },
    ]) {
      const c = new AzureOpenAI({ apiVersion: "2025-04-01-preview", maxRetries: 0, ...options });
      const done = await c.fineTuning.alpha.graders.run({
        grader: exact, model_sample: "a", item: { answer: "a" },
      });
      assert.equal(done.reward, 1);
      assert.deepEqual((await c.fineTuning.jobs.list()).data, []);
      assert.ok(Array.isArray((await c.evals.list()).data));
    }
  },
};

const held = [];
const failed = {};
const only = process.argv.slice(2);
for (const [name, check] of Object.entries(checks)) {
  if (only.length && !only.includes(name)) continue;
  try {
    await check();
    held.push(name);
  } catch (error) {
    failed[name] = error.stack ?? String(error);
  }
}
console.log(JSON.stringify({ version, node: process.version, held, failed }));
