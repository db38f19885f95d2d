"""Does the study use the future? What would shortcuts have earned? Does a run come back to the byte?"""

import candlecast as cc

if __name__ == "__main__":
    sp500 = cc.sample("sp500")
    study = cc.Study(model=cc.Ridge(), folds=cc.WalkForward(folds=2), baselines=())
    print(cc.audit(study, sp500))
    result, folder = cc.run_study(study, sp500, runs="runs")
    print(result.verdict.has_edge, cc.replay(folder))
