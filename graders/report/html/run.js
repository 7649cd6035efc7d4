// The page of a run, or of two side by side.

const sheetsOf = (data) => (isObject(own(data, "here")) ? [data.here, data.there] : [data]);

const leadOf = (sheets) => sheets.map((sheet, at) => {
  const run = own(sheet, "run");
  const moment = dayOf(own(run, "created_at"));
  const facts = [own(run, "model") ? shortened(run.model, 60) : "", moment ? moment.toLocaleString() : ""].filter(Boolean);
  return make("span", [
    ...(sheets.length > 1 ? [make("b", SIDES[at]), " "] : []), make("bdi", titleOfRun(run)), ...(facts.length ? [` · ${facts.join(" · ")}`] : []),
  ]);
});

const showState = (sheets) => {
  const runs = sheets.map((one) => own(one, "run"));
  const words = runs.map((run, at) => `${sheets.length > 1 ? `${SIDES[at]} is ${runWord(run)}` : `${runWord(run)[0].toUpperCase()}${runWord(run).slice(1)}`}`).join("; ");
  if (byId("state").textContent !== `${words}.`) byId("state").textContent = `${words}.`;
  byId("state").className = runs.some((run) => own(run, "status") === "failed") ? "bad" : "note";
  const going = runs.find(isGoing);
  const total = own(own(going, "source"), "rows");
  byId("going").hidden = !going;
  if (!going) return;
  const done = own(own(going, "result_counts"), "total") || 0;
  byId("progress").hidden = !isNumber(total);
  if (isNumber(total)) Object.assign(byId("progress"), { max: Math.max(total, 1), value: Math.min(done, total) });
  byId("progress-word").textContent = isNumber(total) ? `${count(done)} of ${plural(total, "row")}` : `${plural(done, "row")} so far`;
};

const showErrors = (sheets) => {
  const errors = sheets.flatMap((sheet, at) => {
    const error = own(own(sheet, "run"), "error");
    if (!own(error, "message")) return [];
    return [make("p", [make("b", `${sheets.length > 1 ? `${SIDES[at]} failed` : "The run failed"}: `), make("code", shortened(own(error, "code") || "error", 80)), " ", shortened(error.message, 2000)], { class: "notice bad" })];
  });
  byId("errors").replaceChildren(...errors);
};

const put = (id, views) => {
  const box = byId(id);
  const open = new Set([...box.querySelectorAll("details[open]")].map((one) => one.textContent.slice(0, 200)));
  box.replaceChildren(...views);
  for (const one of box.querySelectorAll("details")) one.open = open.has(one.textContent.slice(0, 200));
};

const showSheets = (data) => {
  const sheets = sheetsOf(data);
  const pairs = own(data, "pairs");
  const name = shortened(own(own(sheets[0], "eval"), "name") || own(own(sheets[0], "eval"), "id") || "eval", 120);
  byId("title").textContent = name;
  document.title = `${sheets.map((one) => titleOfRun(own(one, "run"))).join(" and ")} – ${name} – graders`;
  byId("lead").replaceChildren(...leadOf(sheets));
  showState(sheets);
  showErrors(sheets);
  put("tiles", tilesView(sheets, pairs));
  put("criteria-table", [criteriaView(sheets, pairs)]);
  const scores = scoresView(sheets);
  byId("scores").hidden = !scores.length;
  put("score-figures", scores);
  put("what-ran", sheets.map((sheet, at) => make("div", [...(sheets.length > 1 ? [make("h3", `Run ${SIDES[at]}`)] : []), ...ranView(sheet)])));
  byId("main").classList.toggle("two", sheets.length > 1);
  grid.pairs = Boolean(pairs);
  grid.names = new Map(sheets.flatMap(criteriaOf).map((one) => [own(one, "id"), own(one, "name") || own(one, "id")]));
  offerFilters();
  byId("rows-said").textContent = own(data, "said") || "";
  return sheets;
};

const startRun = () => {
  byId("skip").addEventListener("click", () => byId("main").focus());
  startTheme();
  startGrid();
};
