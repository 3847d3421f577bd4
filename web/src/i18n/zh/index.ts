import { account } from "./account"
import { audit } from "./audit"
import { create } from "./create"
import { frame } from "./frame"
import { invest } from "./invest"
import { operate } from "./operate"
import { refusals } from "./refusals"
import { report } from "./report"
import { steer } from "./steer"
import { statement } from "./statement"
import { study } from "./study"

export const zh = {
  ...frame,
  ...account,
  ...invest,
  ...create,
  ...operate,
  ...audit,
  ...report,
  ...steer,
  refusals,
  ...statement,
  ...study,
}
