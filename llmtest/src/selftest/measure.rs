//! Tries the parts.

use super::board::{Board, Clean, Part};
use super::report::{GotThrough, SelfTestPart};
use super::{Plan, Question, shipped};
use crate::text::clean;
use llmtest_metrics::{
    Attack, BoxFuture, Contestant, EvalCx, JudgeError, JudgeErrorKind, Metric, MissingField,
    NotApplicable, Result, Score, TestCase, Trace,
};
use serde_json::json;
use std::sync::Arc;

/// The name of the measurement over all attacks.
pub(super) const WHOLE: &str = "resists_attacks";

/// Where the requests are recorded.
const FOLDER: &str = "selftest";

/// On how many questions null answers are tried.
const NULL_QUESTIONS: usize = 2;

/// What one measurement of the check is about.
#[derive(Debug, Clone, Copy)]
pub(super) enum Measured {
    Part(Part),
    /// All attacks, as the families found.
    Whole,
}

pub(super) struct PartMetric {
    measured: Measured,
    name: String,
    plan: Arc<Plan>,
    board: Arc<Board>,
}

impl PartMetric {
    pub(super) fn new(measured: Measured, plan: Arc<Plan>, board: Arc<Board>) -> Self {
        let name = match measured {
            Measured::Whole => WHOLE.to_string(),
            Measured::Part(Part::Clean) => "right_without_attack".to_string(),
            Measured::Part(Part::Nulls) => "rejects_null_answers".to_string(),
            Measured::Part(Part::Orders) => "same_in_both_orders".to_string(),
            Measured::Part(Part::Length) => "not_misled_by_length".to_string(),
            Measured::Part(Part::Family(family)) => format!("resists_{family}"),
        };
        Self {
            measured,
            name,
            plan,
            board,
        }
    }
}

impl Metric for PartMetric {
    fn name(&self) -> &str {
        &self.name
    }

    async fn measure(&self, cx: &EvalCx<'_>) -> Result<Score> {
        let Self { plan, board, .. } = self;
        let found = match self.measured {
            Measured::Whole => {
                let mut parts = Vec::new();
                for family in plan.families() {
                    parts.push(board.part(Part::Family(family)).await?);
                }
                let whole = SelfTestPart::sum("attacks", &parts);
                if whole.of == 0 {
                    return Err("no attack could be tried: the judge rejects none of the wrong answers as they are\nhint: give clearer ones with `.wrong(…)`, or a stronger judge".into());
                }
                whole
            }
            Measured::Part(part) => {
                board
                    .run(part, async {
                        let trial = Trial { plan, cx };
                        match part {
                            Part::Clean => {
                                let (found, clean) = trial.clean().await?;
                                board.set_clean(clean);
                                Ok(found)
                            }
                            Part::Family(family) => {
                                let of = |attack: &&&Attack| attack.family() == family;
                                let attacks: Vec<&Attack> =
                                    plan.attacks.iter().filter(of).copied().collect();
                                let found = SelfTestPart::named(family.name());
                                trial.attacks(found, &attacks, board.clean().await?).await
                            }
                            Part::Nulls => trial.nulls().await,
                            Part::Orders => trial.orders().await,
                            Part::Length => trial.length(board.clean().await?).await,
                        }
                    })
                    .await?
            }
        };
        score(&found)
    }
}

/// The share that held.
fn score(found: &SelfTestPart) -> Result<Score> {
    let (Some(share), Some(interval)) = (found.share(), found.interval()) else {
        return Err(NotApplicable::because(match found.left_out + found.unreadable {
            0 => "there is nothing to try it on".to_string(),
            _ => format!(
                "{} tries were left out since the judge is wrong without them, and {} verdicts could not be read",
                found.left_out, found.unreadable
            ),
        })
        .into());
    };
    let mut reason = format!(
        "the judge held in {} of {} tries (95 % interval {:.2} to {:.2})",
        found.held, found.of, interval.low, interval.high
    );
    if let Some(first) = found.got_through.first() {
        let more = match found.got_through.len() - 1 {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        reason = format!("{reason}; {first}{more} got through");
    }
    let mut score = Score::new(share).because(reason);
    for (name, value) in [
        ("held", json!(found.held)),
        ("of", json!(found.of)),
        ("unreadable", json!(found.unreadable)),
        ("left_out", json!(found.left_out)),
        ("interval", json!([interval.low, interval.high])),
        ("got_through", json!(found.got_through)),
    ] {
        score = score.detail(name, value);
    }
    if !found.got_through.is_empty() {
        let lines: Vec<String> = found
            .got_through
            .iter()
            .map(GotThrough::to_string)
            .collect();
        score = score.exhibit(clean(&format!("got through:\n{}", lines.join("\n"))));
    }
    Ok(score)
}

/// What the judge said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    Passes,
    Fails,
    /// Nothing that could be read.
    Unreadable,
}

struct Trial<'a> {
    plan: &'a Plan,
    cx: &'a EvalCx<'a>,
}

/// One try, and the verdict that means that the judge held.
struct Try<'a> {
    what: String,
    question: &'a Question,
    case: TestCase,
    holds: Said,
}

impl Trial<'_> {
    /// Every answer as it is.
    async fn clean(&self) -> Result<(SelfTestPart, Clean)> {
        let mut tries = Vec::new();
        let (right, wrong) = (&self.plan.right, &self.plan.wrong);
        for question in &self.plan.questions {
            for (cases, what, holds) in [
                (right, "right answer", Said::Passes),
                (wrong, "wrong answer", Said::Fails),
            ] {
                tries.extend(cases.iter().map(|case| Try {
                    what: what.to_string(),
                    question,
                    case: case.clone(),
                    holds,
                }));
            }
        }
        let said = self.all(&tries).await?;
        let each = right.len() + wrong.len();
        let rejected = |said: &[Said]| {
            let wrong = said.iter().skip(right.len()).enumerate();
            wrong
                .filter(|(_, said)| **said == Said::Fails)
                .map(|(index, _)| index)
                .collect()
        };
        let clean = Clean {
            judge: self.cx.judge_model().unwrap_or_default().to_string(),
            rejected: said.chunks(each.max(1)).map(rejected).collect(),
        };
        Ok((counted(SelfTestPart::named("clean"), &tries, &said), clean))
    }

    async fn attacks(
        &self,
        mut found: SelfTestPart,
        attacks: &[&Attack],
        clean: Clean,
    ) -> Result<SelfTestPart> {
        let mut tries = Vec::new();
        for (question, rejected) in self.plan.questions.iter().zip(&clean.rejected) {
            let each = self.plan.each_on.min(self.plan.wrong.len());
            let tried = each.min(rejected.len());
            found.left_out += ((each - tried) * attacks.len()) as u64;
            let mut answers = rejected.iter().cycle();
            for attack in attacks {
                for index in answers.by_ref().take(tried) {
                    let mut case = self.plan.wrong[*index].clone();
                    case.output = attack.applied(&case.output, &question.aim);
                    tries.push(Try {
                        what: attack.name().to_string(),
                        question,
                        case,
                        holds: Said::Fails,
                    });
                }
            }
        }
        let said = self.all(&tries).await?;
        Ok(counted(found, &tries, &said))
    }

    async fn nulls(&self) -> Result<SelfTestPart> {
        let mut tries = Vec::new();
        for question in &self.plan.questions {
            for case in self.plan.wrong.iter().take(NULL_QUESTIONS) {
                let nulls = shipped::NULLS
                    .into_iter()
                    .chain([("question echoed", case.input.as_str())]);
                for (what, output) in nulls {
                    let mut case = case.clone();
                    case.output = output.to_string();
                    tries.push(Try {
                        what: what.to_string(),
                        question,
                        case,
                        holds: Said::Fails,
                    });
                }
            }
        }
        let said = self.all(&tries).await?;
        Ok(counted(SelfTestPart::named("nulls"), &tries, &said))
    }

    async fn orders(&self) -> Result<SelfTestPart> {
        let pairs: Vec<_> = self
            .plan
            .pairs()
            .map(|(right, wrong)| (right.clone(), wrong.clone()))
            .collect();
        self.pairs(SelfTestPart::named("orders"), "order", &pairs, |pairing| {
            !pairing.swayed
        })
        .await
    }

    async fn length(&self, clean: Clean) -> Result<SelfTestPart> {
        let long = |case: &TestCase| {
            let mut case = case.clone();
            case.output = format!("{}\n\n{}", case.output, shipped::FILLER);
            case
        };
        let mut found = SelfTestPart::named("length");
        let mut tries = Vec::new();
        for (question, rejected) in self.plan.questions.iter().zip(&clean.rejected) {
            found.left_out += (self.plan.wrong.len() - rejected.len()) as u64;
            tries.extend(rejected.iter().map(|index| Try {
                what: "wrong and long".to_string(),
                question,
                case: long(&self.plan.wrong[*index]),
                holds: Said::Fails,
            }));
        }
        let said = self.all(&tries).await?;
        let found = counted(found, &tries, &said);
        let pairs: Vec<_> = self
            .plan
            .pairs()
            .map(|(right, wrong)| (right.clone(), long(wrong)))
            .collect();
        self.pairs(found, "wrong and long", &pairs, |pairing| {
            pairing.winner.as_deref() != Some(WRONG)
        })
        .await
    }

    /// The verdicts on all of these, asked at once.
    async fn all(&self, tries: &[Try<'_>]) -> Result<Vec<Said>> {
        let verdicts = tries
            .iter()
            .map(|one| -> BoxFuture<'_, _> { Box::pin(self.verdict(one.question, &one.case)) });
        llmtest_metrics::__join(verdicts.collect()).await
    }

    async fn verdict(&self, question: &Question, case: &TestCase) -> Result<Said> {
        let (asker, trace) = (self.cx.filed_under(FOLDER), Trace::default());
        let cx = EvalCx::new(case, &trace, None, &asker);
        match question.metric.measure(&cx).await {
            Ok(score) if question.metric.bar().is_met_by(score.value) => Ok(Said::Passes),
            Ok(_) => Ok(Said::Fails),
            // An empty answer that a metric refuses does not pass.
            Err(error) if is_without_output(&error) => Ok(Said::Fails),
            Err(error) if is_unreadable(&error) => Ok(Said::Unreadable),
            Err(error) => Err(error),
        }
    }

    /// Right and wrong answers side by side.
    async fn pairs(
        &self,
        mut found: SelfTestPart,
        what: &str,
        pairs: &[(TestCase, TestCase)],
        held: impl Fn(&llmtest_metrics::Pairing) -> bool,
    ) -> Result<SelfTestPart> {
        let compared = pairs
            .iter()
            .map(|(right, wrong)| -> BoxFuture<'_, _> { Box::pin(self.compare(right, wrong)) });
        let compared = llmtest_metrics::__join(compared.collect()).await?;
        for ((right, _), pairing) in pairs.iter().zip(compared) {
            let Some(pairing) = pairing else {
                found.unreadable += 1;
                continue;
            };
            found.of += 1;
            if held(&pairing) {
                found.held += 1;
            } else {
                found.got_through.push(GotThrough {
                    what: what.to_string(),
                    metric: "pairwise".to_string(),
                    input: right.input.clone(),
                });
            }
        }
        Ok(found)
    }

    async fn compare(
        &self,
        right: &TestCase,
        wrong: &TestCase,
    ) -> Result<Option<llmtest_metrics::Pairing>> {
        let (asker, trace, case) = (
            self.cx.filed_under(FOLDER),
            Trace::default(),
            TestCase::default(),
        );
        let cx = EvalCx::new(&case, &trace, None, &asker);
        let contestants = [
            Contestant::new("right", right.clone()),
            Contestant::new(WRONG, wrong.clone()),
        ];
        match shipped::paired(right.expected.is_some())
            .compare(&cx, &contestants)
            .await
        {
            Ok(comparison) => Ok(comparison.pairings.into_iter().next()),
            Err(error) if is_unreadable(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// The contestant that must not win.
const WRONG: &str = "wrong";

fn counted(mut found: SelfTestPart, tries: &[Try<'_>], said: &[Said]) -> SelfTestPart {
    for (one, said) in tries.iter().zip(said) {
        if *said == Said::Unreadable {
            found.unreadable += 1;
            continue;
        }
        found.of += 1;
        if *said == one.holds {
            found.held += 1;
        } else {
            found.got_through.push(GotThrough {
                what: one.what.clone(),
                metric: one.question.metric.name().to_string(),
                input: one.case.input.clone(),
            });
        }
    }
    found
}

fn is_without_output(error: &llmtest_metrics::BoxError) -> bool {
    let missing = error.downcast_ref::<MissingField>();
    missing.is_some_and(|missing| missing.field == "output")
}

/// Nothing that was asked for: the measurement would be Errored or Skipped, and so let nothing pass.
fn is_unreadable(error: &llmtest_metrics::BoxError) -> bool {
    let judge = error.downcast_ref::<JudgeError>();
    judge.is_some_and(|error| error.kind == JudgeErrorKind::BadReply) || error.is::<NotApplicable>()
}
