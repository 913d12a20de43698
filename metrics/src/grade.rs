//! A grade from 0 to 1 with its reason: what metrics ask that judge a whole at once.

use crate::probability::Labels;
use crate::{EvalCx, Result, Score, Template, reason};
use serde_json::{Value, json};

/// A judge's grade.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Grade {
    /// In `0.0..=1.0`.
    pub(crate) score: f64,
    /// Why; completes "because …", possibly empty.
    pub(crate) reason: String,
}

impl Grade {
    /// The grade as a score.
    pub(crate) fn into_score(self) -> Score {
        Score::new(self.score).because(self.reason)
    }
}

/// Asks for a grade: `{"reason": "...", "score": <0.0 to 1.0>}`.
pub(crate) async fn grade(cx: &EvalCx<'_>, template: Template) -> Result<Grade> {
    grade_up_to(cx, template, 1.0).await
}

/// As [`grade`], for a part that is never more than the least of several: a number above 1 is 1.
pub(crate) async fn capped_grade(cx: &EvalCx<'_>, template: Template) -> Result<Grade> {
    let mut grade = grade_up_to(cx, template, f64::INFINITY).await?;
    grade.score = grade.score.min(1.0);
    Ok(grade)
}

async fn grade_up_to(cx: &EvalCx<'_>, template: Template, most: f64) -> Result<Grade> {
    let digits = cx.decide(template.clone(), &Labels::digits(0..=9)).await?;
    if let Some((index, read)) = digits {
        let (digit, p) = &read.probabilities[index];
        return Ok(Grade {
            score: (read.mean() / 9.0).clamp(0.0, 1.0),
            reason: format!("the likeliest grade is {digit} of 9 with probability {p:.2}"),
        });
    }
    let prompt = template
        .schema(json!({
            "type": "object",
            "properties": {"reason": {"type": "string"}, "score": {"type": "number"}},
            "required": ["reason", "score"],
            "additionalProperties": false,
        }))
        .prompt()?;
    let reply = cx
        .ask_checked::<Value>(prompt, |value| read(value, most).map(|_| ()))
        .await?;
    Ok(read(&reply.value, most)?)
}

fn read(value: &Value, most: f64) -> Result<Grade, String> {
    let score = number(&value["score"])
        .ok_or_else(|| format!("`score` must be a number, but it is {}", value["score"]))?;
    if !(0.0..=most).contains(&score) {
        return Err(format!(
            "`score` must be from 0.0 to 1.0, but it is {score}"
        ));
    }
    let why = value["reason"].as_str().unwrap_or_default();
    Ok(Grade {
        score,
        reason: reason::clause(why, reason::LONGEST),
    })
}

/// A number, also one that the judge put in quotes.
pub(crate) fn number(value: &Value) -> Option<f64> {
    value
        .as_f64()
        .or_else(|| value.as_str()?.trim().parse().ok())
        .filter(|number| number.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grade_is_a_number_from_0_to_1() {
        let grade = read(&json!({"reason": "It is.", "score": "0.5"}), 1.0).unwrap();
        assert_eq!((grade.score, grade.reason.as_str()), (0.5, "it is"));
        for (score, says) in [
            (json!(1.1), "from 0.0 to 1.0"),
            (json!(-0.1), "from 0.0 to 1.0"),
            (json!("high"), "must be a number"),
            (Value::Null, "must be a number"),
            (json!("NaN"), "must be a number"),
        ] {
            let error = read(&json!({"reason": "", "score": score}), 1.0).unwrap_err();
            assert!(error.contains(says), "{error}");
        }
    }
}
