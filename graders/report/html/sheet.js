// What one run, or two side by side, add up to: figures, criteria, scores, what ran.

const SIDES = ["A", "B"];
const MOST_CRITERIA = 40;

const countsOf = (sheet) => STATUSES.map((one) => own(own(sheet, "counts"), one) || 0);
const verdictsOf = (criterion) => VERDICTS.map((one) => own(criterion, one) || 0);
const criteriaOf = (sheet) => list(own(sheet, "criteria")).filter(isObject).slice(0, MOST_CRITERIA);

const tile = (name, value, notes, bar) => make("div", [
  make("div", name, { class: "name" }), make("div", value, { class: "value" }), ...(bar ? [bar] : []), make("div", notes, { class: "note" }),
], { class: "tile" });

const sumOf = (counts) => counts.reduce((sum, one) => sum + one, 0);
const inWords = (counts) => counts.map((one, at) => `${count(one)} ${VERDICTS[at]}`).join(", ");

const tilesView = (sheets, pairs) => {
  const tiles = sheets.map((sheet, at) => {
    const counts = countsOf(sheet);
    const name = sheets.length > 1 ? [make("b", SIDES[at]), " passed"] : "Passed";
    return tile(name, percent(counts[0], sumOf(counts)), `of ${plural(sumOf(counts), "row")}: ${inWords(counts)}`, verdictBar(counts));
  });
  if (pairs) {
    const [here, there] = list(own(pairs, "whole"));
    const whole = own(pairs, "paired") || 0;
    tiles.push(tile("Flipped", count(own(pairs, "flipped") || 0), `of ${plural(whole, "pair")} of rows have another status; ${count(here || 0)} pass in A alone, ${count(there || 0)} in B alone`));
    const [alone, others] = [own(pairs, "here") || 0, own(pairs, "there") || 0];
    tiles.push(tile("Not paired", count(alone + others), alone + others ? `${plural(alone, "row")} of A and ${count(others)} of B have no equal item in the other run` : "each row's item stands in both runs"));
    return tiles;
  }
  const counts = countsOf(sheets[0]);
  for (const at of [1, 2]) {
    const codes = [...new Set(criteriaOf(sheets[0]).flatMap((one) => list(own(one, "codes")).map((code) => list(code)[0])))];
    const why = at === 2 && counts[2] ? `: ${codes.slice(0, 3).map((code) => shortened(code, 60)).join(", ") || "no answer"}` : "";
    tiles.push(tile(at === 1 ? "Failed" : "Errored", count(counts[at]), sumOf(counts) ? `${percent(counts[at], sumOf(counts))} of the rows${why}` : "of no rows"));
  }
  for (const used of list(own(own(sheets[0], "run"), "per_model_usage")).filter(isObject).slice(0, 4)) {
    const [prompt, completion, cached] = ["prompt_tokens", "completion_tokens", "cached_tokens"].map((one) => own(used, one) || 0);
    tiles.push(tile(make("bdi", shortened(own(used, "model_name") || "model", 60)), count(prompt + completion),
      `tokens in ${plural(own(used, "invocation_count") || 0, "call")}: ${count(prompt)} prompt, ${count(completion)} completion${cached ? `, ${count(cached)} cached` : ""}`));
  }
  return tiles;
};

const headRow = (names) => make("thead", make("tr", names.map(([name, isFigure, isWide]) => (
  make("th", name, { scope: "col", class: [isFigure ? "n" : "", isWide ? "wide" : ""].join(" ").trim() || null })))));

const codesView = (criterion) => {
  const codes = list(own(criterion, "codes")).filter(Array.isArray).map(([code, times]) => `${count(times)} × ${shortened(code, 60)}`);
  return codes.length ? [make("small", codes.join(", "), { class: "error" })] : [];
};

const criterionName = (criterion, coded = true) => make("th", [
  make("bdi", shortened(own(criterion, "name") || own(criterion, "id"), 80)),
  make("small", [shortened(own(criterion, "type") || "criterion", 40).replace(/_/g, " "),
    ...(isNumber(own(criterion, "threshold")) ? [` · passes from ${criterion.threshold}`] : [])]),
  ...(coded ? codesView(criterion) : []),
], { scope: "row" });

const criterionRow = (criterion) => {
  const counts = verdictsOf(criterion);
  return make("tr", [
    criterionName(criterion),
    make("td", [make("span", [verdictBar(counts), percent(counts[0], sumOf(counts))], { class: "share" }), make("small", inWords(counts), { class: "narrow" })]),
    ...counts.map((one, at) => make("td", count(one), { class: `n wide ${one ? STATUSES[at] : ""}` })),
    make("td", figure(own(own(criterion, "scores"), "mean")), { class: "n" }),
  ]);
};

const pairedRow = (first, second, alone) => {
  const of = first || second;
  const cells = [first, second].map((one) => {
    const counts = verdictsOf(one);
    return make("td", make("span", [verdictBar(counts), percent(counts[0], sumOf(counts))], { class: "share", title: inWords(counts) }));
  });
  return make("tr", [criterionName(of, false), ...cells, ...[0, 1].map((at) => make("td", count(list(alone)[at] || 0), { class: "n" }))]);
};

const criteriaView = (sheets, pairs) => {
  const [first, second] = sheets.map(criteriaOf);
  const caption = make("caption", "Criteria", { class: "unseen" });
  if (!pairs) {
    const names = [["Criterion"], ["Pass rate"], ["Passed", true, true], ["Failed", true, true], ["Errored", true, true], ["Mean score", true]];
    return make("table", [caption, headRow(names), make("tbody", first.map(criterionRow))]);
  }
  const others = new Map(second.map((one) => [own(one, "id"), one]));
  const rows = first.map((one) => [one, others.get(own(one, "id"))]);
  const known = new Set(first.map((one) => own(one, "id")));
  rows.push(...second.filter((one) => !known.has(own(one, "id"))).map((one) => [undefined, one]));
  const names = [["Criterion"], ["A passed"], ["B passed"], ["Only A passed", true], ["Only B passed", true]];
  return make("table", [caption, headRow(names), make("tbody", rows.map(([one, other]) => (
    pairedRow(one, other, own(own(pairs, "criteria"), own(one || other, "id")))
  )))]);
};

// Scores that say more than a verdict.
const isGraded = (criterion) => list(own(criterion, "bars")).some((bar) => !["0", "1"].includes(list(bar)[0]));

const scoreFigure = (criterion, side) => {
  const bars = list(own(criterion, "bars")).filter(Array.isArray);
  const ends = own(criterion, "ends");
  const mean = own(own(criterion, "scores"), "mean");
  const spelled = bars.filter(([, times]) => times).map(([name, times]) => `${name}: ${count(times)}`).join("; ");
  const reach = Array.isArray(ends) ? ends[1] - ends[0] : 0;
  const threshold = own(criterion, "threshold");
  const mark = reach > 0 && isNumber(threshold) && threshold > ends[0] && threshold < ends[1] ? (threshold - ends[0]) / reach : null;
  const ticks = reach > 0 ? [0, 1, 2, 3, 4].map((part) => String(Number((ends[0] + (reach * part) / 4).toPrecision(3)))) : bars.map(([name]) => name);
  const name = shortened(own(criterion, "name"), 80);
  const rows = bars.map(([label, times]) => make("tr", [make("th", label, { scope: "row" }), make("td", count(times), { class: "n" })]));
  return make("figure", [
    make("h3", [make("bdi", name), ...(side ? [` in ${side}`] : [])]),
    make("div", columnsView(bars, `Rows by score of ${name}${side ? ` in ${side}` : ""}. ${spelled}.`, mark), { class: "plot" }),
    make("div", ticks.map((tick) => make("span", tick)), { class: reach > 0 ? "ticks" : "ticks each", "aria-hidden": "true" }),
    make("figcaption", `Mean ${figure(mean)} of ${plural(own(own(criterion, "scores"), "count") || 0, "score")}.${mark === null ? "" : ` The line is the score from which it passes, ${threshold}.`}`),
    make("details", [make("summary", "The same as a table"), make("table", [
      make("caption", `Rows by score of ${name}`, { class: "unseen" }), headRow([["Score"], ["Rows", true]]), make("tbody", rows)])]),
  ]);
};

const scoresView = (sheets) => {
  const named = sheets.length > 1;
  const names = [...new Set(sheets.flatMap((sheet) => criteriaOf(sheet).filter(isGraded).map((one) => own(one, "id"))))];
  return names.flatMap((id) => sheets.map((sheet, at) => {
    const criterion = criteriaOf(sheet).find((one) => own(one, "id") === id);
    return criterion && list(own(criterion, "bars")).length ? scoreFigure(criterion, named ? SIDES[at] : "") : make("div");
  }));
};

const sourceWord = (source) => {
  const of = own(source, "of");
  const where = { file_content: "rows in the run's own body", file_id: `the file ${shortened(own(of, "id") || "", 80)}`,
    stored_completions: "logged chat completions", responses: "logged responses" }[own(of, "type")] || "rows";
  const rows = own(source, "rows");
  return isNumber(rows) ? `${count(rows)} ${where}` : where;
};

const factList = (pairs) => make("dl", pairs.filter(([, value]) => value).map(([name, value]) => make("div", [make("dt", name), make("dd", value)])), { class: "facts" });

const ranView = (sheet) => {
  const [run, source] = [own(sheet, "run"), own(own(sheet, "run"), "source")];
  const moment = dayOf(own(run, "created_at"));
  const metadata = entries(own(run, "metadata")).map(([name, value]) => `${shortened(name, 64)}: ${shortened(value, 200)}`).join(" · ");
  const asked = own(source, "asked");
  return [
    factList([
      ["Eval", make("bdi", shortened(own(own(sheet, "eval"), "name") || own(own(sheet, "eval"), "id"), 120))],
      ["Run", make("bdi", shortened(own(run, "name") || "without a name", 120))],
      ["Run's id", make("code", shortened(own(run, "id"), 80))],
      ["Model", make("bdi", shortened(own(run, "model") || "none was asked: the rows hold the answers", 120))],
      ["Rows", shortened(sourceWord(source), 200)], ["Begun", moment ? moment.toLocaleString() : ""],
      ["Status", runWord(run)], ["Metadata", metadata],
    ]),
    ...(asked ? [make("details", [make("summary", "How the model was asked"), make("pre", shortened(asked), { tabindex: "0", "aria-label": "How the model was asked" })])] : []),
  ];
};
