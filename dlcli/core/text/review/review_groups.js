"use strict";
// What of the page needs no page: groups, their doubt, marks, bars, CSV. The groups are those of clusters.py, to the pair.

/** The place of each text among those that become canonical first: as numbered, or by the most pairs above (`central`). */
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

/** For each of `count` texts its canonical text, and the pair that joins them (-1: canonical itself). */
function stars(count, pairs, threshold, central) {
  const { order, rank } = ranks(count, pairs, threshold, central);
  const centre = Array.from({ length: count }, (_, k) => k);
  const spoke = new Array(count).fill(-1);
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
      if (spoke[other] < 0 && (!best || p[k] > p[best[1]] || (p[k] === p[best[1]] && rank[other] < rank[best[0]])))
        best = [other, k];
    if (best) [centre[text], spoke[text]] = best;
  }
  return { centre, spoke, rank };
}

/**
 * A card for each canonical text: the pairs that join others to it, and those below the threshold with another canonical
 * text, nearest the threshold first, as are the cards themselves.
 */
function cards(count, pairs, threshold, central) {
  const { centre, spoke, rank } = stars(count, pairs, threshold, central);
  const found = new Map();
  const add = (canonical, kind, k) => {
    if (!found.has(canonical)) found.set(canonical, { canonical, members: [], near: [] });
    found.get(canonical)[kind].push(k);
  };
  for (let text = 0; text < count; text++) if (spoke[text] >= 0) add(centre[text], "members", spoke[text]);
  for (let k = 0; k < pairs.first.length; k++) {
    const [a, b] = [pairs.first[k], pairs.second[k]];
    if (pairs.probability[k] < threshold && spoke[a] < 0 && spoke[b] < 0) add(rank[a] < rank[b] ? a : b, "near", k);
  }
  const doubt = (k) => Math.abs(pairs.probability[k] - threshold);
  const every = [...found.values()];
  for (const card of every) {
    card.members.sort((x, y) => doubt(x) - doubt(y) || x - y);
    card.near.sort((x, y) => doubt(x) - doubt(y) || x - y);
    card.doubt = Math.min(...[...card.members.slice(0, 1), ...card.near.slice(0, 1)].map(doubt));
  }
  every.sort((x, y) => x.doubt - y.doubt || x.canonical - y.canonical);
  return { every, centre };
}

/** What the cards amount to at this threshold. */
function totals(every, pairs, threshold) {
  return {
    groups: every.filter((card) => card.members.length).length,
    duplicates: every.reduce((sum, card) => sum + card.members.length, 0),
    above: pairs.probability.filter((p) => p >= threshold).length,
  };
}

/** For each piece of text `a` whether it has a word that text `b` has not. */
function differing([, words], [, others]) {
  const known = new Set(others.flat());
  return words.map((numbers) => numbers.some((number) => !known.has(number)));
}

/** How many probabilities lie in each of `bins` equal parts of [lowest, 1]. */
function histogram(probability, lowest, bins) {
  const counts = new Array(bins).fill(0);
  const width = (1 - lowest) / bins || 1;
  for (const p of probability) counts[Math.max(0, Math.min(bins - 1, Math.floor((p - lowest) / width)))]++;
  return counts;
}

/** The judged pairs, in the order of `judged`, a Map from pair to 1 (the same) or 0, as `dlcli train` reads them. */
function csv(texts, pairs, judged) {
  const quoted = (text) => `"${text[0].join("").replaceAll('"', '""')}"`;
  const line = ([k, label]) => `${quoted(texts[pairs.first[k]])},${quoted(texts[pairs.second[k]])},${label}\n`;
  return "question1,question2,is_duplicate\n" + [...judged].map(line).join("");
}
