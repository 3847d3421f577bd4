const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true })!

/** A colour of the theme as rgba: charts that draw on a canvas do not read `oklch()`. */
export function cssColor(name: string, alpha = 1): string {
  canvas.clearRect(0, 0, 1, 1)
  canvas.fillStyle = getComputedStyle(document.documentElement).getPropertyValue(name)
  canvas.fillRect(0, 0, 1, 1)
  const [red, green, blue] = canvas.getImageData(0, 0, 1, 1).data
  return `rgba(${red}, ${green}, ${blue}, ${alpha})`
}
