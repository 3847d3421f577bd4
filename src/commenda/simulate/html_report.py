"""The report of a simulation as one HTML page that needs nothing but itself.

`charts` says what such a page is.
"""

from __future__ import annotations

from decimal import Decimal

from commenda.charts import (
    LANGUAGES,
    Words,
    badge,
    buttons,
    change,
    fact,
    gain,
    html_page,
    minute,
    money,
    percent,
    section,
    tone,
)
from commenda.kit.markup import Markup, tag
from commenda.simulate import html_figures as figures
from commenda.simulate import html_operations as operations
from commenda.simulate import html_tables as tables
from commenda.simulate.html_texts import words_in
from commenda.simulate.plain import Row
from commenda.simulate.scenario import ASSET


def render(report: Row) -> str:
    """The whole page."""
    title = f"{report['scenario']['title']} · Commenda"
    return html_page(title, (_main(words_in(language), report) for language in LANGUAGES))


def _main(words: Words, report: Row) -> Markup:
    return tag(
        "main",
        _header(words, report),
        section(words, "key_figures", _key_figures(words, report)),
        section(
            words,
            "growth",
            figures.assets(words, report),
            figures.active(words, report),
            figures.index(words, report),
            figures.drawdown(words, report),
        ),
        section(
            words,
            "results",
            figures.returns(words, report),
            figures.expected(words, report),
            tables.quantiles(words, report),
            tables.products(words, report),
            tables.deviation(words, report),
        ),
        section(
            words,
            "creators",
            operations.own_and_followers(words, report),
            operations.own_and_drawdown(words, report),
            tables.creators(words, report),
        ),
        section(words, "money", operations.flow(words, report)),
        section(
            words,
            "operations",
            operations.outages(words, report),
            operations.tries(words, report),
            operations.slippage(words, report),
            operations.refusals(words, report),
            tables.doors(words, report),
        ),
        section(
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
        tag("div", tag("h1", scenario["title"]), buttons(words), class_="top"),
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
        badge(verified, report["verify"]["clean"]),
        badge(words.say("unexplained", amount=amount, asset=ASSET), Decimal(amount) == 0),
    ]


# --- key figures -----------------------------------------------------------------------------


def _key_figures(words: Words, report: Row) -> Markup:
    return tag("dl", *_people(words, report), *_results(words, report), *_fees(words, report))


def _people(words: Words, report: Row) -> list[Markup]:
    people = report["investors"]
    states = " · ".join(
        f"{words.name(row['status'])} {row['subscriptions']}" for row in people["states"]
    )
    return [
        fact(
            words.say("investors"),
            str(people["investors"]),
            words.say("investors_note", referred=report["referral"]["referredInvestors"]),
        ),
        fact(
            words.say("deposits"),
            money(people["deposited"]),
            words.say("deposits_note", amount=money(people["subscribed"])),
        ),
        fact(words.say("subscriptions"), str(people["subscriptions"]), states),
    ]


def _results(words: Words, report: Row) -> list[Markup]:
    outcomes = report["investors"]["outcomes"]
    if not outcomes["settled"]:
        return [fact(words.say("settled_in"), "-", words.say("nothing_settled"))]
    share = percent(outcomes["shareWithGain"], signed=False)
    net, middle, pooled = (outcomes[k] for k in ("netProfit", "median", "pooledReturn"))
    gross = report["series"]["profits"]["gross"]
    return [
        fact(
            words.say("settled_in"),
            money(outcomes["principal"]),
            words.say("settled_in_note", count=outcomes["settled"]),
        ),
        fact(words.say("settled_out"), money(outcomes["returned"]), words.say("settled_out_note")),
        fact(
            words.say("settled_net"),
            gain(net),
            words.say("settled_net_note", share=share),
            tone(net),
        ),
        fact(words.say("median_return"), change(middle), words.say("return_note"), tone(middle)),
        fact(words.say("pooled_return"), change(pooled), words.say("pooled_note"), tone(pooled)),
        fact(words.say("gross"), gain(gross), words.say("gross_note"), tone(gross)),
    ]


def _fees(words: Words, report: Row) -> list[Markup]:
    platform, referral = report["platform"], report["referral"]
    income = Decimal(platform["managementFee"]) + Decimal(platform["keptOfCut"])
    return [
        fact(
            words.say("to_creators"),
            money(platform["paidToCreators"]),
            words.say("to_creators_note", amount=money(platform["profitShare"])),
        ),
        fact(
            words.say("to_platform"),
            money(income),
            words.say(
                "to_platform_note",
                fee=money(platform["managementFee"]),
                cut=money(platform["keptOfCut"]),
            ),
        ),
        fact(
            words.say("to_referrers"),
            money(platform["referralCost"]),
            words.say(
                "to_referrers_note", payees=referral["payees"], released=referral["released"]
            ),
        ),
    ]
