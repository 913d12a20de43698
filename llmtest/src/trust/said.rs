//! What people, and the judge, say of an item together.

use super::{Bars, Item, Kind, Mark, Side, majority};

/// What the labels are.
pub(super) fn kind(items: &[Item]) -> Kind {
    let labels = || items.iter().flat_map(|item| item.labels.iter().flatten());
    if labels().all(|mark| Side::try_from(mark).is_ok()) {
        Kind::Pairs
    } else if labels().all(|mark| mark.binary().is_some()) {
        Kind::Binary
    } else if labels().all(|mark| mark.number().is_some()) {
        Kind::Numbers
    } else {
        Kind::Classes
    }
}

/// What people say together: their majority, or the mean of their numbers.
pub(super) fn label(item: &Item, kind: Kind) -> Option<Mark> {
    let said: Vec<Mark> = item.labels.iter().flatten().cloned().collect();
    match kind {
        Kind::Numbers => mean(said.iter().filter_map(Mark::number)).map(Mark::Number),
        Kind::Binary => {
            let said: Vec<bool> = said.iter().filter_map(Mark::binary).collect();
            majority(&said).map(|yes| if *yes { Mark::Yes } else { Mark::No })
        }
        Kind::Pairs | Kind::Classes => majority(&said).cloned(),
    }
}

/// What the judge says over its repeats.
pub(super) fn verdict(item: &Item, kind: Kind) -> Option<Mark> {
    let said = item.verdicts.iter().flatten();
    match kind {
        Kind::Binary => {
            let said: Vec<bool> = said.filter_map(Mark::binary).collect();
            majority(&said).map(|yes| if *yes { Mark::Yes } else { Mark::No })
        }
        _ => majority(&said.cloned().collect::<Vec<_>>()).cloned(),
    }
}

/// The mean of the judge's scores, or of verdicts that are numbers.
pub(super) fn score(item: &Item) -> Option<f64> {
    mean(item.scores.iter().copied())
        .or_else(|| mean(item.verdicts.iter().flatten().filter_map(Mark::number)))
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, n) = values.fold((0.0, 0_usize), |(sum, n), value| (sum + value, n + 1));
    (n > 0).then(|| sum / n as f64)
}

/// With yes and no for numbers at and below the bars.
pub(super) fn above(item: &Item, bars: Bars) -> Item {
    let yes = |value: f64, bar: f64| Some(if value >= bar { Mark::Yes } else { Mark::No });
    let numbers = item.labels.iter().flatten().filter_map(Mark::number);
    let people = bars.labels.zip(mean(numbers));
    let verdicts = bars.scores.map(|bar| {
        let cut = |mark: &Option<Mark>| match mark {
            Some(Mark::Number(value)) => yes(*value, bar),
            other => other.clone(),
        };
        if item.verdicts.is_empty() {
            item.scores.iter().map(|score| yes(*score, bar)).collect()
        } else {
            item.verdicts.iter().map(cut).collect()
        }
    });
    Item {
        labels: people.map_or_else(|| item.labels.clone(), |(bar, value)| vec![yes(value, bar)]),
        verdicts: verdicts.unwrap_or_else(|| item.verdicts.clone()),
        ..item.clone()
    }
}
