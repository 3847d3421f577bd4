"""Studies: which parameters of a strategy are best, and whether that is more than luck.

A study has a search **space** (a strategy's parameters, narrowed), one **objective** or several, a
**sampler** that chooses configurations in batches, and a **walk forward** that says where to learn
and where to be tested. Each configuration is one run of the kernel over the whole history; what it
did in each range is a slice of that run.

Every configuration ever evaluated stays in the **ledger** of trials, over all studies of a strategy
on the same bars. The deflated Sharpe ratio of a study's best counts them all, for a search that is
repeated until it pleases is one long search. Beside it the verdict (`promote`, `doubtful` or
`overfit`, with its reasons) rests on the probability of backtest overfitting, on what the choice
brought out of sample, on the best's neighbours, on the length of its record and on a bootstrap.

What a study cannot see: the same history under another beginning or end is another history to the
ledger, and what was tried elsewhere was never counted. A fold chooses among all configurations of
the study; a sampler proposed them, and pruning kept them, by other folds too, which may have
learned on the bars that this one is tested on. A grid without pruning is free of that, and the last
range (`holdout`) is kept from all. Of what was pruned there are no returns for PBO and plateau.

A killed study is resumed: its trials are told to a fresh sampler of the same seed in their order,
and those that ran are run again under their numbers. It runs in a process of its own, with low
priority and bounded memory, on this machine's processes or on a Ray or Dask cluster by its name.
"""

from commenda.studies.asked import ask_for_study
from commenda.studies.beside import (
    MarketSearch,
    OutOfSample,
    out_of_sample,
    run_here,
    search_market,
)
from commenda.studies.bodies import StudyRequest
from commenda.studies.bounds import refuse_corners_beyond_bounds
from commenda.studies.jobs import STUDIES, run_study_workflow
from commenda.studies.material import (
    Material,
    material_again,
    material_of_files,
    material_of_import,
)
from commenda.studies.measures import OBJECTIVES, Objective
from commenda.studies.model import (
    Outcome,
    Plan,
    Sampler,
    Study,
    StudyState,
    Trial,
    TrialState,
)
from commenda.studies.plain import plain
from commenda.studies.queries import (
    count_trials,
    find_study,
    ledger_of,
    studies_where,
    trials_of,
)
from commenda.studies.report import report_of
from commenda.studies.rules import Ledger
from commenda.studies.running import Progress, begin, cancel, run, summary
from commenda.studies.space import Dimension, Space, space_of, texts_of
from commenda.studies.splits import Range, Split, Walk, WalkForward, splits, walk_of
from commenda.studies.verdict import Evidence, Finding, Grade, Thresholds, Verdict, judge
from commenda.studies.workers import Backend, WorkerLost, Workers, be_modest, workers

__all__ = [
    "OBJECTIVES",
    "STUDIES",
    "Backend",
    "Dimension",
    "Evidence",
    "Finding",
    "Grade",
    "Ledger",
    "MarketSearch",
    "Material",
    "Objective",
    "OutOfSample",
    "Outcome",
    "Plan",
    "Progress",
    "Range",
    "Sampler",
    "Space",
    "Split",
    "Study",
    "StudyRequest",
    "StudyState",
    "Thresholds",
    "Trial",
    "TrialState",
    "Verdict",
    "Walk",
    "WalkForward",
    "WorkerLost",
    "Workers",
    "ask_for_study",
    "be_modest",
    "begin",
    "cancel",
    "count_trials",
    "find_study",
    "judge",
    "ledger_of",
    "material_again",
    "material_of_files",
    "material_of_import",
    "out_of_sample",
    "plain",
    "refuse_corners_beyond_bounds",
    "report_of",
    "run",
    "run_here",
    "run_study_workflow",
    "search_market",
    "space_of",
    "splits",
    "studies_where",
    "summary",
    "texts_of",
    "trials_of",
    "walk_of",
    "workers",
]
