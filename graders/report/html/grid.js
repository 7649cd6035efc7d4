// The table of rows: searched, filtered, turned page by page; a row opens below itself.

const MOST_LINES = 50; // On a page.
const MOST_COLUMNS = 6; // Criteria with a column of their own.

// Rows that are all here.
const heldRows = (rows, detail) => {
  const haystacks = new Map();
  const sides = (row) => (Array.isArray(row) ? row.filter(Boolean) : [row]);
  const haystack = (row) => {
    if (!haystacks.has(row)) {
      const texts = sides(row).map((one) => [one.place, one.item, one.answer, JSON.stringify(own(one, "whole") ?? "")].join("\n"));
      haystacks.set(row, texts.join("\n").toLowerCase());
    }
    return haystacks.get(row);
  };
  const statusOf = (one, criterion) => (criterion ? list(own(own(one, "results"), criterion))[0] : own(one, "status"));
  const fits = {
    any: () => true,
    flipped: (row, criterion) => row[0] && row[1] && statusOf(row[0], criterion) !== statusOf(row[1], criterion),
    here: (row, criterion) => row[0] && row[1] && statusOf(row[0], criterion) === "pass" && statusOf(row[1], criterion) !== "pass",
    there: (row, criterion) => row[0] && row[1] && statusOf(row[1], criterion) === "pass" && statusOf(row[0], criterion) !== "pass",
    alone: (row) => !(row[0] && row[1]),
    ...Object.fromEntries(STATUSES.map((status) => [status, (row, criterion) => statusOf(row, criterion) === status])),
  };
  return {
    detail,
    find: async (query) => {
      const words = query.search.toLowerCase().split(/\s+/).filter(Boolean);
      const found = rows.filter((row) => fits[query.status || "any"](row, query.criterion) && words.every((word) => haystack(row).includes(word)));
      if (query.first && !Array.isArray(rows[0])) {
        const rank = { error: 0, fail: 1, pass: 2 };
        found.sort((a, b) => rank[a.status] - rank[b.status] || a.place - b.place);
      } else if (!query.first) {
        const place = (row) => (Array.isArray(row) ? (row[0] || row[1]).place : row.place);
        found.sort((a, b) => place(a) - place(b));
      }
      return { rows: found.slice(query.skip, query.skip + MOST_LINES), total: found.length };
    },
  };
};

const grid = { source: null, names: new Map(), pairs: false, skip: 0, rows: [], total: 0, open: new Map(), number: 0 };

const keyOf = (row) => (Array.isArray(row) ? row.map((one) => (one ? one.id : "")).join(" ") : row.id);
const placeOfRow = (row) => (Array.isArray(row) ? row.map((one) => (one ? count(one.place) : "–")).join(" | ") : count(row.place));

const queryNow = () => ({
  search: byId("search").value.trim(), status: byId("status").value, criterion: byId("criterion").value,
  first: byId("order").value === "first", skip: grid.skip, limit: MOST_LINES,
});

const cellsOf = (row, criterion) => {
  const sides = Array.isArray(row) ? row : [row];
  const marks = sides.map((one) => {
    if (!one) return make("span", "–", { class: "note" });
    const result = criterion === null ? [own(one, "status"), null] : list(own(own(one, "results"), criterion));
    return result.length ? verdictMark(result[0], result[1], criterion === null && !grid.pairs) : make("span", "–", { class: "note" });
  });
  return marks.flatMap((one, at) => (at ? [make("span", " → ", { "aria-hidden": "true", class: "note" }), one] : [one]));
};

const gridColumns = () => {
  const columns = [{ name: grid.pairs ? "A → B" : "Status", cells: (row) => cellsOf(row, null) }];
  for (const [at, [id, name]] of [...grid.names].slice(0, MOST_COLUMNS).entries()) {
    columns.push({ name: make("bdi", shortened(name, 40)), cells: (row) => cellsOf(row, id), wide: at > 1 });
  }
  const sides = grid.pairs ? [[0, "Answer in A"], [1, "Answer in B"]] : [[null, "Answer"]];
  for (const [at, name] of sides) {
    columns.push({ name, text: true, wide: at === 1, cells: (row) => visible(own(at === null ? row : row[at], "answer") || "–") });
  }
  columns.push({ name: "Item", text: true, wide: true, cells: (row) => visible(own(Array.isArray(row) ? row[0] || row[1] : row, "item") || "–") });
  return columns;
};

const showDetail = async (row, box) => {
  try {
    box.replaceChildren(...(await grid.source.detail(row)));
  } catch (error) {
    if (!(error instanceof Trouble)) throw error;
    box.replaceChildren(make("p", error.message, { class: "bad" }), button("Try again", () => showDetail(row, box)));
  }
};

const turnRow = (row) => {
  const key = keyOf(row);
  if (grid.open.has(key)) {
    grid.open.delete(key);
  } else {
    const box = make("div", make("p", "One moment …", { class: "note" }));
    grid.open.set(key, box);
    showDetail(row, box);
  }
  drawRows();
  [...byId("lines").querySelectorAll("button.row")].find((one) => one.dataset.key === key)?.focus();
};

const lineOf = (row, columns) => {
  const key = keyOf(row);
  const box = grid.open.get(key);
  const opener = button(placeOfRow(row), () => turnRow(row), {
    class: "row", "aria-expanded": String(Boolean(box)), "aria-label": `Row ${placeOfRow(row)}`, "aria-controls": box ? `detail ${key}`.replace(/ /g, "-") : null,
  });
  opener.dataset.key = key;
  const cells = columns.map((one) => make("td", one.cells(row), { class: [one.text ? "why" : "mark-cell", one.wide ? "wide" : ""].join(" ").trim() }));
  const line = make("tr", [make("th", opener, { scope: "row" }), ...cells], { class: box ? "open" : null });
  if (!box) return [line];
  return [line, make("tr", make("td", box, { class: "detail", colspan: String(columns.length + 1) }), { id: `detail ${key}`.replace(/ /g, "-") })];
};

const drawRows = () => {
  const columns = gridColumns();
  byId("lines-head").replaceChildren(make("tr", [make("th", grid.pairs ? "Rows" : "Row", { scope: "col" }),
    ...columns.map((one) => make("th", one.name, { scope: "col", class: one.wide ? "wide" : null }))]));
  byId("lines").replaceChildren(...grid.rows.flatMap((row) => lineOf(row, columns)));
  const pages = Math.max(Math.ceil(grid.total / MOST_LINES), 1);
  const page = Math.floor(grid.skip / MOST_LINES) + 1;
  byId("place").textContent = `Page ${count(page)} of ${count(pages)}`;
  turns(byId("previous"), byId("next"), page <= 1, page >= pages);
};

// Look for the rows that are wanted now; a newer look ends an older one.
const findRows = async ({ quiet = false } = {}) => {
  grid.number += 1;
  const number = grid.number;
  if (!quiet) byId("count").textContent = "Looking …";
  try {
    const found = await grid.source.find(queryNow());
    if (number !== grid.number) return;
    grid.rows = list(own(found, "rows")).filter((one) => isObject(one) || Array.isArray(one));
    grid.total = own(found, "total") || 0;
    const held = byId("lines").contains(document.activeElement) ? document.activeElement.dataset.key : null;
    drawRows();
    if (held) [...byId("lines").querySelectorAll("button.row")].find((one) => one.dataset.key === held)?.focus();
    const said = plural(grid.total, grid.pairs ? "pair or row" : "row").replace("pair or rows", "pairs and rows");
    if (byId("count").textContent !== said) byId("count").textContent = said;
    unsay("rows");
  } catch (error) {
    if (!(error instanceof Trouble)) throw error;
    if (number !== grid.number) return;
    byId("count").textContent = "";
    say("rows", error.message, { bad: true, act: findRows });
  }
};

const startGrid = () => {
  const again = () => { grid.skip = 0; findRows(); };
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  byId("search").addEventListener("input", debounced(again, 250));
  for (const id of ["status", "criterion", "order"]) byId(id).addEventListener("change", again);
  byId("filters").addEventListener("reset", () => setTimeout(again));
  const turn = (pages) => { grid.skip = Math.max(grid.skip + pages * MOST_LINES, 0); findRows().then(() => byId("rows").scrollIntoView({ block: "start" })); };
  byId("previous").addEventListener("click", () => turn(-1));
  byId("next").addEventListener("click", () => turn(1));
  walked(byId("lines"));
};

const options = (id, pairs) => byId(id).replaceChildren(...pairs.map(([value, word]) => make("option", word, { value })));

// What can be filtered by, once it is known what there is.
const offerFilters = () => {
  const chosen = byId("criterion").value;
  options("criterion", [["", "the whole row"], ...[...grid.names].map(([id, name]) => [id, shortened(name, 60)])]);
  if (grid.names.has(chosen)) byId("criterion").value = chosen;
  if (byId("status").options.length) return;
  options("status", grid.pairs
    ? [["", "all"], ["flipped", "differs"], ["here", "passed in A alone"], ["there", "passed in B alone"], ["alone", "not paired"]]
    : [["", "all"], ...STATUSES.map((one) => [one, WORDS[one]])]);
  options("order", [["first", "to read first"], ["rows", "as in the file"]]);
};
