"""The parts of the page that say what all rows add up to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import PurePath
from typing import Any, Final

from graders import jsontext
from graders.batch.tally import Figures, Tally, no_figures
from graders.htmltext import Html, element, shortened
from graders.report.finding import MOST_COLUMNS, Notice
from graders.report.html.chart import histogram, meter, spark, tint
from graders.report.html.row import MOST_PARTS, ends_of
from graders.report.html.table import Column, facts, group_link, row_link, section, table, unshown
from graders.report.terminal import between, number, percent, spanned

__all__ = [
    "MOST_CODES",
    "categories",
    "distribution",
    "failures",
    "first_rows",
    "headline",
    "made",
    "parts",
    "slowest",
]

_NAME: Final = 80
_MESSAGE: Final = 240
_MOST_FACTS: Final = 60
MOST_CODES: Final = 20


def headline(finding: Notice) -> Html:
    """Return the figures to read first."""
    tally = finding.tally
    figures = tally.rewards
    with_zeros = _tile(
        "A failed row as 0",
        number(tally.mean_of_all),
        _over(_with_zeros(tally), f"all {tally.rows:,} rows"),
    )
    tiles = [
        _tile("Mean reward", number(figures.mean), _over(figures, f"the {tally.scored:,} scored")),
        *([with_zeros] if tally.failed else []),  # Else it is the same figure again.
        _tile("Failed", f"{tally.failed:,}", _of_rows(tally), bad=bool(tally.failed)),
        _tile("At the ends", _ends(figures), _saturation(figures)),
    ]
    return section("headline", "At a glance", element("div", *tiles, class_="tiles"))


def _tile(name: str, value: str, note: str, *, bad: bool = False) -> Html:
    return element(
        "div",
        element("div", name, class_="name"),
        element("div", value, class_="value bad" if bad else "value"),
        element("div", note, class_="note"),
        class_="tile",
    )


def _with_zeros(tally: Tally) -> Figures:
    whole = Figures()
    whole.merge(tally.rewards)
    left = tally.failed
    while left > 0:
        whole.add([0.0] * min(left, 1 << 16))
        left -= 1 << 16
    return whole


def _over(figures: Figures, rows: str) -> str:
    interval = figures.interval()
    return f"over {rows}" if interval is None else f"over {rows}; {spanned(interval)}"


def _of_rows(tally: Tally) -> str:
    if not tally.rows:
        return "of no rows"
    if not tally.failed and not tally.replaced:
        return f"each of the {tally.rows:,} rows has a reward"
    text = f"{percent(tally.failed / tally.rows)} of {tally.rows:,} rows have no reward"
    return text + (f"; invalid_grade stands for {tally.replaced:,}" if tally.replaced else "")


def _ends(figures: Figures) -> str:
    if not figures.count:
        return "–"
    if figures.lowest == figures.highest:
        return "100%"
    return percent((figures.at_lowest + figures.at_highest) / figures.count)


def _saturation(figures: Figures) -> str:
    if not figures.count:
        return "no row has a reward"
    low, high = number(figures.lowest), number(figures.highest)
    if low == high and figures.lowest == figures.highest:
        return f"every row has {low}: the reward tells no rows apart"
    return (
        f"{percent(figures.at_lowest / figures.count)} have the lowest, {low}; "
        f"{percent(figures.at_highest / figures.count)} the highest, {high}"
    )


def distribution(finding: Notice) -> Html:
    """Return the distribution of the rewards."""
    figures = finding.tally.rewards
    if not figures.count:
        return section("rewards", "Rewards", element("p", "No row has a reward."))
    low, quarter, median, three, high = map(number, figures.quantiles() or ())
    told = facts(
        [
            ("Median", median),
            ("Half of the rows", f"{quarter} … {three}"),
            ("Nine tenths", f"{low} … {high}"),
            ("Standard deviation", number(figures.spread)),
            *([("Quantiles are within", f"{figures.error:.1g}")] if figures.error else []),
        ]
    )
    return section("rewards", "Rewards", histogram(figures), told)


def parts(finding: Notice) -> Html | None:
    """Return what each sub-grader gave, and its share of the variance; None without any."""
    tally = finding.tally
    if not tally.sub_rewards:
        return None
    times = finding.cost.shares
    named = [
        Column("Sub-grader"), Column("Distribution"), Column("Mean", is_number=True),
        Column("Spread", is_number=True), Column("Lowest", is_number=True),
        Column("Highest", is_number=True), Column("Failed", is_number=True),
        Column("Share of variance"),
    ]  # fmt: skip
    if times:
        named.append(Column("Time", is_number=True))
    rows = []
    for key, figures in list(tally.sub_rewards.items())[:MOST_PARTS]:
        name, failed = shortened(key, _NAME), tally.sub_failures[key]
        cells: list[str] = [
            name,
            spark(figures, name),
            number(figures.mean),
            number(figures.spread),
            number(figures.lowest if figures.count else None),
            number(figures.highest if figures.count else None),
            element("span", f"{failed:,}", class_="bad" if failed else None),
            _share(finding, key),
        ]
        if times:
            cells.append(f"{times[key]:.0%}" if key in times else "–")
        rows.append(cells)
    more = len(tally.sub_rewards) - MOST_PARTS
    return section(
        "parts",
        "Sub-graders",
        table("Sub-graders: distribution, mean and share of variance", named, rows),
        unshown(more, "sub-graders"),
        lead=_shares_said(finding),
    )


def _share(finding: Notice, key: str) -> Html:
    if finding.shares is None:
        return element("span", "–")
    share = finding.shares.parts.get(key, 0.0)
    return element("span", meter(share), f" {share:.1%}", class_="share")


def _shares_said(finding: Notice) -> str:
    shares = finding.shares
    if shares is None:
        return "The rewards do not vary, so no part has a share of their variance."
    whole = finding.tally.rows
    of_rows = f" (in the {shares.rows:,} rows where every part has a reward)"
    where = of_rows if shares.rows < whole else ""
    if not shares.rest:
        return f"The shares of the variance add up to 100%: the reward is a weighted sum{where}."
    return (
        f"{shares.rest:.1%} of the variance{where} is no weighted sum of the parts: products, "
        "thresholds or minima of the formula."
    )


def categories(finding: Notice) -> Html | None:
    """Return the figures of each category, the largest first; None where nobody asked for them."""
    groups, title = finding.tally.categories, "Categories"
    if said := no_figures(finding.by, groups, crowded=finding.tally.crowded):
        return section("categories", title, element("p", said, class_="notice"))
    if not groups:
        return None
    keys = [*finding.tally.sub_rewards][:MOST_COLUMNS]
    named = [
        Column(finding.by or "Category"), Column("Rows", is_number=True), Column("Failed", is_number=True),
        Column("Mean reward", is_number=True), Column("95% interval", is_number=True), Column("Spread", is_number=True),
        *(Column(shortened(key, 40), is_number=True) for key in keys),
    ]  # fmt: skip
    low, high = ends_of(finding.tally.rewards)
    rows, methods = [], dict[str, None]()
    for key, one in islice(groups.items(), MOST_PARTS):
        interval = one.interval()
        methods |= {} if interval is None else {interval.method: None}
        bar = None if one.mean is None else meter((one.mean - low) / (high - low or 1))
        rows.append(
            [
                group_link(key), f"{one.rows:,}",
                element("span", f"{one.failed:,}", class_="bad" if one.failed else None),
                element("span", bar, number(one.mean), class_="share"),
                "–" if interval is None else between(interval), number(one.spread),
                *(_part_in(finding, key, part) for part in keys),
            ]
        )  # fmt: skip
    more = len(groups) - MOST_PARTS
    how = f" Intervals: {', '.join(methods)}." if methods else ""
    parts_said = " The columns after the spread are the means of the sub-graders." if keys else ""
    return section(
        "categories",
        title,
        table("Figures by category", named, rows),
        unshown(more, "categories"),
        lead=f"The rewards by what stands in the rows at {finding.by or 'the path of --by'}.{how}{parts_said}",
    )


def _part_in(finding: Notice, group: str, key: str) -> Html:
    """Return the mean of a sub-grader in a category."""
    rows, total = finding.parts_by.get(group, {}).get(key, (0, 0.0))
    if not rows:
        return element("span", "–")
    low, high = ends_of(finding.tally.sub_rewards[key])
    return tint(number(total / rows), (total / rows - low) / (high - low or 1))


def failures(finding: Notice, shown: frozenset[int]) -> Html:
    """Return the failures by code, with the first rows of each."""
    tally = finding.tally
    if not tally.codes:
        return section("failures", "Failures", element("p", "No row failed.", class_="good"))
    common = tally.codes.most_common(MOST_CODES)
    rows = [
        (element("code", shortened(code, _NAME)), f"{count:,}", percent(count / tally.rows))
        for code, count in common
    ]
    named = [Column("Code"), Column("Rows", is_number=True), Column("Share", is_number=True)]
    places = ", ".join(
        f"{shortened(key, _NAME)} {count:,}" if key else f"the grader itself {count:,}"
        for key, count in tally.sub_failures.most_common(8)
    )
    more = len(tally.codes) - MOST_CODES
    return section(
        "failures",
        "Failures",
        table("Failures by code", named, rows),
        unshown(more, "codes"),
        first_rows([code for code, _ in common], [("", finding)], shown),
        lead=f"Failures by sub-grader: {places}.",
    )


def first_rows(
    codes: Sequence[str], sides: Sequence[tuple[str, Notice]], shown: frozenset[int]
) -> Html:
    """Return of each code the first rows that failed by it, in one run or in each of two."""
    return element(
        "div",
        *(
            element(
                "div",
                element("h3", "First rows of ", element("code", shortened(code, _NAME))),
                element(
                    "ul",
                    *(
                        element(
                            "li", f"{side}row ", row_link(index, shown),
                            element("span", f" {shortened(message, _MESSAGE)}", class_="text"),
                        )
                        for side, finding in sides
                        for index, message in finding.tally.first.get(code, [])[: 5 // len(sides)]
                    ),
                    class_="plain",
                ),
            )
            for code in codes
        ),
        class_="sides",
    )  # fmt: skip


def slowest(finding: Notice, shown: frozenset[int]) -> Html | None:
    """Return the slowest calls; None where nobody knows them."""
    calls = finding.cost.slowest
    if not calls:
        return None
    rows = [
        (row_link(one.index, shown), shortened(one.where, _NAME) or "–", _duration(one.seconds))
        for one in calls[:20]
    ]
    named = [Column("Row"), Column("Sub-grader"), Column("Time", is_number=True)]
    return section("slowest", "Slowest calls", table("Slowest calls", named, rows))


def _duration(seconds: float) -> str:
    return f"{seconds:,.3g} s" if seconds >= 1 else f"{1000 * seconds:.3g} ms"


def made(finding: Notice, side: str = "") -> Html:
    """Return what the results were made from, those of one of two runs where a side is named."""
    pairs = [("Results", shortened(finding.path.name, _MESSAGE))]
    grader = finding.manifest.get("grader")
    if isinstance(grader, Mapping):
        pairs.append(("Grader", f"{finding.name} ({finding.type})"))
        pairs.append(("Grader's SHA-256", str(grader.get("sha256", ""))))
    pairs += _pairs("Version of ", finding.manifest.get("versions"))
    pairs += _pairs("Metric of ", finding.signatures)
    if finding.manifest.get("sandbox"):
        pairs.append(("Sandbox", str(finding.manifest["sandbox"])))
    pairs += _inputs(finding.manifest.get("inputs"))
    pairs += _pairs("", finding.manifest.get("options"))
    left = len(pairs) - _MOST_FACTS
    shown = [(shortened(k, _NAME), shortened(v, _MESSAGE)) for k, v in pairs[:_MOST_FACTS]]
    lead = None if grader else "No manifest stands beside the results: the grader is not known."
    return section(
        f"made{side.lower()}",
        f"How {side or 'it'} was made",
        element("details", element("summary", "Versions, options and inputs"), facts(shown)),
        element("p", f"{left} more are not shown.") if left > 0 else None,
        lead=lead,
    )


def _pairs(before: str, found: Any) -> list[tuple[str, str]]:
    if not isinstance(found, Mapping):
        return []
    return [
        (f"{before}{key}", value if isinstance(value, str) else jsontext.encode(value).decode())
        for key, value in found.items()
    ]


def _inputs(found: Any) -> list[tuple[str, str]]:
    """Return the inputs by the names of their files: a folder's is nobody else's business."""
    if not isinstance(found, list):
        return []
    return [
        ("Rows", f"{PurePath(str(one.get('path', ''))).name} {one.get('sha256', '')}")
        for one in found
        if isinstance(one, Mapping)
    ]
