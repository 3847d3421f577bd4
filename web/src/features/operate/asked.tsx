import { Link } from "@tanstack/react-router"
import { useTranslation } from "react-i18next"
import { useNow } from "@/lib/clock"
import { Button } from "@/ui/button"

/** What is said after a request: nothing has changed yet, and where somebody else decides it. */
export function Asked({ id }: { id: string }) {
  const { t } = useTranslation()
  return (
    <div role="status" className="space-y-2">
      <p>{t("asked.waits")}</p>
      <Button asChild>
        <Link to="/approvals" search={{ open: id } as never}>
          {t("asked.see")}
        </Link>
      </Button>
    </div>
  )
}

/** The business time, and the first moment of the day so many days after it; undefined until it is known. */
export function useBusinessTime() {
  const now = useNow()
  return {
    now,
    dayAfter: (days: number) =>
      now &&
      new Date(Date.parse(`${now.slice(0, 10)}T00:00:00Z`) + days * 86_400_000).toISOString().slice(0, 10),
  }
}
