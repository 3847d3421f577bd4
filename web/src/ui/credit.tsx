import { useTranslation } from "react-i18next"

/** Whose the charts over time are: their licence asks that it be said, with this link, wherever they are shown. */
export function ChartCredit() {
  const { t } = useTranslation()
  return (
    <p className="text-muted-foreground text-xs">
      {t("about.charts")}{" "}
      <a
        className="focusable rounded underline"
        href="https://www.tradingview.com/"
        target="_blank"
        rel="noreferrer"
      >
        {t("about.chartsBy")}
      </a>
    </p>
  )
}
