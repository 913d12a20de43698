//! What is judged and how, where a test brings nothing of its own.

use llmtest_metrics::{
    ArenaGEval, EvalCx, Field, GEval, Metric, Prompt, Result, Score, Template, TestCase,
};
use serde_json::{Value, json};

/// Questions with their reference, an answer that is right and one that is wrong beyond doubt.
const ITEMS: [[&str; 4]; 4] = [
    [
        "What is the capital of Australia?",
        "Canberra.",
        "The capital of Australia is Canberra.",
        "The capital of Australia is Sydney.",
    ],
    [
        "Who wrote the play Romeo and Juliet?",
        "William Shakespeare.",
        "It was written by William Shakespeare.",
        "It was written by Charles Dickens.",
    ],
    [
        "How many days do customers have to send shoes back?",
        "30 days.",
        "Customers have 30 days.",
        "Customers have 90 days.",
    ],
    [
        "Which gas do plants take from the air to grow?",
        "Carbon dioxide.",
        "They take in carbon dioxide.",
        "They take in helium.",
    ],
];

/// Answers that say nothing, each with its name; the question itself is one more.
pub(super) const NULLS: [(&str, &str); 4] = [
    ("empty", ""),
    ("full stop", "."),
    ("thought process", "Thought process:"),
    (
        "off topic",
        "Bananas are rich in potassium and keep well in a dry place.",
    ),
];

/// Words that make an answer longer and no better.
pub(super) const FILLER: &str = "This question deserves a thorough treatment. It has occupied people for a long time, and \
    there is a rich body of material on it, from early accounts to recent overviews. A careful answer begins with the terms: \
    what is asked, what would count as an answer, and how one could check it. It then weighs what speaks for each \
    possibility, and takes care to distinguish what is known from what is merely repeated. With all of this in mind, the \
    answer given above is the result of a systematic comparison of the available sources. Each step was documented, each \
    assumption was made explicit, and alternatives were considered before they were set aside. Readers who want to go \
    deeper will find that the same conclusion is reached along several independent lines of reasoning, which is a good sign \
    of its robustness. To summarise: the matter was examined from every side, the result is stated clearly at the \
    beginning, and the explanation shows how it fits into the larger picture.";

/// The right and the wrong answers, in equal order.
#[doc(hidden)]
pub fn shipped_cases() -> (Vec<TestCase>, Vec<TestCase>) {
    let case = |question: &str, reference: &str, answer: &str| {
        TestCase::new(question, answer).expected(reference)
    };
    let right = ITEMS.map(|[question, reference, right, _]| case(question, reference, right));
    let wrong = ITEMS.map(|[question, reference, _, wrong]| case(question, reference, wrong));
    (right.to_vec(), wrong.to_vec())
}

/// The yes/no question as a prompt.
#[doc(hidden)]
pub fn verdict_prompt(case: &TestCase) -> Result<Prompt> {
    let reference = case.expected.clone().unwrap_or_default();
    let shown = [
        ("question", case.input.clone()),
        ("reference answer", reference),
        ("answer", case.output.clone()),
    ];
    Template::new("selftest/verdict", include_str!("verdict.md"))
        .fenced_list("case", shown.map(|(title, text)| (title.to_string(), text)))
        .schema(json!({
            "type": "object",
            "properties": {"reason": {"type": "string"}, "verdict": {"type": "string", "enum": ["yes", "no"]}},
            "required": ["reason", "verdict"],
            "additionalProperties": false,
        }))
        .max_tokens(256)
        .prompt()
}

/// Whether the answer agrees with the reference: yes or no.
pub(super) struct Correct;

impl Metric for Correct {
    fn name(&self) -> &'static str {
        "correct"
    }

    async fn measure(&self, cx: &EvalCx<'_>) -> Result<Score> {
        let check = |value: &Value| match value["verdict"].as_str() {
            Some("yes" | "no") => Ok(()),
            _ => Err(r#"`verdict` must be "yes" or "no""#.to_string()),
        };
        let answer = cx
            .ask_checked::<Value>(verdict_prompt(cx.case)?, check)
            .await?;
        Ok(Score::from(answer.value["verdict"] == "yes"))
    }
}

/// The same as a grade.
pub(super) fn graded() -> GEval {
    let steps = [
        "Read the question and the expected answer.",
        "Give a high score if the actual output states the same fact, and the lowest if it states another one or none.",
    ];
    GEval::by_steps("correctness", steps).given([Field::Input, Field::Expected, Field::Output])
}

/// Which of two answers is right, by the reference where there is one.
pub(super) fn paired(by_reference: bool) -> ArenaGEval {
    if by_reference {
        let step = "Choose the answer that states the same fact as the expected answer.";
        let fields = [Field::Input, Field::Expected, Field::Output];
        ArenaGEval::by_steps("correctness", [step]).given(fields)
    } else {
        let step = "Choose the answer that serves the one who asked better, whatever its length.";
        ArenaGEval::by_steps("correctness", [step])
    }
}
