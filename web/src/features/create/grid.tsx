import type { ReactNode } from "react"

export type Cell = {
  text: ReactNode
  /** How strong its colour is, 0 to 1. */
  strength: number
  color?: "--primary" | "--up" | "--down"
  hint?: string
}

/** A small table whose cells are the more coloured the more they stand for; each says its figure, too. */
export function Grid({
  label,
  corner,
  columns,
  rows,
}: {
  label: string
  corner: ReactNode
  columns: readonly string[]
  rows: readonly { head: string; cells: readonly (Cell | null)[] }[]
}) {
  return (
    // A region that scrolls must be reachable by keyboard.
    <div className="focusable relative overflow-x-auto" role="region" aria-label={label} tabIndex={0}>
      <table className="w-full text-xs">
        <thead className="text-muted-foreground">
          <tr>
            <th scope="col" className="px-2 py-1 text-left font-normal whitespace-nowrap">
              {corner}
            </th>
            {columns.map((column) => (
              <th key={column} scope="col" className="px-2 py-1 text-right font-normal whitespace-nowrap">
                {column}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row, at) => (
            <tr key={at}>
              <th
                scope="row"
                className="text-muted-foreground px-2 py-1 text-left font-normal whitespace-nowrap"
              >
                {row.head}
              </th>
              {row.cells.map((cell, place) => (
                <td
                  key={place}
                  title={cell?.hint}
                  className="num border px-2 py-1 text-right whitespace-nowrap"
                  style={
                    cell
                      ? {
                          background: `color-mix(in oklab, var(${cell.color ?? "--primary"}) ${Math.round(cell.strength * 40)}%, transparent)`,
                        }
                      : undefined
                  }
                >
                  {cell?.text}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}
