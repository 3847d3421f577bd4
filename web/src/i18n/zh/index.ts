import { account } from "./account"
import { audit } from "./audit"
import { backtests } from "./backtests"
import { create } from "./create"
import { frame } from "./frame"
import { invest } from "./invest"
import { operate } from "./operate"
import { report } from "./report"
import { simulation } from "./simulation"
import { statement } from "./statement"
import { study } from "./study"

export const zh = {
  ...frame,
  ...account,
  ...invest,
  ...backtests,
  ...create,
  ...operate,
  ...audit,
  ...report,
  ...simulation,
  ...statement,
  ...study,
}
import { risk } from "./risk"

export const zh = { ...frame, ...account, ...invest, ...create, ...operate, ...audit, ...report, ...risk }
