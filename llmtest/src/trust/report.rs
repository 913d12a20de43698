//! Everything that labels say of a judge, as lines for people and programs, and whether the judge may gate.

use super::noise::ENOUGH_ITEMS;
use super::said::{above, kind, label, score, verdict};
use super::{
    Classes, Confusion, Correlation, Figure, Item, Level, Mark, Noise, PairRule, Pairs, Side,
    Weights, alpha, by_group, cohen, effective_n,
};
use crate::stats::design_effect;
use serde::{Deserialize, Serialize};
use std::fmt::Write;

/// What the labels are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Yes or no.
    Binary,
    /// Which of two answers is better.
    Pairs,
    /// One of several words.
    Classes,
    /// Numbers.
    Numbers,
}

/// What a judge must reach to gate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Floor {
    /// Of Cohen's kappa with the labels.
    pub kappa: f64,
    /// Of sensitivity and specificity; of pairs, of the consistency over both orders.
    pub rate: f64,
}

impl Default for Floor {
    /// Kappa 0.6, and both rates 0.8.
    fn default() -> Self {
        Self {
            kappa: 0.6,
            rate: 0.8,
        }
    }
}

/// What makes yes and no of numbers: at least this is yes.
///
/// ```
/// use llmtest::trust::Bars;
///
/// // People gave one to five stars, and the judge a score in `0.0..=1.0`.
/// let bars = Bars { labels: Some(4.0), scores: Some(0.7) };
/// assert_ne!(bars, Bars::from(Some(0.7)));
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Bars {
    /// Of labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<f64>,
    /// Of the judge's scores, and of its verdicts where those are numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scores: Option<f64>,
}

/// One for both.
impl From<Option<f64>> for Bars {
    fn from(bar: Option<f64>) -> Self {
        Self {
            labels: bar,
            scores: bar,
        }
    }
}

impl Bars {
    fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// Whether a judge may gate.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Gate {
    /// Whether it reaches the floor.
    pub may: bool,
    /// What keeps it from it; for a judge that may, what to bear in mind.
    pub because: Vec<String>,
}

impl Gate {
    /// One sentence: `may not gate because specificity 0.71 < 0.80`.
    pub fn sentence(&self) -> String {
        let because = self.because.join("; ");
        match (self.may, because.is_empty()) {
            (true, true) => "may gate".to_string(),
            (true, false) => format!("may gate, but {because}"),
            (false, _) => format!("may not gate because {because}"),
        }
    }
}

/// A figure with its name and what it means.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// Its name, such as `sensitivity`.
    pub name: String,
    /// The figure.
    #[serde(flatten)]
    pub figure: Figure,
    /// What it means, in a few words.
    pub means: String,
}

/// What labels say of a judge.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Report {
    /// What the labels are.
    pub kind: Kind,
    /// What made yes and no of numbers.
    #[serde(default, skip_serializing_if = "Bars::is_none")]
    pub bars: Bars,
    /// Rows that were read.
    pub items: usize,
    /// Those on which people agree by majority; of numbers, those with a number.
    pub labelled: usize,
    /// Those of the labelled that have a verdict, or a score.
    pub judged: usize,
    /// Those of the labelled without a verdict: neither right nor wrong.
    pub missing: usize,
    /// Groups, where rows have them.
    pub groups: usize,
    /// The figures.
    pub figures: Vec<Line>,
    /// Of labels of yes and no: the counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confusion: Option<Confusion>,
    /// The judge's own noise, where it was asked several times.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub noise: Option<Noise>,
    /// Whether it may gate.
    pub gate: Gate,
}

impl Report {
    /// Of items that were read. Of numbers, `bars` make yes and no; an `Option<f64>` is one bar for labels, verdicts and
    /// scores.
    ///
    /// # Errors
    ///
    /// Fails if nothing is labelled, or nothing labelled was judged.
    ///
    /// ```
    /// use llmtest::trust::{Fields, Floor, Report, read};
    ///
    /// let rows = "{\"label\": true, \"verdict\": true}\n{\"label\": false, \"verdict\": true}";
    /// let items = read("rows.jsonl", rows, &Fields::default()).unwrap();
    /// let report = Report::of(&items, Floor::default(), None).unwrap();
    /// assert!(!report.gate.may);
    /// assert_eq!(report.figure("accuracy").unwrap().value, Some(0.5));
    /// ```
    pub fn of(items: &[Item], floor: Floor, bars: impl Into<Bars>) -> Result<Self, String> {
        let bars = bars.into();
        let cut: Vec<Item>;
        let items = if bars.is_none() {
            items
        } else {
            cut = items.iter().map(|item| above(item, bars)).collect();
            &cut
        };
        let kind = kind(items);
        let labelled: Vec<(&Item, Mark)> = items
            .iter()
            .filter_map(|item| Some((item, label(item, kind)?)))
            .collect();
        if labelled.is_empty() {
            return Err("no row has a label on which most people agree\nhint: `--label` names the field, or the list of what each person said".to_string());
        }
        let judged = |item: &Item| match kind {
            Kind::Numbers => score(item).is_some(),
            Kind::Pairs => item
                .verdicts
                .iter()
                .flatten()
                .any(|mark| Side::try_from(mark).is_ok()),
            Kind::Binary | Kind::Classes => verdict(item, kind).is_some(),
        };
        let judged = labelled.iter().filter(|(item, _)| judged(item)).count();
        if judged == 0 {
            return Err("no labelled row has a verdict\nhint: `--verdict` names the field; verdicts are true or false, yes or no, A, B or tie, or what `--word` explains".to_string());
        }
        let groups: Vec<&str> = items
            .iter()
            .filter_map(|item| item.group.as_deref())
            .collect();
        let mut report = Self {
            kind,
            bars,
            items: items.len(),
            labelled: labelled.len(),
            judged,
            missing: labelled.len() - judged,
            groups: by_group(groups.into_iter().map(|group| (group, ()))).len(),
            figures: Vec::new(),
            confusion: None,
            noise: None,
            gate: Gate::default(),
        };
        match kind {
            Kind::Binary => report.binary(&labelled),
            Kind::Pairs => report.pairs(&labelled),
            Kind::Classes => report.classes(&labelled),
            Kind::Numbers => report.gate.because.push("the labels are numbers, which have no error rates (`--bar 0.5` makes yes and no of them)".into()),
        }
        report.people(items);
        report.correlations(&labelled);
        report.grades(&labelled);
        report.repeats(&labelled);
        report.decide(floor);
        Ok(report)
    }

    /// The figure of this name.
    pub fn figure(&self, name: &str) -> Option<Figure> {
        self.figures
            .iter()
            .find(|line| line.name == name)
            .map(|line| line.figure)
    }

    fn push(&mut self, name: impl Into<String>, figure: Figure, means: impl Into<String>) {
        self.figures.push(Line {
            name: name.into(),
            figure,
            means: means.into(),
        });
    }

    fn binary(&mut self, labelled: &[(&Item, Mark)]) {
        let rows: Vec<(&Item, bool, bool)> = labelled
            .iter()
            .filter_map(|(item, label)| {
                Some((*item, label.binary()?, verdict(item, self.kind)?.binary()?))
            })
            .collect();
        let right = rows.iter().filter_map(|(item, label, said)| {
            Some((item.group.as_deref()?, f64::from(u8::from(label == said))))
        });
        let effect = design_effect(&by_group(right));
        let counts: Confusion = rows
            .iter()
            .map(|(_, label, said)| (*label, *said))
            .collect();
        let counts = counts.design_effect(effect);
        self.push("accuracy", counts.accuracy(), "verdicts that are right");
        self.push(
            "balanced accuracy",
            counts.balanced_accuracy(),
            "the mean of the next two",
        );
        self.push(
            "sensitivity",
            counts.sensitivity(),
            "of what people accept, passed by the judge",
        );
        self.push(
            "specificity",
            counts.specificity(),
            "of what people reject, failed by the judge",
        );
        self.push(
            "precision",
            counts.precision(),
            "of what the judge passes, accepted by people",
        );
        self.push("F1", counts.f1(), "of passing");
        self.push("Youden J", counts.youden(), "sensitivity + specificity - 1");
        self.push(
            "kappa",
            counts.kappa(),
            "agreement with the labels beyond chance",
        );
        self.confusion = Some(counts);
    }

    fn pairs(&mut self, labelled: &[(&Item, Mark)]) {
        let side = |mark: &Option<Mark>| mark.as_ref().and_then(|mark| Side::try_from(mark).ok());
        let rows = labelled.iter().filter_map(|(item, label)| {
            let said = |n: usize| item.verdicts.get(n).and_then(side);
            Some((Side::try_from(label).ok()?, [said(0), said(1)]))
        });
        let pairs = Pairs::new(rows.collect());
        if labelled.iter().all(|(item, _)| item.verdicts.len() < 2) {
            self.push(
                "accuracy",
                pairs.in_order(0),
                "verdicts that are right, in one order",
            );
            self.push(
                "kappa",
                pairs.kappa(PairRule::Net),
                "agreement with the labels beyond chance",
            );
            self.gate
                .because
                .push("the pairs were judged in one order only".into());
            return;
        }
        self.push(
            "accuracy",
            pairs.decided(PairRule::Net),
            "both orders together; one for each is a tie",
        );
        self.push(
            "accuracy, strict",
            pairs.decided(PairRule::Strict),
            "both orders right",
        );
        self.push(
            "accuracy of verdicts",
            pairs.both_orders(),
            "each order by itself",
        );
        self.push(
            "consistency",
            pairs.consistency(),
            "pairs with the same verdict in both orders",
        );
        self.push(
            "first shown",
            pairs.first_shown(),
            "verdicts for the answer shown first; 0.5 is no bias",
        );
        self.push(
            "kappa",
            pairs.kappa(PairRule::Net),
            "agreement with the labels beyond chance",
        );
        let lost = pairs.missing();
        if lost > 0 {
            self.gate
                .because
                .push(format!("{lost} pairs lack a verdict"));
        }
    }

    fn classes(&mut self, labelled: &[(&Item, Mark)]) {
        let mut known: Vec<String> = labelled.iter().map(|(_, label)| label.text()).collect();
        known.sort();
        known.dedup();
        let class = |mark: &Mark| known.iter().position(|text| *text == mark.text());
        let rows = labelled.iter().filter_map(|(item, label)| {
            Some((
                class(label)?,
                verdict(item, self.kind).and_then(|mark| class(&mark)),
            ))
        });
        let classes = Classes::new(known.len(), rows.collect());
        self.push("accuracy", classes.accuracy(), "verdicts that are right");
        self.push("macro precision", classes.precision(), "mean over classes");
        self.push(
            "macro recall",
            classes.recall(),
            "mean over classes; missing is not found",
        );
        self.push("macro F1", classes.f1(), "mean over classes");
        self.push(
            "kappa",
            classes.kappa(),
            "agreement with the labels beyond chance",
        );
    }

    /// How far people agree with each other.
    fn people(&mut self, items: &[Item]) {
        let raters = items
            .iter()
            .map(|item| item.labels.len())
            .max()
            .unwrap_or(0);
        if raters < 2 {
            return;
        }
        let mut known: Vec<Mark> = Vec::new();
        for mark in items.iter().flat_map(|item| item.labels.iter().flatten()) {
            if !known.contains(mark) {
                known.push(mark.clone());
            }
        }
        let numbers = self.kind == Kind::Numbers;
        let place = |mark: &Mark| known.iter().position(|other| other == mark);
        if !numbers {
            for second in 1..raters {
                for first in 0..second {
                    let said = |item: &Item, n: usize| item.labels.get(n)?.as_ref().and_then(place);
                    let both = items
                        .iter()
                        .filter_map(|item| Some((said(item, first)?, said(item, second)?)));
                    let kappa = cohen(&both.collect::<Vec<_>>(), known.len(), Weights::None);
                    self.push(
                        format!("people {} and {}, kappa", first + 1, second + 1),
                        kappa,
                        "people with each other, beyond chance",
                    );
                }
            }
        }
        let value = |mark: &Mark| {
            if numbers {
                mark.number()
            } else {
                place(mark).map(|n| n as f64)
            }
        };
        let units: Vec<Vec<f64>> = items
            .iter()
            .map(|item| item.labels.iter().flatten().filter_map(value).collect())
            .collect();
        let level = if numbers {
            Level::Interval
        } else {
            Level::Nominal
        };
        self.push(
            "people, alpha",
            alpha(&units, level),
            "Krippendorff's, all people together",
        );
        if numbers && grades(units.iter().flatten().copied()).is_some() {
            self.push(
                "people, alpha of ranks",
                alpha(&units, Level::Ordinal),
                "the same, of their order alone",
            );
        }
    }

    /// Agreement of grades: how far apart they are counts.
    fn grades(&mut self, labelled: &[(&Item, Mark)]) {
        if self.kind != Kind::Numbers {
            return;
        }
        let pairs: Vec<Vec<f64>> = labelled
            .iter()
            .filter_map(|(item, label)| Some(vec![label.number()?, score(item)?]))
            .collect();
        let Some((least, count)) = grades(pairs.iter().flatten().copied()) else {
            return;
        };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a few whole numbers from zero"
        )]
        let place = |value: f64| (value - least) as usize;
        let places: Vec<_> = pairs.iter().map(|p| (place(p[0]), place(p[1]))).collect();
        self.push(
            "kappa, quadratic",
            cohen(&places, count, Weights::Quadratic),
            "agreement of grades beyond chance, by their squared distance",
        );
        self.push(
            "alpha, ordinal",
            alpha(&pairs, Level::Ordinal),
            "Krippendorff's, of labels and scores by their order",
        );
    }

    fn correlations(&mut self, labelled: &[(&Item, Mark)]) {
        let pairs: Vec<(Option<&str>, (f64, f64))> = labelled
            .iter()
            .filter(|(item, _)| self.kind == Kind::Numbers || !item.scores.is_empty())
            .filter_map(|(item, label)| {
                Some((item.group.as_deref(), (score(item)?, label.number()?)))
            })
            .collect();
        if pairs.len() < 2 {
            return;
        }
        let grouped = pairs.iter().all(|(group, _)| group.is_some());
        let groups = by_group(pairs.iter().copied());
        let all: Vec<(f64, f64)> = pairs.iter().map(|(_, pair)| *pair).collect();
        for kind in Correlation::ALL {
            let figure = if grouped && groups.len() > 1 {
                kind.clustered(&groups)
            } else {
                kind.figure(&all)
            };
            self.push(
                kind.as_str(),
                figure,
                "of scores and labels, over the data set",
            );
        }
        if grouped {
            for kind in Correlation::ALL {
                let within = kind.within(&groups);
                let means = format!(
                    "mean over groups; undefined in {} of {}",
                    within.undefined,
                    groups.len()
                );
                self.push(
                    format!("{}, in groups", kind.as_str()),
                    within.figure,
                    means,
                );
            }
        }
    }

    fn repeats(&mut self, labelled: &[(&Item, Mark)]) {
        // Two verdicts of a pair are its two orders.
        if self.kind == Kind::Pairs {
            return;
        }
        let said: Vec<Vec<Mark>> = labelled
            .iter()
            .map(|(item, _)| item.verdicts.iter().flatten().cloned().collect())
            .collect();
        let scores: Vec<Vec<f64>> = labelled
            .iter()
            .map(|(item, _)| item.scores.clone())
            .collect();
        let noise = Noise::of(&said).or_else(|| Noise::of(&scores));
        self.noise = noise.map(|noise| noise.with_scores(&scores));
        if let Some(noise) = self.noise {
            self.push(
                "flipping",
                noise.flipping,
                format!("items whose verdict changes in {} askings", noise.repeats),
            );
            self.push(
                "E[flip]",
                noise.flip_rate,
                "verdicts that are not the item's usual one",
            );
        }
    }

    fn decide(&mut self, floor: Floor) {
        let mut checks = vec![("kappa", floor.kappa)];
        match self.kind {
            Kind::Binary => {
                checks.extend([("sensitivity", floor.rate), ("specificity", floor.rate)]);
            }
            Kind::Pairs => checks.push(("consistency", floor.rate)),
            Kind::Classes => {}
            Kind::Numbers => return,
        }
        let mut below = Vec::new();
        let mut near = std::mem::take(&mut self.gate.because);
        for (name, least) in checks {
            let figure = self.figure(name).unwrap_or_default();
            match figure.value {
                Some(value) if value >= least => {
                    if let Some(interval) = figure.interval.filter(|interval| interval.low < least)
                    {
                        near.push(format!(
                            "the interval of {name} reaches down to {:.2}, below {least:.2}",
                            interval.low
                        ));
                    }
                }
                Some(value) => below.push(format!("{name} {value:.2} < {least:.2}")),
                None => below.push(format!("{name} is undefined")),
            }
        }
        if let Some(noise) = self.noise.filter(|noise| noise.items < ENOUGH_ITEMS) {
            near.push(format!(
                "its noise is known of {} items only, and {ENOUGH_ITEMS} are advised",
                noise.items
            ));
        }
        self.gate.may = below.is_empty();
        self.gate.because = if self.gate.may { near } else { below };
    }

    /// The table for people.
    pub fn table(&self) -> String {
        let mut text = format!(
            "{} items, {} labelled, {} of them judged",
            self.items, self.labelled, self.judged
        );
        if self.missing > 0 {
            let _ = write!(
                text,
                ", {} without a verdict (neither right nor wrong)",
                self.missing
            );
        }
        if self.groups > 0 {
            let _ = write!(text, ", {} groups", self.groups);
        }
        text.push_str("\n\n");
        let width = self
            .figures
            .iter()
            .map(|line| line.name.chars().count())
            .max()
            .unwrap_or(0);
        for Line {
            name,
            figure,
            means,
        } in &self.figures
        {
            let value = figure
                .value
                .map_or_else(|| "undefined".to_string(), |value| format!("{value:.3}"));
            let interval = figure
                .interval
                .map(|i| format!("[{:.3}, {:.3}]", i.low, i.high))
                .unwrap_or_default();
            let _ = writeln!(
                text,
                "  {name:<width$}  {value:>9}  {interval:<16}  n={:<5} {means}",
                figure.n
            );
        }
        if let Some(noise) = self.noise {
            if let Some(error) = noise.majority_error {
                let _ = writeln!(
                    text,
                    "\nthe majority of {} verdicts is off in {:.1} % of items, were verdicts off independently",
                    noise.repeats,
                    error * 100.0
                );
            }
            if let Some(variance) = noise.variance {
                let _ = writeln!(text, "the variance within an item is {variance:.4}");
            }
        }
        if let Some(youden) = self.confusion.and_then(|counts| counts.youden().value) {
            let _ = writeln!(
                text,
                "\nin a comparison, 100 cases with this judge are worth {:.0} with labels",
                effective_n(100, youden)
            );
        }
        let _ = writeln!(text, "\nthe judge {}", self.gate.sentence());
        text
    }
}

/// The most grades of a scale that agreement is counted of grade by grade.
const GRADES: f64 = 11.0;

/// The least grade and how many there are up to the highest, where all values are whole and of a short scale.
fn grades(values: impl Iterator<Item = f64>) -> Option<(f64, usize)> {
    let (mut least, mut most) = (f64::INFINITY, f64::NEG_INFINITY);
    for value in values {
        if value.fract().abs() > 0.0 || !value.is_finite() {
            return None;
        }
        (least, most) = (least.min(value), most.max(value));
    }
    let count = most - least + 1.0;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "in range, by the check"
    )]
    let found = (2.0..=GRADES)
        .contains(&count)
        .then_some((least, count as usize));
    found
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;
