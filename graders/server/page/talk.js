// Talking to the server the page came from.

const KEY = "graders-token";
const pocket = { key: "" };

const storedKey = () => {
  try {
    return sessionStorage.getItem(KEY) || pocket.key;
  } catch {
    return pocket.key; // The browser keeps nothing for this page.
  }
};
const storeKey = (key) => {
  pocket.key = key;
  try {
    sessionStorage.setItem(KEY, key);
  } catch { /* It lives as long as the page, then. */ }
};

let asking = null;
const askToken = (why) => {
  if (asking) return asking;
  asking = new Promise((done) => {
    const dialog = byId("token");
    byId("token-why").textContent = why;
    byId("token-key").value = "";
    const end = () => {
      asking = null;
      done(dialog.returnValue === "given");
    };
    dialog.addEventListener("close", end, { once: true });
    dialog.returnValue = "";
    dialog.showModal();
    byId("token-key").focus();
  });
  return asking;
};

const giveToken = (event) => {
  event.preventDefault();
  const key = byId("token-key").value.trim();
  if (!key) {
    byId("token-why").textContent = "The token is empty; give the one the server was started with.";
    return;
  }
  storeKey(key);
  byId("token-key").value = "";
  byId("token").close("given");
};

// Ask whether something is really to be done; whoever closes the question does not want it.
const sure = (name, why, yes, no) => new Promise((done) => {
  const dialog = byId("sure");
  for (const [id, word] of [["name", name], ["why", why], ["yes", yes], ["no", no]]) byId(`sure-${id}`).textContent = word;
  dialog.returnValue = "";
  dialog.addEventListener("close", () => done(dialog.returnValue === "yes"), { once: true });
  dialog.showModal();
  byId("sure-no").focus();
});

const problem = (status, text) => {
  try {
    const error = own(JSON.parse(text), "error");
    const message = own(error, "message");
    if (typeof message === "string" && message) return message;
  } catch { /* No JSON: what stands in it is not for people. */ }
  if (status === 413) return "That is more than the server takes in one request.";
  if (status === 429) return "The server has too much to do; try again in a moment.";
  return `The server answered with status ${status} and no reason.`;
};

// Ask for JSON; returns { body, raw }. A 401 asks for the token, and then again for the answer.
const ask = async (path, { method = "GET", text, form, signal, quiet = false } = {}) => {
  for (let tries = 0; ; tries += 1) {
    const key = storedKey();
    const headers = key ? { Authorization: `Bearer ${key}` } : {};
    if (text !== undefined) headers["Content-Type"] = "application/json";
    let answer;
    let raw;
    try {
      answer = await fetch(path, {
        method, headers, body: form ?? text, signal, cache: "no-store", credentials: "omit", redirect: "error",
      });
      raw = await answer.text();
    } catch (error) {
      if (signal && signal.aborted) throw error;
      // A key that is no header (a line end, a letter beyond Latin) fails before it is sent.
      const odd = key && /[^\x20-\x7e]/.test(key);
      if (odd) storeKey("");
      throw new Trouble(
        odd ? "The token has characters that no token has; give it again."
          : "The server cannot be reached; is graders serve still running?", odd ? "token" : "lost",
      );
    }
    if (answer.status === 401) {
      const why = key && tries ? "The server does not know that token. Give the one it was started with."
        : "This server wants the token it was started with.";
      if (quiet || tries > 5 || !(await askToken(why))) {
        throw new Trouble("The server wants its token before it answers.", "token", 401);
      }
      continue;
    }
    if (!answer.ok) throw new Trouble(problem(answer.status, raw), "refused", answer.status);
    try {
      return { body: JSON.parse(raw), raw };
    } catch {
      throw new Trouble("The server's answer is no JSON; is it a graders server?", "refused", answer.status);
    }
  }
};
