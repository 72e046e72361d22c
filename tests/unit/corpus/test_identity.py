"""Identity removal: proposals, reviews, and the texts after removal."""

import csv
import os

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


def remove_all(articles, outlets_file=None):
    """The articles after all proposals were applied."""
    proposals = propose(articles, outlets_file)
    return apply_review(articles, proposals, proposals, outlets_file)[0]


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
    assert remove_all(make_articles(before))["body"].to_pylist() == [after]


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
def test_ordinary_text_is_unchanged(text):
    assert remove_all(make_articles(text, outlet="Barack Obama"))["body"].to_pylist() == [text]


def test_sections_are_no_part_of_an_outlets_name():
    assert bare_name("CNN (Web News)") == "CNN"
    assert bare_name("New York Times - News") == "New York Times"
    assert bare_name("The Hill") == "Hill"
    assert bare_name("NPR Online News") == "NPR"


def test_unlisted_name_is_an_outlet_if_its_own_articles_use_it_as_one():
    articles = make_articles(
        "He told Redmoor Voice so.",
        "REDMOOR (Redmoor Voice) - It passed.",
        "The Redmoor Voice was there.",
        "He told Ann Elk so.",
        outlet=["Redmoor Voice"] * 3 + ["Ann Elk"],
    )

    bodies = remove_all(articles)["body"].to_pylist()

    assert bodies == ["He told the news outlet so.", "It passed.", "The news outlet was there.", "He told Ann Elk so."]


def test_repeated_lines_of_one_outlet_are_proposed():
    bodies = [f"Story {n} of its own.\nSign up for our letter" for n in range(5)] + ["Another.\nA shared line"] * 5
    outlets = ["Alpha"] * 5 + ["Alpha", "Beta", "Gamma", "Alpha", "Beta"]
    review = propose(make_articles(*bodies, outlet=outlets), None)

    rows = [(row["kind"], row["text"], row["articles"]) for row in review.to_pylist()]
    assert rows == [("repeated_line", "Sign up for our letter", 5)]


def test_titles_lose_outlets_but_keep_persons():
    articles = make_articles(
        *["Body."] * 4,
        titles=["Vote passes - CNN.com", "CNN: Vote passes", "Vote passes | Fox News", "Ann Elk: Vote passes"],
        outlet=["CNN", "CNN", "Fox News", "Ann Elk"],
    )

    titles = remove_all(articles)["title"].to_pylist()

    assert titles == ["Vote passes", "Vote passes", "Vote passes", "Ann Elk: Vote passes"]


def test_proposals_count_articles_and_show_the_first_occurrence():
    review = propose(make_articles("He told CNN and CNN heard.", "On CNN today.", "Nothing."), None)

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


def test_review_can_reject_change_and_add(tmp_path):
    articles = make_articles("He told CNN, NPR and the Clarion. Code X-12 and X-99.", "He saw CNN.\nBy Jane Doe")
    proposals = propose(articles, None)
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
    done, findings = apply_review(articles, review, proposals, None)

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


def test_written_review_file_is_read_unchanged(tmp_path):
    articles = make_articles('By Jane Doe, CNN\n"So," he told CNN.', "See https://a.example/b?c=d,e today.")
    review = propose(articles, None)
    write_review(review, tmp_path / "review.csv")

    assert read_review(tmp_path / "review.csv").equals(review)


HEADER = "decision,kind,text,replacement\n"
FAULTS = {
    "no column": ("kind,text,replacement\n", "has no column decision: it needs decision, kind, text, replacement"),
    "decision": (HEADER + "accept,a,b,\nmaybe,a,b,\n", "row 3 has the decision 'maybe': write accept or reject"),
    "empty decision": (HEADER + ",a,b,\n", "row 2 has the decision '': write accept or reject"),
    "no text": (HEADER + "accept,a,,\n", "row 2 has no text"),
    "fields": (HEADER + "accept,a,b,c,d\n", "row 2 has too many or too few fields"),
    "few fields": (HEADER + "accept,a,b,c\n\naccept,a\n", "row 4 has too many or too few fields"),
    "open quote": (HEADER + 'accept,a,b,c\naccept,a,Foo,"b\nreject,a,c,d\n', "line 3: the row is not valid CSV"),
    "text behind a quote": (HEADER + 'accept,a,Foo,"b\nreject,a,"c",d\n', "line 2: the row is not valid CSV"),
    "quote that a later one closes": (
        HEADER + 'accept,a,b,"c\naccept,a,d,"\n',
        "review_file\\), line 2: a field has another row within: close the quotes of that field",
    ),
    "column twice": ("decision,kind,text,replacement,text\n", "has several columns with the name 'text'"),
    "long decision": (HEADER + "x" * 500 + ",a,b,c\n", "row 2 has the decision 'x{199}…: write accept or reject"),
    "pattern": (HEADER + "accept,pattern,(a,\n", "row 2 has an invalid regular expression"),
    "wide pattern": (HEADER + "accept,pattern,a*,\n", "row 2 has the pattern 'a\\*', which matches everywhere"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_errors_of_review_files_name_the_row(tmp_path, fault):
    text, message = FAULTS[fault]
    (tmp_path / "review.csv").write_text(text, encoding="utf-8")

    with pytest.raises(StudyError, match=message):
        read_review(tmp_path / "review.csv")


def test_missing_review_file_is_an_error(tmp_path):
    with pytest.raises(StudyError, match=r"absent.csv \(corpus.identity.review_file\) cannot be read"):
        read_review(tmp_path / "absent.csv")


@pytest.mark.parametrize("read", [read_review, read_outlets])
def test_a_pipe_is_no_list(tmp_path, read):
    os.mkfifo(tmp_path / "a.csv")

    with pytest.raises(StudyError, match=r"a.csv \(corpus.identity.\w+\) is no file: "):
        read(tmp_path / "a.csv")


def test_review_file_can_have_semicolons(tmp_path):
    (tmp_path / "review.csv").write_text("decision;kind;text;replacement\nreject;outlet;CNN;x\n", encoding="utf-8")

    assert read_review(tmp_path / "review.csv")["decision"].to_pylist() == ["reject"]


def test_outlets_of_a_file_are_added(tmp_path):
    path = tmp_path / "outlets.csv"
    path.write_text("name,variants,ordinary\nDer Bote,Bote,no\n", encoding="utf-8")
    articles = make_articles("Der Bote wrote it.", outlet=None)

    done = remove_all(articles, path)

    assert done["body"].to_pylist() == ["The news outlet wrote it."]


def test_errors_of_outlet_lists_name_the_line(tmp_path):
    (tmp_path / "a.csv").write_text("name,ordinary\nX,no\n", encoding="utf-8")
    (tmp_path / "b.csv").write_text("name,variants,ordinary\nX,,perhaps\n", encoding="utf-8")

    with pytest.raises(StudyError, match=r"a.csv \(corpus.identity.outlets_file\) has the columns name, ordinary, but"):
        read_outlets(tmp_path / "a.csv")
    with pytest.raises(StudyError, match=r"b.csv .* row 2, needs a name, and one of yes, no, lower in"):
        read_outlets(tmp_path / "b.csv")


def test_quotes_that_are_missing_in_an_outlet_list_are_told(tmp_path):
    (tmp_path / "a.csv").write_text('name,variants,ordinary\n"X,,no\nY,,no\n', encoding="utf-8")
    (tmp_path / "b.csv").write_text('name,variants,ordinary\n"X,,no\nY",,no\n', encoding="utf-8")
    (tmp_path / "c.csv").write_text("name,variants,ordinary\nX,a,no,b\n", encoding="utf-8")

    with pytest.raises(StudyError, match=r"a.csv .*, line 2: the row is not valid CSV"):
        read_outlets(tmp_path / "a.csv")
    with pytest.raises(StudyError, match=r"b.csv .*, line 2: a field has another row within"):
        read_outlets(tmp_path / "b.csv")
    with pytest.raises(StudyError, match=r"c.csv .*, row 2 has too many or too few fields"):
        read_outlets(tmp_path / "c.csv")


def test_separators_of_lines_within_a_field_of_a_review_file_stay(tmp_path):
    (tmp_path / "review.csv").write_text(
        f'{HEADER}accept,phrase,a\u2028b\x85c,"d\u2028e"\nreject,phrase,f,"g\nh"\n', encoding="utf-8"
    )

    rows = read_review(tmp_path / "review.csv").select(["text", "replacement"]).to_pylist()

    assert rows == [{"text": "a\u2028b\x85c", "replacement": "d\u2028e"}, {"text": "f", "replacement": "g\nh"}]


def test_empty_columns_of_a_spreadsheet_are_left_aside(tmp_path):
    text = "decision,kind,text,replacement,,\naccept,phrase,Our paper says,,,\n"
    (tmp_path / "review.csv").write_text(text, encoding="utf-8")
    (tmp_path / "plain.csv").write_text(text.replace(",,\n", "\n"), encoding="utf-8")

    assert read_review(tmp_path / "review.csv") == read_review(tmp_path / "plain.csv")
