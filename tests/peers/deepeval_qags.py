"""DeepEval's G-Eval on rows of QAGS, beside ours: see README.md.

    python deepeval_qags.py --data ../../../shared/data/qags_unieval/items.jsonl --limit 60 --url http://127.0.0.1:8189

Talks to the model through counting_proxy.py at --url, two cases at a time, as `evaluate()` does it.
"""

import argparse
import json
import os
import time
import urllib.request
from pathlib import Path

os.environ.setdefault("DEEPEVAL_TELEMETRY_OPT_OUT", "YES")
os.environ.setdefault("DEEPEVAL_PER_TASK_TIMEOUT_SECONDS_OVERRIDE", "7200")
os.environ.setdefault("DEEPEVAL_PER_ATTEMPT_TIMEOUT_SECONDS_OVERRIDE", "300")

from deepeval import evaluate  # noqa: E402
from deepeval.evaluate.configs import AsyncConfig, CacheConfig, DisplayConfig, ErrorConfig  # noqa: E402
from deepeval.metrics import GEval  # noqa: E402
from deepeval.models import LocalModel  # noqa: E402
from deepeval.test_case import LLMTestCase, LLMTestCaseParams  # noqa: E402


def rows(path, limit):
    """The first half from CNN/DM, the other from XSUM, in the order of the file."""
    found = {"cnndm": [], "xsum": []}
    for line in Path(path).read_text().splitlines():
        row = json.loads(line)
        if len(found[row["dataset"]]) < limit // 2:
            found[row["dataset"]].append(row)
    return found["cnndm"] + found["xsum"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", required=True)
    parser.add_argument("--limit", type=int, default=60)
    parser.add_argument("--url", required=True)
    parser.add_argument("--model", default="qwen1.5b")
    parser.add_argument("--out")
    args = parser.parse_args()

    steps = Path(__file__).with_name("consistency_steps.txt").read_text().splitlines()
    metric = GEval(
        name="consistency",
        evaluation_steps=steps,
        evaluation_params=[LLMTestCaseParams.CONTEXT, LLMTestCaseParams.ACTUAL_OUTPUT],
        model=LocalModel(model=args.model, base_url=args.url + "/v1", api_key="none"),
        threshold=0.5,
    )
    labelled = rows(args.data, args.limit)
    cases = [
        LLMTestCase(
            input="Summarize the article.",
            actual_output=row["output"],
            context=row["context"],
            name=row["id"],
        )
        for row in labelled
    ]
    urllib.request.urlopen(urllib.request.Request(args.url + "/counted", data=b"", method="POST"))
    started = time.time()
    results = evaluate(
        cases,
        [metric],
        async_config=AsyncConfig(max_concurrent=2),
        error_config=ErrorConfig(ignore_errors=True),
        cache_config=CacheConfig(write_cache=False, use_cache=False),
        display_config=DisplayConfig(show_indicator=False, print_results=False),
    )
    seconds = time.time() - started
    counted = json.load(urllib.request.urlopen(args.url + "/counted"))
    labels = {row["id"]: row["human_consistency"] == 1.0 for row in labelled}
    scored, errors, agree, lines = 0, 0, 0, []
    for result in results.test_results:
        data = result.metrics_data[0] if result.metrics_data else None
        if data is None or data.error or data.score is None:
            errors += 1
            lines.append({"id": result.name, "error": str(data and data.error)})
            continue
        scored += 1
        agree += (data.score >= 0.5) == labels[result.name]
        lines.append({"id": result.name, "score": data.score, "label": labels[result.name]})
    errors += len(labels) - len(lines)
    if args.out:
        Path(args.out).write_text("".join(json.dumps(line) + "\n" for line in lines))
    print(json.dumps({
        "cases": len(labels), "scored": scored, "errors": errors, "agree": agree,
        "seconds": round(seconds, 1), **counted,
    }))


if __name__ == "__main__":
    main()
