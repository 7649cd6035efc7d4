// The table of rows. Texts reach the page as text nodes and in no other way.

const PAGE = 50;
const MOST_PARTS = 8;
const data = JSON.parse(document.getElementById("data").textContent);
const [INDEX, ID, REWARD, PARTS, FAILURES, REPLACED, TEXTS, ANSWER, GROUP, ITEM, PANELS, OTHER] = Array(12).keys();
const isPaired = data.marks.length > 0; // Two runs stand side by side: a row has its other.
const sides = (row) => (isPaired ? [row, row[OTHER]] : [row]);
const has = (place) => data.rows.some((row) => sides(row).some((one) => one[place].length));
const rewards = data.rows.flatMap(sides).map((row) => row[REWARD]).filter((one) => one !== null);
const low = rewards.reduce((a, b) => Math.min(a, b), 0);
const high = rewards.reduce((a, b) => Math.max(a, b), 1);
const state = { key: isPaired ? "" : "index", down: false, page: 0, open: new Set(), found: data.rows };

// As the figures above: four decimals, more digits only where needed.
const number = (value) => {
  if (value === null || value === undefined) return "–";
  if (value && Math.abs(value) < 0.001) return value.toExponential(2);
  return Math.abs(value) < 1000 ? value.toFixed(4) : String(Number(value.toPrecision(6)));
};
const signed = (value) => (value > 0 ? `+${number(value)}` : number(value).replace(/^-/, "−"));

const meter = (value) => {
  const width = high > low ? ((value - low) / (high - low)) * 100 : 0;
  const bars = [["rail", 100], ["bar", width]].map(([name, wide]) => draw("rect", { class: name, width: wide, height: 8 }));
  return draw("svg", { class: "meter", viewBox: "0 0 100 8", preserveAspectRatio: "none", "aria-hidden": "true" }, bars);
};

// A figure on a ground that is the fuller the larger it is.
const tint = (value, [from, to]) => make("span", number(value), {
  class: `tint h${Math.round(Math.min(Math.max((value - from) / (to - from || 1), 0), 1) * 10)}`,
});
const failedMark = () => make("span", "failed", { class: "bad" });

// What a figure was and is; the sign says the direction, never the colour alone.
const changed = (one, other) => {
  if (one === other) return [make("span", one === null ? "failed" : number(one), { class: "same" })];
  const word = one === null || other === null ? "" : other > one ? " up" : " down";
  const parts = [one, other].map((figure) => (figure === null ? failedMark() : number(figure)));
  const sign = { " up": "▲", " down": "▼" }[word];
  return [make("span", [parts[0], make("span", " → ", { "aria-hidden": "true" }), make("span", " then ", { class: "unseen" }), parts[1],
    ...(sign ? [make("span", ` ${sign}`, { "aria-hidden": "true" })] : [])], { class: `moved${word}` })];
};

const delta = (row) => (row[REWARD] === null || row[OTHER][REWARD] === null ? null : row[OTHER][REWARD] - row[REWARD]);
const verdict = (row) => {
  const [one, other] = sides(row).map((side) => side[REWARD]);
  if (one === null || other === null) return one === other ? "" : one === null ? "gained" : "lost";
  const [before, after] = [one >= data.marks[0], other >= data.marks[1]];
  return before === after ? "" : after ? "up" : "down";
};
const VERDICTS = { up: "now passes", down: "no longer passes", lost: "lost its reward", gained: "has a reward now" };
const apart = (row) => row[PANELS].reduce((most, [, one]) => (one === null ? most : Math.max(most ?? 0, one)), null);
const codesOf = (row) => [...new Set(sides(row).flatMap((one) => one[FAILURES].map((failure) => failure[0])))];

const rewardColumns = isPaired ? [
  { key: "reward", name: "A → B", number: true, of: (row) => row[OTHER][REWARD], cell: (row) => changed(row[REWARD], row[OTHER][REWARD]) },
  { key: "delta", name: "B − A", number: true, of: delta, cell: (row) => (delta(row) === null ? ["–"] : [delta(row) ? signed(delta(row)) : "0"]) },
  { key: "verdict", name: "Verdict", wide: true, of: (row) => VERDICTS[verdict(row)] || "" },
] : [{ key: "reward", name: "Reward", number: true, of: (row) => row[REWARD], cell: (row) => (row[REWARD] === null ? [failedMark()] : [meter(row[REWARD]), number(row[REWARD])]) }];
const answerColumns = isPaired && data.rows.some((row) => row[OTHER][ANSWER] !== row[ANSWER])
  ? [{ key: "answer", name: "Answer in A", of: (row) => row[ANSWER] }, { key: "answer", at: "other", name: "Answer in B", of: (row) => row[OTHER][ANSWER] }]
  : has(ANSWER) ? [{ key: "answer", name: "Answer", of: (row) => row[ANSWER] }] : [];

const columns = [
  { key: "index", name: "Row", of: (row) => row[INDEX] },
  ...(data.rows.some((row) => row[ID]) ? [{ key: "id", name: "Id", wide: true, of: (row) => row[ID] }] : []),
  ...rewardColumns,
  ...(has(ITEM) ? [{ key: "item", name: "Item", wide: true, of: (row) => row[ITEM] }] : []),
  ...answerColumns,
  ...(data.rows.some((row) => row[GROUP]) ? [{ key: "by", name: data.by, of: (row) => row[GROUP] }] : []),
  ...data.parts.slice(0, MOST_PARTS).map((name, at) => ({
    key: `part${at}`, name, number: true, mean: isPaired ? null : data.means[at],
    of: (row) => row[PARTS][at],
    cell: (row) => (isPaired ? changed(row[PARTS][at], row[OTHER][PARTS][at])
      : row[PARTS][at] === null ? [failedMark()] : [tint(row[PARTS][at], data.ends[at])]),
  })),
  ...(data.rows.some((row) => apart(row)) ? [{ key: "apart", name: "Judges apart", number: true, of: apart, cell: (row) => [number(apart(row))] }] : []),
  ...(has(FAILURES) ? [{ key: "why", name: "Failure", of: (row) => codesOf(row).join(", ") }] : []),
];
const keyOf = (column) => column.key + (column.at || "");

const ordered = (rows) => {
  if (!state.key) return rows;
  const of = columns.find((one) => keyOf(one) === state.key).of;
  const sign = state.down ? -1 : 1;
  const words = new Intl.Collator("en", { numeric: true });
  return [...rows].sort((a, b) => {
    const [x, y] = [of(a), of(b)];
    if (x === y) return a[INDEX] - b[INDEX];
    if (x === null || x === undefined || x === "") return 1; // What is not there comes last.
    if (y === null || y === undefined || y === "") return -1;
    return sign * (typeof x === "number" ? x - y : words.compare(x, y)) || a[INDEX] - b[INDEX];
  });
};

const haystacks = new Map();
const haystack = (row) => {
  if (!haystacks.has(row)) {
    const texts = sides(row).flatMap((one) => [...one[FAILURES].flat(), ...one[TEXTS].map((text) => text[1])]);
    haystacks.set(row, [row[INDEX], row[ID], row[GROUP], ...texts].join("\n").toLowerCase());
  }
  return haystacks.get(row);
};

const value = (id) => (byId(id) ? byId(id).value : "");

const STATUS = {
  "": () => true,
  scored: (row) => row[REWARD] !== null,
  failed: (row) => sides(row).some((one) => one[REWARD] === null),
  replaced: (row) => sides(row).some((one) => one[REPLACED]),
  flipped: (row) => verdict(row) !== "",
  raised: (row) => delta(row) > 0,
  lowered: (row) => delta(row) < 0,
  same: (row) => delta(row) === 0,
  ...Object.fromEntries(Object.keys(VERDICTS).map((one) => [one, (row) => verdict(row) === one])),
};

const filtered = () => {
  const words = value("search").toLowerCase().split(/\s+/).filter(Boolean);
  const fits = STATUS[value("status")];
  const [code, group, part] = ["code", "group", "part"].map(value);
  const least = value("least") === "" ? -Infinity : Number(value("least"));
  const most = value("most") === "" ? Infinity : Number(value("most"));
  const ranged = least !== -Infinity || most !== Infinity;
  const figure = { "": (row) => row[REWARD], delta, apart }[part] || ((row) => row[PARTS][Number(part)]);
  return data.rows.filter((row) => {
    if (!fits(row)) return false;
    if (group && `=${row[GROUP]}` !== group) return false;
    if (code && !codesOf(row).includes(code)) return false;
    if (ranged && (figure(row) === null || figure(row) < least || figure(row) > most)) return false;
    return words.every((word) => haystack(row).includes(word));
  });
};

const head = make("thead");
const body = make("tbody");
byId("table").append(head, body);

const showHead = () => {
  const cells = columns.map((column) => {
    const button = make("button", column.name, { type: "button" });
    const isOrder = state.key === keyOf(column);
    button.addEventListener("click", () => {
      // A number's first order is from the top: that is what is looked for.
      state.down = state.key === keyOf(column) ? !state.down : Boolean(column.number);
      state.key = keyOf(column);
      update();
      head.querySelector("[aria-sort] button").focus();
    });
    const mean = typeof column.mean === "number" ? [make("small", `mean ${number(column.mean)}`)] : [];
    const words = [column.number ? "n" : "", column.wide ? "wide" : "", column.key].filter(Boolean).join(" ");
    return make("th", [button, ...mean], {
      scope: "col", class: words, "aria-sort": isOrder ? (state.down ? "descending" : "ascending") : null,
    });
  });
  head.replaceChildren(make("tr", cells));
};

const factsOf = (row) => make("dl", [["reward", row[REWARD]], ...data.parts.map((name, at) => [name, row[PARTS][at]])].map(
  ([name, figure]) => make("div", [make("dt", name), make("dd", figure === null ? "failed" : String(figure))]),
), { class: "facts" });

const panelsOf = (row) => row[PANELS].flatMap(([key, far, scores]) => [
  make("h3", `What the judges${key ? ` of ${key}` : ""} gave${far === null ? "" : `: two are ${number(far)} apart on average`}`),
  make("dl", scores.map(([name, score]) => make("div", [make("dt", name), make("dd", score === null ? "no verdict" : String(score))])), { class: "facts" }),
]);

const detail = (row) => {
  const box = make("div", [factsOf(row), ...panelsOf(row)]);
  addFailures(row, box);
  addTexts(row, box);
  return box;
};

const addFailures = (row, box) => {
  for (const [code, where, message, details] of row[FAILURES]) {
    const stands = row[REPLACED] ? "invalid_grade stands for " : "";
    box.append(make("h3", `${stands}${code}${where ? ` in ${where}` : ""}`, { class: "bad" }));
    box.append(make("pre", details ? `${message}\n${details}` : message));
  }
};

const addTexts = (row, box) => {
  for (const [name, text, length] of row[TEXTS]) {
    const cut = length > data.limit ? ` (the first ${data.limit} of ${length} characters)` : "";
    box.append(make("h3", name + cut));
    box.append(make("pre", text === "" ? "(empty)" : text, { tabindex: "0", "aria-label": name }));
  }
};

// What both runs have stands once, above; what each has alone, beside the other's.
const bothDetails = (row) => {
  const own = new Set(row[OTHER][TEXTS].map((text) => text[0]));
  const common = make("div");
  const texts = (isOwn) => row[TEXTS].filter((text) => own.has(text[0]) === isOwn);
  addTexts({ [TEXTS]: texts(false) }, common);
  const boxes = sides(row).map((one, at) => {
    const box = make("div", [make("h3", `In ${"AB"[at]}`, { class: "side" }), factsOf(one), ...panelsOf(one)]);
    addFailures(one, box);
    addTexts({ [TEXTS]: at ? one[TEXTS] : texts(true) }, box);
    return box;
  });
  return make("div", [common, make("div", boxes, { class: "sides" })]);
};

const cellOf = (column, row) => {
  const words = [column.number ? "n" : "", column.wide ? "wide" : "", column.key].filter(Boolean).join(" ");
  const content = column.cell ? column.cell(row) : make("span", column.of(row) || "");
  return make("td", content, { class: words });
};

// The address names the row that was opened last, so that it can be sent to somebody.
const setHash = (hash) => {
  try {
    history.replaceState(null, "", location.href.split("#")[0] + hash);
  } catch { /* A page within another has no address of its own. */ }
};

const show = (row) => {
  const open = state.open.has(row[INDEX]);
  const id = `detail-${row[INDEX]}`;
  const button = make("button", String(row[INDEX]), {
    type: "button", class: "row", "aria-expanded": String(open), "aria-label": `Row ${row[INDEX]}`, "aria-controls": open ? id : null,
  });
  button.addEventListener("click", () => {
    if (open) state.open.delete(row[INDEX]);
    else state.open.add(row[INDEX]);
    setHash(open ? "" : `#row-${row[INDEX]}`);
    showRows();
    focusRow(row[INDEX]);
  });
  const cells = columns.map((column) => (column.key === "index" ? make("th", button, { scope: "row", class: "index" }) : cellOf(column, row)));
  const line = make("tr", cells, { class: open ? "open" : null });
  if (!open) return [line];
  const inner = make("td", isPaired ? bothDetails(row) : detail(row), { class: "detail", colspan: String(columns.length) });
  return [line, make("tr", inner, { id })];
};

const showRows = () => {
  const pages = Math.max(Math.ceil(state.found.length / PAGE), 1);
  state.page = Math.min(Math.max(state.page, 0), pages - 1);
  const part = state.found.slice(state.page * PAGE, (state.page + 1) * PAGE);
  body.replaceChildren(...part.flatMap(show));
  byId("place").textContent = `Page ${state.page + 1} of ${pages}`;
  turns(byId("previous"), byId("next"), state.page === 0, state.page === pages - 1);
};

const update = () => {
  const found = filtered();
  state.found = ordered(found);
  showHead();
  showRows();
  const [few, all] = [found.length, data.rows.length].map((n) => n.toLocaleString("en"));
  byId("count").textContent = few === all ? `${all} rows` : `${few} of ${all} rows`;
};

const rowButton = (index) => (
  [...body.querySelectorAll("button.row")].find((one) => one.textContent === String(index))
);
const focusRow = (index) => {
  const button = rowButton(index);
  if (button) button.focus();
};

const clear = () => {
  for (const control of byId("filters").elements) {
    if (control.type !== "reset") control.value = "";
  }
};

const openRow = (index) => {
  clear();
  state.open.add(index);
  setHash(`#row-${index}`);
  state.page = Math.floor(ordered(data.rows).findIndex((row) => row[INDEX] === index) / PAGE);
  update();
  const button = rowButton(index);
  if (!button) return;
  button.focus();
  button.scrollIntoView({ block: "center" });
};

const showGroup = (group) => {
  const select = byId("group");
  if (!select) return;
  if (![...select.options].some((one) => one.value === group)) select.append(make("option", group.slice(1), { value: group }));
  clear();
  select.value = group;
  state.page = 0;
  update();
  select.focus();
  byId("rows").scrollIntoView();
};

byId("filters").addEventListener("submit", (event) => event.preventDefault());
byId("filters").addEventListener("input", () => { state.page = 0; update(); });
byId("filters").addEventListener("reset", () => setTimeout(() => { state.page = 0; update(); }));
const turn = (pages) => {
  state.page += pages;
  showRows();
  byId("table").parentElement.scrollTop = 0;
  byId("count").scrollIntoView({ block: "nearest" });
};
byId("previous").addEventListener("click", () => turn(-1));
byId("next").addEventListener("click", () => turn(1));

walked(body);

document.addEventListener("click", (event) => {
  const link = event.target.closest("button.jump");
  if (!link) return;
  if (link.dataset.group === undefined) openRow(Number(link.dataset.row));
  else showGroup(link.dataset.group);
});

// On paper nothing can be opened: what is closed is open there.
let closed = [];
addEventListener("beforeprint", () => {
  closed = [...document.querySelectorAll("main details:not([open])")];
  for (const one of closed) one.open = true;
});
addEventListener("afterprint", () => { for (const one of closed) one.open = false; });

const openNamed = () => {
  const index = Number(/^#row-(\d+)$/.exec(location.hash)?.[1] ?? NaN);
  if (data.rows.some((row) => row[INDEX] === index)) openRow(index);
};
addEventListener("hashchange", openNamed);

startTheme();
update();
openNamed();
