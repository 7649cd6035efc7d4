// A run of the server that the page came from. The page itself holds no data: it asks with the token.

const REFRESH = 2_000; // Milliseconds, and at least five times what an answer took.
const place = { path: "", other: null, timer: 0, misses: 0, offered: false, settled: false };

const itemOf = async (run, id) => {
  const { body, raw } = await ask(`/v1/evals/${encodeURIComponent(place.eval)}/runs/${encodeURIComponent(run)}/output_items/${encodeURIComponent(id)}`);
  const written = members(raw);
  return { item: body, text: written && written.has("datasource_item") ? prettyJson(written.get("datasource_item")) : "" };
};

const servedDetail = async (row) => {
  if (!Array.isArray(row)) return wholeView(await itemOf(place.run, row.id), grid.names);
  return pairView(await Promise.all(row.map((one, at) => (one ? itemOf([place.run, place.other][at], one.id) : null))), grid.names);
};

const servedRows = {
  detail: servedDetail,
  find: async (query) => {
    const words = new URLSearchParams({ search: query.search, order: query.first ? "first" : "rows", skip: query.skip, limit: query.limit });
    for (const name of ["status", "criterion"]) if (query[name]) words.set(name, query[name]);
    return (await ask(`${place.path}/rows?${words}`)).body;
  },
};

const offerOthers = async () => {
  if (place.offered) return;
  place.offered = true;
  const { body } = await ask(`/playground/evals/${encodeURIComponent(place.eval)}?limit=100`, { quiet: true });
  const others = list(own(body, "runs")).filter((one) => isObject(one) && own(one, "id") !== place.run);
  byId("with-box").hidden = !others.length && !place.other;
  const named = others.map((one) => [own(one, "id"), [titleOfRun(one), dayOf(own(one, "created_at"))?.toLocaleString()].filter(Boolean).join(" · ")]);
  if (place.other && !named.some(([id]) => id === place.other)) named.push([place.other, shortened(place.other, 80)]);
  options("with", [["", "no other run"], ...named]);
  byId("with").value = place.other || "";
};

const isBusy = () => byId("lines").contains(document.activeElement) && !document.activeElement.classList.contains("row");

const look = async () => {
  clearTimeout(place.timer);
  if (document.hidden) return;
  const began = performance.now();
  let wait = 0;
  try {
    const { body } = await ask(place.other ? `${place.path}?with=${encodeURIComponent(place.other)}` : place.path, { quiet: place.misses > 0 });
    const sheets = showSheets(body);
    byId("waiting").hidden = true;
    grid.source = place.other ? heldRows(list(own(body, "rows")), servedDetail) : servedRows;
    if (!isBusy()) await findRows({ quiet: grid.number > 0 });
    await offerOthers();
    place.misses = 0;
    unsay("page");
    place.settled = !sheets.some((one) => isGoing(own(one, "run")));
    if (!place.settled) wait = Math.max(REFRESH, 5 * (performance.now() - began));
  } catch (error) {
    if (!(error instanceof Trouble)) throw error;
    byId("waiting").hidden = true;
    place.misses = error.kind === "token" ? 0 : place.misses + 1;
    say("page", error.message, { bad: true, act: look, word: error.kind === "token" ? "Give the token" : "Try again" });
    if (error.kind === "lost") wait = Math.min(REFRESH * 2 ** place.misses, 30_000);
  }
  if (wait) place.timer = setTimeout(look, wait);
};

const startServed = () => {
  startRun();
  const [, , of, , run] = location.pathname.split("/").map(decodeURIComponent);
  const base = `/playground/evals/${encodeURIComponent(of)}`;
  Object.assign(place, { eval: of, run, path: `${base}/runs/${encodeURIComponent(run)}`, other: new URLSearchParams(location.search).get("with") });
  byId("home").href = `/?evals=${encodeURIComponent(of)}`;
  byId("home").hidden = false;
  byId("waiting").hidden = false;
  // Arrows go over a closed list's choices one by one: the page is left when one is taken, not on the way to it.
  let passing = false;
  const beside = () => {
    const other = byId("with").value;
    if (other !== (place.other || "")) location.assign(other ? `${location.pathname}?with=${encodeURIComponent(other)}` : location.pathname);
  };
  byId("with").addEventListener("keydown", (event) => {
    passing = event.key !== "Enter";
    if (!passing) beside();
  });
  byId("with").addEventListener("pointerdown", () => { passing = false; });
  byId("with").addEventListener("change", () => { if (!passing) beside(); });
  byId("with").addEventListener("blur", beside);
  byId("token-form").addEventListener("submit", giveToken);
  byId("token-not").addEventListener("click", () => byId("token").close(""));
  document.addEventListener("visibilitychange", () => {
    clearTimeout(place.timer);
    if (!place.settled) look();
  });
  look();
};

startServed();
