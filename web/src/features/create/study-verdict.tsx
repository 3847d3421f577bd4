import { useTranslation } from "react-i18next"
import type { Schemas } from "@/api/client"
import { Card } from "@/ui/card"
import { Quantity, Statistic } from "@/ui/shown"
import { Empty } from "@/ui/states"
import { Table } from "@/ui/table"
import { rounded } from "./readings"
import { useObjective, Verdict } from "./study-marks"

type Result = Schemas["ResultView"]
type Finding = Schemas["FindingView"]

/** The verdict with what stands against promotion, or for it; then what each test found. */
export function Judged({ result: { verdict, findings } }: { result: Result }) {
  const { t } = useTranslation()
  const against = findings.filter((one) => one.grade !== "promote")
  return (
    <>
      <Card title={t("study.verdict")} actions={<Verdict grade={verdict} />}>
        <p>{t(`gradeWords.${verdict}`)}</p>
        <ul className="mt-2 list-disc space-y-1 pl-5">
          {(against.length ? against : findings).map((one) => (
            <Reason key={one.test} finding={one} />
          ))}
        </ul>
      </Card>
      <Card title={t("study.findings")} flush>
        <Table
          label={t("study.findings")}
          rows={findings}
          id={(row) => row.test}
          empty={<Empty title={t("state.nothing")} />}
          columns={[
            {
              key: "test",
              head: t("study.test"),
              cell: (row) => t(`tests.${row.test}` as "tests.trades", { defaultValue: row.test }),
            },
            { key: "grade", head: t("study.grade"), cell: (row) => <Verdict grade={row.grade} /> },
            {
              key: "value",
              head: t("study.figure"),
              right: true,
              cell: (row) => <Quantity value={rounded(row.value)} />,
            },
            {
              key: "means",
              head: t("study.means"),
              cell: (row) => t(`testWords.${row.test}` as "testWords.trades", { defaultValue: row.says }),
            },
          ]}
        />
      </Card>
    </>
  )
}

/** One sentence with its figures; of a study that an older version kept, the sentence that it kept. */
function Reason({ finding: { reason, values, says } }: { finding: Finding }) {
  const { t, i18n } = useTranslation()
  // What is counted, where a sentence counts something: one of them is said otherwise than many.
  const told = { ...values, count: Number(values.neighbours ?? values.value ?? 0) }
  if (!reason || !i18n.exists(`studyReasons.${reason}`, told)) return <li lang="en">{says}</li>
  return <li>{t(`studyReasons.${reason}` as "studyReasons.flat", told)}</li>
}

/** In-sample against out-of-sample Sharpe ratio, fold by fold: what was learned, and what held. */
export function Folds({ label, folds }: { label: string; folds: readonly Schemas["FoldView"][] }) {
  const { t } = useTranslation()
  if (!folds.length) return <p className="text-muted-foreground">{t("study.noFolds")}</p>
  const head = (text: string, right = true) => (
    <th scope="col" className={`border-b py-1 font-normal ${right ? "text-right" : "text-left"}`}>
      {text}
    </th>
  )
  return (
    <table className="w-full self-start">
      <caption className="pb-1 text-left text-xs font-medium">{label}</caption>
      <thead className="text-muted-foreground text-xs">
        <tr>
          {head(t("study.fold"), false)}
          {head(t("study.inSample"))}
          {head(t("study.outOfSample"))}
        </tr>
      </thead>
      <tbody>
        {folds.map((fold, place) => (
          <tr key={place}>
            <th scope="row" className="border-b py-1 text-left font-normal">
              {place + 1}
            </th>
            {[fold.trainSharpe, fold.testSharpe].map((value, side) => (
              <td key={side} className="border-b py-1 text-right">
                <Statistic value={value} />
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  )
}

/** Each fold chooses what was best where it learned. */
export function Walked({ result, objective }: { result: Result; objective: string }) {
  const { t } = useTranslation()
  const name = useObjective()(objective)
  const rows = result.walked.map((one, place) => ({ ...one, place: place + 1 }))
  const figure = (key: keyof Schemas["FoldView"], head: string) => ({
    key,
    head,
    right: true,
    cell: (row: (typeof rows)[number]) => <Quantity value={rounded(row.fold[key])} />,
  })
  return (
    <Card title={t("study.walked")} flush>
      <Table
        label={t("study.walked")}
        rows={rows}
        id={(row) => String(row.place)}
        empty={<Empty title={t("study.noFolds")} />}
        columns={[
          { key: "fold", head: t("study.fold"), cell: (row) => row.place },
          { key: "chosen", head: t("study.chosen"), cell: (row) => t("study.trial", { number: row.number }) },
          ...(objective === "sharpe"
            ? []
            : [figure("train", t("study.learned", { name })), figure("test", t("study.tested", { name }))]),
          figure("trainSharpe", t("study.inSample")),
          figure("testSharpe", t("study.outOfSample")),
        ]}
      />
    </Card>
  )
}
