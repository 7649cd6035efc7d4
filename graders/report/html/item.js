// An output item whole: what each criterion said, the item, the answer, what the model was asked.

const MOST_MESSAGES = 50;

const longText = (name, text) => [make("h3", name), make("pre", shortened(text) || "(empty)", { tabindex: "0", "aria-label": name })];

const wordsOf = (message) => {
  const content = own(message, "content");
  if (typeof content === "string") return content;
  const parts = list(content).map((part) => own(part, "text")).filter((text) => typeof text === "string");
  if (parts.length) return parts.join("");
  if (own(message, "refusal")) return String(message.refusal);
  return own(message, "tool_calls") ? JSON.stringify(message.tool_calls, null, 2) : content === undefined || content === null ? "" : JSON.stringify(content, null, 2);
};

const messagesView = (word, messages) => {
  const all = list(messages).filter(isObject);
  if (!all.length) return [];
  return [make("details", [
    make("summary", `${word} (${plural(all.length, "message")})`),
    ...all.slice(0, MOST_MESSAGES).flatMap((one) => longText(shortened(own(one, "role") || "message", 40), wordsOf(one))),
  ])];
};

const resultView = (result, name) => {
  const status = isStatus(own(result, "status")) ? result.status : own(result, "passed") === true ? "pass" : "fail";
  const error = own(result, "error");
  const judged = own(result, "sample");
  const reason = own(error, "message");
  return make("div", [
    make("h3", [make("span", signMark(status), { class: `verdict-mark ${status}` }), " ", make("bdi", shortened(name, 80)), ` ${WORDS[status]}`,
      ...(isNumber(own(result, "score")) ? [`, score ${result.score}`] : [])]),
    ...(reason ? [make("p", [make("code", shortened(own(error, "code") || "error", 80)), " ", shortened(reason, 2000)], { class: "bad" })] : []),
    ...list(own(judged, "output")).slice(0, 10).filter(isObject).flatMap((one) => replyView(wordsOf(one))),
    ...messagesView("What the judge was asked", own(judged, "input")),
  ], { class: "result" });
};

const answerView = (sample) => {
  const output = list(own(sample, "output")).filter(isObject);
  const error = own(own(sample, "error"), "message");
  const usage = own(sample, "usage");
  const total = own(usage, "total_tokens");
  return [
    ...(error ? [make("p", ["No answer: ", make("code", shortened(own(own(sample, "error"), "code") || "error", 80)), " ", shortened(error, 2000)], { class: "bad" })] : []),
    ...(output.length ? output.slice(0, 10).flatMap((one) => longText("Answer", wordsOf(one))) : error ? [] : [make("p", "The row has no answer.", { class: "note" })]),
    factList([
      ["Model", own(sample, "model") ? make("bdi", shortened(sample.model, 120)) : ""], ["Ended by", shortened(own(sample, "finish_reason") || "", 40)],
      ["Tokens", isNumber(total) && total ? count(total) : ""],
      ...["temperature", "top_p", "seed", "max_completion_tokens"].map((name) => [name.replace(/_/g, " "), isNumber(own(sample, name)) ? String(sample[name]) : ""]),
    ]),
    ...messagesView("What the model was asked", own(sample, "input")),
  ];
};

// `text` is the item as it is written, where that is known: a number keeps its digits.
const itemText = (item, text) => longText("Item", text || JSON.stringify(own(item, "datasource_item"), null, 2) || "");

const wholeView = ({ item, text }, names) => [
  ...list(own(item, "results")).filter(isObject).map((one) => resultView(one, names.get(own(one, "name")) || own(one, "name") || "criterion")),
  ...answerView(own(item, "sample")),
  ...itemText(item, text),
];

const pairView = (wholes, names) => {
  const sides = wholes.map((whole, at) => make("div", [
    make("h3", `In ${SIDES[at]}`),
    ...(whole ? [
      ...list(own(whole.item, "results")).filter(isObject).map((one) => resultView(one, names.get(own(one, "name")) || own(one, "name") || "criterion")),
      ...answerView(own(whole.item, "sample")),
    ] : [make("p", "This run has no row with an equal item.", { class: "note" })]),
  ], { class: "side" }));
  const one = wholes.find(Boolean);
  return [make("div", sides, { class: "sides" }), ...(one ? itemText(one.item, one.text) : [])];
};
