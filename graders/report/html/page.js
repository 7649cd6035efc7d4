
"use strict";
// The row explorer. Texts reach the page as text nodes and in no other way.
{
  const PAGE = 50;
  const MOST_PARTS = 8;
  const SVG = "http://www.w3.org/2000/svg";
  const data = JSON.parse(document.getElementById("data").textContent);
  const [INDEX, ID, REWARD, PARTS, FAILURES, REPLACED, TEXTS, ANSWER, GROUP] = [0, 1, 2, 3, 4, 5, 6, 7, 8];
  const byId = (id) => document.getElementById(id);
  const hasIds = data.rows.some((row) => row[ID]);
  const rewards = data.rows.map((row) => row[REWARD]).filter((one) => one !== null);
  const low = rewards.reduce((a, b) => Math.min(a, b), 0);
  const high = rewards.reduce((a, b) => Math.max(a, b), 1);
  const state = { key: "index", down: false, page: 0, open: new Set(), found: data.rows };

  const make = (name, content, attributes = {}) => {
    const made = document.createElement(name);
    if (content !== undefined) made.append(...[content].flat());
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  };

  // As the figures above: four decimals, more digits only where needed.
  const number = (value) => {
    if (value === null || value === undefined) return "–";
    if (value && Math.abs(value) < 0.001) return value.toExponential(2);
    return Math.abs(value) < 1000 ? value.toFixed(4) : String(Number(value.toPrecision(6)));
  };

  const meter = (value) => {
    const svg = document.createElementNS(SVG, "svg");
    const shapes = [["rail", 100], ["bar", high > low ? ((value - low) / (high - low)) * 100 : 0]];
    for (const [name, width] of shapes) {
      const rect = document.createElementNS(SVG, "rect");
      rect.setAttribute("class", name);
      rect.setAttribute("width", width);
      rect.setAttribute("height", 8);
      svg.append(rect);
    }
    svg.setAttribute("class", "meter");
    svg.setAttribute("viewBox", "0 0 100 8");
    svg.setAttribute("preserveAspectRatio", "none");
    svg.setAttribute("aria-hidden", "true");
    return svg;
  };

  const columns = [
    { key: "index", name: "Row", of: (row) => row[INDEX] },
    ...(hasIds ? [{ key: "id", name: "Id", of: (row) => row[ID] }] : []),
    { key: "reward", name: "Reward", number: true, of: (row) => row[REWARD] },
    ...(data.rows.some((row) => row[ANSWER])
      ? [{ key: "answer", name: "Answer", of: (row) => row[ANSWER] }]
      : []),
    ...(data.rows.some((row) => row[GROUP])
      ? [{ key: "by", name: data.by, wide: true, of: (row) => row[GROUP] }]
      : []),
    ...data.parts.slice(0, MOST_PARTS).map((name, at) => (
      { key: `part${at}`, name, number: true, wide: true, of: (row) => row[PARTS][at] }
    )),
    ...(data.rows.some((row) => row[FAILURES].length)
      ? [{ key: "why", name: "Failure", of: (row) => (row[FAILURES].length ? row[FAILURES][0][0] : null) }]
      : []),
  ];

  const ordered = (rows) => {
    const of = columns.find((one) => one.key === state.key).of;
    const sign = state.down ? -1 : 1;
    const words = new Intl.Collator("en", { numeric: true });
    return [...rows].sort((a, b) => {
      const [x, y] = [of(a), of(b)];
      if (x === y) return a[INDEX] - b[INDEX];
      if (x === null || x === undefined || x === "") return 1; // What is not there comes last.
      if (y === null || y === undefined || y === "") return -1;
      const apart = typeof x === "number" ? x - y : words.compare(x, y);
      return sign * apart || a[INDEX] - b[INDEX];
    });
  };

  const haystacks = new Map();
  const haystack = (row) => {
    if (!haystacks.has(row)) {
      const texts = row[TEXTS].map((one) => one[1]);
      const whole = [row[INDEX], row[ID], row[GROUP], ...row[FAILURES].flat(), ...texts].join("\n");
      haystacks.set(row, whole.toLowerCase());
    }
    return haystacks.get(row);
  };

  const value = (id) => (byId(id) ? byId(id).value : "");

  const filtered = () => {
    const words = value("search").toLowerCase().split(/\s+/).filter(Boolean);
    const status = value("status");
    const code = value("code");
    const group = value("group");
    const part = value("part");
    const least = value("least") === "" ? -Infinity : Number(value("least"));
    const most = value("most") === "" ? Infinity : Number(value("most"));
    const ranged = least !== -Infinity || most !== Infinity;
    return data.rows.filter((row) => {
      const failed = row[REWARD] === null;
      if (status === "failed" && !failed) return false;
      if (status === "scored" && failed) return false;
      if (status === "replaced" && !row[REPLACED]) return false;
      if (group && `=${row[GROUP]}` !== group) return false;
      if (code && !row[FAILURES].some((one) => one[0] === code)) return false;
      if (ranged) {
        const figure = part === "" ? row[REWARD] : row[PARTS][Number(part)];
        if (figure === null || figure < least || figure > most) return false;
      }
      return words.every((word) => haystack(row).includes(word));
    });
  };

  const head = make("thead");
  const body = make("tbody");
  byId("table").append(head, body);

  const showHead = () => {
    const cells = columns.map((column) => {
      const button = make("button", column.name, { type: "button" });
      button.addEventListener("click", () => {
        // A number's first order is from the top: that is what is looked for.
        const again = state.key === column.key;
        state.down = again ? !state.down : Boolean(column.number);
        state.key = column.key;
        update();
        head.querySelector("[aria-sort] button").focus();
      });
      const cell = make("th", button, { scope: "col" });
      if (column.number) cell.classList.add("n");
      if (column.wide) cell.classList.add("wide");
      if (state.key === column.key) {
        cell.setAttribute("aria-sort", state.down ? "descending" : "ascending");
      }
      return cell;
    });
    head.replaceChildren(make("tr", cells));
  };

  const detail = (row) => {
    const box = make("div");
    const facts = [["reward", row[REWARD]], ...data.parts.map((name, at) => [name, row[PARTS][at]])];
    box.append(make("dl", facts.map(([name, figure]) => make("div", [
      make("dt", name), make("dd", figure === null ? "failed" : String(figure)),
    ])), { class: "facts" }));
    for (const [code, where, message, details] of row[FAILURES]) {
      const stands = row[REPLACED] ? "invalid_grade stands for " : "";
      box.append(make("h3", `${stands}${code}${where ? ` in ${where}` : ""}`, { class: "bad" }));
      box.append(make("pre", details ? `${message}\n${details}` : message));
    }
    for (const [name, text, length] of row[TEXTS]) {
      const cut = length > data.limit ? ` (the first ${data.limit} of ${length} characters)` : "";
      box.append(make("h3", name + cut));
      box.append(make("pre", text === "" ? "(empty)" : text, { tabindex: "0" }));
    }
    return box;
  };

  const show = (row) => {
    const open = state.open.has(row[INDEX]);
    const id = `detail-${row[INDEX]}`;
    const button = make("button", String(row[INDEX]), {
      type: "button", class: "row", "aria-expanded": String(open), "aria-label": `Row ${row[INDEX]}`,
    });
    if (open) button.setAttribute("aria-controls", id);
    button.addEventListener("click", () => {
      if (open) state.open.delete(row[INDEX]);
      else state.open.add(row[INDEX]);
      showRows();
      focusRow(row[INDEX]);
    });
    const cells = columns.map((column) => {
      if (column.key === "index") return make("th", button, { scope: "row" });
      const figure = column.of(row);
      const cell = make("td");
      if (column.wide) cell.classList.add("wide");
      if (column.number) {
        cell.classList.add("n");
        if (column.key === "reward" && figure !== null) cell.append(meter(figure));
        cell.append(figure === null ? "failed" : number(figure));
        if (figure === null) cell.classList.add("bad");
      } else {
        const codes = new Set(row[FAILURES].map((one) => one[0]));
        cell.append(column.key === "why" ? [...codes].join(", ") : figure);
        cell.classList.add(column.key);
      }
      return cell;
    });
    const line = make("tr", cells, open ? { class: "open" } : {});
    if (!open) return [line];
    const inner = make("td", detail(row), { class: "detail", colspan: String(columns.length) });
    return [line, make("tr", inner, { id })];
  };

  const showRows = () => {
    const pages = Math.max(Math.ceil(state.found.length / PAGE), 1);
    state.page = Math.min(Math.max(state.page, 0), pages - 1);
    const part = state.found.slice(state.page * PAGE, (state.page + 1) * PAGE);
    body.replaceChildren(...part.flatMap(show));
    byId("place").textContent = `Page ${state.page + 1} of ${pages}`;
    byId("previous").disabled = state.page === 0;
    byId("next").disabled = state.page === pages - 1;
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

  const openRow = (index) => {
    for (const control of byId("filters").elements) {
      if (control.type !== "reset") control.value = "";
    }
    state.open.add(index);
    const place = ordered(data.rows).findIndex((row) => row[INDEX] === index);
    state.page = Math.floor(place / PAGE);
    update();
    const button = rowButton(index);
    if (!button) return;
    button.focus();
    button.scrollIntoView({ block: "center" });
  };

  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  byId("filters").addEventListener("input", () => { state.page = 0; update(); });
  byId("filters").addEventListener("reset", () => setTimeout(() => { state.page = 0; update(); }));
  byId("previous").addEventListener("click", () => { state.page -= 1; showRows(); });
  byId("next").addEventListener("click", () => { state.page += 1; showRows(); });

  // Arrows go from row to row; Escape closes the row that has the focus.
  body.addEventListener("keydown", (event) => {
    const buttons = [...body.querySelectorAll("button.row")];
    const at = buttons.indexOf(document.activeElement);
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (at >= 0 && step && buttons[at + step]) {
      event.preventDefault();
      buttons[at + step].focus();
    } else if (event.key === "Escape") {
      const line = document.activeElement.closest("tr");
      const button = line.querySelector("button.row") || line.previousElementSibling.querySelector("button.row");
      if (button.getAttribute("aria-expanded") === "true") button.click();
    }
  });

  document.addEventListener("click", (event) => {
    const link = event.target.closest("button.jump");
    if (link) openRow(Number(link.dataset.row));
  });

  const themes = ["system", "light", "dark"];
  byId("theme").addEventListener("click", () => {
    const root = document.documentElement;
    const next = themes[(themes.indexOf(root.dataset.theme || "system") + 1) % themes.length];
    if (next === "system") delete root.dataset.theme;
    else root.dataset.theme = next;
    byId("theme").textContent = `Theme: ${next}`;
  });

  update();
}
