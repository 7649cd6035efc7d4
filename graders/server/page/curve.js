// A curve: mean reward, or loss, of training and validation by step.

const HEIGHT = 240;
const EDGE = { left: 46, right: 12, top: 12, bottom: 30 };

// Round numbers that cover a range.
const ticks = (low, high, most) => {
  const span = high - low || 1;
  const rough = span / most;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((one) => one * power).find((one) => one >= rough) || power;
  const first = Math.floor(low / step);
  const last = Math.ceil(high / step);
  if (!Number.isFinite(first) || !Number.isFinite(last) || last - first > 40) return [low, high];
  return Array.from({ length: last - first + 1 }, (_, at) => Number(((first + at) * step).toPrecision(12)));
};

// Points as [step, training, validation], by step; what is no number is left out.
const cleanPoints = (points) => list(points)
  .filter((one) => Array.isArray(one) && isNumber(one[0]) && (isNumber(one[1]) || isNumber(one[2])))
  .map(([step, train, valid]) => [step, isNumber(train) ? train : null, isNumber(valid) ? valid : null])
  .sort((a, b) => a[0] - b[0]);

const curveView = (points, total, width, word = "Mean reward") => {
  const values = points.flatMap(([, train, valid]) => [train, valid]).filter(isNumber);
  const marks = ticks(Math.min(...values), Math.max(...values), 4);
  const [low, high] = [marks[0], marks.at(-1) === marks[0] ? marks[0] + 1 : marks.at(-1)];
  const lastStep = Math.max(points.at(-1)[0], isNumber(total) ? total : 1);
  const firstStep = Math.min(points[0][0], 1);
  const x = (step) => EDGE.left + ((step - firstStep) / (lastStep - firstStep || 1)) * (width - EDGE.left - EDGE.right);
  const y = (value) => HEIGHT - EDGE.bottom - ((value - low) / (high - low)) * (HEIGHT - EDGE.top - EDGE.bottom);
  const parts = marks.flatMap((one) => [
    draw("line", { class: "grid", x1: EDGE.left, x2: width - EDGE.right, y1: y(one), y2: y(one) }),
    draw("text", { x: EDGE.left - 8, y: y(one) + 4, "text-anchor": "end" }, String(one)),
  ]);
  const steps = ticks(firstStep, lastStep, Math.max(2, Math.floor(width / 110)))
    .filter((one) => Number.isInteger(one) && one >= firstStep && one <= lastStep);
  for (const one of steps) parts.push(draw("text", { x: x(one), y: HEIGHT - 8, "text-anchor": "middle" }, String(one)));
  [["train", 1], ["valid", 2]].forEach(([name, place]) => {
    const line = points.filter((one) => one[place] !== null);
    if (!line.length) return;
    const path = line.map((one, at) => `${at ? "L" : "M"}${x(one[0]).toFixed(2)} ${y(one[place]).toFixed(2)}`).join("");
    parts.push(draw("path", { class: name, d: path }));
    if (line.length <= 40) {
      for (const one of line) parts.push(draw("circle", { class: name, cx: x(one[0]), cy: y(one[place]), r: 3 }));
    }
  });
  const last = points.at(-1);
  const words = `${word} from step ${points[0][0]} to ${last[0]}: training ${figure(last[1])}, validation ${figure(points.findLast((one) => one[2] !== null)?.[2])} at the end. The table has all of it.`;
  const swatch = (name) => draw("svg", { class: "swatch curve", viewBox: "0 0 30 10", "aria-hidden": "true" }, draw("path", { class: name, d: "M0 5L30 5" }));
  return make("figure", [
    draw("svg", { class: "curve", viewBox: `0 0 ${width} ${HEIGHT}`, role: "img", "aria-label": words }, parts),
    make("figcaption", [make("span", [swatch("train"), "training"]), make("span", [swatch("valid"), "validation"]), make("span", `${word.toLowerCase()} by step`)]),
  ]);
};
