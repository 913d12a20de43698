//! The figures of each data set, by the formulas of its README. Keys are those of `tests/reference/trust.py`.

use super::Found;

use llmtest::trust::{
    Classes, Confusion, Correlation, Figure, Level, Noise, PairRule, Pairs, Side, Weights, alpha,
    by_group, cohen, correct, fleiss, majority,
};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

pub(super) fn all(dir: &Path, found: &mut Found) -> Result<(), String> {
    llmbar(&rows(dir, "llmbar", "items")?, found);
    pandalm(&rows(dir, "pandalm", "items")?, found);
    judgebench(&rows(dir, "judgebench", "labels")?, found);
    agents(&rows(dir, "agent_judges_bc038", "cases")?, found);
    qags(
        &rows(dir, "qags_unieval", "items")?,
        &rows(dir, "qags_unieval", "sentence_votes")?,
        found,
    );
    topicalchat(
        &rows(dir, "topicalchat_geval", "items")?,
        &rows(dir, "topicalchat_geval", "judge_chatgpt")?,
        found,
    );
    Ok(())
}

/// The rows of a file in the set's folder, or in `public` and `heldout` below it.
fn rows(dir: &Path, set: &str, file: &str) -> Result<Vec<Value>, String> {
    let mut rows = Vec::new();
    for side in ["", "public", "heldout"] {
        let path = dir.join(set).join(side).join(format!("{file}.jsonl"));
        let Ok(text) = std::fs::read_to_string(&path) else {
            continue;
        };
        for (number, line) in (1..).zip(text.lines()) {
            let row = serde_json::from_str(line);
            rows.push(row.map_err(|error| format!("{}:{number}: {error}", path.display()))?);
        }
    }
    if rows.is_empty() {
        return Err(format!("{} has no rows of {set}", dir.display()));
    }
    Ok(rows)
}

fn text<'a>(row: &'a Value, key: &str) -> &'a str {
    row[key].as_str().unwrap_or_default()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or(f64::NAN)
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// The names below `key` in any row.
fn names<'a>(rows: &'a [Value], key: &str) -> BTreeSet<&'a str> {
    rows.iter()
        .filter_map(|row| row[key].as_object())
        .flat_map(|map| map.keys().map(String::as_str))
        .collect()
}

fn side(value: &Value) -> Option<Side> {
    match value.as_str()? {
        "1" | "A>B" => Some(Side::First),
        "2" | "B>A" => Some(Side::Second),
        "A=B" => Some(Side::Tie),
        _ => None,
    }
}

fn llmbar(rows: &[Value], found: &mut Found) {
    for judge in names(rows, "judges") {
        let pairs = |subset: Option<&str>| {
            let of = rows
                .iter()
                .filter(|row| subset.is_none_or(|subset| row["subset"] == subset));
            // Both verdicts are in the numbering of the data already.
            Pairs::new(
                of.filter_map(|row| {
                    let said = list(row["judges"].get(judge)?);
                    Some((side(&row["gold"])?, [side(&said[0]), side(&said[1])]))
                })
                .collect(),
            )
        };
        let mut adversarial = Vec::new();
        for subset in ["Natural", "Neighbor", "GPTInst", "GPTOut", "Manual"] {
            let figure = pairs(Some(subset)).both_orders_of_all();
            if subset != "Natural" {
                adversarial.extend(figure.value);
            }
            found.put(format!("llmbar {judge} {subset}"), figure);
        }
        found.value(
            format!("llmbar {judge} adversarial"),
            Some(adversarial.iter().sum::<f64>() / adversarial.len() as f64),
        );
        let all = pairs(None);
        found.put(format!("llmbar {judge} agree"), all.consistency_of_all());
        found.put(format!("llmbar {judge} agree given"), all.consistency());
        found.count(format!("llmbar {judge} missing"), all.missing());
        found.put(format!("llmbar {judge} accuracy given"), all.both_orders());
    }
}

fn pandalm(rows: &[Value], found: &mut Found) {
    let people: Vec<Vec<usize>> = rows
        .iter()
        .map(|row| list(&row["human"]).iter().filter_map(class).collect())
        .collect();
    for (a, b) in [(0, 1), (0, 2), (1, 2)] {
        let pairs: Vec<(usize, usize)> = people.iter().map(|said| (said[a], said[b])).collect();
        let key = format!("pandalm people {} and {}", a + 1, b + 1);
        found.put(format!("{key} kappa"), cohen(&pairs, 3, Weights::None));
        let equal = pairs.iter().filter(|(one, other)| one == other).count();
        found.put(
            format!("{key} agree"),
            Figure::share(equal as u64, pairs.len() as u64),
        );
    }
    let labels: Vec<Option<usize>> = people.iter().map(|said| majority(said).copied()).collect();
    let count = |label: Option<usize>| labels.iter().filter(|found| **found == label).count();
    found.count("pandalm no majority", count(None));
    for label in 0..3 {
        found.count(format!("pandalm majority {label}"), count(Some(label)));
    }
    for judge in names(rows, "judges") {
        let pairs = rows
            .iter()
            .zip(&labels)
            .filter_map(|(row, label)| Some(((*label)?, class(&row["judges"][judge]["verdict"]))));
        let classes = Classes::new(3, pairs.collect());
        let key = format!("pandalm {judge}");
        found.count(format!("{key} unparsable"), classes.missing());
        for (name, figure) in [
            ("accuracy", classes.accuracy()),
            ("accuracy of all", classes.accuracy_of_all()),
            ("kappa", classes.kappa()),
            ("kappa of all", classes.kappa_of_all()),
            ("macro precision", classes.precision()),
            ("macro recall", classes.recall()),
            ("macro F1", classes.f1()),
        ] {
            found.put(format!("{key} {name}"), figure);
        }
    }
}

/// 0 is a tie.
fn class(value: &Value) -> Option<usize> {
    match value.as_str() {
        Some("Tie") => Some(0),
        Some(other) => other.parse().ok(),
        None => value.as_u64().and_then(|class| usize::try_from(class).ok()),
    }
}

fn judgebench(rows: &[Value], found: &mut Found) {
    let category = |row: &Value| match text(row, "source") {
        "livebench-reasoning" => "Reasoning",
        "livebench-math" => "Math",
        "livecodebench" => "Coding",
        _ => "Knowledge",
    };
    for judge in names(rows, "judges") {
        let pairs = |of: &str| {
            let of = rows
                .iter()
                .filter(|row| of == "Overall" || category(row) == of);
            // The second verdict is of the swapped answers, in their numbering.
            Pairs::new(
                of.filter_map(|row| {
                    let said = list(row["judges"].get(judge)?);
                    Some((
                        side(&row["label"])?,
                        [side(&said[0]), side(&said[1]).map(Side::flipped)],
                    ))
                })
                .collect(),
            )
        };
        for name in ["Coding", "Knowledge", "Math", "Reasoning", "Overall"] {
            found.put(
                format!("judgebench {judge} {name}"),
                pairs(name).decided_of_all(PairRule::Net),
            );
        }
        let all = pairs("Overall");
        let consistent = all.consistency_of_all();
        let equal = consistent.value.unwrap_or_default() * all.len() as f64;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a count"
        )]
        let equal = equal.round() as u64;
        let n = all.len() as u64;
        found.put(
            format!("judgebench {judge} inconsistent"),
            Figure::share(n - equal, n),
        );
        found.count(format!("judgebench {judge} null"), all.missing());
    }
}

fn agents(rows: &[Value], found: &mut Found) {
    for judge in names(rows, "judges") {
        let key = format!("agent_judges_bc038 {judge}");
        let said: Vec<(bool, Vec<Option<bool>>)> = rows
            .iter()
            .map(|row| {
                (
                    text(row, "label") == "correct",
                    list(&row["judges"][judge])
                        .iter()
                        .map(|asked| asked["verdict_pass"].as_bool())
                        .collect(),
                )
            })
            .collect();
        let given: Vec<Vec<bool>> = said
            .iter()
            .map(|(_, said)| said.iter().flatten().copied().collect())
            .collect();
        let counts: Confusion = said
            .iter()
            .zip(&given)
            .filter_map(|((good, _), said)| Some((*good, *majority(said)?)))
            .collect();
        for (name, figure) in [
            ("false pass", Figure::share(counts.false_pass, counts.bad())),
            (
                "false fail",
                Figure::share(counts.false_fail, counts.good()),
            ),
            ("accuracy", counts.accuracy()),
            ("sensitivity", counts.sensitivity()),
            ("specificity", counts.specificity()),
            ("precision", counts.precision()),
            ("F1", counts.f1()),
            ("Youden J", counts.youden()),
            ("balanced accuracy", counts.balanced_accuracy()),
            ("kappa", counts.kappa()),
        ] {
            found.put(format!("{key} {name}"), figure);
        }
        if let Some(noise) = Noise::of(&given) {
            found.put(format!("{key} flipping"), noise.flipping);
            found.put(format!("{key} flip rate"), noise.flip_rate);
            found.value(format!("{key} majority error"), noise.majority_error);
        }
        let asked: Vec<(bool, Option<bool>)> = said
            .iter()
            .flat_map(|(good, said)| said.iter().map(|verdict| (*good, *verdict)))
            .collect();
        let right = asked
            .iter()
            .filter(|(good, said)| *said == Some(*good))
            .count() as u64;
        let missing = asked.iter().filter(|(_, said)| said.is_none()).count() as u64;
        // The README counts no verdict as a fail.
        let failed = asked
            .iter()
            .filter(|(good, said)| said.unwrap_or(false) == *good)
            .count() as u64;
        found.put(
            format!("{key} evaluations accuracy of all"),
            Figure::share(failed, asked.len() as u64),
        );
        found.put(
            format!("{key} evaluations accuracy"),
            Figure::share(right, asked.len() as u64 - missing),
        );
        if let Ok(corrected) = correct(&counts, 300, 500) {
            found.put(
                format!("{key} Rogan-Gladen"),
                corrected.rogan_gladen.unwrap_or_default(),
            );
            found.put(
                format!("{key} Rogan-Gladen adjusted"),
                corrected.rogan_gladen_adjusted.unwrap_or_default(),
            );
            found.put(format!("{key} PPI++"), corrected.ppi.unwrap_or_default());
            found.value(format!("{key} PPI++ lambda"), corrected.lambda);
        }
    }
}

fn correlations(key: &str, pairs: &[(f64, f64)], found: &mut Found) {
    for kind in Correlation::ALL {
        found.put(format!("{key} {}", kind.as_str()), kind.figure(pairs));
    }
}

fn qags(items: &[Value], votes: &[Value], found: &mut Found) {
    for name in ["cnndm", "xsum"] {
        let key = format!("qags_unieval {name}");
        let of = |row: &&Value| text(row, "dataset") == name;
        let pairs: Vec<(f64, f64)> = items
            .iter()
            .filter(of)
            .map(|row| (number(&row["unieval"]), number(&row["human_consistency"])))
            .collect();
        correlations(&key, &pairs, found);
        let units: Vec<Vec<usize>> = votes
            .iter()
            .filter(of)
            .flat_map(|row| list(&row["sentences"]))
            .map(|sentence| {
                list(&sentence["votes"])
                    .iter()
                    .map(|vote| usize::from(vote == "yes"))
                    .collect()
            })
            .collect();
        found.count(format!("{key} sentences"), units.len());
        let unanimous = units
            .iter()
            .filter(|unit| unit.iter().all(|vote| *vote == unit[0]))
            .count();
        found.put(
            format!("{key} unanimous"),
            Figure::share(unanimous as u64, units.len() as u64),
        );
        found.put(format!("{key} Fleiss kappa"), fleiss(&units, 2));
        let values: Vec<Vec<f64>> = units
            .iter()
            .map(|unit| unit.iter().map(|vote| *vote as f64).collect())
            .collect();
        found.put(format!("{key} alpha"), alpha(&values, Level::Nominal));
    }
}

fn topicalchat(items: &[Value], judged: &[Value], found: &mut Found) {
    let human: BTreeMap<&str, &Value> = items
        .iter()
        .map(|row| (text(row, "id"), &row["human"]))
        .collect();
    let attributes = [
        "naturalness",
        "coherence",
        "engagingness",
        "groundedness",
        "understandability",
        "overall",
    ];
    for prompt in names(judged, "scores") {
        for attribute in &attributes[..4] {
            // Of an item without samples there is no score: it is left out.
            let pairs: Vec<(&str, (f64, f64))> = judged
                .iter()
                .filter(|row| text(row, "attribute") == *attribute)
                .filter_map(|row| {
                    let scores = list(row["scores"].get(prompt)?);
                    let mean = scores.iter().map(number).sum::<f64>() / scores.len() as f64;
                    Some((
                        text(row, "dialog"),
                        (mean, number(&human.get(text(row, "id"))?[attribute])),
                    ))
                })
                .collect();
            let key = format!("topicalchat_geval {prompt} {attribute}");
            found.count(format!("{key} n"), pairs.len());
            correlations(
                &key,
                &pairs.iter().map(|(_, pair)| *pair).collect::<Vec<_>>(),
                found,
            );
            let groups = by_group(pairs);
            for kind in Correlation::ALL {
                found.grouped(&key, kind.as_str(), kind.within(&groups));
            }
        }
    }
    for attribute in attributes {
        let pairs: Vec<(f64, f64)> = items
            .iter()
            .map(|row| {
                (
                    number(&row["unieval"][attribute]),
                    number(&row["human"][attribute]),
                )
            })
            .collect();
        correlations(
            &format!("topicalchat_geval UniEval {attribute}"),
            &pairs,
            found,
        );
    }
}
