import { useTranslation } from "react-i18next"
import { Id } from "@/ui/shown"

type Of = {
  ownerKind: "investor" | "creator" | "platform" | "product" | "venue"
  ownerId: string
  ownerName: string | null
}

/** Whose an account is: somebody by name, else what kind of owner, with the id. */
export function Owner({ of }: { of: Of }) {
  const { t } = useTranslation()
  return (
    <>
      {of.ownerName ?? t(`ownerOf.${of.ownerKind}`)} <Id id={of.ownerId} />
    </>
  )
}
