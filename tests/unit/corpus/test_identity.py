"""Identity removal: what is proposed, what a review changes, what the text reads like afterwards."""

import csv

import pyarrow as pa
import pytest

from bias_amplification.artifacts import StudyError
from bias_amplification.artifacts.schemas import ARTICLES
from bias_amplification.corpus.identity import apply_review, propose, read_review, write_review
from bias_amplification.corpus.identity.outlets import bare_name, read_outlets
from bias_amplification.corpus.identity.removal import review_finding


def make_articles(*bodies, outlet="The Harbor Courier", titles=None):
    outlets = outlet if isinstance(outlet, list) else [outlet] * len(bodies)
    rows = [
        {
            "article_id": str(number),
            "event_id": None,
            "outlet": outlets[number],
            "date": None,
            "title": titles[number] if titles else "Title",
            "body": body,
            "label": "a",
        }
        for number, body in enumerate(bodies)
    ]
    return pa.Table.from_pylist(rows, schema=ARTICLES)


def removed(body, **arguments):
    articles = make_articles(body, **arguments)
    return apply_review(articles, propose(articles))[0]["body"][0].as_py()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("By Jane Doe\nThe vote passed.", "The vote passed."),
        ("By Jane Doe and John A. Roe, The Harbor Courier\nThe vote passed.", "The vote passed."),
        ("By Jane Doe, The Harbor Courier. The vote passed.", "The vote passed."),
        ("By Jane Doe | Salon\nThe vote passed.", "The vote passed."),
        ("Jane Doe, Staff Writer\nThe vote passed.", "The vote passed."),
        ("WASHINGTON (Reuters) – The vote passed.", "The vote passed."),
        ("CAPITAL CITY (Harbor Courier) - The vote passed.", "The vote passed."),
        ("(AP) -- The vote passed.", "The vote passed."),
        ("The vote passed.\nJane Doe is a reporter for the Harbor Courier.", "The vote passed."),
        ("The vote passed. Jane Doe is a senior editor at National Review. He left.", "The vote passed. He left."),
        ("The vote passed.\nJane Doe covers politics for the Harbor Courier.", "The vote passed."),
        ("The vote passed.\nThe Associated Press contributed to this report.", "The vote passed."),
        ("The vote passed. Jane Doe in Ohio contributed to this report.", "The vote passed."),
        ("The vote passed.\nFollow Jane Doe on Twitter @janedoe.", "The vote passed."),
        ("The vote passed.\nCopyright © 2019 The Harbor Courier, LLC. Click here.", "The vote passed."),
        ("The vote passed (Photo: Jane Doe, AP) today.", "The vote passed today."),
        ("The vote passed. (Reporting by Jane Doe; Editing by John Roe)", "The vote passed."),
        ("The vote passed. Write to jane.doe@courier.com now.", "The vote passed. Write to now."),
        ("He told the Harbor Courier it passed.", "He told the news outlet it passed."),
        ("He told CNN it passed.", "He told the news outlet it passed."),
        ("CNN reported it.", "The news outlet reported it."),
        ("It passed. The New York Times reported it.", "It passed. The news outlet reported it."),
        ("A New York Times reporter saw it.", "A news outlet reporter saw it."),
        ("He saw an NPR poll.", "He saw a news outlet poll."),
        ("His former NYTimes desk.", "His former news outlet desk."),
        ("It was on POLITICO's site.", "It was on the news outlet's site."),
        ("She told Reason it passed.", "She told the news outlet it passed."),
        ("Salon first reported it.", "The news outlet first reported it."),
        ("It was up at Vox all day.", "It was up at the news outlet all day."),
        ("He read it in The Hill today.", "He read it in the news outlet today."),
        ("He told the Times on Monday.", "He told the news outlet on Monday."),
    ],
)
def test_identity_is_removed(before, after):
    assert removed(before) == after


@pytest.mark.parametrize(
    "text",
    [
        "Reason told him that time would tell.",
        "Reason alone reported nothing. The Hill is steep. The Week was long, and reason won.",
        "He told the nation on the Hill that the post was filled.",
        "He told The Journal of Politics readers.",
        "By Monday night, she said she had the votes necessary",
        "By Election Day, Trump had won them all.",
        "BY THE NUMBERS",
        "Jane Doe, Heritage Foundation\nJohn Roe, Dune Capital",
        "He sat on the Hill, in the Post Office, with Reason Foundation staff.",
        "Larry and Ruth are the couple who told reporters that the writer left.",
        "He wrote a reasonable note in time for the week.",
        "The group is a 501(c)(4) organisation that reports to this committee.",
        "Barack Obama: Unite against terror. He told Barack Obama so.",
        "People follow the news on Mondays.",
    ],
)
def test_ordinary_text_stays(text):
    assert removed(text, outlet="Barack Obama") == text


def test_names_of_the_outlet_column_are_known_without_their_section():
    assert bare_name("CNN (Web News)") == "CNN"
    assert bare_name("New York Times - News") == "New York Times"
    assert bare_name("The Hill") == "Hill"
    assert bare_name("NPR Online News") == "NPR"


def test_an_unlisted_name_counts_as_outlet_when_its_own_articles_use_it_so():
    articles = make_articles(
        "He told Redmoor Voice so.",
        "REDMOOR (Redmoor Voice) - It passed.",
        "The Redmoor Voice was there.",
        "He told Ann Elk so.",
        outlet=["Redmoor Voice"] * 3 + ["Ann Elk"],
    )

    bodies = apply_review(articles, propose(articles))[0]["body"].to_pylist()

    assert bodies == ["He told the news outlet so.", "It passed.", "The news outlet was there.", "He told Ann Elk so."]


def test_lines_that_one_outlet_repeats_are_proposed():
    bodies = [f"Story {n} of its own.\nSign up for our letter" for n in range(5)] + ["Another.\nA shared line"] * 5
    outlets = ["Alpha"] * 5 + ["Alpha", "Beta", "Gamma", "Alpha", "Beta"]
    review = propose(make_articles(*bodies, outlet=outlets))

    rows = [(row["kind"], row["text"], row["articles"]) for row in review.to_pylist()]
    assert rows == [("repeated_line", "Sign up for our letter", 5)]


def test_titles_lose_names_but_not_persons():
    articles = make_articles(
        *["Body."] * 4,
        titles=["Vote passes - CNN.com", "CNN: Vote passes", "Vote passes | Fox News", "Ann Elk: Vote passes"],
        outlet=["CNN", "CNN", "Fox News", "Ann Elk"],
    )

    titles = apply_review(articles, propose(articles))[0]["title"].to_pylist()

    assert titles == ["Vote passes", "Vote passes", "Vote passes", "Ann Elk: Vote passes"]


def test_proposals_count_articles_and_show_the_first_find():
    review = propose(make_articles("He told CNN and CNN heard.", "On CNN today.", "Nothing."))

    assert review.to_pylist() == [
        {
            "decision": "accept",
            "kind": "outlet",
            "text": "CNN",
            "replacement": "news outlet",
            "articles": 2,
            "context": "He told [[CNN]] and CNN heard.",
        }
    ]


def edit(path, change):
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    rows = change(rows)
    with path.open("w", encoding="utf-8-sig", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def test_a_review_rejects_changes_and_adds(tmp_path):
    articles = make_articles("He told CNN, NPR and the Clarion. Code X-12 and X-99.", "He saw CNN.\nBy Jane Doe")
    proposals = propose(articles)
    path = tmp_path / "review.csv"
    write_review(proposals, path)

    def change(rows):
        rows = [row for row in rows if row["kind"] != "byline"]
        for row in rows:
            row["decision"] = " Reject" if row["text"] == "CNN" else row["decision"]
            row["replacement"] = "radio station" if row["text"] == "NPR" else row["replacement"]
        added = {"decision": "accept", "articles": "", "context": ""}
        rows.append(added | {"kind": "phrase", "text": "the Clarion", "replacement": "a paper"})
        rows.append(added | {"kind": "pattern", "text": r"X-\d+", "replacement": "N"})
        return rows

    edit(path, change)
    review = read_review(path)
    done, findings = apply_review(articles, review, proposals=proposals)

    assert done["body"].to_pylist() == [
        "He told CNN, the radio station and a paper. Code N and N.",
        "He saw CNN.\nBy Jane Doe",
    ]
    said = review_finding(review, proposals, path).finding
    assert said == "review file review.csv applied: 1 accepted, 1 rejected, 2 added, 1 proposals without a row"
    left = {item.finding: item.examples for item in findings if "left in" in item.finding}
    assert left == {
        "rejected in the review: left in": ("0", "1"),
        "found, but in no row of the review: left in": ("1",),
    }


def test_a_file_written_and_read_back_is_the_proposals(tmp_path):
    review = propose(make_articles('By Jane Doe, CNN\n"So," he told CNN.', "See https://a.example/b?c=d,e today."))
    write_review(review, tmp_path / "review.csv")

    assert read_review(tmp_path / "review.csv").equals(review)


HEADER = "decision,kind,text,replacement\n"
FAULTS = {
    "no column": ("kind,text,replacement\n", "has no column decision: it needs decision, kind, text, replacement"),
    "decision": (HEADER + "accept,a,b,\nmaybe,a,b,\n", "row 3 has the decision 'maybe': write accept or reject"),
    "empty decision": (HEADER + ",a,b,\n", "row 2 has the decision '': write accept or reject"),
    "no text": (HEADER + "accept,a,,\n", "row 2 has no text"),
    "fields": (HEADER + "accept,a,b,c,d\n", "row 2 has too many or too few fields"),
    "pattern": (HEADER + "accept,pattern,(a,\n", "row 2 has a pattern that is no regular expression"),
    "wide pattern": (HEADER + "accept,pattern,a*,\n", "row 2 has the pattern 'a\\*', which matches everywhere"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_malformed_review_files_name_the_row(tmp_path, fault):
    text, message = FAULTS[fault]
    (tmp_path / "review.csv").write_text(text, encoding="utf-8")

    with pytest.raises(StudyError, match=message):
        read_review(tmp_path / "review.csv")


def test_an_absent_review_file_is_named(tmp_path):
    with pytest.raises(StudyError, match=r"absent.csv \(corpus.identity.review_file\) cannot be read"):
        read_review(tmp_path / "absent.csv")


def test_a_review_saved_with_semicolons_is_read(tmp_path):
    (tmp_path / "review.csv").write_text("decision;kind;text;replacement\nreject;outlet;CNN;x\n", encoding="utf-8")

    assert read_review(tmp_path / "review.csv")["decision"].to_pylist() == ["reject"]


def test_further_outlets_come_from_a_file(tmp_path):
    path = tmp_path / "outlets.csv"
    path.write_text("name,variants,ordinary\nDer Bote,Bote,no\n", encoding="utf-8")
    articles = make_articles("Der Bote wrote it.", outlet=None)

    done, _ = apply_review(articles, propose(articles, outlets_file=path), outlets_file=path)

    assert done["body"].to_pylist() == ["The news outlet wrote it."]


def test_a_malformed_outlet_list_is_named(tmp_path):
    (tmp_path / "a.csv").write_text("name,ordinary\nX,no\n", encoding="utf-8")
    (tmp_path / "b.csv").write_text("name,variants,ordinary\nX,,perhaps\n", encoding="utf-8")

    with pytest.raises(StudyError, match=r"a.csv \(corpus.identity.outlets_file\) has the columns name, ordinary"):
        read_outlets(tmp_path / "a.csv")
    with pytest.raises(StudyError, match=r"b.csv .* line 2: a name and"):
        read_outlets(tmp_path / "b.csv")
