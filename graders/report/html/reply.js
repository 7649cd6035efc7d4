// What judges said.

const MOST_STEPS = 100;

// A judge's reply: its steps where it has the documented shape, else what it said.
const replyView = (text) => {
  let reply = null;
  try {
    reply = JSON.parse(text);
  } catch { /* Shown as it is. */ }
  const steps = list(own(reply, "steps"));
  if (!isObject(reply) || own(reply, "result") === undefined || !steps.every(isObject)) {
    return [make("pre", shortened(text) || "(empty)", { tabindex: "0", "aria-label": "Reply" })];
  }
  const said = (value) => (typeof value === "string" ? value : JSON.stringify(value) ?? "");
  return [
    make("ol", steps.slice(0, MOST_STEPS).map((step) => make("li", [
      shortened(said(own(step, "description"))), make("span", `→ ${shortened(said(own(step, "conclusion")))}`, { class: "then" }),
    ])), { class: "steps" }),
    make("p", ["Result: ", make("b", shortened(said(reply.result), 200))]),
  ];
};
