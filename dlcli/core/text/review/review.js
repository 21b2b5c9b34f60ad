// Draws the page. Every text goes in as text, never as HTML.

const data = JSON.parse(document.getElementById("data").textContent);
const { texts } = data;
const PORTION = 40;
const PIECES = 1200;
const BINS = 40;
const NAME = `dlcli review ${data.source} ${texts.length} ${data.first.length} ${data.probability.reduce((a, b) => a + b, 0)}`;
const VALUES = { 1: "They ask the same (a)", 0: "They differ (r)" };

const at = (id) => document.getElementById(id);
const judged = new Map();
const state = { threshold: data.threshold, waiting: [], section: null, every: [], centre: [], changes: 0, dirty: false, recalled: null };

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

const many = (n, one, more = `${one}s`) => `${n.toLocaleString("en")} ${n === 1 ? one : more}`;
const shown = (p) => (p === 1 ? "1" : p.toFixed(3));

function regroup() {
  const { every, centre } = cards(texts.length, data, state.threshold, data.central);
  Object.assign(state, { every, centre });
  const { groups, duplicates, above } = totals(every, data, state.threshold);
  at("at").value = shown(state.threshold);
  at("counts").textContent =
    `${many(duplicates, "duplicate")} in ${many(groups, "group")}; ` +
    `${many(above, "pair")} at or above the threshold, ${(data.first.length - above).toLocaleString("en")} below`;
  for (const bar of at("bars").children) bar.classList.toggle("above", Number(bar.dataset.end) > state.threshold);
  begin();
}

function begin() {
  const wanted = (k) => !(at("open").checked && judged.has(k));
  state.waiting = state.every.flatMap((card) =>
    [...card.members, ...(at("below").checked ? card.near : [])].filter(wanted).map((pair) => ({ card, pair })),
  );
  state.waiting.reverse();
  state.section = null;
  at("groups").replaceChildren();
  if (!state.waiting.length) at("groups").append(element("p", { class: "none" }, "No pair to show."));
  more();
}

function more() {
  for (let k = 0; k < PORTION && state.waiting.length; k++) {
    const { card, pair } = state.waiting.pop();
    if (state.section?.card !== card) open(card);
    state.section.list.append(article(card, pair));
  }
  at("more").hidden = !state.waiting.length;
  at("more").textContent = `Show more of ${many(state.waiting.length, "pair")}`;
}

/** A section for the card; neighbouring cards of which each has but pairs below the threshold share one. */
function open(card) {
  const size = card.members.length + 1;
  if (size > 1 || state.section?.size !== 1) {
    const heading = element("h2", {}, size > 1 ? `Group of ${many(size, "text")}` : "Below the threshold");
    state.section = { list: element("section", { class: "group" }, heading) };
    at("groups").append(state.section.list);
  }
  Object.assign(state.section, { card, size });
}

function article(card, pair) {
  const a = card.canonical;
  const b = data.first[pair] === a ? data.second[pair] : data.first[pair];
  const p = data.probability[pair];
  const near = p < state.threshold;
  const made = element("article", { class: near ? "pair near" : "pair", tabindex: "-1", "data-pair": pair });
  const label = `${shown(p)}, ${near ? "below the threshold" : "in the group"}: row ${data.rows[a]} and row ${data.rows[b]}`;
  made.setAttribute("aria-label", label);
  const score = element("p", { class: "score" }, element("strong", {}, shown(p)), near ? " below" : "");
  const buttons = element("div", { class: "row", role: "group", "aria-label": "Judgement" });
  for (const [value, name] of [[1, "Accept"], [0, "Reject"]]) {
    const button = element("button", { type: "button", "data-value": value, title: VALUES[value] }, name);
    button.addEventListener("click", () => judge(made, value));
    buttons.append(button);
  }
  made.append(score, element("div", { class: "both" }, text(a, b), text(b, a)), buttons);
  press(made);
  return made;
}

function text(own, other) {
  const [pieces] = texts[own];
  const marked = differing(texts[own], texts[other]);
  const words = element("p", { dir: "auto", class: "text" });
  pieces.slice(0, PIECES).forEach((piece, k) => words.append(marked[k] ? element("mark", {}, piece) : piece));
  if (pieces.length > PIECES) words.append(element("em", {}, ` … and ${many(pieces.length - PIECES, "more piece")}`));
  const copies = data.copies[own] > 1 ? `, in ${many(data.copies[own], "row")}` : "";
  return element("div", {}, element("small", {}, `row ${data.rows[own].toLocaleString("en")}${copies}`), words);
}

function press(made) {
  const value = judged.get(Number(made.dataset.pair));
  for (const button of made.querySelectorAll("button"))
    button.setAttribute("aria-pressed", String(Number(button.dataset.value) === value));
  made.classList.toggle("accepted", value === 1);
  made.classList.toggle("rejected", value === 0);
}

function judge(made, value) {
  const pair = Number(made.dataset.pair);
  if (value === undefined || judged.get(pair) === value) judged.delete(pair);
  else judged.set(pair, value);
  press(made);
  count();
  keep();
}

/** The browser asks before it leaves a judgement that is neither kept nor exported. */
async function keep() {
  state.changes += 1;
  const { changes } = state;
  state.dirty = judged.size > 0;
  await state.recalled; // or what was kept before would be overwritten
  if ((await remember(NAME, [...judged])) && state.changes === changes) state.dirty = false;
}

/** Show what was judged before; a person who judges already stays where they are. */
async function recall() {
  const before = judged.size;
  for (const [pair, value] of await remembered(NAME)) if (!judged.has(pair)) judged.set(pair, value);
  if (judged.size === before) return;
  if (at("open").checked) begin();
  else document.querySelectorAll(".pair").forEach((made) => press(made));
  count();
}

function count() {
  const accepted = [...judged.values()].filter((value) => value === 1).length;
  at("judged").textContent = `${judged.size} judged: ${accepted} accepted, ${judged.size - accepted} rejected`;
  at("export").disabled = !judged.size;
}

function exported() {
  if (!judged.size) return;
  const url = URL.createObjectURL(new Blob([csv(texts, data, judged)], { type: "text/csv;charset=utf-8" }));
  const link = element("a", { href: url, download: "judged_pairs.csv" });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
  state.dirty = false;
}

function move(step) {
  const every = [...document.querySelectorAll(".pair")];
  const here = every.indexOf(document.activeElement?.closest(".pair"));
  if (step > 0 && here === every.length - 1 && state.waiting.length) {
    more();
    return move(step);
  }
  every[Math.max(0, Math.min(every.length - 1, here + step))]?.focus();
}

function key(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const made = document.activeElement?.closest(".pair");
  const done = (value) => {
    judge(made, value);
    if (judged.has(Number(made.dataset.pair))) move(1);
  };
  const actions = { j: () => move(1), k: () => move(-1), e: exported };
  if (made) Object.assign(actions, { a: () => done(1), r: () => done(0), u: () => judge(made) });
  const action = actions[event.key];
  if (!action) return;
  event.preventDefault();
  action();
}

function drawBars() {
  const counts = histogram(data.probability, data.lowest, BINS);
  const most = Math.max(1, ...counts);
  counts.forEach((n, k) => {
    const [start, end] = [k, k + 1].map((edge) => data.lowest + (edge * (1 - data.lowest)) / BINS);
    const bar = element("span", { "data-end": end, title: `${shown(start)} to ${shown(end)}: ${many(n, "pair")}` });
    bar.style.height = n ? `max(2px, ${(100 * n) / most}%)` : "0";
    at("bars").append(bar);
  });
  const label = `${many(data.first.length, "pair")} by probability, from ${shown(data.lowest)} to 1; the fullest bar has ${most}`;
  at("bars").setAttribute("aria-label", label);
}

function start() {
  at("threshold").min = data.lowest;
  at("threshold").value = data.threshold;
  at("reset").textContent = `Back to ${shown(data.threshold)}`;
  let asked = 0;
  at("threshold").addEventListener("input", () => {
    state.threshold = Number(at("threshold").value);
    cancelAnimationFrame(asked);
    asked = requestAnimationFrame(regroup);
  });
  at("reset").addEventListener("click", () => {
    at("threshold").value = state.threshold = data.threshold;
    regroup();
  });
  for (const id of ["below", "open"]) at(id).addEventListener("change", begin);
  at("more").addEventListener("click", more);
  at("export").addEventListener("click", exported);
  document.addEventListener("keydown", key);
  window.addEventListener("beforeunload", (event) => state.dirty && event.preventDefault());
  new IntersectionObserver((seen) => seen[0].isIntersecting && state.waiting.length && more(), { rootMargin: "600px" }).observe(
    at("more"),
  );
  drawBars();
  regroup();
  count();
  state.recalled = recall();
}

start();
