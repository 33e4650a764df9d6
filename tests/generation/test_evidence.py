from __future__ import annotations

from generation.answers import AnswerPolicy
from generation.evidence import looked_at, weigh
from retrieval.batching import ScoringBatcher
from retrieval.rerankers import Reranker
from tests.generation.build import OverlapScorer, hits, passage

POLICY = AnswerPolicy()
LEAVE = passage("Birth parents have 26 weeks of leave. Other parents have six weeks.", path="a.md")
LUNCH = passage("The canteen serves lunch from noon.", path="b.md", title="Canteen")


async def test_the_passage_that_answers_comes_first_with_the_higher_score() -> None:
    best, other = await weigh(
        "weeks of leave for parents", hits(LUNCH, LEAVE), scorer=OverlapScorer(), policy=POLICY
    )
    assert (best.passage, other.passage) == (LEAVE, LUNCH)
    assert 0 <= other.score < POLICY.answer_from < best.score <= 1


async def test_a_sentence_is_read_below_its_heading_or_else_its_title() -> None:
    scorer = OverlapScorer()
    below = passage("It is paid.", headings=("Leave", "Who pays"))
    await weigh("x", hits(below, passage("It is free.", title="Lunch")), scorer=scorer, policy=POLICY)
    assert scorer.pairs == [("x", "Who pays\nIt is paid."), ("x", "Lunch\nIt is free.")]


async def test_no_sentence_is_read_twice() -> None:
    scorer = OverlapScorer()
    await weigh("weeks of leave", hits(LEAVE, LUNCH), scorer=scorer, policy=POLICY)
    assert len(scorer.pairs) == len(set(scorer.pairs)) == 3


async def test_a_row_is_read_below_its_table_s_first_row_and_an_item_below_its_colon() -> None:
    text = (
        "Who | Weeks\nBirth parent | 26\nOther parent | 6\n\n"
        "Bring to the desk:\n- your badge\n- a photo\n\nThe end is here."
    )
    scorer = OverlapScorer()
    await weigh("x", hits(passage(text, title="")), scorer=scorer, policy=POLICY)
    assert [text for _, text in scorer.pairs] == [
        "Who | Weeks",
        "Who | Weeks\nBirth parent | 26",
        "Who | Weeks\nOther parent | 6",
        "Bring to the desk:",
        "Bring to the desk:\nyour badge",
        "Bring to the desk:\na photo",
        "The end is here.",
    ]


async def test_a_question_in_the_text_answers_nothing_but_leads_its_answer() -> None:
    text = "How long is the leave?\nIt is 16 weeks.\nWho pays?\nThe company."
    (read,) = await weigh("x", hits(passage(text)), scorer=(scorer := OverlapScorer()), policy=POLICY)
    assert [sentence.sentence.text for sentence in read.sentences] == ["It is 16 weeks.", "The company."]
    assert scorer.pairs[0][1] == "Leave\nHow long is the leave?\nIt is 16 weeks."


async def test_of_a_long_list_the_items_most_like_the_question_are_read() -> None:
    items = [f"Item {number} is a matter of quite another kind." for number in range(40)]
    items[33] = "Parents have sixteen weeks."
    (read,) = await weigh(
        "weeks for parents", hits(passage("\n".join(items))), scorer=OverlapScorer(), policy=POLICY
    )
    assert len(read.sentences) == 16
    assert items[33] in [sentence.sentence.text for sentence in read.sentences]


async def test_only_so_many_passages_are_read_and_few_by_every_sentence() -> None:
    scorer = OverlapScorer()
    text = "Nothing of the kind. Nor here. No leave. Never."
    many = [passage(text, path=f"{i}.md", chunk_id=i) for i in range(20)]
    evidence = await weigh(
        "leave", hits(*many), scorer=scorer, policy=AnswerPolicy(passages=5, read_closely=2)
    )
    assert len(evidence) == 5
    assert len(scorer.pairs) == 5 * 2 + 2 * 2


async def test_an_answer_buried_in_a_passage_of_many_matters_is_found_by_its_sentence(
    reranker: Reranker,
) -> None:
    matters = (
        "Buddies may spend four hours a week. Send a photograph for the badge. Tell us about allergies. " * 3
    )
    buried = passage(matters + "Salaries are paid on the 25th of the month. " + matters, title="Checklist")
    async with ScoringBatcher(reranker) as scorer:
        (read,) = await weigh("When are salaries paid?", hits(buried), scorer=scorer, policy=POLICY)
    assert (
        max(read.sentences, key=lambda s: s.logit).sentence.text
        == "Salaries are paid on the 25th of the month."
    )
    assert read.score > POLICY.answer_from


async def test_places_looked_at_are_one_a_document_and_page_best_first() -> None:
    text = "Leave for parents, weeks of it. " * 4
    on_two_pages = [
        passage(text, before="x" * start, page_starts=(0, 200), path="a.pdf", chunk_id=start)
        for start in (0, 50, 300)
    ]
    evidence = await weigh("weeks", hits(LUNCH, *on_two_pages), scorer=OverlapScorer(), policy=POLICY)
    places = looked_at(evidence)
    assert [(place.path, place.page) for place in places] == [("a.pdf", 1), ("a.pdf", 2), ("b.md", None)]
    assert [place.score for place in places] == sorted((place.score for place in places), reverse=True)


async def test_nothing_found_is_no_evidence() -> None:
    assert await weigh("leave", [], scorer=OverlapScorer(), policy=POLICY) == []


async def test_code_is_read_as_a_whole_and_leads_nothing() -> None:
    text = "Sign it so:\n\n```python\nbody | key\nreturn sign(body):\n```\n\nAll else is dropped."
    (read,) = await weigh("x", hits(passage(text)), scorer=(scorer := OverlapScorer()), policy=POLICY)
    assert [each.sentence.is_code for each in read.sentences] == [False, True, False]
    assert scorer.pairs[-1][1] == "Leave\nAll else is dropped."
