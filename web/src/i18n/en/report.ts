export const report = {
  report: {
    unknown: "No report of the kind {{kind}}: this page is older than what wrote it.",
  },
}
