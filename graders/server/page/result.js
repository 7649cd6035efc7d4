// What a run gave, as elements.

const MOST_SHOWN = 100; // Sub-graders and failures that are listed.
const OPEN_PARTS = 4; // Sub-graders whose details are open from the start.

// A bar from zero to a value, on one scale for all values beside it.
const meter = (value, low, high) => {
  const at = (number) => ((number - low) / (high - low)) * 1000;
  const [zero, end] = [at(0), at(value)];
  const bar = draw("rect", {
    class: value < 0 ? "fill under" : "fill", x: Math.min(zero, end), y: 1, width: Math.abs(end - zero), height: 10,
  });
  return draw("svg", { class: "meter", viewBox: "0 0 1000 12", preserveAspectRatio: "none", "aria-hidden": "true" }, [
    draw("rect", { class: "rail", width: 1000, height: 12 }), bar,
    draw("line", { class: "zero", x1: zero, x2: zero, y1: 0, y2: 12 }),
  ]);
};

const scaleOf = (values) => {
  const numbers = values.filter(isNumber);
  const low = numbers.reduce((a, b) => Math.min(a, b), 0);
  const high = numbers.reduce((a, b) => Math.max(a, b), 1);
  // The whole of a scale may be more than a number holds: bars are then drawn in its tenths.
  return Number.isFinite(high - low) ? [low, high, 1] : [low / 10, high / 10, 10];
};

const called = (answer, key) => visible(key === "" ? own(answer, "name") || "the grader" : key);

const scoreView = (answer) => {
  const grade = own(answer, "grade") || {};
  const reward = own(grade, "reward");
  const facts = [
    make("b", make("bdi", shortened(own(answer, "name") || "grader", 120))), ` · ${shortened(own(answer, "type") || "", 60)}`,
    ` · ${seconds(own(answer, "execution_time"))}`,
  ];
  if (isNumber(reward) && Number(figure(reward)) !== reward) facts.push(make("br"), `exactly ${reward}`);
  for (const [model, used] of entries(own(grade, "usage"))) {
    facts.push(make("br"), `${shortened(model, 80)}: ${plural(own(used, "total_tokens") || 0, "token")}`);
  }
  const value = make("span", isNumber(reward) ? figure(reward) : "no reward", {
    class: isNumber(reward) ? "value" : "value bad", id: "reward",
  });
  return make("div", [make("span", "Reward", { class: "unseen" }), value, make("p", facts, { class: "facts" })], { class: "score" });
};

const barsView = (answer) => {
  const scores = entries(own(own(answer, "grade"), "sub_rewards"));
  if (!scores.length) return [];
  const [low, high, unit] = scaleOf(scores.map(([, value]) => value));
  const rows = scores.slice(0, MOST_SHOWN).map(([key, value]) => make("li", [
    make("span", [make("bdi", shortened(key, 80)), make("small", shortened(own(own(answer, "types"), key) || "", 40))], { class: "name" }),
    isNumber(value) ? meter(value / unit, low, high) : make("span", "", { class: "meter" }),
    make("span", isNumber(value) ? figure(value) : "failed", { class: isNumber(value) ? "value" : "value bad" }),
  ]));
  const scale = make("li", make("span", [low * unit, high * unit].map((one) => make("span", String(Number(one.toPrecision(4))))), { class: "scale" }), { "aria-hidden": "true" });
  return [
    make("h3", "Sub-rewards", { id: "parts-name" }), make("ul", [...rows, scale], { class: "parts", "aria-labelledby": "parts-name" }), ...left(scores.length),
  ];
};

const left = (size) => (size > MOST_SHOWN
  ? [make("p", `The first ${MOST_SHOWN} of ${count(size)} are shown; the hosted response has all.`, { class: "soft" })] : []);

const failureView = (answer, failure, replaced, jump) => {
  const where = own(failure, "where");
  const line = own(failure, "line");
  const details = own(failure, "details");
  return make("div", [
    make("h3", [make("code", shortened(own(failure, "code") || "failure", 80)), ...(where ? [" in ", make("bdi", shortened(where, 80))] : []),
      ...(replaced ? [" (invalid_grade stands for it)"] : [])]),
    make("p", shortened(own(failure, "message") || "", 4000)),
    ...(Number.isInteger(line) ? [button(`Show line ${line} of the grader`, () => jump(failure))] : []),
    ...(details ? [make("pre", shortened(details), { tabindex: "0", "aria-label": "Details" })] : []),
  ], { class: replaced ? "failure replaced" : "failure" });
};

const partView = (answer, key, open) => {
  const grade = own(answer, "grade");
  const score = key === "" ? own(grade, "reward") : own(own(grade, "sub_rewards"), key);
  const type = own(own(answer, "types"), key) || (key === "" ? own(answer, "type") : "");
  const inner = [];
  const put = (name, text) => inner.push(make("h4", name), make("pre", shortened(text) || "(empty)", { tabindex: "0", "aria-label": name }));
  for (const [field, text] of entries(own(own(answer, "rendered"), key))) put(visible(field), text);
  const replies = list(own(own(answer, "said"), key));
  replies.slice(0, 20).forEach((text, at) => {
    inner.push(make("h4", replies.length > 1 ? `Judge's reply ${at + 1} of ${replies.length}` : "Judge's reasoning"), ...replyView(String(text)));
  });
  const printed = own(own(answer, "printed"), key);
  if (printed) put("Printed", printed);
  const signature = own(own(answer, "signatures"), key) ?? (key === "" ? own(own(answer, "signatures"), own(answer, "name")) : "");
  if (signature) inner.push(make("h4", "Made with"), make("p", make("code", shortened(signature, 400))));
  const took = own(own(answer, "seconds"), key);
  if (isNumber(took)) inner.push(make("p", `Took ${seconds(took)}.`, { class: "soft" }));
  if (!inner.length) inner.push(make("p", "It has no templates and said nothing.", { class: "soft" }));
  return make("details", [
    make("summary", [make("bdi", shortened(called(answer, key), 80)), " ", make("small", shortened(type, 40)),
      make("span", isNumber(score) ? figure(score) : "failed", { class: isNumber(score) ? "n" : "n bad" })]),
    ...inner,
  ], { class: "part", open, "data-key": `part ${key}` });
};

const keysOf = (answer) => {
  const keys = new Set();
  for (const name of ["types", "rendered", "printed", "said"]) entries(own(answer, name)).forEach(([key]) => keys.add(key));
  if (keys.size > 1) keys.delete("");
  return [...keys];
};

const hostedView = (raw) => {
  const whole = members(raw);
  const hosted = whole && whole.get("hosted");
  if (!hosted) return [];
  const text = prettyJson(hosted);
  const said = make("span", "", { role: "status", class: "soft" });
  const copy = button("Copy", async () => {
    said.textContent = (await copyText(text)) ? "Copied." : "This browser does not let pages copy; select the text.";
  }, { "aria-label": "Copy the hosted response" });
  return [make("details", [
    make("summary", "Hosted response (graders.run)"), make("div", [said, copy], { class: "bar" }),
    make("pre", shortened(text), { tabindex: "0", "aria-label": "Hosted response", id: "hosted" }),
  ], { class: "more", "data-key": "hosted" })];
};

const resultView = ({ body, raw }, jump) => {
  const grade = own(body, "grade");
  const formula = own(body, "formula");
  const keys = keysOf(body);
  return [
    scoreView(body),
    ...list(own(grade, "failures")).slice(0, MOST_SHOWN).map((one) => failureView(body, one, false, jump)),
    ...list(own(grade, "replaced")).slice(0, MOST_SHOWN).map((one) => failureView(body, one, true, jump)),
    ...barsView(body),
    ...(formula ? [make("code", shortened(formula, 2000), { class: "formula", "aria-label": "Formula" })] : []),
    ...(keys.length ? [make("h3", "How it came about")] : []),
    ...keys.slice(0, MOST_SHOWN).map((key) => partView(body, key, keys.length <= OPEN_PARTS)),
    ...left(keys.length),
    ...hostedView(raw),
  ];
};

const faultsView = (faults, jump) => [
  make("div", [make("span", "no grader", { class: "value bad", id: "reward" }),
    make("p", `${plural(faults.length, "fault")} in the grader`, { class: "facts" })], { class: "score" }),
  ...faults.slice(0, MOST_SHOWN).map((fault) => make("div", [
    make("h3", [make("code", shortened(own(fault, "path") || "$", 200))]),
    make("p", shortened(String(own(fault, "message") || "").split("\n")[0], 1000)),
    ...(Number.isInteger(own(fault, "line")) ? [button(`Show line ${fault.line} of the grader`, () => jump(fault))] : []),
  ], { class: "failure" })),
  ...left(faults.length),
];
