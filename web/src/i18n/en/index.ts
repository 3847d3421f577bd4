import { account } from "./account"
import { audit } from "./audit"
import { create } from "./create"
import { frame } from "./frame"
import { invest } from "./invest"
import { operate } from "./operate"
import { reference } from "./reference"
import { report } from "./report"
import { simulation } from "./simulation"
import { statement } from "./statement"
import { study } from "./study"

/** Every word that the console says, in English, by the pages that say it. */
export const en = {
  ...frame,
  ...account,
  ...invest,
  ...create,
  ...operate,
  ...audit,
  ...reference,
  ...report,
  ...simulation,
  ...statement,
  ...study,
}
