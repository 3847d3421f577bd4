import type { LucideIcon } from "lucide-react"
import type { ComponentType } from "react"
import type { Permission } from "@/api/session"
import type { en } from "@/i18n/en"

type Texts = typeof en
export type Group = keyof Texts["groups"]

/**
 * One page: its address, what it is called (`pages.NAME`), who may open it (any one of the permissions will do) and
 * where its code is. A page with an icon stands in the navigation; the others are reached from there.
 */
export type Page = {
  path: string
  name: keyof Texts["pages"]
  group: Group
  needs: Permission | readonly Permission[]
  icon?: LucideIcon
  load: () => Promise<{ default: ComponentType }>
}

export const mayOpen = ({ needs }: Pick<Page, "needs">, permissions: readonly Permission[]) =>
  [needs].flat().some((one) => permissions.includes(one))
