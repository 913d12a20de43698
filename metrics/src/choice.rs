//! One of several labels with its reason: what metrics ask that sort a whole into a class.

use crate::probability::{Labels, told};
use crate::{EvalCx, Result, Template, reason};
use serde_json::{Value, json};

/// What the judge chose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Choice {
    /// The index of the label.
    pub(crate) index: usize,
    /// Why; completes "because …", possibly empty.
    pub(crate) reason: String,
}

/// Asks for exactly one of these labels: `{"reason": "...", "verdict": "..."}`. Case counts, since labels may differ in it;
/// it does not where the labels are yes and no, for which a judge may also write a JSON boolean.
/// The template says what the labels are and what they mean; the schema lists them. Decided by probability, labels other
/// than yes and no are lettered options.
pub(crate) async fn choose(cx: &EvalCx<'_>, template: Template, labels: &[&str]) -> Result<Choice> {
    let yes_no = |label: &&str| matches!(*label, "yes" | "no");
    let decided = match labels.len() {
        2 if labels.iter().all(yes_no) => {
            cx.decide(template.clone(), &Labels::words(labels.to_vec()))
                .await?
        }
        2..=26 => {
            cx.decide(template.clone(), &Labels::lettered(labels.to_vec()))
                .await?
        }
        _ => None,
    };
    if let Some((index, read)) = decided {
        let reason = told(&read, index);
        return Ok(Choice { index, reason });
    }
    let prompt = template
        .schema(json!({
            "type": "object",
            "properties": {"reason": {"type": "string"}, "verdict": {"type": "string", "enum": labels}},
            "required": ["reason", "verdict"],
            "additionalProperties": false,
        }))
        .prompt()?;
    let reply = cx
        .ask_checked::<Value>(prompt, |value| read(value, labels).map(|_| ()))
        .await?;
    Ok(read(&reply.value, labels)?)
}

fn read(value: &Value, labels: &[&str]) -> Result<Choice, String> {
    let verdict = &value["verdict"];
    let given = match verdict {
        Value::Bool(true) => "yes",
        Value::Bool(false) => "no",
        Value::String(text) => text.trim(),
        _ => "",
    };
    let plain =
        given.trim_matches(|c: char| c.is_whitespace() || matches!(c, '"' | '`' | '\'' | '.'));
    let yes_no = labels.iter().all(|label| matches!(*label, "yes" | "no"));
    let exact = labels.iter().position(|label| *label == given);
    let near = || {
        labels
            .iter()
            .position(|label| *label == plain || (yes_no && label.eq_ignore_ascii_case(plain)))
    };
    let index = exact.or_else(near).ok_or_else(|| {
        let listed: Vec<String> = labels.iter().map(|label| format!("{label:?}")).collect();
        format!(
            "`verdict` must be exactly one of {}, but it is {verdict}",
            listed.join(", ")
        )
    })?;
    let why = value["reason"].as_str().unwrap_or_default();
    Ok(Choice {
        index,
        reason: reason::clause(why, reason::LONGEST),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_is_one_of_the_labels() {
        let choice = read(
            &json!({"reason": "It is.", "verdict": " \"good\". "}),
            &["bad", "good"],
        )
        .unwrap();
        assert_eq!((choice.index, choice.reason.as_str()), (1, "it is"));
        assert_eq!(
            read(&json!({"verdict": true}), &["yes", "no"])
                .unwrap()
                .index,
            0
        );
        for (verdict, labels, index) in [
            (json!("U.S."), ["U.S", "U.S."], 1),
            (json!("Yes."), ["yes", "no"], 0),
            (json!(false), ["yes", "no"], 1),
        ] {
            let choice = read(&json!({"verdict": verdict}), &labels).unwrap();
            assert_eq!(choice.index, index, "{verdict}");
        }
        for verdict in [json!("Good"), json!("excellent"), Value::Null] {
            let error = read(&json!({"verdict": verdict}), &["bad", "good"]).unwrap_err();
            assert!(
                error.contains(r#"exactly one of "bad", "good", but it is"#),
                "{error}"
            );
        }
    }
}
