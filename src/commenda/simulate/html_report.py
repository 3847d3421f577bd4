"""The report of a simulation as one HTML page that needs nothing but itself.

The page holds the report once in each language; its style sheet shows one of them. Without a
script it is in Chinese and follows the reader's light or dark theme.
"""

from __future__ import annotations

from decimal import Decimal
from importlib import resources

from commenda.kit.markup import Markup, join, tag
from commenda.simulate import html_figures as figures
from commenda.simulate import html_operations as operations
from commenda.simulate import html_tables as tables
from commenda.simulate.html_texts import LANGUAGES, Words
from commenda.simulate.plain import Row
from commenda.simulate.scenario import ASSET
from commenda.simulate.shown import change, gain, minute, money, percent, tone

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
"""Nothing is fetched from anywhere."""


def render(report: Row) -> str:
    """The whole page."""
    title = f"{report['scenario']['title']} · Commenda"
    head = tag(
        "head",
        Markup('<meta charset="utf-8">'),
        Markup(f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'),
        Markup('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        Markup('<meta name="color-scheme" content="light dark">'),
        tag("title", title),
        tag("style", _own_file("report.css")),
    )
    body = tag(
        "body",
        *(_main(Words(language), report) for language in LANGUAGES),
        tag("script", _own_file("report.js")),
    )
    return f"<!doctype html>\n{tag('html', head, body, lang=LANGUAGES[0])}\n"


def _own_file(name: str) -> Markup:
    """A file of this package, as it is: it holds nothing from outside."""
    return Markup(resources.files("commenda.simulate").joinpath(name).read_text("utf-8"))


def _main(words: Words, report: Row) -> Markup:
    return tag(
        "main",
        _header(words, report),
        _section(words, "key_figures", _key_figures(words, report)),
        _section(
            words,
            "growth",
            figures.assets(words, report),
            figures.active(words, report),
            figures.index(words, report),
            figures.drawdown(words, report),
        ),
        _section(
            words,
            "results",
            figures.returns(words, report),
            figures.expected(words, report),
            tables.quantiles(words, report),
            tables.products(words, report),
            tables.deviation(words, report),
        ),
        _section(
            words,
            "creators",
            operations.own_and_followers(words, report),
            operations.own_and_drawdown(words, report),
            tables.creators(words, report),
        ),
        _section(words, "money", operations.flow(words, report)),
        _section(
            words,
            "operations",
            operations.outages(words, report),
            operations.tries(words, report),
            operations.slippage(words, report),
            operations.refusals(words, report),
            tables.doors(words, report),
        ),
        _section(
            words,
            "proof",
            tables.findings(words, report),
            tables.reconciliation(words, report),
            tables.counts(words, report),
            tables.balances(words, report),
            tables.digests(words, report),
        ),
        lang=words.language,
    )


def _section(words: Words, key: str, *parts: Markup | None) -> Markup:
    ident = f"{words.language}-{key}-section"
    return tag(
        "section",
        tag("h2", words.say(key), id=ident),
        tag("div", *parts, class_="cards"),
        aria_labelledby=ident,
    )


# --- the head --------------------------------------------------------------------------------


def _header(words: Words, report: Row) -> Markup:
    scenario = report["scenario"]
    simulated = scenario["market"] == "simulated"
    facts = " · ".join(
        (
            words.say("period", begin=minute(scenario["start"]), end=minute(scenario["end"])),
            words.say("candles", minutes=f"{scenario['interval'] / 60:g}"),
            ", ".join(scenario["symbols"]),
            words.say("seed", seed=scenario["seed"]),
        )
    )
    badges = tag(
        "p",
        tag(
            "span",
            words.say("simulated_market" if simulated else "recorded_market"),
            class_="badge warn",
        ),
        *_proof(words, report),
        class_="badges",
    )
    warning = words.say("warning_simulated" if simulated else "warning_recorded")
    basis = words.say("basis", when=minute(report["reconciliation"]["asOf"]), asset=ASSET)
    return tag(
        "header",
        tag("div", tag("h1", scenario["title"]), _buttons(words), class_="top"),
        tag("p", facts, class_="facts"),
        badges,
        tag("p", warning, class_="warning", role="note"),
        tag("p", basis, class_="note"),
    )


def _proof(words: Words, report: Row) -> list[Markup]:
    """Two badges: whether the books hold together, and whether the venue agrees with them."""
    findings = report["verify"]["findings"]
    verified = (
        words.say("proof_findings", count=len(findings)) if findings else words.say("proof_clean")
    )
    amount = report["reconciliation"]["unexplained"]
    return [
        _badge(verified, report["verify"]["clean"]),
        _badge(words.say("unexplained", amount=amount, asset=ASSET), Decimal(amount) == 0),
    ]


def _badge(text: str, sound: bool) -> Markup:
    mark = "✓" if sound else "✗"
    return tag("span", f"{mark} {text}", class_=f"badge {'sound' if sound else 'unsound'}")


def _buttons(words: Words) -> Markup:
    keys = {"lang": "language", "theme": "theme", "market": "colours"}
    return tag(
        "div",
        *(
            tag("button", words.say(text), type="button", data_switch=key)
            for key, text in keys.items()
        ),
        class_="buttons",
    )


# --- key figures -----------------------------------------------------------------------------


def _key_figures(words: Words, report: Row) -> Markup:
    return tag("dl", *_people(words, report), *_results(words, report), *_fees(words, report))


def _people(words: Words, report: Row) -> list[Markup]:
    people = report["investors"]
    states = " · ".join(
        f"{words.name(row['status'])} {row['subscriptions']}" for row in people["states"]
    )
    return [
        _fact(
            words.say("investors"),
            str(people["investors"]),
            words.say("investors_note", referred=report["referral"]["referredInvestors"]),
        ),
        _fact(
            words.say("deposits"),
            money(people["deposited"]),
            words.say("deposits_note", amount=money(people["subscribed"])),
        ),
        _fact(words.say("subscriptions"), str(people["subscriptions"]), states),
    ]


def _results(words: Words, report: Row) -> list[Markup]:
    outcomes = report["investors"]["outcomes"]
    if not outcomes["settled"]:
        return [_fact(words.say("settled_in"), "-", words.say("nothing_settled"))]
    share = percent(outcomes["shareWithGain"], signed=False)
    net, middle, pooled = (outcomes[k] for k in ("netProfit", "median", "pooledReturn"))
    gross = report["series"]["profits"]["gross"]
    return [
        _fact(
            words.say("settled_in"),
            money(outcomes["principal"]),
            words.say("settled_in_note", count=outcomes["settled"]),
        ),
        _fact(words.say("settled_out"), money(outcomes["returned"]), words.say("settled_out_note")),
        _fact(
            words.say("settled_net"),
            gain(net),
            words.say("settled_net_note", share=share),
            tone(net),
        ),
        _fact(words.say("median_return"), change(middle), words.say("return_note"), tone(middle)),
        _fact(words.say("pooled_return"), change(pooled), words.say("pooled_note"), tone(pooled)),
        _fact(words.say("gross"), gain(gross), words.say("gross_note"), tone(gross)),
    ]


def _fees(words: Words, report: Row) -> list[Markup]:
    platform, referral = report["platform"], report["referral"]
    income = Decimal(platform["managementFee"]) + Decimal(platform["keptOfCut"])
    return [
        _fact(
            words.say("to_creators"),
            money(platform["paidToCreators"]),
            words.say("to_creators_note", amount=money(platform["profitShare"])),
        ),
        _fact(
            words.say("to_platform"),
            money(income),
            words.say(
                "to_platform_note",
                fee=money(platform["managementFee"]),
                cut=money(platform["keptOfCut"]),
            ),
        ),
        _fact(
            words.say("to_referrers"),
            money(platform["referralCost"]),
            words.say(
                "to_referrers_note", payees=referral["payees"], released=referral["released"]
            ),
        ),
    ]


def _fact(name: str, figure: str, note: str, kind: str | None = None) -> Markup:
    return tag(
        "div",
        tag("dt", name),
        tag("dd", figure, class_=join("num figure ", kind or "")),
        tag("dd", note, class_="note"),
        class_="card",
    )
