"use strict";
// What needs no document: groups, their order, words to mark, bars, CSV. The groups equal those of clusters.py, pair by pair.

/** The order in which texts become canonical, and each text's rank in it: as numbered, or most pairs first (`central`). */
function ranks(count, pairs, threshold, central) {
  const degree = new Array(count).fill(0);
  if (central)
    for (let k = 0; k < pairs.first.length; k++)
      if (pairs.probability[k] >= threshold) [pairs.first[k], pairs.second[k]].forEach((text) => degree[text]++);
  const order = Array.from({ length: count }, (_, k) => k).sort((x, y) => degree[y] - degree[x] || x - y);
  const rank = new Array(count);
  order.forEach((text, place) => (rank[text] = place));
  return { order, rank };
}

/** Star clustering: for each of `count` texts its canonical text, and the pair between them (-1 for a canonical text). */
function groupTexts(count, pairs, threshold, central) {
  const { order, rank } = ranks(count, pairs, threshold, central);
  const canonicalOf = Array.from({ length: count }, (_, k) => k);
  const joinedBy = new Array(count).fill(-1);
  const earlier = Array.from({ length: count }, () => []);
  for (let k = 0; k < pairs.first.length; k++) {
    if (pairs.probability[k] < threshold) continue;
    const [a, b] = [pairs.first[k], pairs.second[k]];
    if (rank[a] < rank[b]) earlier[b].push([a, k]);
    else earlier[a].push([b, k]);
  }
  const p = pairs.probability;
  for (const text of order) {
    let best = null;
    for (const [other, k] of earlier[text])
      if (joinedBy[other] < 0 && (!best || p[k] > p[best[1]] || (p[k] === p[best[1]] && rank[other] < rank[best[0]])))
        best = [other, k];
    if (best) [canonicalOf[text], joinedBy[text]] = best;
  }
  return { canonicalOf, joinedBy, rank };
}

/**
 * One card per canonical text: its pairs with the members of its group, and its pairs below the threshold with other canonical
 * texts. Pairs and cards are sorted by distance from the threshold, the nearest first.
 */
function groupCards(count, pairs, threshold, central) {
  const { canonicalOf, joinedBy, rank } = groupTexts(count, pairs, threshold, central);
  const found = new Map();
  const add = (canonical, kind, k) => {
    if (!found.has(canonical)) found.set(canonical, { canonical, members: [], near: [] });
    found.get(canonical)[kind].push(k);
  };
  for (let text = 0; text < count; text++) if (joinedBy[text] >= 0) add(canonicalOf[text], "members", joinedBy[text]);
  for (let k = 0; k < pairs.first.length; k++) {
    const [a, b] = [pairs.first[k], pairs.second[k]];
    if (pairs.probability[k] < threshold && joinedBy[a] < 0 && joinedBy[b] < 0) add(rank[a] < rank[b] ? a : b, "near", k);
  }
  const distance = (k) => Math.abs(pairs.probability[k] - threshold);
  const every = [...found.values()];
  for (const card of every) {
    card.members.sort((x, y) => distance(x) - distance(y) || x - y);
    card.near.sort((x, y) => distance(x) - distance(y) || x - y);
    card.distance = Math.min(...[...card.members.slice(0, 1), ...card.near.slice(0, 1)].map(distance));
  }
  every.sort((x, y) => x.distance - y.distance || x.canonical - y.canonical);
  return { every, canonicalOf };
}

/** How many groups, duplicates and pairs at or above the threshold there are. */
function totals(every, pairs, threshold) {
  return {
    groups: every.filter((card) => card.members.length).length,
    duplicates: every.reduce((sum, card) => sum + card.members.length, 0),
    above: pairs.probability.filter((p) => p >= threshold).length,
  };
}

/** For each piece of the first text, whether it has a word that the second text lacks. */
function differing([, words], [, others]) {
  const known = new Set(others.flat());
  return words.map((numbers) => numbers.some((number) => !known.has(number)));
}

/** Counts of the probabilities in `bins` equal intervals of [lowest, 1]. */
function histogram(probability, lowest, bins) {
  const counts = new Array(bins).fill(0);
  const width = (1 - lowest) / bins || 1;
  for (const p of probability) counts[Math.max(0, Math.min(bins - 1, Math.floor((p - lowest) / width)))]++;
  return counts;
}

/** CSV of the labelled pairs, in the order of `labels`, a Map from pair to 1 (same) or 0, as `dlcli train` reads it. */
function csv(texts, pairs, labels) {
  const quoted = (text) => `"${text[0].join("").replaceAll('"', '""')}"`;
  const line = ([k, label]) => `${quoted(texts[pairs.first[k]])},${quoted(texts[pairs.second[k]])},${label}\n`;
  return "question1,question2,is_duplicate\n" + [...labels].map(line).join("");
}
