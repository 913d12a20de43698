"""The figures of the trust command, computed a second way: scipy for quantiles and correlations, formulas for the rest.

    python3 tests/reference/trust.py ../shared/data > tests/reference/trust.json

Every figure is [value, low, high]; null is undefined. Made with scipy 1.17.1 and numpy 2.4.6.
"""

import itertools
import json
import math
import pathlib
import sys

import numpy as np
import scipy
from scipy import stats

Z = float(stats.norm.ppf(0.975))
DATA = pathlib.Path(sys.argv[1])
OUT = {}


def rows(name, file):
    found = []
    for side in ("", "public", "heldout"):
        path = DATA / name / side / file
        if path.is_file():
            found += [json.loads(line) for line in path.read_text().splitlines() if line.strip()]
    return found


def put(key, value, low=None, high=None):
    OUT[key] = [None if v is None else float(v) for v in (value, low, high)]


def wilson(k, n):
    if n == 0:
        return None, None
    test = stats.binomtest(int(k), int(n)).proportion_ci(0.95, method="wilson")
    return test.low, test.high


def wilson_share(p, n):
    square = Z * Z / n
    centre, half = (p + square / 2) / (1 + square), Z / (1 + square) * math.sqrt(p * (1 - p) / n + square / (4 * n))
    return (0.0 if p <= 0 else max(0.0, centre - half)), (1.0 if p >= 1 else min(1.0, centre + half))


def share(key, k, n):
    put(key, k / n if n else None, *wilson(k, n))


def newcombe(k1, n1, k2, n2):
    (l1, u1), (l2, u2), p, q = wilson(k1, n1), wilson(k2, n2), k1 / n1, k2 / n2
    return p - q, p - q - math.hypot(p - l1, u2 - q), p - q + math.hypot(u1 - p, q - l2)


def mean_of_shares(key, values):
    """Wilson's interval for as many yes-or-no cases as would vary as much, at most four for each value."""
    values = np.array(values, float)
    n, m = len(values), float(values.mean())
    spread, variance = m * (1 - m), max(0.0, float((values**2).mean()) - m * m)
    ratio = 1.0 if abs(spread - variance) < 1e-12 else max(1.0, spread / max(variance, spread / 4))
    put(key, m, *wilson_share(m, n * ratio))


# The generator of the library, so that both draw the same resamples.
def draws(n, count=2000, seed=0x6C6C6D7465737431):
    steps = np.arange(1, n * count + 1, dtype=np.uint64)
    with np.errstate(over="ignore"):
        z = np.uint64(seed) + steps * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
        low, high, n64 = z & np.uint64(0xFFFFFFFF), z >> np.uint64(32), np.uint64(n)
        index = (high * n64 + ((low * n64) >> np.uint64(32))) >> np.uint64(32)
    return index.astype(int).reshape(count, n)


def bootstrap(n, statistic):
    values = sorted(v for v in (statistic(d) for d in draws(n)) if v is not None and math.isfinite(v))
    if len(values) <= 1000:
        return None, None
    low, high = values[len(values) // 40], values[len(values) - 1 - len(values) // 40]
    return (low, high) if abs(low - high) > 1e-12 * (1 + abs(low)) else (None, None)


def kappa(key, pairs, classes):
    table = np.zeros((classes, classes))
    for a, b in pairs:
        table[a, b] += 1
    n = table.sum()
    p = table / n
    r, c = p.sum(1), p.sum(0)
    po, pe = np.trace(p), float(r @ c)
    if 1 - pe < 1e-12:
        return put(key, None)
    k = (po - pe) / (1 - pe)
    # Fleiss, Cohen and Everitt (1969), as in Agresti, Categorical Data Analysis.
    a = sum(p[i, i] * (1 - (r[i] + c[i]) * (1 - k)) ** 2 for i in range(classes))
    b = (1 - k) ** 2 * sum(p[i, j] * (c[i] + r[j]) ** 2 for i in range(classes) for j in range(classes) if i != j)
    variance = (a + b - (k - pe * (1 - k)) ** 2) / (n * (1 - pe) ** 2)
    if variance > 1e-12:
        return put(key, k, max(-1.0, k - Z * math.sqrt(variance)), min(1.0, k + Z * math.sqrt(variance)))
    low, high = wilson_share(min(1.0, po), n)
    put(key, k, *(min(1.0, max(-1.0, (x - pe) / (1 - pe))) for x in (low, high)))


def correlations(key, pairs, names=("Pearson", "Spearman", "Kendall")):
    x, y = np.array(pairs, float).T
    n = len(x)
    for name in names:
        r = {"Pearson": stats.pearsonr, "Spearman": stats.spearmanr, "Kendall": stats.kendalltau}[name](x, y)[0]
        variance = {"Pearson": 1 / (n - 3), "Spearman": (1 + r * r / 2) / (n - 3), "Kendall": 0.437 / (n - 4)}[name]
        half = Z * math.sqrt(variance)
        put(f"{key} {name}", r, math.tanh(math.atanh(r) - half), math.tanh(math.atanh(r) + half))


def grouped(key, pairs):
    groups = {}
    for group, pair in pairs:
        groups.setdefault(group, []).append(pair)
    defined = []
    for group in groups.values():
        x, y = np.array(group, float).T
        if len(group) > 1 and len(set(x)) > 1 and len(set(y)) > 1:
            defined.append((stats.pearsonr(x, y)[0], stats.spearmanr(x, y)[0], stats.kendalltau(x, y)[0]))
    put(f"{key} groups used", len(defined))
    put(f"{key} groups undefined", len(groups) - len(defined))
    for name, values in zip(("Pearson", "Spearman", "Kendall"), zip(*defined)):
        mean, n = float(np.mean(values)), len(values)
        half = float(stats.t.ppf(0.975, n - 1)) * float(np.std(values, ddof=1)) / math.sqrt(n)
        put(f"{key} in groups {name}", mean, max(-1.0, mean - half), min(1.0, mean + half))


def fleiss_and_alpha(key, units):
    counts = np.array([[unit.count("no"), unit.count("yes")] for unit in units], float)

    def fleiss(d):
        c = counts[d]
        r = c[0].sum()
        observed = ((c * (c - 1)).sum(1) / (r * (r - 1))).mean()
        expected = ((c.sum(0) / c.sum()) ** 2).sum()
        return None if 1 - expected < 1e-12 else (observed - expected) / (1 - expected)

    def alpha(d):
        c = counts[d]
        observed = (c[:, 0] * c[:, 1] / (c.sum(1) - 1)).sum()
        totals = c.sum(0)
        expected = totals[0] * totals[1]
        return None if expected == 0 else 1 - (c.sum() - 1) * observed / expected

    every = np.arange(len(units))
    for name, statistic in (("Fleiss kappa", fleiss), ("alpha", alpha)):
        put(f"{key} {name}", statistic(every), *bootstrap(len(units), statistic))


def llmbar():
    data = rows("llmbar", "items.jsonl")
    subsets = ["Natural", "Neighbor", "GPTInst", "GPTOut", "Manual"]
    for judge in sorted({judge for row in data for judge in row["judges"]}):
        key, values = f"llmbar {judge}", {}
        for subset in subsets:
            of = [row for row in data if row["subset"] == subset and judge in row["judges"]]
            right = [sum(v == row["gold"] for v in row["judges"][judge]) / 2 for row in of]
            values[subset] = np.mean(right)
            mean_of_shares(f"{key} {subset}", right)
        put(f"{key} adversarial", np.mean([values[s] for s in subsets[1:]]))
        all_ = [(row["gold"], row["judges"][judge]) for row in data if judge in row["judges"]]
        share(f"{key} agree", sum(v[0] == v[1] for _, v in all_), len(all_))
        share(f"{key} agree given", sum(v[0] == v[1] for _, v in all_ if None not in v), sum(None not in v for _, v in all_))
        put(f"{key} missing", sum(None in v for _, v in all_))
        given = [[x == gold for x in v if x is not None] for gold, v in all_]
        mean_of_shares(f"{key} accuracy given", [np.mean(g) for g in given if g])


def pandalm():
    data = rows("pandalm", "items.jsonl")
    for a, b in itertools.combinations(range(3), 2):
        pairs = [(row["human"][a], row["human"][b]) for row in data]
        kappa(f"pandalm people {a + 1} and {b + 1} kappa", pairs, 3)
        share(f"pandalm people {a + 1} and {b + 1} agree", sum(x == y for x, y in pairs), len(pairs))
    majority = []
    for row in data:
        best = max(set(row["human"]), key=row["human"].count)
        majority.append(best if row["human"].count(best) > 1 else None)
    put("pandalm no majority", majority.count(None))
    for label in range(3):
        put(f"pandalm majority {label}", majority.count(label))
    for judge in ("gpt-3.5-turbo", "pandalm-7b"):
        key = f"pandalm {judge}"
        read = {"tie": 0, "0": 0, "1": 1, "2": 2}
        both = [(m, read.get(str(r["judges"][judge]["verdict"]).lower())) for r, m in zip(data, majority) if m is not None]
        put(f"{key} unparsable", sum(v is None for _, v in both))
        share(f"{key} accuracy of all", sum(m == v for m, v in both), len(both))
        share(f"{key} accuracy", sum(m == v for m, v in both), sum(v is not None for _, v in both))
        kappa(f"{key} kappa", [(m, v) for m, v in both if v is not None], 3)
        kappa(f"{key} kappa of all", [(m, 3 if v is None else v) for m, v in both], 4)
        said = np.array([(m, 3 if v is None else v) for m, v in both])

        def macro(d, which):
            drawn, sums = said[d], 0.0
            for c in range(3):
                is_, was = drawn[:, 0] == c, drawn[:, 1] == c
                top = (is_ & was).sum()
                part, whole = {"precision": (top, was.sum()), "recall": (top, is_.sum()), "F1": (2 * top, is_.sum() + was.sum())}[which]
                sums += part / whole if whole else 0.0
            return sums / 3

        for which in ("precision", "recall", "F1"):
            put(f"{key} macro {which}", macro(np.arange(len(said)), which), *bootstrap(len(said), lambda d: macro(d, which)))


def judgebench():
    data = rows("judgebench", "labels.jsonl")
    flip = {"A>B": "B>A", "B>A": "A>B", "A=B": "A=B", None: None}

    def category(source):
        names = {"livebench-reasoning": "Reasoning", "livebench-math": "Math", "livecodebench": "Coding"}
        return names.get(source, "Knowledge")

    for judge in sorted({judge for row in data for judge in row["judges"]}):
        of = [row for row in data if judge in row["judges"]]
        said = [(category(r["source"]), r["label"], r["judges"][judge][0], flip[r["judges"][judge][1]]) for r in of]

        def right(label, a, b):
            return sum((x == label) - (x == flip[label]) for x in (a, b)) > 0

        for name in ("Coding", "Knowledge", "Math", "Reasoning", "Overall"):
            part = [right(*row[1:]) for row in said if name in (row[0], "Overall")]
            share(f"judgebench {judge} {name}", sum(part), len(part))
        share(f"judgebench {judge} inconsistent", sum(a != b for _, _, a, b in said), len(said))
        put(f"judgebench {judge} null", sum(a is None or b is None for _, _, a, b in said))


def agents():
    data = rows("agent_judges_bc038", "cases.jsonl")
    for judge in ("naive", "phoenix", "deepeval", "opik"):
        key = f"agent_judges_bc038 {judge}"
        said = [(row["label"] == "correct", [e["verdict_pass"] for e in row["judges"][judge]]) for row in data]
        case = [(good, sum(v is True for v in vs) > sum(v is False for v in vs)) for good, vs in said]
        tp, fn = sum(g and v for g, v in case), sum(g and not v for g, v in case)
        fp, tn = sum(not g and v for g, v in case), sum(not g and not v for g, v in case)
        share(f"{key} false pass", fp, fp + tn)
        share(f"{key} false fail", fn, tp + fn)
        share(f"{key} accuracy", tp + tn, len(case))
        share(f"{key} sensitivity", tp, tp + fn)
        share(f"{key} specificity", tn, tn + fp)
        share(f"{key} precision", tp, tp + fp)
        low, high = wilson(tp, tp + fp + fn)
        put(f"{key} F1", 2 * tp / (2 * tp + fp + fn), 2 * low / (1 + low), 2 * high / (1 + high))
        j = newcombe(tp, tp + fn, fp, fp + tn)
        put(f"{key} Youden J", *j)
        put(f"{key} balanced accuracy", *((x + 1) / 2 for x in j))
        kappa(f"{key} kappa", [(int(g), int(v)) for g, v in case], 2)
        given = [[v for v in vs if v is not None] for _, vs in said]
        share(f"{key} flipping", sum(len(set(g)) > 1 for g in given), len(given))
        flips = np.array([1 - max(g.count(True), g.count(False)) / len(g) for g in given])
        half = float(stats.t.ppf(0.975, len(flips) - 1)) * flips.std(ddof=1) / math.sqrt(len(flips))
        # Values that are all equal say nothing of how others would vary.
        ends = (max(0.0, flips.mean() - half), min(1.0, flips.mean() + half)) if half > 0 else (None, None)
        put(f"{key} flip rate", flips.mean(), *ends)
        e = flips.mean()
        put(f"{key} majority error", float(stats.binom.sf(1, 3, e)))
        asked = [(good, v) for good, vs in said for v in vs]
        share(f"{key} evaluations accuracy of all", sum(bool(v) == g for g, v in asked), len(asked))
        share(f"{key} evaluations accuracy", sum(v == g for g, v in asked if v is not None), sum(v is not None for _, v in asked))
        # What 300 passes of 500 verdicts would be, corrected.
        corrected(key, tp, fn, fp, tn, 300, 500)


def corrected(key, tp, fn, fp, tn, passed, n):
    m1, m0, p = tp + fn, fp + tn, passed / n

    def invert(p, n, q1, m1, q0, m0):
        j = q1 + q0 - 1
        t = min(1.0, max(0.0, (p + q0 - 1) / j))
        v = p * (1 - p) / n + (1 - t) ** 2 * q0 * (1 - q0) / m0 + t**2 * q1 * (1 - q1) / m1
        return t, max(0.0, t - Z * math.sqrt(v) / j), min(1.0, t + Z * math.sqrt(v) / j)

    put(f"{key} Rogan-Gladen", *invert(p, n, tp / m1, m1, tn / m0, m0))
    w = n + Z * Z
    put(f"{key} Rogan-Gladen adjusted", *invert((passed + Z * Z / 2) / w, w, (tp + 1) / (m1 + 2), m1 + 2, (tn + 1) / (m0 + 2), m0 + 2))
    y = np.array([1] * (tp + fn) + [0] * (fp + tn), float)
    f = np.array([1] * tp + [0] * fn + [1] * fp + [0] * tn, float)
    u = np.array([1] * passed + [0] * (n - passed), float)
    lam = float(np.cov(y, f)[0, 1] / ((1 + len(y) / n) * np.concatenate([f, u]).var(ddof=1)))
    lam = min(1.0, max(0.0, lam))
    t = lam * u.mean() + (y - lam * f).mean()
    se = math.sqrt(lam**2 * u.var(ddof=1) / n + (y - lam * f).var(ddof=1) / len(y))
    put(f"{key} PPI++", t, max(0.0, t - Z * se), min(1.0, t + Z * se))
    put(f"{key} PPI++ lambda", lam)


def qags():
    items, votes = rows("qags_unieval", "items.jsonl"), rows("qags_unieval", "sentence_votes.jsonl")
    for name in ("cnndm", "xsum"):
        correlations(f"qags_unieval {name}", [(i["unieval"], i["human_consistency"]) for i in items if i["dataset"] == name])
        units = [s["votes"] for v in votes if v["dataset"] == name for s in v["sentences"]]
        put(f"qags_unieval {name} sentences", len(units))
        share(f"qags_unieval {name} unanimous", sum(len(set(u)) == 1 for u in units), len(units))
        fleiss_and_alpha(f"qags_unieval {name}", units)


def topicalchat():
    items = {row["id"]: row for row in rows("topicalchat_geval", "items.jsonl")}
    judged = rows("topicalchat_geval", "judge_chatgpt.jsonl")
    attributes = ["naturalness", "coherence", "engagingness", "groundedness"]
    for prompt in sorted({prompt for row in judged for prompt in row["scores"]}):
        for attribute in attributes:
            of = [row for row in judged if row["attribute"] == attribute and prompt in row["scores"]]
            pairs = [(r["dialog"], (float(np.mean(r["scores"][prompt])), items[r["id"]]["human"][attribute])) for r in of]
            key = f"topicalchat_geval {prompt} {attribute}"
            put(f"{key} n", len(pairs))
            correlations(key, [pair for _, pair in pairs])
            grouped(key, pairs)
    for attribute in attributes + ["understandability", "overall"]:
        correlations(f"topicalchat_geval UniEval {attribute}", [(i["unieval"][attribute], i["human"][attribute]) for i in items.values()])


for part in (llmbar, pandalm, judgebench, agents, qags, topicalchat):
    part()
print("{")
print(f'"made with": "scipy {scipy.__version__}, numpy {np.__version__}",')
print('"figures": {')
print(",\n".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in OUT.items()))
print("}}")
