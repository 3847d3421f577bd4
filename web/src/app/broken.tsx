import type { ErrorComponentProps } from "@tanstack/react-router"
import { useEffect } from "react"
import { useTranslation } from "react-i18next"
import { Failed, isUnreachable } from "@/ui/states"

/** A page that could not be shown: what the matter is, and another try, which
 * comes by itself once there is a network again; the way to the other pages stays. */
export function Broken({ error }: ErrorComponentProps) {
  const { t } = useTranslation()
  const unreachable = error instanceof Error && isUnreachable(error)
  useEffect(() => {
    if (!unreachable) return
    const again = () => location.reload()
    addEventListener("online", again)
    return () => removeEventListener("online", again)
  }, [unreachable])
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
