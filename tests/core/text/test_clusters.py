import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dlcli.core.text.clusters import group_in_order, group_texts
from dlcli.core.text.search.neighbours import Pairs


def pairs_of(scores):
    places = sorted(scores)
    return Pairs(
        np.array([i for i, _ in places], np.int32),
        np.array([j for _, j in places], np.int32),
        np.array([scores[place] for place in places], np.float32),
    )


@st.composite
def graphs(draw):
    n = draw(st.integers(1, 12))
    places = [(i, j) for i in range(n) for j in range(i + 1, n)]
    chosen = draw(st.lists(st.sampled_from(places), unique=True)) if places else []
    return n, {place: draw(st.sampled_from([0.5, 0.625, 0.75, 1.0])) for place in chosen}


@given(graphs())
def test_groups_follow_the_definition_of_star_clustering(graph):
    n, scores = graph
    found = group_texts(n, pairs_of(scores))
    canonical = []
    for text in range(n):
        options = [(scores[c, text], -c) for c in canonical if (c, text) in scores]
        if options:
            score, best = max(options)
            assert (found.canonical[text], found.score[text]) == (-best, score)
        else:
            assert (found.canonical[text], found.score[text]) == (text, 1)
            canonical.append(text)


@given(graphs())
def test_members_are_paired_with_their_canonical_text_and_canonical_texts_with_none(graph):
    n, scores = graph
    canonical = group_texts(n, pairs_of(scores)).canonical
    canonicals = {text for text in range(n) if canonical[text] == text}
    assert all(int(c) in canonicals for c in canonical)
    assert all((int(canonical[text]), text) in scores for text in range(n) if text not in canonicals)
    assert not any(i in canonicals and j in canonicals for i, j in scores)


def test_similarity_does_not_chain():
    found = group_texts(3, pairs_of({(0, 1): 0.9, (1, 2): 0.9}))
    assert found.canonical.tolist() == [0, 0, 2]


@given(graphs(), st.randoms(use_true_random=False))
def test_an_order_is_the_same_as_other_numbers(graph, random):
    n, scores = graph
    order = np.array(random.sample(range(n), n))
    rank = np.argsort(order)
    relabelled = {tuple(sorted((int(rank[i]), int(rank[j])))): score for (i, j), score in scores.items()}
    found, plain = group_in_order(order, pairs_of(scores)), group_texts(n, pairs_of(relabelled))
    assert rank[found.canonical].tolist() == plain.canonical[rank].tolist()
    assert found.score.tolist() == plain.score[rank].tolist()
