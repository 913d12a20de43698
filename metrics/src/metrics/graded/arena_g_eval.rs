//! `ArenaGEval`.

use super::comparison::{Comparison, Contestant, Pairing};
use super::grading::Grading;
use super::masks::{TIE, label, listed, read, unmasked};
use crate::options::{Options, knobs, options};
use crate::{
    AnyJudge, Asker, Bar, BoxFuture, EvalCx, Field, Metric, Result, Score, TestCase, Trace, join,
    reason,
};
use serde_json::{Value, json};

/// The metadata that holds the rival where none is named.
const BASELINE: &str = "baseline";

/// Measures whether the output is preferred over a rival's: 1 if it is, 0.5 for a tie, 0 if the rival is; the mean over
/// several rivals.
///
/// As a metric, the contestants are the case itself and its rivals: contestants named with [`against`](Self::against), or
/// an answer that the case brings along ([`against_metadata`](Self::against_metadata), which is the default with the key
/// `baseline`, and [`against_expected`](Self::against_expected)). Default bar: at least 0.5, so that the output is no worse
/// than its rivals; strict: it must win every time.
///
/// As a function, [`compare`](Self::compare) ranks any number of contestants on one input, and
/// [`WinRates`](crate::WinRates) counts over many.
///
/// Judges prefer what they read first, or last. So contestants are compared in pairs, each pair in both orders: who is
/// chosen in both wins, and everything else is a tie (the protocol of Zheng et al. 2023, "Judging LLM-as-a-judge", section
/// 3.4). The judge sees answers A and B and never a name, and may call a tie itself. `n` contestants take `n(n-1)` calls.
/// DeepEval 4.3.1, after which the criteria and steps are, shows all contestants once, in one order, without ties.
///
/// Needs the fields it is given: `input` and `output` by default. `input` and `expected` must be the same for all.
///
/// ```
/// use llmtest_metrics::{ArenaGEval, FakeJudge, TestCase, measure_with};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let clearer = ArenaGEval::by_steps("clearer", ["Choose the answer that is easier to follow."]);
///
/// let judge = FakeJudge::new()
///     .reply(r#"{"reason": "Answer A is concrete.", "winner": "A"}"#)
///     .reply(r#"{"reason": "Answer B is concrete.", "winner": "B"}"#);
/// let case = TestCase::new("Refund?", "Within 30 days, by post.").metadata("baseline", "See our terms.");
/// let score = measure_with(&case, &clearer, judge).await.unwrap();
/// assert_eq!(score.value, 1.0);
/// assert_eq!(score.reason.unwrap(), "it is preferred over `baseline` in both orders (`output` is concrete)");
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct ArenaGEval {
    grading: Grading,
    fields: Vec<Field>,
    rivals: Vec<Rival>,
    options: Options,
}

/// Whom the output of a case is compared with.
#[derive(Debug, Clone)]
enum Rival {
    Contestant(Box<Contestant>),
    Metadata(String),
    Expected,
}

impl ArenaGEval {
    /// An arena of this name: the key in reports and baselines. Panics on an empty name or empty criteria.
    #[track_caller]
    pub fn new(name: impl Into<String>, criteria: impl Into<String>) -> Self {
        let (name, criteria) = (name.into(), criteria.into());
        Self::judging(Grading::by_criteria("ArenaGEval", name, criteria))
    }

    /// An arena of this name by steps alone, without criteria. Panics on an empty name, and without steps.
    #[track_caller]
    pub fn by_steps<S: Into<String>>(
        name: impl Into<String>,
        steps: impl IntoIterator<Item = S>,
    ) -> Self {
        Self::judging(Grading::by_steps("ArenaGEval", name.into(), steps))
    }

    fn judging(grading: Grading) -> Self {
        Self {
            grading,
            fields: super::DEFAULT_FIELDS.to_vec(),
            rivals: Vec::new(),
            options: options!("arena_g_eval": "steps", "winner"),
        }
    }

    /// Sets the steps by which the judge chooses, instead of having it write them.
    #[track_caller]
    pub fn steps<S: Into<String>>(mut self, steps: impl IntoIterator<Item = S>) -> Self {
        self.grading.set_steps(steps);
        self
    }

    /// Sets what the judge sees of each contestant's case. Panics on an empty list.
    #[track_caller]
    pub fn given(mut self, fields: impl IntoIterator<Item = Field>) -> Self {
        self.fields = fields.into_iter().collect();
        assert!(
            !self.fields.is_empty(),
            "`ArenaGEval` `{}` must be given at least one field to judge",
            self.grading.name()
        );
        self
    }

    /// Adds a rival, for the use as a metric.
    pub fn against(mut self, rival: Contestant) -> Self {
        self.rivals.push(Rival::Contestant(Box::new(rival)));
        self
    }

    /// Adds the answer under this key of the case's metadata as a rival, for the use as a metric.
    pub fn against_metadata(mut self, key: impl Into<String>) -> Self {
        self.rivals.push(Rival::Metadata(key.into()));
        self
    }

    /// Adds the reference answer as a rival, for the use as a metric.
    pub fn against_expected(mut self) -> Self {
        self.rivals.push(Rival::Expected);
        self
    }

    /// Compares contestants: each pair in both orders. It is an error if there are fewer than two, if a name comes twice,
    /// or if `input` or `expected` differ. For metrics of one's own; see also [`compare_with`](Self::compare_with).
    pub async fn compare(&self, cx: &EvalCx<'_>, contestants: &[Contestant]) -> Result<Comparison> {
        self.check(contestants)?;
        let names: Vec<&str> = contestants.iter().map(|one| one.name.as_str()).collect();
        let all: Vec<&Contestant> = contestants.iter().collect();
        self.seen(cx, &all)?;
        let steps = self.steps_for(cx).await?;
        let mut pairs: Vec<BoxFuture<'_, Result<Pairing>>> = Vec::new();
        for (at, one) in contestants.iter().enumerate() {
            for two in &contestants[at + 1..] {
                pairs.push(Box::pin(self.pair(cx, &steps, one, two)));
            }
        }
        Ok(Comparison::of(&names, join::all(pairs).await?))
    }

    /// As [`compare`](Self::compare), outside of a run: no recording, no configuration, only this judge.
    pub async fn compare_with(
        &self,
        contestants: &[Contestant],
        judge: impl Into<AnyJudge>,
    ) -> Result<Comparison> {
        let asker = Asker::standalone(Some(judge.into()));
        let (case, trace) = (TestCase::default(), Trace::default());
        self.compare(&EvalCx::new(&case, &trace, None, &asker), contestants)
            .await
    }

    /// Whether these can be compared.
    fn check(&self, contestants: &[Contestant]) -> Result<()> {
        let arena = self.grading.name();
        let [first, others @ ..] = contestants else {
            return Err(
                format!("`{arena}` compares at least two contestants, and there are none").into(),
            );
        };
        if others.is_empty() {
            let name = &first.name;
            return Err(format!(
                "`{arena}` compares at least two contestants, and there is only `{name}`"
            )
            .into());
        }
        for (at, other) in others.iter().enumerate() {
            let name = &other.name;
            if contestants[..=at].iter().any(|known| known.name == *name) {
                return Err(format!("`{arena}` has two contestants named `{name}`\nhint: give each a name of its own").into());
            }
            for (field, same) in [
                ("input", first.case.input == other.case.input),
                ("expected", first.case.expected == other.case.expected),
            ] {
                if !same {
                    return Err(format!("`{arena}` compares contestants on one `{field}`, but those of `{}` and `{name}` differ", first.name).into());
                }
            }
        }
        Ok(())
    }

    /// What the judge sees of these contestants, under labels: what they share once, then the rest of each.
    fn seen(&self, cx: &EvalCx<'_>, contestants: &[&Contestant]) -> Result<Vec<(String, String)>> {
        let mut seen = Vec::new();
        let mut own = Vec::new();
        for field in &self.fields {
            let text = |one: &&Contestant| cx.with_case(&one.case).need(self, *field);
            let texts: Vec<String> = contestants.iter().map(text).collect::<Result<_>>()?;
            let same = texts.iter().all(|text| *text == texts[0]);
            if *field != Field::Output && same {
                seen.push((field.title().to_string(), texts[0].clone()));
            } else {
                own.push((field, texts));
            }
        }
        for index in 0..contestants.len() {
            let label = label(index);
            for (field, texts) in &own {
                let title = match field {
                    Field::Output => format!("answer {label}"),
                    field => format!("answer {label}, {}", field.title()),
                };
                seen.push((title, texts[index].clone()));
            }
        }
        Ok(seen)
    }

    async fn steps_for(&self, cx: &EvalCx<'_>) -> Result<Vec<String>> {
        let title = |field: &Field| match field {
            field if is_shared(*field) => field.title().to_string(),
            Field::Output => "the answers".to_string(),
            field => format!("{} of each answer", field.title()),
        };
        let titles: Vec<String> = self.fields.iter().map(title).collect();
        self.grading
            .steps_for(cx, &self.options, &titles.join(", "))
            .await
    }

    /// Two contestants in both orders.
    async fn pair(
        &self,
        cx: &EvalCx<'_>,
        steps: &[String],
        one: &Contestant,
        two: &Contestant,
    ) -> Result<Pairing> {
        let orders: Vec<BoxFuture<'_, Result<Choice>>> = vec![
            Box::pin(async { self.choose(cx, steps, &[one, two]).await }),
            Box::pin(async { self.choose(cx, steps, &[two, one]).await }),
        ];
        let mut choices = join::all(orders).await?;
        let (back, forth) = (choices.pop(), choices.pop());
        let (Some(forth), Some(back)) = (forth, back) else {
            return Err("a pair is judged in two orders".into());
        };
        let winner = settled(forth.index, back.index);
        Ok(Pairing {
            first: one.name.clone(),
            second: two.name.clone(),
            winner: winner.map(|index| [one, two][index].name.clone()),
            swayed: forth.index.is_some() && forth.index == back.index,
            reasons: [forth.reason, back.reason],
        })
    }

    /// The judge's choice among contestants in this order.
    async fn choose(
        &self,
        cx: &EvalCx<'_>,
        steps: &[String],
        contestants: &[&Contestant],
    ) -> Result<Choice> {
        let labels: Vec<String> = (0..contestants.len()).map(label).collect();
        let named: Vec<String> = labels
            .iter()
            .map(|label| format!("\"answer {label}\""))
            .collect();
        let mut choices: Vec<String> = labels.iter().map(|label| format!("\"{label}\"")).collect();
        choices.push(format!("\"{TIE}\" if neither is better"));
        let mut values = labels.clone();
        values.push(TIE.to_string());
        let prompt = self
            .grading
            .template(&self.options, "winner", steps)
            .fenced_list("case", self.seen(cx, contestants)?)
            .text("answers", listed(&named, "and"))
            .text("choices", listed(&choices, "or"))
            .schema(json!({
                "type": "object",
                "properties": {"reason": {"type": "string"}, "winner": {"type": "string", "enum": values}},
                "required": ["reason", "winner"],
                "additionalProperties": false,
            }))
            .prompt()?;
        let answer = cx
            .ask_checked::<Value>(prompt, |value| read(value, &labels).map(|_| ()))
            .await?;
        let index = read(&answer.value, &labels)?;
        let names: Vec<&str> = contestants.iter().map(|one| one.name.as_str()).collect();
        let why = answer.value["reason"].as_str().unwrap_or_default();
        let why = unmasked(why, &labels, &names);
        Ok(Choice {
            index,
            reason: reason::clause(&why, reason::LONGEST),
        })
    }

    /// The rivals of a case.
    fn rivals_of(&self, case: &TestCase) -> Result<Vec<Contestant>> {
        let arena = self.grading.name();
        let default = [Rival::Metadata(BASELINE.to_string())];
        let rivals = if self.rivals.is_empty() {
            default.as_slice()
        } else {
            &self.rivals
        };
        let answering = |name: &str, output: Option<String>, hint: String| {
            let output = output.filter(|output| !output.is_empty());
            let output = output.ok_or_else(|| {
                format!(
                    "`{arena}` compares with `{name}`, which this case does not have\nhint: {hint}"
                )
            })?;
            // Only another answer: what the judge is given besides it is that of the case.
            let mut rival = case.clone();
            rival.output = output;
            Ok(Contestant::new(name, rival))
        };
        rivals
            .iter()
            .map(|rival| match rival {
                Rival::Contestant(contestant) => Ok((**contestant).clone()),
                Rival::Metadata(key) => {
                    let hint = format!("set it with `.metadata(\"{key}\", answer)`, or under `metadata` of the dataset row, or name a rival with `.against(…)`");
                    let value = case.metadata.get(key);
                    answering(key, value.map(crate::trace::value_text), hint)
                }
                Rival::Expected => {
                    let hint = "set it with `.expected(…)`, or as `\"expected\"` in the dataset row";
                    answering("expected", case.expected.clone(), hint.to_string())
                }
            })
            .collect()
    }
}

knobs!(ArenaGEval);

impl Metric for ArenaGEval {
    fn name(&self) -> &str {
        self.grading.name()
    }

    fn bar(&self) -> Bar {
        self.options.bar()
    }

    async fn measure(&self, cx: &EvalCx<'_>) -> Result<Score> {
        let own = Contestant::new("output", cx.case.clone());
        let rivals = self.rivals_of(cx.case)?;
        let mut all = vec![own.clone()];
        all.extend(rivals.iter().cloned());
        self.check(&all)?;
        self.seen(cx, &all.iter().collect::<Vec<_>>())?;
        let steps = self.steps_for(cx).await?;
        let pairs: Vec<BoxFuture<'_, Result<Pairing>>> = rivals
            .iter()
            .map(|rival| Box::pin(self.pair(cx, &steps, &own, rival)) as BoxFuture<'_, _>)
            .collect();
        let pairings = join::all(pairs).await?;
        Ok(self
            .options
            .clamp(score(&own.name, &pairings))
            .detail("steps", steps))
    }
}

/// The mean of the points in each pairing; there is at least one.
fn score(name: &str, pairings: &[Pairing]) -> Score {
    let points: f64 = pairings.iter().map(|pairing| pairing.points(name)).sum();
    let told: Vec<String> = pairings.iter().map(|pairing| told(name, pairing)).collect();
    let details: Vec<Value> = pairings
        .iter()
        .map(|pairing| {
            json!({
                "rival": pairing.second,
                "winner": pairing.winner,
                "swayed_by_order": pairing.swayed,
                "reasons": pairing.reasons,
            })
        })
        .collect();
    Score::new(points / pairings.len() as f64)
        .because(told.join("; "))
        .detail("pairings", details)
}

fn told(name: &str, pairing: &Pairing) -> String {
    let rival = &pairing.second;
    let [forth, back] = &pairing.reasons;
    match &pairing.winner {
        Some(winner) if winner == name => {
            format!("it is preferred over `{rival}` in both orders ({forth})")
        }
        Some(_) => format!("`{rival}` is preferred in both orders ({forth})"),
        None if pairing.swayed => format!(
            "the choice between it and `{rival}` changes with their order ({forth}; {back})"
        ),
        None => format!("it ties with `{rival}` ({forth}; {back})"),
    }
}

/// What the judge chose: the index of an answer in the order shown, or a tie.
struct Choice {
    index: Option<usize>,
    reason: String,
}

/// The winner of two that were shown in both orders, by its index in the first: who was chosen both times.
fn settled(forth: Option<usize>, back: Option<usize>) -> Option<usize> {
    match (forth, back) {
        (Some(forth), Some(back)) if forth + back == 1 => Some(forth),
        _ => None,
    }
}

/// Whether all contestants have the same of it.
fn is_shared(field: Field) -> bool {
    matches!(field, Field::Input | Field::Expected)
}

#[cfg(test)]
#[path = "arena_g_eval_tests.rs"]
mod tests;
