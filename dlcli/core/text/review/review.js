// Draws the page. Texts are inserted as text nodes, never as HTML.

const data = JSON.parse(document.getElementById("data").textContent);
const { texts } = data;
const PORTION = 40;
const PIECES = 1200;
const BINS = 40;
const NAME = `dlcli review ${data.source} ${texts.length} ${data.first.length} ${data.probability.reduce((a, b) => a + b, 0)}`;
const VALUES = { 1: "Same meaning: key a", 0: "Different meaning: key r" };

const byId = (id) => document.getElementById(id);
const labels = new Map();
const undoable = []; // [pair, its label before], the last change at the end
const state = { threshold: data.threshold, waiting: [], section: null, every: [], canonicalOf: [], changes: 0, dirty: false, loaded: null };

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

const plural = (n, one, more = `${one}s`) => `${n.toLocaleString("en")} ${n === 1 ? one : more}`;
const formatted = (p) => (p === 1 ? "1" : p.toFixed(3));

function regroup() {
  const { every, canonicalOf } = groupCards(texts.length, data, state.threshold, data.central);
  Object.assign(state, { every, canonicalOf });
  const { groups, exact, near, above } = totals(canonicalOf, data, state.threshold);
  byId("at").value = formatted(state.threshold);
  byId("counts").textContent =
    `${exact.toLocaleString("en")} ${data.equal} and ${plural(near, "near duplicate")} in ${plural(groups, "group")}${data.counted}; ` +
    `${plural(above, "pair")} at or above the threshold, ${(data.first.length - above).toLocaleString("en")} below`;
  for (const bar of byId("bars").children) bar.classList.toggle("above", Number(bar.dataset.end) > state.threshold);
  drawSizes();
  showPairs();
}

function showPairs() {
  const wanted = (k) => !(byId("open").checked && labels.has(k));
  state.waiting = state.every.flatMap((card) =>
    [...card.members, ...(byId("below").checked ? card.near : [])].filter(wanted).map((pair) => ({ card, pair })),
  );
  state.waiting.reverse();
  state.section = null;
  byId("groups").replaceChildren();
  if (!state.waiting.length) byId("groups").append(element("p", { class: "none" }, "No pairs to show."));
  showMore();
}

function showMore() {
  for (let k = 0; k < PORTION && state.waiting.length; k++) {
    const { card, pair } = state.waiting.pop();
    if (state.section?.card !== card) openSection(card);
    state.section.list.append(article(card, pair));
  }
  byId("more").hidden = !state.waiting.length;
  byId("more").textContent = `Show more (${plural(state.waiting.length, "pair")} left)`;
}

/** Start a section for the card; adjacent cards that have only pairs below the threshold share one. */
function openSection(card) {
  const size = card.members.length + 1;
  if (size > 1 || state.section?.size !== 1) {
    const heading = element("h2", {}, size > 1 ? `Group of ${plural(size, "text")}` : "Below the threshold");
    state.section = { list: element("section", { class: "group" }, heading) };
    byId("groups").append(state.section.list);
  }
  Object.assign(state.section, { card, size });
}

function article(card, pair) {
  const a = card.canonical;
  const b = data.first[pair] === a ? data.second[pair] : data.first[pair];
  const p = data.probability[pair];
  const near = p < state.threshold;
  const made = element("article", { class: near ? "pair near" : "pair", tabindex: "-1", "data-pair": pair });
  const label = `${formatted(p)}, ${near ? "below the threshold" : "in the group"}: row ${data.rows[a]} and row ${data.rows[b]}`;
  made.setAttribute("aria-label", label);
  const score = element("p", { class: "score" }, element("strong", {}, formatted(p)), near ? " below" : "");
  const buttons = element("div", { class: "row", role: "group", "aria-label": "Label" });
  for (const [value, name] of [[1, "Same (a)"], [0, "Different (r)"]]) {
    const button = element("button", { type: "button", "data-value": value, title: VALUES[value] }, name);
    button.addEventListener("click", () => setLabel(pair, value));
    buttons.append(button);
  }
  made.append(score, element("div", { class: "both" }, text(a, b), text(b, a)), buttons);
  showLabel(made);
  return made;
}

function text(own, other) {
  const [pieces] = texts[own];
  const marked = differing(texts[own], texts[other]);
  const words = element("p", { dir: "auto", class: "text" });
  pieces.slice(0, PIECES).forEach((piece, k) => words.append(marked[k] ? element("mark", {}, piece) : piece));
  if (pieces.length > PIECES) words.append(element("em", {}, ` … and ${plural(pieces.length - PIECES, "more piece")}`));
  const copies = data.copies[own] > 1 ? `, in ${plural(data.copies[own], "row")}` : "";
  return element("div", {}, element("small", {}, `row ${data.rows[own].toLocaleString("en")}${copies}`), words);
}

function showLabel(made) {
  const value = labels.get(Number(made.dataset.pair));
  for (const button of made.querySelectorAll("button"))
    button.setAttribute("aria-pressed", String(Number(button.dataset.value) === value));
  made.classList.toggle("accepted", value === 1);
  made.classList.toggle("rejected", value === 0);
}

/** Label a pair, or remove its label if it is this one already. */
function setLabel(pair, value) {
  const before = labels.get(pair);
  undoable.push([pair, before]);
  change(pair, before === value ? undefined : value);
}

function change(pair, value) {
  if (value === undefined) labels.delete(pair);
  else labels.set(pair, value);
  const made = shown(pair);
  if (made) showLabel(made);
  count();
  saveLabels();
}

/** Take back the last change of a label, wherever the focus is, and go to its pair. */
function undo() {
  const last = undoable.pop();
  if (!last) return;
  change(...last);
  const [pair] = last;
  if (!shown(pair) && byId("open").checked) showPairs();
  while (!shown(pair) && state.waiting.some((entry) => entry.pair === pair)) showMore();
  shown(pair)?.focus();
}

const shown = (pair) => document.querySelector(`.pair[data-pair="${pair}"]`);

/** Store the labels. While some are neither stored nor exported, the browser asks before it closes the page. */
async function saveLabels() {
  state.changes += 1;
  const { changes } = state;
  state.dirty = labels.size > 0;
  await state.loaded; // otherwise stored labels would be overwritten
  if ((await saveEntries(NAME, [...labels])) && state.changes === changes) state.dirty = false;
}

/** Show stored labels. A label set in the meantime wins, and the focus does not move. */
async function loadLabels() {
  const before = labels.size;
  const loaded = (await loadEntries(NAME)).filter(([pair]) => !labels.has(pair));
  for (const [pair, value] of loaded) labels.set(pair, value);
  undoable.unshift(...loaded.map(([pair]) => [pair, undefined]));
  if (labels.size === before) return;
  if (byId("open").checked) showPairs();
  else document.querySelectorAll(".pair").forEach((made) => showLabel(made));
  count();
}

function count() {
  const same = [...labels.values()].filter((value) => value === 1).length;
  byId("progress").textContent = `${plural(labels.size, "pair")} labelled: ${same} same, ${labels.size - same} different`;
  byId("export").disabled = !labels.size;
  byId("undo").disabled = !undoable.length;
}

function exportCsv() {
  if (!labels.size) return;
  const url = URL.createObjectURL(new Blob([csv(texts, data, labels)], { type: "text/csv;charset=utf-8" }));
  const link = element("a", { href: url, download: "labelled_pairs.csv" });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
  state.dirty = false;
}

function move(step) {
  const every = [...document.querySelectorAll(".pair")];
  const here = every.indexOf(document.activeElement?.closest(".pair"));
  if (step > 0 && here === every.length - 1 && state.waiting.length) {
    showMore();
    return move(step);
  }
  every[Math.max(0, Math.min(every.length - 1, here + step))]?.focus();
}

function key(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key.startsWith("Arrow") && event.target.matches("input")) return; // there they move the threshold
  const made = document.activeElement?.closest(".pair");
  const done = (value) => {
    const pair = Number(made.dataset.pair);
    setLabel(pair, value);
    if (labels.has(pair)) move(1);
  };
  const [next, previous] = [() => move(1), () => move(-1)];
  const actions = { j: next, k: previous, ArrowDown: next, ArrowUp: previous, u: undo, e: exportCsv, "?": help };
  if (made) Object.assign(actions, { a: () => done(1), r: () => done(0) });
  const action = actions[event.key];
  if (!action) return;
  event.preventDefault();
  action();
}

/** Open the help, or close it. */
function help() {
  byId("help").open = !byId("help").open;
  if (byId("help").open) byId("help").scrollIntoView({ block: "nearest" });
}

/** A bar for each size of a group that there is, in texts, and its count above it. */
function drawSizes() {
  const sizes = groupSizes(state.every);
  const most = Math.max(1, ...sizes.map(([, n]) => n));
  const bars = sizes.map(([size, n]) => {
    const bar = element("i");
    bar.style.height = `max(2px, ${(3.5 * n) / most}rem)`;
    return element("span", {}, n.toLocaleString("en"), bar, String(size));
  });
  byId("sizes").replaceChildren(...(bars.length ? bars : ["no group of several texts"]));
  const said = sizes.map(([size, n]) => `${plural(n, "group")} of ${size} texts`).join(", ");
  byId("sizes").setAttribute("aria-label", said || "no group of several texts");
}

function drawBars() {
  const counts = histogram(data.probability, data.lowest, BINS);
  const most = Math.max(1, ...counts);
  counts.forEach((n, k) => {
    const [start, end] = [k, k + 1].map((edge) => data.lowest + (edge * (1 - data.lowest)) / BINS);
    const bar = element("span", { "data-end": end, title: `${formatted(start)} to ${formatted(end)}: ${plural(n, "pair")}` });
    bar.style.height = n ? `max(2px, ${(100 * n) / most}%)` : "0";
    byId("bars").append(bar);
  });
  const label = `${plural(data.first.length, "pair")} by probability, from ${formatted(data.lowest)} to 1; the highest bar has ${most}`;
  byId("bars").setAttribute("aria-label", label);
  byId("most").textContent = `highest bar: ${plural(most, "pair")}`;
  byId("lowest").textContent = formatted(data.lowest);
}

function start() {
  byId("threshold").min = data.lowest;
  byId("threshold").value = data.threshold;
  byId("reset").textContent = `Back to ${formatted(data.threshold)}`;
  let frame = 0;
  byId("threshold").addEventListener("input", () => {
    state.threshold = Number(byId("threshold").value);
    cancelAnimationFrame(frame);
    frame = requestAnimationFrame(regroup);
  });
  byId("reset").addEventListener("click", () => {
    byId("threshold").value = state.threshold = data.threshold;
    regroup();
  });
  for (const id of ["below", "open"]) byId(id).addEventListener("change", showPairs);
  byId("more").addEventListener("click", showMore);
  byId("export").addEventListener("click", exportCsv);
  byId("undo").addEventListener("click", undo);
  document.addEventListener("keydown", key);
  window.addEventListener("beforeunload", (event) => state.dirty && event.preventDefault());
  new IntersectionObserver((seen) => seen[0].isIntersecting && state.waiting.length && showMore(), { rootMargin: "600px" }).observe(
    byId("more"),
  );
  drawBars();
  regroup();
  count();
  state.loaded = loadLabels();
}

start();
