import { useTranslation } from "react-i18next"

/** What a kind of journal is called; one that has no name here is shown as the books have it. */
export function useMovements() {
  const { t } = useTranslation()
  return (kind: string) =>
    t([`movements.${kind}`, `logTypes.${kind}`] as unknown as "movements.fill", { defaultValue: kind })
}

/** What a kind of account is called; its name in the books is what it is filtered by. */
export function useAccountKinds() {
  const { t } = useTranslation()
  return (kind: string) =>
    t(`bookAccounts.${kind.replace(":", "_")}` as "bookAccounts.wallet", { defaultValue: kind })
}
