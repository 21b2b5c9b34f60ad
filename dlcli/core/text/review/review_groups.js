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

/** Of the groups with several texts, the sizes that there are and how many groups have each, the smallest first. */
function groupSizes(cards) {
  const found = new Map();
  for (const { members } of cards)
    if (members.length) found.set(members.length + 1, (found.get(members.length + 1) ?? 0) + 1);
  return [...found].sort(([a], [b]) => a - b);
}

/**
 * How many groups, exact and near duplicates there are, counted in rows as the command does, and how many pairs at or above the
 * threshold. A row whose text is a member of a group is a near duplicate, however often that text is repeated.
 */
function totals(canonicalOf, { copies, alone, probability }, threshold) {
  const found = { groups: alone.groups, exact: alone.rows, near: 0, above: probability.filter((p) => p >= threshold).length };
  const hasMember = new Set(canonicalOf.filter((canonical, text) => canonical !== text));
  canonicalOf.forEach((canonical, text) => {
    if (canonical !== text) found.near += copies[text];
    else found.exact += copies[text] - 1;
    if (canonical === text && (copies[text] > 1 || hasMember.has(text))) found.groups += 1;
  });
  return found;
}

/**
 * For each piece of the first text, whether it is marked: it has a word that the second text lacks; if neither text has such a
 * word, one that stands elsewhere there; if there is none of these either, it is spelled differently there.
 */
function differing(one, other) {
  const marked = lacking(one[1], other[1]);
  if ([...marked, ...lacking(other[1], one[1])].some(Boolean)) return marked;
  const moved = displaced(one[1], other[1]);
  if (moved.some(Boolean) || displaced(other[1], one[1]).some(Boolean)) return moved;
  const known = new Set(other[0]);
  return one[0].map((piece) => piece.trim() !== "" && !known.has(piece));
}

function lacking(words, others) {
  const known = new Set(others.flat());
  return words.map((numbers) => numbers.some((number) => !known.has(number)));
}

/** For each piece, whether one of its words is not in its place, which is what the fewest words must leave to make both equal. */
function displaced(words, others) {
  const [a, b] = [words.flat(), others.flat()];
  let start = 0;
  while (start < Math.min(a.length, b.length) && a[start] === b[start]) start++;
  let end = 0;
  while (end < Math.min(a.length, b.length) - start && a[a.length - 1 - end] === b[b.length - 1 - end]) end++;
  const inside = commonWords(a.slice(start, a.length - end), b.slice(start, b.length - end));
  const kept = a.map((_, k) => k < start || k >= a.length - end || inside[k - start]);
  let next = 0;
  return words.map((numbers) => numbers.map(() => kept[next++]).includes(false));
}

const CELLS = 1 << 20;

/** Which words of `a` stay in place: those equal in both at their place, or a longest common subsequence if that has more. */
function commonWords(a, b) {
  const equal = a.map((word, k) => a.length === b.length && word === b[k]);
  if (a.length * b.length > CELLS) return equal;
  const width = b.length + 1;
  const longest = new Uint16Array((a.length + 1) * width); // of the words from i and from j on
  for (let i = a.length - 1; i >= 0; i--)
    for (let j = b.length - 1; j >= 0; j--)
      longest[i * width + j] =
        a[i] === b[j]
          ? longest[(i + 1) * width + j + 1] + 1
          : Math.max(longest[(i + 1) * width + j], longest[i * width + j + 1]);
  if (equal.filter(Boolean).length >= longest[0]) return equal;
  const kept = a.map(() => false);
  for (let i = 0, j = 0; i < a.length && j < b.length; ) {
    if (a[i] === b[j]) [kept[i], i, j] = [true, i + 1, j + 1];
    else {
      // Of two ways that keep as many words, the same one whichever text is the first.
      const ahead = longest[(i + 1) * width + j] - longest[i * width + j + 1];
      if (ahead > 0 || (ahead === 0 && a[i] > b[j])) i++;
      else j++;
    }
  }
  return kept;
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
