// Verdicts in words, signs and bars: never in colour alone.

const STATUSES = ["pass", "fail", "error"];
const WORDS = { pass: "passed", fail: "failed", error: "errored" };
const SIGNS = { pass: "✓", fail: "✗", error: "!" };
const VERDICTS = ["passed", "failed", "errored"];

const isStatus = (status) => STATUSES.includes(status);
const runWord = (run) => (typeof own(run, "status") === "string" ? run.status.replace(/_/g, " ") : "of unknown status");
const isGoing = (run) => ["queued", "in_progress"].includes(own(run, "status"));
const titleOfRun = (run) => shortened(own(run, "name") || own(run, "id") || "run", 80);
const dayOf = (value) => (isNumber(value) && Math.abs(value) < 8e12 ? new Date(value * 1000) : null);

// Shorter than the figures of a mean, for a column of verdicts; the exact score stands in its title.
const brief = (score) => (isNumber(score) ? String(Number(score.toPrecision(3))) : "");

const percent = (some, all) => {
  if (!all) return "–";
  const part = (some / all) * 100;
  if (part > 0 && part < 0.1) return "<0.1%";
  return part === 100 || part === 0 ? `${part}%` : `${Math.min(part, 99.9).toFixed(1)}%`;
};

const signMark = (status) => make("span", isStatus(status) ? SIGNS[status] : "?", { "aria-hidden": "true", class: "sign" });

const verdictMark = (status, score, worded = false) => make("span", [
  signMark(status),
  make("span", isStatus(status) ? WORDS[status] : "unknown", { class: worded ? null : "unseen" }),
  ...(isNumber(score) ? [" ", make("span", brief(score), { class: "points" })] : []),
], { class: `verdict-mark ${isStatus(status) ? status : ""}`, title: `${isStatus(status) ? WORDS[status] : "unknown"}${isNumber(score) ? `, score ${score}` : ""}` });

// A lying bar in three parts: passed, failed, errored.
const verdictBar = (counts) => {
  const all = counts.reduce((sum, one) => sum + one, 0);
  let at = 0;
  const parts = counts.map((one, place) => {
    const width = all ? (one / all) * 100 : 0;
    const rect = draw("rect", { class: STATUSES[place], x: at, width, height: 8 });
    at += width;
    return rect;
  });
  return draw("svg", { class: "verdicts", viewBox: "0 0 100 8", preserveAspectRatio: "none", "aria-hidden": "true" }, [
    draw("rect", { class: "rail", width: 100, height: 8 }), ...parts,
  ]);
};

// Upright bars that fill their box, as graders.htmltext.columns.
const columnsView = (bars, label, mark) => {
  const most = bars.reduce((high, [, times]) => Math.max(high, times), 1);
  const step = 1000 / Math.max(bars.length, 1);
  const width = Math.min(step * 0.84, 220);
  const shapes = bars.map(([name, times], at) => {
    const high = times ? Math.max((times / most) * 200, 2) : 0;
    return draw("g", {}, [
      draw("title", {}, `${name}: ${count(times)} rows`),
      draw("rect", { class: "bar", x: (at + 0.5) * step - width / 2, y: 200 - high, width, height: high }),
    ]);
  });
  if (isNumber(mark)) shapes.push(draw("line", { class: "mark", x1: mark * 1000, x2: mark * 1000, y1: 0, y2: 200 }));
  return draw("svg", {
    viewBox: "0 0 1000 200", preserveAspectRatio: "none", ...(label ? { role: "img", "aria-label": label } : { "aria-hidden": "true" }),
  }, shapes);
};
