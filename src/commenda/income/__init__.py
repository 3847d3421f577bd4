"""Pool income: products that pay a daily rate on what is put into them.

An investor subscribes an amount to a product and holds it: a *flexible* holding until it is
redeemed, a *fixed* one for a term. Each whole UTC day that it is held, it earns the product's daily
rate of that day; the day it is made, and the one it is redeemed, do not count.

    subscribe   wallet -> holding, the product's quota is less
    accrue      income of the day -> holding, for all holdings of a product, once, day by day
    distribute  what was accrued -> wallet, daily or weekly
    redeem      what is still due of both -> wallet, the quota is there again

Income is exact: a day pays amount · rate plus what the days before left over, rounded down to the
asset's decimals, and carries the rest. Rates are dated, and every day is accrued at its own,
however late. A redemption accrues what is over for itself, so that it pays the same before and
after the day's accrual. A fixed holding earns nothing after its term and waits to be redeemed;
before, it is redeemed only where the product allows an early exit, which may cost a share of the
income.

What each of them posts stands in the table of `commenda.ledger`.

`daily rate · 365` is the APR, which the specification calls APY; the APY compounds it.
"""

from commenda.income.accrual import accrue_due, accrue_product_day
from commenda.income.checks import CHECKS
from commenda.income.decisions import (
    CLOSING,
    NEW_PRODUCT,
    NEW_RATE,
    closing_changes,
    date_rate,
    offer_product,
    product_changes,
    rate_changes,
    take_off_market,
)
from commenda.income.distribution import distribute_due
from commenda.income.holdings import redeem, subscribe
from commenda.income.model import (
    RULES,
    Accrued,
    Cadence,
    Distributed,
    Holding,
    HoldingStatus,
    Product,
    ProductKind,
    Rate,
    Redemption,
    Terms,
)
from commenda.income.products import close_product, create_product, set_rate
from commenda.income.progress import accruals, days_to_accrue
from commenda.income.queries import (
    entries_of,
    holding_by_id,
    holdings_of,
    product_by_id,
    product_named,
    products,
    rates_of,
)
from commenda.income.rules import accrue, estimate, pool_income, require_positive

__all__ = [
    "CHECKS",
    "CLOSING",
    "NEW_PRODUCT",
    "NEW_RATE",
    "RULES",
    "Accrued",
    "Cadence",
    "Distributed",
    "Holding",
    "HoldingStatus",
    "Product",
    "ProductKind",
    "Rate",
    "Redemption",
    "Terms",
    "accruals",
    "accrue",
    "accrue_due",
    "accrue_product_day",
    "close_product",
    "closing_changes",
    "create_product",
    "date_rate",
    "days_to_accrue",
    "distribute_due",
    "entries_of",
    "estimate",
    "holding_by_id",
    "holdings_of",
    "offer_product",
    "pool_income",
    "product_by_id",
    "product_changes",
    "product_named",
    "products",
    "rate_changes",
    "rates_of",
    "redeem",
    "require_positive",
    "set_rate",
    "subscribe",
    "take_off_market",
]
