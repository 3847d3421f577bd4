/** What `commenda simulate` makes (`simulate/report.py`): money and rates are decimal strings, moments are UTC. */
export type Simulation = {
  scenario: {
    title: string
    seed: number
    start: string
    end: string
    market: "simulated" | "recorded candles"
    symbols: string[]
    /** Of a candle, in seconds. */
    interval: number
    asset: string
    digest: string
  }
  investors: {
    investors: number
    deposited: string
    subscriptions: number
    subscribed: string
    refused: number
    states: { status: State; subscriptions: number; principal: string }[]
    outcomes: Outcomes
  }
  products: {
    profile: Profile
    termDays: number
    tier: string
    settled: number
    principal: string
    netReturn: string
    expectedReturn: string
    shareWithGain: string
  }[]
  creators: Creator[]
  platform: {
    managementFee: string
    profitShare: string
    paidToCreators: string
    keptOfCut: string
    referralCost: string
    insurancePaid: string
  }
  referral: {
    referredInvestors: number
    commissions: number
    amount: string
    payees: number
    released: number
  }
  liquidation: {
    orders: number
    notional: string
    fees: string
    slippageBps: string | null
    attempts: number
    retried: number
    failures: { reason: string | null; attempts: number }[]
    doors: { door: "investor" | "sweep" | "operator" | "margin"; subscriptions: number }[]
  }
  series: Series
  deviation: {
    profile: Profile
    termDays: number
    level: "NORMAL" | "WARNING" | "ALERT" | "INSUFFICIENT"
    subscriptions: number
    actual: string
    expected: string
  }[]
  allocation: {
    legs: number
    largestWeight: string | null
    mostCreators: number | null
    fewestCreators: number | null
    digest: string
  }
  counts: Record<Count, number> & { executionStatus: { status: ExecutionStatus; executions: number }[] }
  ledger: {
    totals: Record<string, string>
    balances: { kind: string; ownerKind: Owner; asset: string; accounts: number; balance: string }[]
    digest: string
  }
  verify: { clean: boolean; findings: string[] }
  reconciliation: {
    asOf: string
    unexplained: string
    lines: { subject: string; venue: string; ledger: string; explained: string; unexplained: string }[]
  }
}

export type Profile = "conservative" | "balanced" | "aggressive"
type State = "RESERVED" | "ACTIVE" | "MATURED" | "LIQUIDATING" | "LIQUIDATED" | "SETTLED" | "CANCELLED"
type Owner = "investor" | "creator" | "platform" | "product" | "venue"
type ExecutionStatus = "pending" | "executing" | "completed" | "partial" | "failed" | "skipped"

/** What is counted of the run, in the order in which it is told. */
export const COUNTS = [
  "signals",
  "executions",
  "orders",
  "fills",
  "allocations",
  "journals",
  "entries",
  "accounts",
  "scopes",
  "navPoints",
  "fundingPayments",
] as const
type Count = (typeof COUNTS)[number]

/** Holding-period returns on the principal, after all fees; nothing but `settled` where nothing has settled. */
export type Outcomes = { settled: number } & Record<
  | "principal"
  | "returned"
  | "netProfit"
  | "pooledReturn"
  | "shareWithGain"
  | "worst"
  | "p10"
  | "p25"
  | "median"
  | "p75"
  | "p90"
  | "best",
  string | null
>

export type Creator = {
  creator: string
  profile: Profile
  strategy: string
  symbol: string
  score: string
  maxDrawdown: string
  capital: string
  profitShare: string
  followers: number
  followedCapital: string
  signals: number
  ownReturnTwr: string
  followersProfit: string
  followersReturn: string | null
}

export type Series = {
  /** At each close of business, 00:00 UTC. */
  days: { at: string; active: number; books: number; principal: string; nav: string }[]
  /** Of all managed books and of those of each profile; null before it begins. */
  index: ({ at: string; all: string | null } & Partial<Record<Profile, string | null>>)[]
  returns: { from: string; to: string; settled: number }[]
  profits: { gross: string; gaining: number; gains: string; losing: number; losses: string }
  liquidation: {
    days: { at: string; through: number; refused: number }[]
    refusals: { at: string; refused: number }[]
    symbols: { symbol: string; orders: number; notional: string; slippageBps: string }[]
    waited: number
    medianHours: string | null
    longestHours: string | null
  }
  outages: { begin: string; end: string; symbol: string | null; reason: string }[]
}
