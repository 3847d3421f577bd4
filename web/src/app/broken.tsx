import type { ErrorComponentProps } from "@tanstack/react-router"
import { useTranslation } from "react-i18next"
import { Failed } from "@/ui/states"

/** A page that could not be shown: what the matter is, and another try; the way to the other pages stays. */
export function Broken({ error }: ErrorComponentProps) {
  const { t } = useTranslation()
  return (
    <div className="space-y-2 p-4">
      <p>{t("state.broken")}</p>
      <Failed
        error={error instanceof Error ? error : new Error(String(error))}
        again={() => location.reload()}
      />
    </div>
  )
}
