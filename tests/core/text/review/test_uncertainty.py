import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dlcli.core.text.clusters import group_texts
from dlcli.core.text.review.uncertainty import most_uncertain, most_uncertain_components
from dlcli.core.text.search.neighbours import Pairs


@given(st.lists(st.integers(0, 20)), st.integers(0, 20), st.integers(0, 12))
def test_the_nearest_come_first_and_equals_in_their_order(twentieths, threshold, count):
    probability = np.array(twentieths, np.float64) / 20
    wanted = sorted(range(len(twentieths)), key=lambda k: abs(probability[k] - threshold / 20))[:count]
    assert most_uncertain(probability, threshold / 20, count).tolist() == wanted


@st.composite
def graphs(draw):
    n = draw(st.integers(2, 12))
    edges = draw(st.sets(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)).filter(lambda e: e[0] < e[1]), min_size=1))
    first, second = np.array(sorted(edges), np.int32).T
    scores = draw(st.lists(st.integers(0, 20), min_size=len(first), max_size=len(first)))
    return n, first, second, np.array(scores, np.float32) / 20


def parts(n, first, second):
    """The parts of a graph, as sets of texts, by joining until nothing changes."""
    found = [{k} for k in range(n)]
    for a, b in zip(first.tolist(), second.tolist(), strict=True):
        one, other = (next(part for part in found if k in part) for k in (a, b))
        if one is not other:
            found.remove(other)
            one |= other
    return found


@given(graphs(), st.integers(1, 20), st.integers(0, 20))
def test_whole_components_are_kept_the_least_certain_first(graph, most, threshold):
    n, first, second, probability = graph
    kept = set(most_uncertain_components(n, first, second, probability, threshold / 20, most).tolist())
    ranked = []
    for part in parts(n, first, second):
        inside = {k for k in range(len(first)) if first[k] in part}
        if inside:
            ranked.append((min(abs(float(probability[k]) - threshold / 20) for k in inside), inside))
    assert len(kept) <= most or any(kept == inside for _, inside in ranked)
    assert all(inside <= kept or not inside & kept for _, inside in ranked)
    assert kept
    nearest_dropped = min((distance for distance, inside in ranked if not inside & kept), default=np.inf)
    assert all(distance <= nearest_dropped for distance, inside in ranked if inside <= kept)


@given(graphs(), st.integers(1, 20), st.floats(0, 1))
def test_dropped_pairs_change_no_group_of_the_kept_ones(graph, most, threshold):
    n, first, second, probability = graph
    kept = most_uncertain_components(n, first, second, probability, 0.5, most)
    above = probability >= threshold
    whole = group_texts(n, Pairs(first[above], second[above], probability[above]))
    kept = kept[above[kept]]
    part = group_texts(n, Pairs(first[kept], second[kept], probability[kept]))
    touched = np.unique(np.concatenate([first[kept], second[kept]]))
    assert part.canonical[touched].tolist() == whole.canonical[touched].tolist()
