import { account } from "./account"
import { audit } from "./audit"
import { automation } from "./automation"
import { backtests } from "./backtests"
import { breakers } from "./breakers"
import { create } from "./create"
import { frame } from "./frame"
import { invest } from "./invest"
import { markets } from "./markets"
import { modes } from "./modes"
import { operate } from "./operate"
import { orders } from "./orders"
import { portfolios } from "./portfolios"
import { reference } from "./reference"
import { refusals, rules } from "./refusals"
import { report } from "./report"
import { risk } from "./risk"
import { statement } from "./statement"
import { steer } from "./steer"
import { strategyWords } from "./strategies"
import { study } from "./study"
import { venues } from "./venues"

export const zh = {
  ...frame,
  ...account,
  ...invest,
  ...audit,
  ...automation,
  ...backtests,
  ...breakers,
  ...create,
  ...markets,
  ...modes,
  ...operate,
  ...orders,
  ...portfolios,
  ...reference,
  ...report,
  ...risk,
  ...statement,
  ...steer,
  ...study,
  ...venues,
  refusals,
  rules,
  strategyWords,
}
