export const automation = {
  abilities: {
    names: {
      optimise: "Optimise parameters",
      promote: "Promote better parameters",
      rebalance: "Rebalance portfolios",
      equity: "Follow the equity",
      protect: "Protect positions",
      calendar: "Optimise by calendar and event",
      eliminate: "Retire strategies",
      onboard: "Bring in new strategies",
      slide: "Slide stop lines",
      hotlist: "Keep the hotlist",
    },
    modes: { off: "Off", recommending: "Recommends", acting: "Acts" },
    platform: "The platform",
  },
}
