"""The words of a printed statement, in Chinese and in English."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

Pair = tuple[str, str]
"""Chinese, English."""


class Language(StrEnum):
    ZH = "zh"
    EN = "en"


TEXTS: Final[Mapping[str, Pair]] = MappingProxyType(
    {
        "title": ("账户对账单", "Account statement"),
        "owner": ("户主", "Owner"),
        "period": ("期间", "Period"),
        "period_note": ("含起始时刻，不含结束时刻", "the first moment included, the last not"),
        "currency": ("币种", "Currency"),
        "written": ("出具时间", "Drawn up"),
        "times": ("时间均为 UTC，按入账时间排列。", "Times are UTC, by the time of posting."),
        "summary": ("汇总", "Summary"),
        "account": ("账户", "Account"),
        "accounts": ("账户数", "Accounts"),
        "opening": ("期初余额", "Opening balance"),
        "change": ("本期变动", "Change"),
        "closing": ("期末余额", "Closing balance"),
        "entries": ("笔数", "Entries"),
        "total": ("合计", "Total"),
        "time": ("时间", "Time"),
        "type": ("类型", "Type"),
        "reference": ("参考号", "Reference"),
        "amount": ("金额", "Amount"),
        "balance": ("余额", "Balance"),
        "none": ("本期没有账户变动。", "Nothing was held or moved in this period."),
        "proof": (
            "每个账户：期初余额 + 各笔金额 = 期末余额。正数为平台代户主保管的金额。",
            "For each account: opening balance + amounts = closing balance."
            " What is positive is kept for the owner.",
        ),
        "end": ("对账单结束", "End of statement"),
    }
)

# The types of the asset log (specification 004-09), and what moves other accounts.
EVENTS: Final[Mapping[str, Pair]] = MappingProxyType(
    {
        "recharge": ("充值", "Deposit"),
        "withdraw": ("提现", "Withdrawal"),
        "contract": ("合约", "Contract"),
        "commission": ("佣金", "Commission"),
        "pool_in": ("转入收益池", "Into the pool"),
        "pool_out": ("转出收益池", "Out of the pool"),
        "income": ("收益", "Income"),
        "activate": ("激活", "activation"),
        "allocation": ("成交分配", "allocation of fills"),
        "cancel": ("取消", "cancellation"),
        "deposit": ("充值", "deposit"),
        "dust": ("零头接管", "remainder taken over"),
        "fill": ("成交", "fill"),
        "follow": ("跟单", "copy begun"),
        "funding": ("资金费用", "funding"),
        "income_accrual": ("收益计提", "income accrued"),
        "insurance": ("保险金", "insurance"),
        "leave": ("退出跟单", "copy left"),
        "referral_release": ("佣金释放", "commission released"),
        "reserve": ("占用本金", "principal reserved"),
        "reversal": ("冲正", "reversal"),
        "settlement": ("结算", "settlement"),
        "transfer": ("划转", "transfer to a venue"),
        "withdrawal": ("提现", "withdrawal"),
        "withdrawal_request": ("提现申请", "withdrawal asked for"),
        "withdrawal_return": ("提现退回", "withdrawal returned"),
    }
)

ACCOUNTS: Final[Mapping[str, Pair]] = MappingProxyType(
    {
        "wallet": ("钱包", "Wallet"),
        "reserved": ("占用本金", "Reserved principal"),
        "scope": ("独立账簿（现金）", "Isolated book (cash)"),
        "position": ("独立账簿（持仓成本）", "Isolated book (cost of a position)"),
        "holding": ("收益池持仓", "Pool holding"),
        "referral_pending": ("待释放佣金", "Commission in its hold"),
        "withdrawing": ("提现中", "Being withdrawn"),
        "fee:management": ("管理费", "Management fees"),
        "fee:platform": ("平台收入", "Platform's cut"),
        "fee:early_exit": ("提前赎回费", "Early exit fees"),
        "fee:profit_share": ("利润分成", "Profit share"),
        "insurance": ("保险金", "Insurance"),
        "income_expense": ("收益支出", "Income paid"),
        "external": ("外部资金", "Money outside"),
        "venue": ("交易场所资金", "Money at a venue"),
        "unallocated": ("待分配成交", "Fills not yet allocated"),
    }
)


def say(language: Language, key: str) -> str:
    """A fixed text."""
    return _pick(TEXTS[key], language)


def event_name(language: Language, name: str) -> str:
    """What moved an account; what has no name here is shown as it is."""
    return _pick(EVENTS.get(name, (name, name)), language)


def account_name(language: Language, kind: str) -> str:
    """What an account is for; what has no name here is shown as it is."""
    return _pick(ACCOUNTS.get(kind, (kind, kind)), language)


def account_order(kind: str) -> tuple[int, str]:
    """What comes first in a summary: the order of the names above, then all others."""
    known = list(ACCOUNTS)
    return known.index(kind) if kind in ACCOUNTS else len(known), kind


def _pick(pair: Pair, language: Language) -> str:
    return pair[0 if language is Language.ZH else 1]
